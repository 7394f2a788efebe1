"""What a reader says of a transcript is found in every output; marks and other people are shown
and not counted; the person can be named.
"""

from __future__ import annotations

import csv
import html
import json
import re
import shutil
import wave
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

import twomind
from transcript_remarks import CASES, GERMAN, SENTENCE
from twomind.annotations import read_eaf
from twomind.cli.main import main
from twomind.core.errors import BadInput
from twomind.core.store import Store
from twomind.datasets import open_dataset
from twomind.features.describe import ASK_WHO, describe
from twomind.features.voice import speech_activity
from twomind.media import recording as media
from twomind.media.recording import open_recording
from twomind.pipeline.profiles import Clips, check_clip
from twomind.transcripts.words import Words, read_words
from twomind.types import Recording, Segment, Timing, Word

RATE_HZ = 16000
LENGTH_S = 9.5
#: When the person makes a sound, and when somebody else does.
OWN = ((1.0, 3.0), (3.6, 5.0), (7.0, 9.0))
TURNS = (Segment(5.4, 6.6, "Interviewer", "transcript"),)
MARKS = (Word("[noise]", 0.2, 0.8), Word("(2.3)", 6.6, 7.0))


def _write_sound(path: Path, length_s: float = LENGTH_S) -> Path:
    t = np.arange(int(length_s * RATE_HZ)) / RATE_HZ
    tone = sum(np.sin(2 * np.pi * 140 * k * t) / k for k in range(1, 12))
    sounding = np.zeros(len(t))
    for start_s, end_s in (*OWN, (5.5, 6.5)):
        sounding[(t >= start_s) & (t < end_s)] = 1.0
    swell = 0.3 + 0.7 * np.sin(2 * np.pi * 2 * t) ** 2
    noise = np.random.default_rng(0).normal(0, 0.0005, len(t))
    samples = (0.1 * tone * swell * sounding + noise) * 32767
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE_HZ, 0, "NONE", ""))
        file.writeframes(samples.astype("<i2").tobytes())
    return path


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


@pytest.fixture(autouse=True)
def _told_by_level(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silero takes the sounds that are made here for no speech; level and pitch tell them."""
    monkeypatch.setattr(speech_activity, "_silero_file", lambda: None)


@pytest.fixture
def answer(tmp_path: Path) -> Path:
    return _write_sound(tmp_path / "answer.wav")


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Callable[[Words], list[str | None]]:
    """Let the reader tell given words; what comes back are the speakers it was asked for."""

    def tell(words: Words) -> list[str | None]:
        asked: list[str | None] = []

        def read(_path: object, _duration_s: object = None, speaker: str | None = None) -> Words:
            asked.append(speaker)
            return words

        monkeypatch.setattr(media, "read_words", read)
        return asked

    return tell


def _said(text: str = SENTENCE) -> tuple[Word, ...]:
    """Words in the stretches in which the person makes a sound."""
    texts = text.split()
    edges = np.linspace(0, 5.4, len(texts) + 1)
    words = []
    for k, one in enumerate(texts):
        start_s, end_s = edges[k], edges[k + 1]
        words.append(Word(one, _in_own(start_s), max(_in_own(start_s), _in_own(end_s))))
    return tuple(words)


def _in_own(spoken_s: float) -> float:
    """Time on the recording after so many seconds of the person's speech."""
    for start_s, end_s in OWN:
        if spoken_s <= end_s - start_s:
            return float(start_s + spoken_s)
        spoken_s -= end_s - start_s
    return OWN[-1][1]


def _run(*arguments: object) -> Result:
    done = CliRunner().invoke(main, [str(a) for a in arguments])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def _rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _shown(page: Path) -> str:
    """The text of a page, without what its script reads."""
    text = page.read_text(encoding="utf-8")
    text = re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)
    return html.unescape(text)


def _remarks_of_cases(folder: Path) -> Iterator[str]:
    for case in CASES:
        try:
            words = read_words(case.write(folder), case.duration_s, case.speaker)
        except BadInput:
            continue
        yield from words.problems


def _outputs(done: Result, out: Path) -> dict[str, str]:
    """The text of everything that tells of a run with several answers."""
    found = {"--json": json.dumps(json.loads(done.stdout), ensure_ascii=False)}
    for name in ("answers.csv", "ledger.jsonl", "answer/summary.json", "answer/page.jsonl"):
        found[name] = (out / name).read_text(encoding="utf-8")
    found["transcript_notes.csv"] = (out / "answer" / "transcript_notes.csv").read_text("utf-8")
    for name in ("report.html", "answer/report.html"):
        found[name] = _shown(out / name)
    found["standard error"] = done.stderr
    return found


def _is_in(remark: str, text: str) -> bool:
    """Whether a text holds a remark, as it is or as JSON or CSV quotes it."""
    as_json = json.dumps(remark, ensure_ascii=False)[1:-1]
    as_csv = remark.replace('"', '""')
    twice = json.dumps(as_json, ensure_ascii=False)[1:-1]
    return any(form in text for form in (remark, as_json, as_csv, twice))


@pytest.mark.parametrize("verb", ["predict", "describe"])
def test_every_remark_is_in_every_output(
    verb: str, answer: Path, store: Path, tmp_path: Path, told: Callable[[Words], object]
) -> None:
    remarks = tuple(dict.fromkeys(_remarks_of_cases(tmp_path)))
    assert len(remarks) > 15
    told(Words(_said(), "made", problems=remarks))
    (tmp_path / "answer.srt").write_text("it is told what this says")
    other = _write_sound(tmp_path / "other.wav", 1.0)
    out = tmp_path / "out"
    done = _run(verb, answer, other, "--out", out, "--store", store, "--workers", 1, "--json")
    assert done.exit_code == 0, done.output
    outputs = _outputs(done, out)
    for name, text in outputs.items():
        lost = [remark for remark in remarks if not _is_in(remark, text)]
        assert not lost, f"{name} lacks {lost}"
    again = _run(verb, answer, other, "--out", out, "--store", store, "--workers", 1)
    assert "already done" in again.stderr
    assert all(_is_in(remark, again.stderr) for remark in remarks), "also when it is done already"


def test_the_reason_for_no_words_is_in_every_output_and_the_transcript_stays_visible(
    answer: Path, store: Path, tmp_path: Path
) -> None:
    segments = [{"start": 1, "end": 9, "text": GERMAN}]
    transcript = json.dumps({"language": "de", "segments": segments})
    (tmp_path / "answer.json").write_text(transcript)
    other = _write_sound(tmp_path / "other.wav", 1.0)
    out = tmp_path / "out"
    done = _run("predict", answer, other, "--out", out, "--store", store, "--workers", 1, "--json")
    reason = "the words are in another language (de); they are measured in English only"
    for name, text in _outputs(done, out).items():
        if name != "standard error":
            assert _is_in(reason, text), name
    told = _run("predict", answer, "--out", out, "--store", store)
    assert f"not scored: words: {reason}" in told.stdout
    assert "Words are needed" not in told.stderr, "there is a transcript"
    summary = json.loads((out / "answer" / "summary.json").read_text())
    assert summary["words"]["status"] == "not_measured"
    assert (summary["words"]["n"], summary["words"]["language"]) == (None, "de")
    assert summary["prediction"]["probability"] is None
    assert not [cue for cue in _rows(out / "answer" / "cues.csv") if cue["modality"] == "words"]
    shown = _shown(out / "answer" / "report.html")
    words = GERMAN.split()
    assert [row["word"] for row in _rows(out / "answer" / "words.csv")] == words
    assert all(f">{word}</span>" in shown for word in words)


def test_without_a_transcript_words_are_asked_for(
    answer: Path, store: Path, tmp_path: Path
) -> None:
    done = _run("predict", answer, "--out", tmp_path / "out", "--store", store)
    assert "Words are needed: put a transcript beside each film" in done.stderr
    assert not (tmp_path / "out" / "answer" / "transcript_notes.csv").exists()


def test_a_refused_transcript_is_not_asked_for_again(
    answer: Path, store: Path, tmp_path: Path, told: Callable[[Words], object]
) -> None:
    why = "two speakers (Ann 3 words, Bo 9 words); " + ASK_WHO
    told(Words((), "made", not_measured=why))
    (tmp_path / "answer.srt").write_text("it is told what this says")
    out = tmp_path / "out"
    done = _run("predict", answer, "--out", out, "--store", store)
    assert f"not scored: words: {why}" in done.stdout
    assert "Words are needed" not in done.stderr
    summary = json.loads((out / "answer" / "summary.json").read_text())
    assert summary["words"]["reason"] == why
    assert summary["summary"]["voice"]["speech_s"] > 4, "the voice is measured all the same"
    assert "measured on all speakers" in str(summary["summary"]["voice"]["remarks"])
    assert "measured on all speakers" in _shown(out / "answer" / "report.html")
    assert not (out / "answer" / "words.csv").exists()


def test_words_of_an_earlier_run_do_not_stay(
    answer: Path, store: Path, tmp_path: Path, told: Callable[[Words], object]
) -> None:
    out = tmp_path / "out"
    told(Words(_said(), "made", problems=("it is odd",)))
    (tmp_path / "answer.srt").write_text("it is told what this says")
    _run("predict", answer, "--out", out, "--store", store)
    assert (out / "answer" / "words.csv").exists()
    (tmp_path / "answer.srt").unlink()
    _run("predict", answer, "--out", out, "--store", store)
    assert not (out / "answer" / "words.csv").exists()
    assert not (out / "answer" / "transcript_notes.csv").exists()


# --- marks and other people


def test_marks_and_others_are_shown_in_place_and_not_counted(
    answer: Path, store: Path, tmp_path: Path, told: Callable[[Words], object]
) -> None:
    (tmp_path / "answer.srt").write_text("it is told what this says")
    plain = Words(_said(), "made")
    told(plain)
    _run("predict", answer, "--question", 7, "--out", tmp_path / "plain", "--store", store)
    told(replace(plain, marks=MARKS, others=TURNS))
    out = tmp_path / "out"
    _run("predict", answer, "--question", 7, "--out", out, "--store", store)
    before, summary = (
        json.loads((folder / "answer" / "summary.json").read_text())
        for folder in (tmp_path / "plain", out)
    )
    assert summary["prediction"] == before["prediction"], "they are no words"
    assert summary["words"]["n"] == before["words"]["n"] == len(plain.words)
    assert (summary["words"]["n_marks"], summary["words"]["others"]) == (2, ["Interviewer"])
    assert summary["words"]["others_s"] == pytest.approx(1.2)
    assert [row["word"] for row in _rows(out / "answer" / "words.csv")] == SENTENCE.split()
    notes = _rows(out / "answer" / "transcript_notes.csv")
    assert [(n["kind"], n["text"], float(n["start_s"])) for n in notes] == [
        ("mark", "[noise]", 0.2),
        ("other", "Interviewer", 5.4),
        ("mark", "(2.3)", 6.6),
    ]
    shown = _shown(out / "answer" / "report.html")
    transcript = shown[shown.index('<p class="text"') :]
    in_order = re.findall(r'<span class="(aside|w)[^"]*"[^>]*>([^<]*)</span>', transcript)
    texts = [text for _, text in in_order if text]
    assert texts[:2] == ["[noise]", SENTENCE.split()[0]]
    middle = texts.index("‹Interviewer speaks›")
    assert texts[middle + 1] == "(2.3)"
    n_before = sum(word.start_s < 5.4 for word in plain.words)
    assert middle == 1 + n_before
    page = (out / "answer" / "page.jsonl").read_text().splitlines()
    drawn = json.loads(page[1])["times"]["speech"]
    assert len(drawn["speech"]) == len(OWN)
    assert [len(drawn["pauses"]), summary["summary"]["voice"]["n_pauses"]] == [1, 1], (
        "the silences beside the interviewer's turn are no pauses, nor drawn as such"
    )


def test_what_others_say_is_left_out_of_the_voice_and_kept_apart_in_the_store(
    answer: Path, tmp_path: Path
) -> None:
    folder = Store(tmp_path / "store")
    alone = Recording("answer", "ann", answer, words=_said(), words_source="made")
    first = describe(alone, ("voice", "words"), store=folder)
    found = describe(replace(alone, others=TURNS), ("voice", "words"), store=folder)
    again = describe(alone, ("voice", "words"), store=folder)
    assert first.voice["speech_s"] > found.voice["speech_s"] + 0.8
    assert "1.2 s of other people's speech left out" in found.voice["remarks"]
    assert found.entries != first.entries, "another entry of the store"
    assert again.entries == first.entries
    assert str(again.voice) == str(first.voice)
    read = describe(replace(alone, others=TURNS), ("voice", "words"), store=folder)
    assert str(read.voice) == str(found.voice), "and read back as it was"
    track = read.features.tracks["voice"]
    assert "another person speaks" in track.reasons


def test_turns_without_times_leave_nothing_out_and_the_voice_says_so(
    answer: Path, tmp_path: Path
) -> None:
    spread = tuple(replace(word, timing=Timing.SPREAD_ALL) for word in _said())
    recording = Recording("answer", "ann", answer, words=spread, others=TURNS)
    found = describe(recording, ("voice", "words"), store=Store(tmp_path / "store"))
    assert any("the transcript has no times" in remark for remark in found.voice["remarks"])
    assert found.features.tracks["voice"].valid.all()


def test_marks_and_others_have_tiers_of_their_own(
    answer: Path, store: Path, tmp_path: Path, told: Callable[[Words], object]
) -> None:
    told(Words(_said(), "made", problems=("it is odd",), marks=MARKS, others=TURNS))
    (tmp_path / "answer.srt").write_text("it is told what this says")
    out = tmp_path / "out"
    _run("predict", answer, "--out", out, "--store", store)
    for source in (out, answer):
        folder = tmp_path / f"of {source.name}"
        done = _run("annotate", "export", source, "--out", folder)
        assert done.exit_code == 0, done.output
        eaf = next(folder.glob("*.eaf"))
        assert "it is odd" in done.stderr
        tiers = {tier.name: tier for tier in read_eaf(eaf).tiers if tier.kind == "other"}
        assert [mark.label for mark in tiers["transcriber"].marks] == ["[noise]", "(2.3)"]
        turns = tiers["Interviewer"].marks
        assert [(mark.start_s, mark.end_s) for mark in turns] == [(5.4, 6.6)]
        words = next(tier for tier in read_eaf(eaf).tiers if tier.kind == "word")
        assert [mark.label for mark in words.marks] == SENTENCE.split()


# --- who the person is


def test_the_speaker_reaches_the_reader_from_everywhere(
    answer: Path, store: Path, tmp_path: Path, told: Callable[[Words], list[str | None]]
) -> None:
    asked = told(Words(_said(), "made"))
    (tmp_path / "answer.srt").write_text("it is told what this says")
    settings = tmp_path / "settings.toml"
    settings.write_text('speaker = "Bo"\n')
    manifest = tmp_path / "all.csv"
    manifest.write_text("path,speaker\nanswer.wav,Cy\n")
    shutil.copy(answer, tmp_path / "second.wav")
    (tmp_path / "second.srt").write_text("it is told what this says")
    other = tmp_path / "other.csv"
    other.write_text("path,speaker\nanswer.wav,\nsecond.wav,Di\n")
    common = ("--store", store, "--workers", 1)
    _run("predict", answer, "--speaker", "Ann", "--out", tmp_path / "a", *common)
    _run("describe", answer, "--config", settings, "--out", tmp_path / "b", *common)
    _run("predict", "--manifest", manifest, "--out", tmp_path / "c", *common)
    rest = ("--speaker", "longest", "--out", tmp_path / "d")
    _run("predict", "--manifest", other, *rest, *common)
    assert asked == ["Ann", "Bo", "Cy", "longest", "Di"]
    assert 'speaker = "Ann"' in (tmp_path / "a" / "settings.toml").read_text()
    asked.clear()
    twomind.open_recording(answer, speaker="Ed")
    twomind.predict(answer, speaker="Flo", store=store)
    twomind.describe(answer, ("voice", "words"), speaker="Gus", store=store)
    assert asked == ["Ed", "Flo", "Gus"]
    with pytest.raises(BadInput, match="open_recording"):
        twomind.predict(open_recording(answer), speaker="Ann", store=store)


def test_another_speaker_is_another_result(
    answer: Path, store: Path, tmp_path: Path, told: Callable[[Words], object]
) -> None:
    told(Words(_said(), "made"))
    (tmp_path / "answer.srt").write_text("it is told what this says")
    rest = ("--out", tmp_path / "out", "--store", store)
    _run("predict", answer, "--speaker", "Ann", *rest)
    assert "already done" in _run("predict", answer, "--speaker", "Ann", *rest).stderr
    assert "already done" not in _run("predict", answer, "--speaker", "Bo", *rest).stderr


# --- data sets


def test_data_check_tells_every_remark_and_the_data_set_stays_complete(tmp_path: Path) -> None:
    root = tmp_path / "study"
    root.mkdir()
    table = ["path,subject,transcript,speaker"]
    expected = []
    for k, case in enumerate(CASES):
        if case.duration_s is None:
            continue
        film = _write_sound(root / f"r{k}.wav", case.duration_s)
        path = replace(case, name=film.with_suffix(Path(case.name).suffix).name).write(root)
        try:
            words = read_words(path, case.duration_s, case.speaker)
        except BadInput:
            path.unlink()
            continue
        table.append(f"{film.name},p{k},{path.name},{case.speaker or ''}")
        expected += [(film.stem, remark) for remark in words.problems]
    (root / "sidecar.json").write_text('{"TaskName": "interview"}')
    _write_sound(root / "sidecar.wav", 1.0)
    table.append("sidecar.wav,p,,")
    (root / "recordings.csv").write_text("\n".join(table) + "\n")
    report = open_dataset(root).check()
    found = {(finding.path, finding.reason) for finding in report.remarks}
    assert set(expected) <= found, set(expected) - found
    assert any("sidecar.json lies beside" in reason for _, reason in found)
    assert any("in another language (de)" in reason for _, reason in found)
    assert report.complete, (report.missing, report.corrupted)
    done = _run("data", "check", root, "--json")
    assert done.exit_code == 0
    told = {(f["path"], f["reason"]) for f in json.loads(done.stdout)["remarks"]}
    assert told == found
    assert "remarks: " in _run("data", "check", root).stdout


def test_a_column_says_who_the_person_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from twomind.datasets import common, tabled

    asked: list[str | None] = []

    def read(_path: object, _duration_s: object = None, speaker: str | None = None) -> Words:
        asked.append(speaker)
        return Words((), "made")

    def read_text(_text: str, _source: str, _s: object = None, speaker: str | None = None) -> Words:
        asked.append(speaker)
        return Words((), "made")

    monkeypatch.setattr(common, "read_words", read)
    monkeypatch.setattr(tabled, "words_of_text", read_text)
    _write_sound(tmp_path / "a.wav", 1.0)
    (tmp_path / "a.txt").write_text("it is told what this says")
    table = "path,subject,transcript,speaker\na.wav,p,a.txt,Ann\nb.wav,q,it is here,\n"
    (tmp_path / "recordings.csv").write_text(table)
    open_dataset(tmp_path).recordings()
    assert asked == ["Ann", None]


# --- a file beside the recording that is no transcript


def test_a_passed_over_file_is_told_also_when_words_are_recognised(
    answer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from twomind.features.describe import Settings
    from twomind.transcripts import speech

    (tmp_path / "answer.json").write_text('{"TaskName": "interview"}')
    heard = Words(_said(), "recognised", Timing.RECOGNISED, ("it was recognised",))
    monkeypatch.setattr(speech, "recognise_words", lambda *_, **__: heard)
    settings = Settings(speech_model="model")
    found = describe(
        open_recording(answer), ("words",), store=Store(tmp_path / "store"), settings=settings
    )
    remarks = found.recording.words_remarks
    assert len(remarks) == 2
    assert remarks[0].startswith("answer.json lies beside the recording and is not a transcript")
    assert remarks[1] == "it was recognised"


# --- files that went wrong


def _p(folder: Path) -> float | None:
    summary = json.loads((folder / "summary.json").read_text())
    return summary["prediction"]["probability"]


def _answered(cases: Path, transcript: Path | None, out: Path, *more: object) -> Path:
    sound = cases / "transcript-remarks-lost" / "answer.wav"
    given = () if transcript is None else ("--transcript", transcript)
    done = _run("predict", sound, "--question", 7, *given, *more, "--out", out)
    assert done.exit_code == 0, done.output
    return out / "answer"


def test_german_words_are_not_scored(shared: Path, tmp_path: Path, store: Path) -> None:
    cases = shared / "cases"
    folder = _answered(cases, cases / "german-words" / "de.json", tmp_path, "--store", store)
    assert _p(folder) is None
    assert "another language (de)" in (folder / "transcript_notes.csv").read_text()


def test_a_file_of_a_recordings_name_is_passed_over_and_said(
    shared: Path, tmp_path: Path, store: Path
) -> None:
    cases = shared / "cases"
    for folder, name in (("bids-sidecar", "sub-01_task-interview"), ("sidecar-text", "answer")):
        place = tmp_path / folder
        shutil.copytree(cases / folder, place)
        done = _run("predict", place / f"{name}.wav", "--out", place / "out", "--store", store)
        assert done.exit_code == 0, done.output
        summary = json.loads((place / "out" / name / "summary.json").read_text())
        assert "is not a transcript" in str(summary["words"]["remarks"])
        n = 13 if folder == "bids-sidecar" else None
        assert summary["words"]["n"] == n
        assert "is not a transcript" in _shown(place / "out" / "report.html")


@pytest.mark.parametrize("name", ["interviewer.srt", "wx.json"])
def test_a_transcript_of_two_is_scored_as_the_persons_part_alone(
    name: str, shared: Path, tmp_path: Path, store: Path
) -> None:
    pytest.importorskip("twomind.transcripts.speakers", reason="the reader does not tell speakers")
    cases = shared / "cases"
    folder = cases / "speakers-in-transcript"
    given = ("--store", store)
    clean = _answered(cases, folder / "clean.srt", tmp_path / "clean", *given)
    unsaid = _answered(cases, folder / name, tmp_path / "unsaid", *given)
    longest = ("--speaker", "longest", *given)
    chosen = _answered(cases, folder / name, tmp_path / "chosen", *longest)
    assert _p(unsaid) is None
    summary = json.loads((unsaid / "summary.json").read_text())
    assert summary["words"]["reason"].endswith(ASK_WHO)
    assert "measured on all speakers" in str(summary["summary"]["voice"]["remarks"])
    assert _p(chosen) == _p(clean)
    told = json.loads((chosen / "summary.json").read_text())
    assert told["words"]["others_s"] == pytest.approx(1.0)
    assert "1.0 s of other people's speech left out" in told["summary"]["voice"]["remarks"]


def test_the_transcript_of_another_recording_is_not_scored(
    shared: Path, tmp_path: Path, store: Path
) -> None:
    pytest.importorskip("twomind.transcripts.plausible", reason="the reader believes all times")
    cases = shared / "cases"
    transcript = cases / "transcript-remarks-lost" / "other_recording.srt"
    folder = _answered(cases, transcript, tmp_path, "--store", store)
    assert _p(folder) is None
    assert "not of this recording" in (folder / "transcript_notes.csv").read_text()


# --- a file of sound, and clips for a profile


def test_words_alone_of_a_file_of_sound(answer: Path, tmp_path: Path) -> None:
    (tmp_path / "answer.srt").write_text("1\n00:00:01,000 --> 00:00:03,000\nI want it.\n")
    found = describe(open_recording(answer), ("words",), store=Store(tmp_path / "store"))
    assert [word.text for word in found.recording.words or ()] == ["I", "want", "it."]
    assert found.media["n_samples"] > 0


def test_a_spoken_clip_of_several_speakers_needs_the_persons_name(
    answer: Path, tmp_path: Path
) -> None:
    (tmp_path / "answer.srt").write_text(
        "1\n00:00:01,000 --> 00:00:05,000\nAnn: Do you?\n\n"
        "2\n00:00:05,400 --> 00:00:06,600\nBo: I want it.\n"
    )
    place = Store(tmp_path / "store")
    unsaid = check_clip(answer, place, Clips(spoken=True))
    assert any("two speakers" in doubt for doubt in unsaid.doubts)
    said = check_clip(answer, place, Clips(spoken=True, speaker="Ann"))
    assert not any("speakers" in doubt for doubt in said.doubts)
    assert said.made.voice["speech_s"] < unsaid.made.voice["speech_s"]
    rest = ("--profiles", tmp_path / "profiles", "--store", tmp_path / "store")
    done = _run("enrol", "ann", answer, "--spoken", "--force", "--speaker", "Nobody", *rest)
    assert done.exit_code == 3
    assert "Nobody" in done.stderr
