"""The report: one file without a network, in step with its video, and no number where nothing was
measured.
"""

from __future__ import annotations

import base64
import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from twomind.datasets import load_dataset
from twomind.reporting import report
from twomind.reporting.report import (
    MAX_TOGETHER,
    ReportSettings,
    shown,
    write_overview,
    write_pages,
)
from twomind.reporting.report_data import bin_means, overview_row, quality_of, runs_of, time_data
from twomind.reporting.result import NotMeasured, Result
from twomind.types import (
    Cue,
    Evidence,
    Features,
    Prediction,
    Recording,
    Segment,
    Status,
    Timing,
    Track,
    Word,
)

DURATION_S = 6.0
EVIL = "<script>alert('x')</script>"


def face_track(duration_s: float = DURATION_S) -> Track:
    times_s = np.arange(0, duration_s, 1 / 25)
    values = np.stack([np.sin(times_s), np.cos(times_s), 3 * times_s], axis=1).astype(np.float32)
    lost = (times_s >= 2.0) & (times_s < 3.0)
    return Track(
        values,
        times_s,
        ~lost,
        ("AU12", "AU04", "pose_yaw"),
        ("iod", "iod", "deg"),
        ("", "no face"),
        lost.astype(np.uint8),
    )


def voice_track(duration_s: float = DURATION_S) -> Track:
    times_s = np.arange(0, duration_s, 0.01)
    speech = ((times_s >= 0.5) & ((times_s < 3.0) | (times_s >= 4.0)) & (times_s < 5.5)).astype(
        np.float32
    )
    values = np.stack(
        [speech, np.where(speech > 0, 120.0, np.nan), np.full(len(times_s), -20.0)], axis=1
    )
    return Track(
        values.astype(np.float32),
        times_s,
        np.ones(len(times_s), bool),
        ("speech", "pitch", "energy"),
        ("0/1", "Hz", "dBFS"),
    )


def spoken(timing: Timing = Timing.GIVEN) -> tuple[Word, ...]:
    texts = ("maybe", "I", "would", "but", "not", "today")
    return tuple(Word(t, 0.5 + 0.8 * i, 1.0 + 0.8 * i, timing=timing) for i, t in enumerate(texts))


def scored(words: tuple[Word, ...], status: Status = Status.OK, reason: str = "") -> Prediction:
    shares = (0.2, 0.0, 0.0, 0.4, -0.3, 0.0)
    evidence = [
        Evidence("part", n, v, "log-odds") for n, v in (("baseline", 0.2), ("question", 1.1))
    ]
    evidence += [
        Evidence("part", n, v, "log-odds") for n, v in (("length", -0.4), ("content", 0.3))
    ]
    evidence += [
        Evidence("band", "low", 0.61, "probability"),
        Evidence("band", "high", 0.88, "probability"),
    ]
    evidence += [
        Evidence("word", w.text, s, "log-odds", w.start_s, w.end_s)
        for w, s in zip(words, shares, strict=False)
    ]
    return Prediction((0.0, DURATION_S), np.array([0.23, 0.77]), status, reason, tuple(evidence))


def made(media: Path = Path("answer.mp4"), id: str = "answer", **changes: object) -> Result:
    words = spoken()
    cues = (
        Cue("gaze_away", "face", 1.0, 1.5, 14.0, "deg"),
        Cue("long_pause", "voice", 3.0, 4.0, 1.0, "s"),
        Cue("contrast", "words", 2.9, 3.4, detail="but"),
    )
    result = Result(
        recording=Recording(id, "P1", media, "7", DURATION_S, words, "", "answer.srt"),
        features=Features(
            id,
            "P1",
            {"face": face_track(), "face_relative": face_track(), "voice": voice_track()},
            (0.0, DURATION_S),
            "7",
            words,
        ),
        cues=cues,
        prediction=scored(words),
        located_reason="its word weights do no better than the position in the answer",
        neutral="the recording's own median",
        media={"n_frames": 150, "sha256": "ab" * 32},
        model={"name": "words", "questions": ["7"], "skill": {"known_question": {"auc": 0.79}}},
        provenance={"versions": {"twomind": "0"}, "options": {"model": "words"}},
    )
    return replace(result, **changes)  # type: ignore[arg-type]


def without_words() -> Result:
    reason = "words: no transcript was given"
    whole = made()
    return replace(
        whole,
        recording=replace(
            whole.recording, words=None, words_reason="no transcript was given", words_source=""
        ),
        features=replace(whole.features, words=None, notes={"words": "no transcript was given"}),
        prediction=Prediction.not_measured((0.0, DURATION_S), 2, reason),
        not_measured=(
            NotMeasured("words", "no transcript was given"),
            NotMeasured("probability", reason),
        ),
    )


class Page(HTMLParser):
    """Elements with their attributes, the text a reader sees, and the scripts."""

    def __init__(self, path: Path) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.styles = ""
        self.by_class: dict[str, str] = {}
        self.text = ""
        self._open: list[tuple[str, str]] = []
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append((dict(attrs), ""))
        if tag not in ("meta", "link", "br", "input"):
            self._open.append((tag, dict(attrs).get("class") or ""))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        tag = self._open[-1][0] if self._open else ""
        if tag == "script":
            self.scripts[-1] = (self.scripts[-1][0], self.scripts[-1][1] + data)
        elif tag == "style":
            self.styles += data
        else:
            self.text += data
            for _, classes in self._open:
                for name in classes.split():
                    self.by_class[name] = self.by_class.get(name, "") + data

    def seen(self, name: str) -> str:
        return " ".join(self.by_class.get(name, "").split())

    def count(self, name: str) -> int:
        return sum(name in (a.get("class") or "").split() for _, a in self.elements)

    def data(self, n: int = 1) -> dict:
        return next(json.loads(text) for a, text in self.scripts if a.get("id") == f"data-{n}")


def write_report(
    results: list[Result],
    path: Path,
    title: str = "Answers, described and estimated",
    embed: str = "all",
    embed_mb: float = 60,
) -> Path:
    """The page of some answers, and of many the overview, as the command writes them."""
    if len(results) <= MAX_TOGETHER:
        pages = [shown(result) for result in results]
        settings = ReportSettings(embed, embed_mb)  # type: ignore[arg-type]
        return write_pages(pages, path, title=title, settings=settings)
    rows = [overview_row(result, report.page_of(result.recording.id)) for result in results]
    return write_overview(rows, path, title=title)


def page_of(tmp_path: Path, *results: Result, **options: object) -> Page:
    return Page(write_report(list(results), tmp_path / "report.html", **options))  # type: ignore[arg-type]


# --- one file, safe
# --------------------------------------------------------------------------------------------------


def test_nothing_is_loaded_from_elsewhere(tmp_path: Path) -> None:
    page = page_of(tmp_path, made(), made(id="second"))
    for tag, attributes in page.elements:
        for name in ("src", "srcset", "poster", "data", "action"):
            assert not re.match(r"\s*(?:\w+:)?//", attributes.get(name) or ""), (tag, attributes)
        if tag == "link":
            assert attributes["href"] == "data:,"
        assert tag not in ("iframe", "object", "embed", "base")
        assert not [name for name in attributes if name.startswith("on")], (
            "inline handlers break the content policy"
        )
        assert "style" not in attributes, "inline styles break the content policy"
    assert "@import" not in page.styles
    assert not re.findall(r"url\((?!['\"]?#)", page.styles)
    script = next(text for a, text in page.scripts if not a)
    assert not re.search(r"\bfetch\(|XMLHttpRequest|\bimport\b|innerHTML|\beval\(", script)
    policy = next(a["content"] for t, a in page.elements if t == "meta" and "http-equiv" in a)
    assert policy is not None
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_names_words_and_reasons_cannot_become_markup(tmp_path: Path) -> None:
    media = tmp_path / f"{EVIL.replace('/', '_')}.mp4"
    media.write_bytes(b"no video")
    words = (Word(EVIL, 0.5, 1.0), Word("</script ><img src=x onerror=alert(1)>", 1.0, 2.0))
    whole = made(media, id="a</script>" + EVIL)
    result = replace(
        whole,
        recording=replace(
            whole.recording, subject=EVIL, question=EVIL, words=words, words_source=EVIL
        ),
        features=replace(whole.features, words=words, notes={"words": EVIL}),
        cues=(Cue("gaze_away", "face", 1, 2, 1.0, EVIL, EVIL),),
        prediction=Prediction.not_measured((0.0, DURATION_S), 2, EVIL),
        not_measured=(NotMeasured(EVIL, EVIL),),
        located_reason=EVIL,
        neutral=EVIL,
        media={"problems": (EVIL,), EVIL: EVIL},
        model={"card": {"limits": [EVIL], EVIL: EVIL}},
        provenance={"versions": {EVIL: EVIL}},
        purpose=EVIL,
    )
    page = page_of(tmp_path, result, result, title=EVIL, embed_mb=0)
    assert EVIL not in page.source
    assert page.source.lower().count("</script") == 4, (
        "browsers end a script at less than Python's parser needs"
    )
    assert not [a for t, a in page.elements if t == "img"]
    assert len(page.scripts) == 4, "two blocks of data, the page's texts and its own script"
    assert page.data()["words"]["items"][0]["text"] == EVIL
    assert EVIL in page.text


def test_the_same_results_give_the_same_bytes(tmp_path: Path) -> None:
    first = write_report([made()], tmp_path / "a.html").read_bytes()
    assert first == write_report([made()], tmp_path / "b.html").read_bytes()


# --- what is not measured has no number
# ------------------------------------------------------------------------------


def test_a_probability_that_is_not_measured_shows_words_and_reason_and_no_number(
    tmp_path: Path,
) -> None:
    page = page_of(tmp_path, without_words())
    card = page.seen("score")
    assert "not measured" in card
    assert "no transcript was given" in card
    assert not re.search(r"\d", card)
    assert not page.count("scale"), "no empty scale"
    assert not page.count("bar")
    assert "Not measured: no transcript was given" in page.seen("what")
    assert "no transcript was given" in page.seen("missing")


def test_measures_lost_for_one_reason_are_one_row(tmp_path: Path) -> None:
    lost = [
        NotMeasured(f"voice: {name}", "the sound is silent") for name in ("pitch_sd_st", "n_pauses")
    ]
    page = page_of(
        tmp_path,
        made(not_measured=(*lost, NotMeasured("voice: snr_db", "no silence to compare with"))),
    )
    text = page.seen("missing")
    assert text.count("the sound is silent") == 1
    assert "2 measures: pitch (spread), number of pauses" in text
    assert "voice: speech over noise" in text
    assert "no silence to compare with" in text


def test_a_face_that_is_not_there_is_said_and_has_no_curves(tmp_path: Path) -> None:
    whole = made()
    face = whole.features.tracks["face"]
    lost = replace(face, valid=np.zeros(len(face), bool), reason_code=np.ones(len(face), np.uint8))
    tracks = {**whole.features.tracks, "face": lost, "face_relative": lost}
    page = page_of(tmp_path, replace(whole, features=replace(whole.features, tracks=tracks)))
    assert "Not measured in any of 150 frames: no face" in page.seen("what")
    assert not [c for c in page.data()["curves"] if c["modality"] in ("face", "head")]
    (quality,) = [q for q in page.data()["quality"] if q["name"] == "face"]
    assert quality["runs"] == [[0.0, DURATION_S, "no face"]]


def test_sound_alone_needs_no_video(tmp_path: Path) -> None:
    media = tmp_path / "answer.wav"
    media.write_bytes(b"RIFF")
    whole = made(media)
    features = replace(
        whole.features, tracks={"voice": voice_track()}, notes={"face": "the file has no video"}
    )
    page = page_of(tmp_path, replace(whole, features=features, media={"n_frames": 0}))
    tags = [t for t, _ in page.elements]
    assert "audio" in tags
    assert "video" not in tags
    assert "the file has no video" in page.seen("what")


def test_an_abstained_answer_says_so_and_shows_the_zone(tmp_path: Path) -> None:
    whole = made()
    prediction = scored(spoken(), Status.ABSTAINED, "cannot tell: too near to even")
    zone = (
        Evidence("abstain", "low", 0.2, "probability"),
        Evidence("abstain", "high", 0.8, "probability"),
    )
    page = page_of(
        tmp_path,
        replace(whole, prediction=replace(prediction, evidence=prediction.evidence + zone)),
    )
    assert page.seen("big").startswith("cannot tell")
    assert page.count("zone") == 1
    (rect,) = [a for t, a in page.elements if t == "rect" and a.get("class") == "zone"]
    assert (rect["x"], rect["width"]) == ("20.0%", "60.0%")
    assert "Cannot tell: too near to even" in page.seen("score")


# --- the score
# -------------------------------------------------------------------------------------------------------


def test_score_band_and_three_signed_parts(tmp_path: Path) -> None:
    page = page_of(tmp_path, made())
    card = page.seen("score")
    assert card.count("0.77") == 1
    assert "0.61–0.88" in card
    assert "a trained coder would mark ambivalence or hesitancy" in card
    assert "move this score more than what was said" in page.seen("moves")
    bars = [a for t, a in page.elements if t == "rect" and a.get("class") in ("up", "down", "flat")]
    assert [b["class"] for b in bars] == ["up", "down", "up"]
    assert [float(str(b["width"]).rstrip("%")) for b in bars] == pytest.approx(
        [50, 50 * 0.4 / 1.1, 50 * 0.3 / 1.1], abs=0.01
    )
    assert float(str(bars[1]["x"]).rstrip("%")) < 50 <= float(str(bars[0]["x"]).rstrip("%"))
    assert "feels" not in page.text.replace(
        "it is not a finding about what the person feels", ""
    ).replace("what someone “really” thinks or feels", "")


@pytest.mark.parametrize(
    ("name", "film", "shown"),
    [
        ("bah", "data/Videos/90021/*/*.mp4", True),
        ("bah", "data/Videos/90022/*/*.mp4", False),
        ("own", "ada/*.mp4", True),
        ("own", "bo/*.mp4", False),
        ("own", "cy/*.mp4", True),  # nothing is stated; the people are synthetic
    ],
)
def test_a_person_who_refused_is_in_no_report(
    name: str, film: str, shown: bool, tmp_path: Path
) -> None:
    """Whatever name the person was given on the command line, the film itself must not get into the
    page.
    """
    root = load_dataset(name).fake(tmp_path / name)
    media = sorted(root.glob(film))[0]
    for limit_mb in (60, 0):  # embedded, linked
        page = page_of(tmp_path, made(media), embed="consented", embed_mb=limit_mb)
        assert (page.count("media") > 0) == shown
        assert ("refused to be shown" in page.text) != shown
        assert ('type="text/plain" id="media-1">data:video' in page.source) == (
            shown and limit_mb > 0
        )


def test_words_carry_what_they_moved_and_claim_no_place(tmp_path: Path) -> None:
    page = page_of(tmp_path, made())
    assert "Words that moved this answer’s score" in page.text
    assert [w["share"] for w in page.data()["words"]["items"]] == [0.2, 0.0, 0.0, 0.4, -0.3, 0.0]
    assert "where" not in page.seen("transcript").lower()


def test_spread_words_are_flagged(tmp_path: Path) -> None:
    words = spoken(Timing.SPREAD_ALL)
    whole = made()
    page = page_of(
        tmp_path,
        replace(
            whole,
            recording=replace(whole.recording, words=words),
            features=replace(whole.features, words=words),
        ),
    )
    assert page.data()["words"]["spread"] is True
    assert "spread evenly over the recording" in page.seen("transcript")
    assert "≈ 2.9 s" in page.seen("cues"), "the time of a word's cue is no better than the word's"
    assert "≈" not in page_of(tmp_path, whole).seen("cues")


def test_not_located_draws_nothing_and_says_why(tmp_path: Path) -> None:
    segment = Segment(1, 2, "A/H", "model", 0.8)
    hidden = made(segments=(segment,), frame_score=voice_track())
    located = page_of(tmp_path, hidden).data()["located"]
    assert located["located"] is False
    assert located["segments"] == []
    assert located["curve"] is None
    assert "position" in located["reason"]
    shown = replace(hidden, located=True, located_reason="")
    located = page_of(tmp_path, shown).data()["located"]
    assert [s["label"] for s in located["segments"]] == ["A/H"]
    assert located["curve"]["values"]
    assert "It does not say when" not in page_of(tmp_path, shown).seen("reading")


def test_a_drawn_person_is_announced(tmp_path: Path) -> None:
    whole = made()
    drawn = replace(whole, recording=replace(whole.recording, drawn=True))
    assert "A synthetic person, not a real one" in page_of(tmp_path, drawn).seen("banner")
    assert page_of(tmp_path, whole).count("banner") == 0
    mixed = page_of(tmp_path, whole, drawn)
    assert mixed.count("banner") == 2, "the overview and the drawn one's answer"
    assert mixed.count("tag") == 1


# --- media
# -----------------------------------------------------------------------------------------------------------


def test_small_recordings_are_inside_and_large_ones_are_linked(tmp_path: Path) -> None:
    folder = tmp_path / "media with blank"
    folder.mkdir()
    media = folder / "a#1.mp4"
    media.write_bytes(bytes(range(256)) * 400)
    page = page_of(tmp_path, made(media))
    block = next(text for a, text in page.scripts if a.get("id") == "media-1")
    assert block.startswith("data:video/mp4;base64,")
    assert base64.b64decode(block.split(",")[1]) == media.read_bytes()
    page = page_of(tmp_path, made(media), embed_mb=0.1)
    assert not [a for a, _ in page.scripts if a.get("id") == "media-1"]
    (video,) = [a for t, a in page.elements if t == "video"]
    assert video["src"] == "./media%20with%20blank/a%231.mp4"
    assert "too large" in page.text


def test_a_person_of_whom_nothing_is_known_is_linked_with_a_note(tmp_path: Path) -> None:
    media = tmp_path / "a.mp4"
    media.write_bytes(b"x" * 1000)
    page = page_of(tmp_path, made(media), embed="consented")
    assert not [a for a, _ in page.scripts if a.get("id") == "media-1"]
    (video,) = [a for t, a in page.elements if t == "video"]
    assert video["src"] == "./a.mp4"
    assert "nothing says whether this person agreed" in page.text
    assert "report.embed=all" in page.text
    (tmp_path / "people.csv").write_text(
        f"subject,consent_publication\n{made().recording.subject},yes\n"
    )
    page = page_of(tmp_path, made(media), embed="consented")
    assert [a for a, _ in page.scripts if a.get("id") == "media-1"]
    page = page_of(tmp_path, made(media), embed="none")
    assert not [a for a, _ in page.scripts if a.get("id") == "media-1"]
    assert "without recordings were asked for" in page.text


def test_what_cannot_be_read_is_no_consent(tmp_path: Path) -> None:
    (tmp_path / "recordings.csv").write_text("film,person\na.mp4,x\n")
    media = tmp_path / "a.mp4"
    media.write_bytes(b"x" * 1000)
    page = page_of(tmp_path, made(media), embed="all")
    assert not page.count("media")
    assert "cannot be read" in page.text


def test_the_limit_holds_for_all_recordings_together(tmp_path: Path) -> None:
    media = tmp_path / "a.mp4"
    media.write_bytes(b"x" * 60_000)
    page = page_of(tmp_path, made(media, "one"), made(media, "two"), embed_mb=0.1)
    assert [a["id"] for a, _ in page.scripts if (a.get("id") or "").startswith("media")] == [
        "media-1"
    ]
    assert sum("src" in a for t, a in page.elements if t == "video") == 1


def test_a_missing_recording_is_said(tmp_path: Path) -> None:
    page = page_of(tmp_path, made(tmp_path / "gone.mp4"))
    assert "gone.mp4 is not where it was" in page.text
    assert not [t for t, _ in page.elements if t == "video"]


# --- several answers
# -------------------------------------------------------------------------------------------------


def test_several_answers_have_an_overview_and_a_selector(tmp_path: Path) -> None:
    page = page_of(
        tmp_path,
        made(id="one"),
        replace(without_words(), recording=replace(without_words().recording, id="two")),
    )
    rows = page.seen("rows")
    assert "0.77" in rows
    assert "not measured" in rows
    links = [
        a["href"]
        for t, a in page.elements
        if t == "a" and (a.get("href") or "").startswith("#answer")
    ]
    assert links == ["#answer-1", "#answer-2"]
    assert [a["value"] for t, a in page.elements if t == "option"][:3] == [
        "overview",
        "answer-1",
        "answer-2",
    ]
    alone = page_of(tmp_path, made())
    assert not alone.count("rows")
    assert "select" not in [t for t, _ in alone.elements]


def test_many_answers_are_an_overview_with_links_and_no_recording(tmp_path: Path) -> None:
    media = tmp_path / "a.mp4"
    media.write_bytes(b"x" * 1000)
    results = [made(media, f"answer {i}") for i in range(MAX_TOGETHER + 1)]
    page = page_of(tmp_path, *results)
    assert not page.count("answer")
    assert [a.get("id") for a, _ in page.scripts] == ["texts", None]
    links = [
        a["href"]
        for t, a in page.elements
        if t == "a" and (a.get("href") or "").endswith("report.html")
    ]
    assert links[0] == "answer%200/report.html"
    assert len(links) == MAX_TOGETHER + 1
    again = write_overview(
        [overview_row(r, f"x{i}/report.html") for i, r in enumerate(results)],
        tmp_path / "o.html",
        title="T",
    )
    assert Page(again).count("rows") == 1


def test_files_that_could_not_be_described_stand_on_the_page(tmp_path: Path) -> None:
    reasons = [f"{k}.mp4: <b>broken</b>" for k in range(23)]
    one = write_pages([shown(made())], tmp_path / "one.html", failed=reasons[:1])
    rows = [overview_row(made(), "x"), overview_row(made(), "y")]
    many = write_overview(rows, tmp_path / "many.html", failed=reasons)
    none = write_overview(rows, tmp_path / "none.html").read_text("utf-8")
    text = one.read_text("utf-8")
    assert "Could not be described: 1" in text
    assert "0.mp4: &lt;b&gt;broken" in text
    text = many.read_text("utf-8")
    assert ("Could not be described: 23" in text, "3 more, in answers.csv" in text) == (True, True)
    assert text.count("&lt;b&gt;broken") == 20
    assert "Could not be described" not in none


def test_the_counts_of_the_overview_are_by_modality() -> None:
    assert overview_row(made(), "x")["counts"] == {"words": 1, "voice": 1, "face": 1, "head": 0}


def test_a_modality_that_was_not_measured_has_no_count_of_cues() -> None:
    result = made()
    blind = replace(result, cues=(), features=replace(result.features, tracks={}, words=None))
    assert overview_row(blind, "x")["counts"] == dict.fromkeys(("words", "voice", "face", "head"))


# --- series
# ----------------------------------------------------------------------------------------------------------


def test_bins_are_means_of_what_is_there() -> None:
    times_s = np.arange(0, 1, 0.02)
    values = np.where((times_s >= 0.4) & (times_s < 0.5), np.nan, times_s)[:, None]
    bin_s, means = bin_means(times_s, values, 1.0)
    assert bin_s == pytest.approx(0.1)
    assert means.shape == (10, 1)
    assert np.isnan(means[4, 0])
    np.testing.assert_allclose(means[[0, 9], 0], [0.04, 0.94])


def test_long_recordings_get_coarser_not_larger() -> None:
    times_s = np.arange(0, 3600, 0.04)
    _, means = bin_means(times_s, np.ones((len(times_s), 1)), 3600.0)
    assert len(means) <= 3000
    assert np.isfinite(means).all()


def test_runs_cover_the_axis_once_and_name_gaps() -> None:
    times_s = np.concatenate([np.arange(0.5, 1, 0.04), np.arange(2, 3, 0.04)])
    codes = np.where(times_s < 2.5, 0, 1)
    runs = runs_of(times_s, codes, 4.0, 9)
    assert [c for _, _, c in runs] == [9, 0, 9, 0, 1, 9]
    assert runs[0][0] == 0.0
    assert runs[-1][1] == 4.0
    for (_, end, _), (start, _, _) in pairwise(runs):
        assert math.isclose(end, start, abs_tol=1e-9)
    assert runs[1][1] == pytest.approx(1.02, abs=0.03)


def test_quality_has_the_reason_at_its_time() -> None:
    runs = quality_of(face_track(), DURATION_S, "no video frame")
    assert [r[2] for r in runs] == ["", "no face", ""]
    assert runs[1][:2] == pytest.approx([2.0, 3.0], abs=0.05)


def test_speech_and_pauses_come_from_the_voice() -> None:
    speech = time_data(made())["speech"]
    assert speech["speech"] == [
        pytest.approx([0.5, 3.0], abs=0.011),
        pytest.approx([4.0, 5.5], abs=0.011),
    ]
    assert speech["pauses"] == [pytest.approx([3.0, 4.0], abs=0.011)], (
        "silence before and after speech is no pause"
    )


def test_the_lane_shows_the_pauses_that_are_measured() -> None:
    """By the words' times: soft speech in the middle of the silence parts it."""
    result = made()
    given = ((0.6, 2.9), (3.4, 3.6), (4.1, 5.3))
    words = tuple(Word("so", a, b, timing=Timing.ALIGNED) for a, b in given)
    spoken = replace(result.recording, words=words)
    voice = {**result.summary.get("voice", {}), "pauses_by": "words"}
    summary = {**result.summary, "voice": voice}
    speech = time_data(replace(result, recording=spoken, summary=summary))["speech"]
    assert speech["by"] == "words"
    assert speech["pauses"] == [
        pytest.approx([3.0, 3.4], abs=0.011),
        pytest.approx([3.6, 4.0], abs=0.011),
    ]


def test_forty_seconds_stay_small() -> None:
    times_s = np.arange(0, 40, 1 / 30)
    names = tuple(f"measure_{i}" for i in range(40))
    rng = np.random.default_rng(0)
    face = Track(
        rng.normal(size=(len(times_s), 40)),
        times_s,
        np.ones(len(times_s), bool),
        names,
        ("x",) * 40,
    )
    whole = made()
    features = replace(
        whole.features,
        tracks={"face": face, "face_relative": face, "voice": voice_track(40)},
        span_s=(0.0, 40.0),
    )
    data = time_data(
        replace(whole, features=features, recording=replace(whole.recording, duration_s=40.0))
    )
    assert max(len(c["values"]) for c in data["curves"]) <= 400
    assert len(json.dumps(data)) < 600_000
