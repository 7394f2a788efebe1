"""Transcripts that went wrong, and other files of each kind: what is scored is what the person said.

Each is held against a clean transcript by a relation (the same probability, the same words), not
by digits; all run through ``read_words`` and through ``twomind predict`` with question 7.
"""

from __future__ import annotations

import csv
import html
import json
import re
import shutil
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from twomind.cli.main import main
from twomind.core.errors import BadInput
from twomind.transcripts.words import Words, read_words

#: Length of the recording of all cases.
LENGTH_S = 9.511375
CUES = (
    (0.0, 2.0, "I go for a walk every day."),
    (2.0, 4.0, "My wife comes with me."),
    (4.0, 6.0, "We walk along the river."),
    (6.0, 8.0, "Then we cook dinner together."),
    (8.0, 9.4, "That is all there is."),
)
QUESTIONS = "Do you want to change, but maybe you can't? Should you?"


def _clock(time_s: float, mark: str = ",") -> str:
    return f"00:00:{int(time_s):02d}{mark}{round(time_s % 1 * 1000):03d}"


def _cues(*texts: str, arrow: str = "-->", mark: str = ",") -> str:
    """Subtitles with the times of the clean ones and other texts."""
    blocks = []
    for k, ((start_s, end_s, _), text) in enumerate(zip(CUES, texts, strict=True), 1):
        times = f"{_clock(start_s, mark)} {arrow} {_clock(end_s, mark)}"
        blocks.append(f"{k}\n{times}\n{text}\n")
    return "\n".join(blocks)


def _with(form: str) -> str:
    """The clean subtitles with something around each text."""
    return _cues(*(form.replace("TEXT", text) for _, _, text in CUES))


def _asked(label: str, question: str, answer: str) -> str:
    """Subtitles in which somebody else asks before the answers; ``label`` stands before a text."""
    first = f"1\n{_clock(0)} --> {_clock(1)}\n{label.format(question, QUESTIONS)}\n\n"
    rest = [(max(1.0, start_s), end_s, text) for start_s, end_s, text in CUES]
    blocks = []
    for k, (start_s, end_s, text) in enumerate(rest, 2):
        said = label.format(answer, text)
        blocks.append(f"{k}\n{_clock(start_s)} --> {_clock(end_s)}\n{said}\n")
    return first + "\n".join(blocks)


def _alone(label: str, answer: str) -> str:
    """The answers of :func:`_asked` without the question."""
    return _asked(label, "", answer).split("\n\n", 1)[1]


def _highlighted(open_tag: str, close_tag: str, kind: str = "srt") -> str:
    words = ["I", "really", "want", "to", "stop", "smoking", "but", "I", "can't"]
    blocks = []
    for k, word in enumerate(words):
        shown = [*words[:k], f"{open_tag}{word}{close_tag}", *words[k + 1 :]]
        mark = "," if kind == "srt" else "."
        start, end = _clock(0.2 + k / 2, mark), _clock(0.6 + k / 2, mark)
        blocks.append(f"{k + 1}\n{start} --> {end}\n{' '.join(shown)}\n")
    return ("WEBVTT\n\n" if kind == "vtt" else "") + "\n".join(blocks)


def _growing() -> str:
    words = ["I", "really", "want", "to", "stop", "smoking", "but", "I", "can't"]
    blocks = []
    for k in range(len(words)):
        times = f"{_clock(0.2 + k / 2)} --> {_clock(0.6 + k / 2)}"
        blocks.append(f"{k + 1}\n{times}\n{' '.join(words[: k + 1])}\n")
    return "\n".join(blocks)


def _rolling() -> str:
    """Rolling captions as they are left when their tags were taken away."""
    lines = ["I want to stop", "but it is hard", "and I do not know", "if I can"]
    shown = [[lines[0]]]
    for before, line in pairwise(lines):
        shown += [[before], [before, line]]
    blocks = []
    for k, some in enumerate(shown):
        blocks.append(f"{k + 1}\n{_clock(k)} --> {_clock(k + 1)}\n" + "\n".join(some) + "\n")
    return "\n".join(blocks)


def _timed(line: str) -> str:
    """Three captions; the times of the second are written in another way."""
    return (
        f"1\n00:00:01,000 --> 00:00:03,000\nI want to stop.\n\n2\n{line}\nBut it is hard.\n\n"
        "3\n00:00:08,000 --> 00:00:09,000\nMaybe.\n"
    )


MISTYPED = (
    "00:00:04,000 --> 00:00:07,00O", "--> 00:00:07,000", "00:00:04 --> 00:00:07",
    "00.00.04,000 --> 00.00.07,000", "00:00:04,000 > 00:00:07,000", "00:00:04,000 to 00:00:07,000",
    "[00:00:04,000 --> 00:00:07,000]", "00:00:04,000 --> 00:00:O7,000", "4.0 --> 7.0",
    "00:00:04,000\t00:00:07,000", "0:00:04.00,0:00:07.00", "00:00:04,000 <-- 00:00:07,000",
    "00:00:04,000 --&gt; 00:00:07,000",
)  # fmt: skip


def _list(*texts: str) -> str:
    """Words with times in seconds."""
    items = [{"word": text, "start": 0.4 * k, "end": 0.4 * k + 0.4} for k, text in enumerate(texts)]
    return json.dumps({"words": items})


def _json_words(scale: float, **more: Any) -> str:
    said = [
        (0.25 + 0.3 * k, word)
        for k, word in enumerate(["I", "go", "for", "a", "walk", "every", "day."])
    ]
    items = [
        {"text": word, "start": start_s * scale, "end": (start_s + 0.25) * scale} | more
        for start_s, word in said
    ]
    if scale > 1:
        items = [
            item | {"start": round(item["start"]), "end": round(item["end"])} for item in items
        ]
    return json.dumps({"text": "I go for a walk every day.", "words": items})


def _segments(**more: Any) -> str:
    listed = [{"start": a, "end": b, "text": text, **more} for a, b, text in CUES]
    return json.dumps({"language": "en", "segments": listed})


def _pieces(*texts: str) -> str:
    listed = [
        {"offsets": {"from": 400 * k, "to": 400 * k + 400}, "text": text}
        for k, text in enumerate(texts)
    ]
    return json.dumps({"result": {"language": "en"}, "transcription": listed})


@dataclass(frozen=True)
class Case:
    """A transcript: a file of ``shared/cases`` or a text; what it is held against (``like``), how
    many words it has, what a remark says of it, or why it is not measured.
    """

    name: str
    text: str = ""
    like: str = ""
    speaker: str = ""
    n: int | None = None
    remark: str = ""
    refused: str = ""

    def path(self, shared: Path, folder: Path) -> Path:
        if not self.text:
            return shared / "cases" / self.name
        path = folder / self.name
        path.write_text(self.text, encoding="utf-8")
        return path

    @property
    def id(self) -> str:
        return re.sub(r"\W", "_", f"{self.name}_{self.speaker}")


CLEAN = "nonspeech-marks/clean.srt"
TWO = r"two speakers \(.*\); say which with --speaker"
MARKS = r"\d marks? such as .* (is|are) no speech"
NOISY = (
    "[noise] TEXT", "TEXT (laughs)", "TEXT [INAUDIBLE 00:03]", "<laugh> TEXT", "TEXT <unk>", "【noise】 TEXT",
    "（laughs） TEXT", "«laughs» TEXT", "/laughs/ TEXT", "♪ TEXT", "((coughs)) TEXT", "{clears throat} TEXT",
    "(2.3) TEXT", "TEXT (.)", "[00:00:03] TEXT", "TEXT *sighs heavily*", "&=laughs TEXT", "TEXT [SILENCE]",
    "TEXT (unintelligible)", "[background noise] TEXT", "[_BEG_] TEXT", "TEXT ~coughs~",
)  # fmt: skip
LABELS = (
    "{}: {}", "[{}]: {}", "({}) {}", "{} - {}", "**{}:** {}", "<v {}>{}", "[{}] {}", "{}：{}", ">> {}: {}",
)  # fmt: skip
CASES = (
    Case(CLEAN, n=27),
    # Karaoke captions.
    Case("highlight-captions/hl_stable.srt", n=9, remark="only move a highlight"),
    Case(
        "highlight-captions/hl_whisper.srt",
        like="highlight-captions/hl_stable.srt",
        n=9,
        remark="only move a highlight",
    ),
    Case("hl_c.vtt", _highlighted("<c.hl>", "</c>", "vtt"), "highlight-captions/hl_stable.srt", n=9),
    Case("hl_b.srt", _highlighted("<b>", "</b>"), "highlight-captions/hl_stable.srt", n=9),
    Case("hl_i.vtt", _highlighted("<i>", "</i>", "vtt"), "highlight-captions/hl_stable.srt", n=9),
    Case("hl_ass.srt", _highlighted("{\\c&H00FF00&}", "{\\c}"), "highlight-captions/hl_stable.srt", n=9),
    Case(
        "hl_font.vtt",
        _highlighted("<font color=red>", "</font>", "vtt"),
        "highlight-captions/hl_stable.srt",
        n=9,
    ),
    *(
        Case(f"hl_{k}.srt", _highlighted(*signs), "highlight-captions/hl_stable.srt", n=9)
        for k, signs in enumerate((("*", "*"), ("[", "]"), ("_", "_"), (">", "<")))
    ),
    Case("grows.srt", _growing(), "highlight-captions/hl_stable.srt", n=9, remark="and more"),
    Case("rolls.srt", _rolling(), n=16),
    # Speakers.
    Case("speakers-in-transcript/speaker.srt", like=CLEAN, n=27),
    Case("speakers-in-transcript/interviewer.srt", refused=TWO),
    Case("speakers-in-transcript/wx.json", refused=TWO),
    Case("speakers-in-transcript/wx.json", like=CLEAN, speaker="SPEAKER_00", n=27),
    Case("speakers-in-transcript/interviewer.srt", like="alone.srt", speaker="participant", n=27),
    Case("transcript-remarks-lost/two_speakers.vtt", refused=TWO),
    Case("transcript-remarks-lost/two_speakers.vtt", speaker="Participant", n=1),
    Case("alone.srt", _alone("{}: {}", "Participant"), n=27),
    Case("key.json", _segments(speaker="Anna"), CLEAN, n=27),
    Case(
        "dashes.srt",
        _cues("- Do you?\n- I do.", *(text for _, _, text in CUES[1:])),
        refused=TWO,
    ),
    *(Case(f"asked{k}.srt", _asked(x, "Interviewer", "Participant"), refused=TWO) for k, x in enumerate(LABELS)),
    *(
        Case(f"asked{k}.srt", _asked(x, "Interviewer", "Participant"), "alone.srt", "longest", 27)
        for k, x in enumerate(LABELS)
    ),
    # Marks.
    Case("nonspeech-marks/noise.srt", like=CLEAN, n=27, remark=MARKS),
    Case("nonspeech-marks/blank.srt", n=4, remark=MARKS),
    *(Case(f"noisy{k}.srt", _with(form), CLEAN, n=27, remark=MARKS) for k, form in enumerate(NOISY)),
    Case("um.srt", _with("[um] TEXT"), "um_plain.srt", n=32),
    Case("um_plain.srt", _with("um TEXT"), n=32),
    # Timing lines.
    Case("bad-timing-line/arrow.srt", n=9, remark="not written as such"),
    Case("bad-timing-line/colon_ms.srt", like="bad-timing-line/arrow.srt", n=9, remark="not written as such"),
    *(
        Case(f"arrow{k}.srt", _cues(*(t for _, _, t in CUES), arrow=arrow), CLEAN, n=27)
        for k, arrow in enumerate(("-->", "->", "—>", "→", "==>", "- ->", "-- >"))
    ),
    *(
        Case(f"mark{k}.srt", _cues(*(t for _, _, t in CUES), mark=mark), CLEAN, n=27)
        for k, mark in enumerate((".", ":", ";", " ,", ", "))
    ),
    # Pieces of words.
    Case("subword-tokens/cpp_words.json", n=13),
    Case("subword-tokens/cpp.json", n=13),
    Case("pieces.json", _pieces(" I", " hes", "itate", ",", " y", "'", "know", "."), n=3),
    Case("whole.json", _pieces(" I", " hesitate,", " y'know."), n=3),
    *(
        Case(f"pieces{k}.json", text, "whole.json", n=3)
        for k, text in enumerate(
            (
                _pieces("▁I", "▁hes", "itate", ",", "▁y", "'", "know", "."),
                _list(" I", " hes", "itate", ",", " y", "'", "know", "."),
                _list("I", "hes", "##itate,", "y", "##'know", "##."),
                _list("I", "hesi@@", "tate,", "y'@@", "know."),
            )
        )
    ),
    *(
        Case(f"mistyped{k}.srt", _timed(line), n=9, remark="not written as such")
        for k, line in enumerate(MISTYPED)
    ),
    # Units.
    Case("json-units-and-lists/aai.json", n=7, remark="milliseconds"),
    Case("seconds.json", _json_words(1.0), "json-units-and-lists/aai.json", n=7),
    Case("ms.json", _json_words(1000.0), "json-units-and-lists/aai.json", n=7, remark="milliseconds"),
    # Text with times.
    Case("timed-plain-text/otter.txt", refused=TWO),
    Case("timed-plain-text/otter.txt", speaker="P01", n=5),
    Case("timed-plain-text/whisper_cli.txt", n=8),
    Case("seconds.txt", "[0.00s -> 2.00s]  I want to stop.\n[2.00s -> 4.00s]  But it is hard.\n",
         "timed-plain-text/whisper_cli.txt", n=8),
    Case("two_numbers.txt", "0.00 2.00 I want to stop.\n2.00 4.00 But it is hard.\n",
         "timed-plain-text/whisper_cli.txt", n=8),
    # Another recording, another language.
    Case("transcript-remarks-lost/other_recording.srt", refused="not of this recording"),
    Case("german-words/de.json", refused="another language"),
    Case("hostile-text/formula.srt", n=7),
)  # fmt: skip


def _id(case: Case) -> str:
    return case.id


def _run(*arguments: object) -> Result:
    done = CliRunner().invoke(main, [str(a) for a in arguments])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cases")


@pytest.fixture(scope="module")
def predicted(shared: Path, folder: Path) -> Path:
    """The results of one run over all cases."""
    sound = shared / "cases" / "transcript-remarks-lost" / "answer.wav"
    manifest = folder / "all.csv"
    with open(manifest, "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "id", "transcript", "speaker"])
        for case in CASES:
            rows.writerow([sound, case.id, case.path(shared, folder), case.speaker])
    out = folder / "out"
    asked = ("--manifest", manifest, "--question", 7, "--out", out, "--store", folder / "store")
    done = _run("predict", *asked, "--workers", 1, "--json")
    assert done.exit_code == 0, done.output
    (folder / "told.json").write_text(done.stdout)
    return out


def _read(case: Case, shared: Path, folder: Path) -> Words:
    return read_words(case.path(shared, folder), LENGTH_S, case.speaker or None)


def _summary(case: Case, out: Path) -> dict[str, Any]:
    return dict(json.loads((out / case.id / "summary.json").read_text()))


@pytest.mark.parametrize("case", CASES, ids=_id)
def test_the_words_are_those_of_the_person(case: Case, shared: Path, folder: Path) -> None:
    said = _read(case, shared, folder)
    for word in said.words:
        assert 0 <= word.start_s <= word.end_s <= LENGTH_S + 0.1
    if case.n is not None:
        assert len(said.words) == case.n, [word.text for word in said.words]
    if case.remark:
        assert re.search(case.remark, " ".join(said.problems)), said.problems
    if case.like:
        other = next(one for one in CASES if one.name == case.like)
        clean = _read(other, shared, folder)
        assert [word.text.strip("[]") for word in said.words] == [word.text for word in clean.words]
        if case.name.startswith("pieces"):
            return  # each piece has a time of its own
        for word, right in zip(said.words, clean.words, strict=True):
            assert word.start_s == pytest.approx(right.start_s, abs=0.05)


@pytest.mark.parametrize("case", CASES, ids=_id)
def test_what_is_scored_is_what_the_clean_file_says(case: Case, predicted: Path) -> None:
    told = _summary(case, predicted)
    if case.refused:
        assert told["prediction"]["probability"] is None
        assert re.search(case.refused, told["words"]["reason"]), told["words"]
        return
    assert told["words"]["n"] == (told["words"]["n"] if case.n is None else case.n)
    if case.like:
        other = next(one for one in CASES if one.name == case.like)
        clean = _summary(other, predicted)
        assert told["prediction"]["probability"] == clean["prediction"]["probability"]


def test_digits_of_the_readme(shared: Path, predicted: Path) -> None:
    """The figures that the cases' own page gives."""
    by_name = {case.name: case for case in CASES if not case.speaker}
    known = {
        CLEAN: 0.799,
        "subword-tokens/cpp_words.json": 0.857,
        "highlight-captions/hl_stable.srt": 0.776,
    }
    for name, p in known.items():
        assert _summary(by_name[name], predicted)["prediction"]["probability"] == pytest.approx(
            p, abs=0.0006
        )


@pytest.mark.parametrize("case", [case for case in CASES if case.remark or case.refused], ids=_id)
def test_a_remark_is_in_every_output(case: Case, predicted: Path, folder: Path) -> None:
    told = _summary(case, predicted)["words"]
    sentences = [
        x for x in [told["reason"], *told["remarks"]] if re.search(case.remark or case.refused, x)
    ]
    assert sentences
    as_json = json.loads((folder / "told.json").read_text())
    ledger = [json.loads(line) for line in (predicted / "ledger.jsonl").read_text().splitlines()]
    own = {
        "--json": [one for one in as_json["answers"] if one["recording"] == case.id],
        "ledger": [one for one in ledger if case.id in json.dumps(one)],
        "answers.csv": [
            line for line in _rows(predicted / "answers.csv") if case.id in line.values()
        ],
        "transcript_notes.csv": _rows(predicted / case.id / "transcript_notes.csv"),
    }
    for name, found in own.items():
        assert all(sentence in _texts(found) for sentence in sentences), name
    page = html.unescape((predicted / case.id / "report.html").read_text())
    assert all(sentence in page for sentence in sentences)


def _rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _texts(value: Any) -> str:
    """All texts in a value, one after the other."""
    if isinstance(value, dict):
        return "\n".join(_texts(one) for one in value.values())
    if isinstance(value, list):
        return "\n".join(map(_texts, value))
    return str(value)


# --- what is beside the recording


@pytest.mark.parametrize(
    ("folder_name", "name", "n"),
    [("bids-sidecar", "sub-01_task-interview", 13), ("sidecar-text", "answer", None)],
)
def test_a_side_file_must_be_a_transcript(
    folder_name: str, name: str, n: int | None, shared: Path, tmp_path: Path, folder: Path
) -> None:
    place = tmp_path / folder_name
    shutil.copytree(shared / "cases" / folder_name, place)
    done = _run(
        "predict",
        place / f"{name}.wav",
        "--question",
        7,
        "--out",
        place / "out",
        "--store",
        folder / "store",
    )
    assert done.exit_code == 0, done.output
    told = json.loads((place / "out" / name / "summary.json").read_text())
    assert told["words"]["n"] == n
    assert (told["prediction"]["probability"] is None) == (n is None)
    assert "is not a transcript" in str(told["words"]["remarks"])


# --- what was made to break a reader

HOSTILE = (
    "badbool.yaml", "bigintint.json", "chain_min.eaf", "deep_min.json", "hugehour.srt", "hugetime.eaf",
    "putback.json", "regex.srt", "surrogate.json", "tuplekey.yaml",
)  # fmt: skip


@pytest.mark.parametrize(
    "name", [*(f"hostile-text/{name}" for name in HOSTILE), "yaml_bomb/bomb.yaml"]
)
def test_a_hostile_file_is_refused_shortly(
    name: str, shared: Path, tmp_path: Path, folder: Path
) -> None:
    path = shared / "cases" / name
    start_s = time.process_time()
    with pytest.raises(BadInput) as caught:
        read_words(path, LENGTH_S)
    assert time.process_time() - start_s < 2.0
    assert len(str(caught.value)) <= 2_000
    sound = shared / "cases" / "transcript-remarks-lost" / "answer.wav"
    rest = ("--question", 7, "--out", tmp_path / "out", "--store", folder / "store")
    start_s = time.process_time()
    done = _run("predict", sound, "--transcript", path, *rest)
    assert done.exit_code == 3, done.output
    assert time.process_time() - start_s < 20.0, "the model is loaded too"
    assert len(done.output) < 4_000
    assert "Traceback" not in done.output
