"""From a result to a coder and back: `annotate export`, a coder in another program, `annotate
import`, `agree`.
"""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import eaf_schema as schema
from twomind.annotations import (
    COLUMNS,
    Annotations,
    Mark,
    Tier,
    read_annotations,
    read_csv,
    read_eaf,
    read_vtt,
    write_csv,
    write_eaf,
)
from twomind.cli.main import main
from twomind.reporting import tables
from twomind.reporting.result import Result
from twomind.reporting.summary import summary_of
from twomind.types import Cue, Features, Prediction, Recording, Segment, Timing, Word


def run(*arguments: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(main, [str(a) for a in arguments])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr


WORDS = (
    Word("I", 0.5, 0.7, 0.9),
    Word("would.", 0.7, 1.1, 0.8),
    Word("But", 1.2, 1.5),
    Word("um", 3.0, 3.4),
)
SEGMENTS = (Segment(1.0, 3.5, "A/H", "words", 0.83),)


def result(
    folder: Path, name: str = "take1", *, located: bool = True, p: float = 0.8, timing=Timing.GIVEN
) -> Path:
    """A folder as `predict` writes it, by its own writers."""
    folder = folder / name
    media = folder.parent.parent / f"{name}.mp4"
    media.touch()
    words = tuple(replace(w, timing=timing) for w in WORDS)
    made = Result(
        Recording(name, f"person {name}", media, "7", 9.0, words, "", "x.srt"),
        Features(name, f"person {name}", {}, (0.0, 9.0), "7", words),
        (
            Cue("long_pause", "voice", 1.5, 3.0, 1.5, "s"),
            Cue("filler", "words", 3.0, 3.4, detail="um"),
            Cue("gaze_away", "face", 1.4, 2.0),
            Cue("brow_raise", "face", 1.6, 1.9),
            Cue("nod", "head", 0.2, 0.8),
        ),
        Prediction((0.0, 9.0), np.array([1 - p, p])),
        located=located,
        located_reason="" if located else "the words do not tell when",
        segments=SEGMENTS if located else (),
        media={"path": str(media), "duration_s": 9.0},
        model={"classes": ["absent", "present"]},
    )
    tables.write_words_csv(made, folder / "words.csv")
    tables.write_cues_csv(made, folder / "cues.csv")
    if located:
        tables.write_segments_csv(made, folder / "segments.csv")
    tables.write_json(summary_of(made, "mark"), folder / "summary.json")
    return folder


@pytest.fixture
def results(tmp_path) -> Path:
    (tmp_path / "results").mkdir()
    result(tmp_path / "results")
    return tmp_path / "results"


def test_export_gives_each_coder_a_file_beside_the_medium(results, tmp_path) -> None:
    code, out, _ = run(
        "annotate", "export", results, "--coder", "Änne B.", "--coder", "bo", "--json"
    )
    assert code == 0
    paths = [Path(p) for p in json.loads(out)["files"]]
    assert paths == [tmp_path / "take1.Änne_B_.eaf", tmp_path / "take1.bo.eaf"]
    for path in paths:
        assert schema.violations(path) == []
    one = read_eaf(paths[0])
    assert (one.recording, one.subject, one.media, one.duration_s) == (
        "take1",
        "person take1",
        "take1.mp4",
        9.0,
    )
    blank = [t for t in one.tiers if t.coder == "Änne B."]
    assert [t.kind for t in blank] == ["answer", "ah", "cue", "cue", "cue", "cue", "inconsistency"]
    assert not any(t.marks for t in blank)
    assert [m.label for m in one.of("word")[0].marks] == ["I", "would.", "But", "um"]
    assert [m.certainty for m in one.of("word")[0].marks] == ["0.900", "0.800", "", ""]
    # a sentence ends, a pause ends
    assert [(m.start_s, m.end_s, m.label) for m in one.of("utterance")[0].marks] == [
        (0.5, 1.1, "I would."), (1.2, 1.5, "But"), (3.0, 3.4, "um"),
    ]  # fmt: skip
    assert one.of("model")[0].marks == (Mark(1.0, 3.5, "A/H", "0.830"),)
    cues = {t.modality: [m.label for m in t.marks] for t in one.of("cue", coder="twomind")}
    assert cues == {
        "audio": ["pause"],
        "language": ["filler sound"],
        "facial": ["gaze", "eyebrow"],
        "body": ["nod"],
    }


def test_export_to_tables_and_subtitles(results, tmp_path) -> None:
    assert run("annotate", "export", results, "--to", "csv", "--out", tmp_path / "all.csv")[0] == 0
    assert run("annotate", "export", results, "--to", "vtt", "--out", tmp_path / "sub")[0] == 0
    (one,) = read_csv(tmp_path / "all.csv")
    assert (
        replace(read_vtt(tmp_path / "sub" / "take1.vtt"), media="", duration_s=math.nan).at_ms()
        == one.at_ms()
    )


def test_coding_blind_shows_nothing_of_the_model(results, tmp_path) -> None:
    assert run("annotate", "export", results, "--blind", "--eaf-format", "2.8")[0] == 0
    text = (tmp_path / "take1.eaf").read_text(encoding="utf-8")
    assert "twomind@" not in text
    assert 'ANNOTATOR="twomind"' not in text
    assert 'FORMAT="2.8"' in text
    assert {t.kind for t in read_eaf(tmp_path / "take1.eaf").tiers if t.marks} == {
        "utterance",
        "word",
    }


def test_a_coders_work_is_never_overwritten_unasked(results, tmp_path) -> None:
    assert run("annotate", "export", results)[0] == 0
    before = (tmp_path / "take1.eaf").read_bytes()
    code, _, err = run("annotate", "export", results)
    assert (code, "may hold a coder's work" in err) == (3, True)
    assert (tmp_path / "take1.eaf").read_bytes() == before
    assert run("annotate", "export", results, "--redo", "--blind")[0] == 0
    assert (tmp_path / "take1.eaf").read_bytes() != before


def test_what_is_not_known_is_said_and_not_drawn(tmp_path) -> None:
    folder = result(tmp_path / "results", located=False, timing=Timing.SPREAD_ALL)
    code, _, err = run("annotate", "export", folder, "--out", tmp_path / "elsewhere" / "deep")
    assert code == 0
    assert "the words do not tell when" in err
    assert "no times" in err
    one = read_eaf(tmp_path / "elsewhere" / "deep" / "take1.eaf")
    assert one.of("model") == ()
    assert one.of("word") == ()
    assert one.of("utterance")[0].marks == (Mark(0.5, 3.4, "I would. But um"),)
    assert one.media == "../../take1.mp4"
    (tmp_path / "take1.mp4").unlink()
    assert "say with --out" in run("annotate", "export", folder)[2]
    code, _, err = run("annotate", "export", folder, "--out", tmp_path / "again")
    assert (code, "is not there any more" in err) == (0, True)


def test_a_recording_alone_can_be_exported(tmp_path) -> None:
    import av

    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 32
        for _ in range(10):
            for packet in stream.encode(
                av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
            ):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    (tmp_path / "a.srt").write_text("1\n00:00:00,100 --> 00:00:00,900\nyes but\n")
    code, _, err = run("annotate", "export", tmp_path / "a.mp4")
    assert code == 0
    assert "evenly inside their subtitle" in err
    one = read_eaf(tmp_path / "a.eaf")
    assert one.duration_s == pytest.approx(1.0, abs=0.11)
    assert [m.label for m in one.of("word")[0].marks] == ["yes", "but"]


def coded(path: Path, *spans: tuple[int, int, str], tier: str) -> None:
    """A coder's work in another program."""
    import pympi

    other = pympi.Elan.Eaf(str(path))
    for start_ms, end_ms, label in spans:
        other.add_annotation(tier, start_ms, end_ms, label)
    other.to_file(str(path))


def test_what_a_coder_marked_comes_back(results, tmp_path) -> None:
    run("annotate", "export", results, "--coder", "anna")
    path = tmp_path / "take1.anna.eaf"
    coded(path, (1100, 3400, "ambivalence"), (5000, 6001, "hesitancy"), tier="A/H@anna")
    coded(path, (1100, 1300, "gaze"), tier="cue facial@anna")
    code, out, _ = run("annotate", "import", path, "--out", tmp_path / "own.csv", "--json")
    assert code == 0
    with open(tmp_path / "own.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    mine = [r for r in rows if r["coder"] == "anna" and r["start_s"]]
    assert [(r["tier"], r["modality"], r["label"], r["start_s"], r["end_s"]) for r in mine] == [
        ("ah", "", "ambivalence", "1.100", "3.400"),
        ("ah", "", "hesitancy", "5.000", "6.001"),
        ("cue", "facial", "gaze", "1.100", "1.300"),
    ]
    assert {(r["recording"], r["subject"]) for r in rows} == {("take1", "person take1")}
    counts = {(t["tier"], t["coder"]): t["n"] for t in json.loads(out)["recordings"][0]["tiers"]}
    assert counts["ah", "anna"] == 2
    # The table is one of the program's own, so it may be written again; another file is not.
    assert run("annotate", "import", path, "--out", tmp_path / "own.csv")[0] == 0
    (tmp_path / "mine.csv").write_text("a,b\n1,2\n")
    code, _, err = run("annotate", "import", path, "--out", tmp_path / "mine.csv")
    assert (code, "left as it is" in err) == (3, True)
    assert (tmp_path / "mine.csv").read_text() == "a,b\n1,2\n"


def test_several_files_of_one_recording_become_one(tmp_path) -> None:
    for who, start_s in (("anna", 1.0), ("bo", 2.0)):
        one = Annotations(
            "r", (Tier("ah", (Mark(start_s, 4),)), Tier("word", (Mark(0, 1, "hm"),))), "p"
        )
        write_eaf(one, tmp_path / f"r.{who}.eaf")
    files = [tmp_path / "r.anna.eaf", tmp_path / "r.bo.eaf"]
    assert run("annotate", "import", *files, "--out", tmp_path / "x.csv")[0] == 0
    (one,) = read_csv(tmp_path / "x.csv")
    assert {t.coder: t.marks[0].start_s for t in one.of("ah")} == {"anna": 1.0, "bo": 2.0}
    assert len(one.of("word")) == 1
    code, _, err = run("annotate", "import", *files, "--out", tmp_path / "x.csv", "--coder", "same")
    assert (code, "name the coders apart" in err) == (3, True)


def study(folder: Path, n: int = 6) -> list[Path]:
    """Two coders, ``n`` people, 20 s each: bo is 0.2 s late, misses every third segment, and marks
    no first one.
    """
    for i in range(n):
        spans = [(2.0 + i / 2, 5.0 + i / 2), (12.0, 14.0)]
        late = [(a + 0.2, b + 0.2) for a, b in spans[: 1 if i % 3 == 0 else 2]]
        for who, marked in (("anna", spans), ("bo", late)):
            tier = Tier("ah", tuple(Mark(a, b, "A/H") for a, b in marked), coder=who)
            write_eaf(Annotations(f"r{i}", (tier,), f"p{i}", "", 20.0), folder / who / f"r{i}.eaf")
    return [folder / "anna", folder / "bo"]


def test_agree_counts_what_there_is(tmp_path) -> None:
    from sklearn.metrics import cohen_kappa_score

    code, out, err = run(
        "agree", *study(tmp_path), "--json", "--hop", "0.1", "--disagreements", tmp_path / "d.csv"
    )
    found = json.loads(out)
    assert (code, found["recordings"], found["people"], found["n_frames"]) == (0, 6, 6, 1200)
    (pair,) = found["pairs"]
    assert (pair["a"], pair["b"]) == ("anna", "bo")
    assert (pair["n_events_a"], pair["n_events_b"], pair["n_matched"]) == (12, 10, 10)
    assert pair["event_f1"] == pytest.approx(20 / 22)
    assert pair["onset_error_s"] == pytest.approx(0.2)
    # By hand, in frames of 0.1 s: anna marks 30 and 20 per recording, bo the same two frames later
    # where he marks.
    a, b = np.zeros(1200, int), np.zeros(1200, int)
    for i in range(6):
        start = 200 * i + 20 + 5 * i
        a[start : start + 30] = b[start + 2 : start + 32] = 1
        a[200 * i + 120 : 200 * i + 140] = 1
        if i % 3:
            b[200 * i + 122 : 200 * i + 142] = 1
    assert pair["kappa"] == pytest.approx(cohen_kappa_score(a, b), abs=1e-9)
    assert pair["raw_agreement"] == pytest.approx((a == b).mean(), abs=1e-9)
    low, high = pair["kappa_interval"]
    assert low < pair["kappa"] < high
    import krippendorff

    theirs = krippendorff.alpha(np.stack([a, b]), level_of_measurement="nominal")
    assert found["together"]["coders"]["alpha"] == pytest.approx(theirs, abs=1e-9)
    assert pair["alpha"] == pytest.approx(theirs, abs=1e-9)
    assert (pair["n_answers"], pair["answers_same"]) == (6, 6)
    forms = {f["form"]: f["value"] for f in pair["icc_seconds_marked"]}
    assert len(forms) == 6
    assert found["raters"][1]["seconds_marked"] == pytest.approx(26.0)
    states = [s["state"] for s in pair["segments"]]
    assert (states.count("matched"), states.count("only a"), len(states)) == (10, 2, 12)
    missed = [d for d in found["disagreements"] if not d["at_border"]]
    assert [(d["recording"], d["start_s"], d["marked"]) for d in missed] == [
        ("r0", 12.0, ["anna"]), ("r3", 12.0, ["anna"]),
    ]  # fmt: skip
    assert all(d["within_tolerance"] for d in found["disagreements"] if d["at_border"])
    with open(tmp_path / "d.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(found["disagreements"])
    assert "disagreements:" in err
    # A tolerance below bo's delay finds no pair; the same seed gives the same interval.
    strict = json.loads(
        run("agree", *study(tmp_path), "--json", "--hop", "0.1", "--tolerance", "0.1")[1]
    )
    assert strict["pairs"][0]["n_matched"] == 0
    assert strict["pairs"][0]["kappa_interval"] == pair["kappa_interval"]


def test_agree_says_it_to_people(tmp_path) -> None:
    code, out, _ = run("agree", *study(tmp_path, 2))
    assert code == 0
    assert "2 recordings of 2 people, 1000 frames of 0.04 s" in out
    assert "anna – bo" in out
    assert "not measured: intervals: people: 2" in out
    assert "3 of 4 and 3" in out


def test_the_model_is_one_more_rater(results, tmp_path) -> None:
    run("annotate", "export", results, "--blind", "--coder", "anna")
    path = tmp_path / "take1.anna.eaf"
    coded(path, (1100, 3400, "A/H"), tier="A/H@anna")
    found = json.loads(run("agree", path, "--model", results, "--json")[1])
    (pair,) = found["pairs"]
    assert (pair["a"], pair["b"], pair["event_f1"], pair["n_answers"]) == ("anna", "model", 1.0, 1)
    assert [r["model"] for r in found["raters"]] == [False, True]
    assert set(found["together"]) == {"coders and models"}
    # Of the utterances 0.5–1.1, 1.2–1.5 and 3.0–3.4 the model (from 1.0) and anna (1.1 to 3.4) mark
    # the last two.
    assert (pair["n_utterances"], pair["utterances_kappa"]) == (3, 1.0)
    assert found["n_frames"] == 225
    scores = tmp_path / "scores.csv"
    scores.write_text(
        "recording,time_s,score\n" + "".join(f"take1,{t / 10:.1f},{t / 100}\n" for t in range(90))
    )
    found = json.loads(run("agree", path, "--model", scores, "--threshold", "0.7", "--json")[1])
    assert found["raters"][1]["seconds_marked"] == pytest.approx(
        1.9
    )  # above .70: from 7.1 s to 9.0 s
    code, _, err = run("agree", path, "--model", tmp_path / "results" / "nothing")
    assert (code, "expected a results folder" in err) == (3, True)


def test_a_model_that_does_not_locate_rates_answers_only(tmp_path) -> None:
    folder = result(tmp_path / "results", located=False, p=0.2)
    path = write_eaf(
        Annotations("take1", (Tier("ah", (Mark(1, 2),), coder="anna"),)), tmp_path / "x.eaf"
    )
    code, out, err = run("agree", path, "--model", folder, "--json")
    assert code == 0
    (pair,) = json.loads(out)["pairs"]
    assert pair["reason"] == "no recording in which both marked segments"
    assert (pair["n_answers"], pair["answers_same"]) == (1, 0)
    assert json.loads(out)["raters"][1]["seconds_marked"] is None
    assert (
        json.loads(out)["together"]["coders and models"]["reason"]
        == "no recording in which two of them marked segments"
    )
    assert "does not say when: the words do not tell when" in err
    assert run("agree", path, "--model", folder)[0] == 0


def test_a_coder_who_saw_the_model_is_named(results, tmp_path) -> None:
    run("annotate", "export", results, "--coder", "anna", "--coder", "bo")
    for who in ("anna", "bo"):
        coded(tmp_path / f"take1.{who}.eaf", (1100, 3400, "A/H"), tier=f"A/H@{who}")
    code, out, err = run("agree", tmp_path / "take1.anna.eaf", tmp_path / "take1.bo.eaf", "--json")
    assert code == 0
    assert "not coded unseen" in err
    found = json.loads(out)
    assert [(r["rater"], r["model"]) for r in found["raters"]] == [
        ("anna", False),
        ("twomind", True),
        ("bo", False),
    ]
    assert found["together"]["coders"]["alpha"] == 1.0
    assert found["together"]["coders and models"]["alpha"] < 1.0
    cues = json.loads(
        run("agree", *tmp_path.glob("take1.*.eaf"), "--tier", "cue:audio", "--json")[1]
    )
    assert {r["rater"]: r["model"] for r in cues["raters"]} == {
        "anna": False,
        "bo": False,
        "twomind": True,
    }
    assert any("not coded unseen" in r for r in cues["remarks"])


def test_one_coder_twice_is_agreement_with_oneself(tmp_path) -> None:
    for name, start_s in (("first.eaf", 1.0), ("second.eaf", 1.3)):
        write_eaf(
            Annotations("r", (Tier("ah", (Mark(start_s, 4),), coder="anna"),), "", "", 9),
            tmp_path / name,
        )
    found = json.loads(run("agree", tmp_path / "first.eaf", tmp_path / "second.eaf", "--json")[1])
    assert [r["rater"] for r in found["raters"]] == ["anna (first.eaf)", "anna (second.eaf)"]


def test_labels_and_tiers_of_other_names(tmp_path) -> None:
    for who, label in (("a", "gaze"), ("b", "smile")):
        tiers = (
            Tier("other", (Mark(1, 2, label), Mark(3, 4, "gaze")), name="Gesicht"),
            Tier("word"),
        )
        write_eaf(Annotations("r", tiers, "", "", 10), tmp_path / f"{who}.eaf")
    files = (tmp_path / "a.eaf", tmp_path / "b.eaf")
    code, _, err = run("agree", *files)
    assert (code, "--name 'TIER=ah'" in err) == (3, True)
    named = ("--name", "Gesicht=cue:facial", "--tier", "cue:facial", "--json")
    assert json.loads(run("agree", *files, *named)[1])["pairs"][0]["event_f1"] == 1.0
    gaze = json.loads(run("agree", *files, *named, "--label", "gaze")[1])["pairs"][0]
    assert gaze["event_f1"] == pytest.approx(2 / 3)
    assert run("agree", *files, "--name", "Nase=ah")[0] == 3
    assert run("agree", *files, "--name", "Gesicht")[0] == 3
    assert run("agree", *files, "--tier", "face")[0] == 3


def test_what_cannot_be_compared_is_refused_in_words(tmp_path) -> None:
    write_eaf(Annotations("r1", (Tier("ah", (Mark(1, 2),)),)), tmp_path / "a.eaf")
    write_eaf(Annotations("r2", (Tier("ah", (Mark(1, 2),)),)), tmp_path / "b.eaf")
    code, _, err = run("agree", tmp_path / "a.eaf", tmp_path / "b.eaf")
    assert (code, "--recording NAME" in err) == (3, True)
    code, out, _ = run(
        "agree", tmp_path / "a.eaf", tmp_path / "b.eaf", "--recording", "r", "--json"
    )
    assert code == 0
    found = json.loads(out)
    assert found["pairs"][0]["event_f1"] == 1.0
    # The length of the recording is not known: its frames end with the last mark, and that is said.
    assert any(n["what"] == "length" for n in found["not_measured"])
    assert run("agree", tmp_path / "a.eaf")[0] == 3
    (tmp_path / "empty").mkdir()
    assert "found none" in run("agree", tmp_path / "empty", tmp_path / "a.eaf")[2]


def test_undefined_numbers_have_their_reason(tmp_path) -> None:
    for who in "ab":
        write_eaf(
            Annotations("r", (Tier("ah", (), coder=who),), "", "", 10), tmp_path / f"{who}.eaf"
        )
    found = json.loads(run("agree", tmp_path / "a.eaf", tmp_path / "b.eaf", "--json")[1])
    assert found["pairs"][0]["kappa"] is None
    assert any(
        "a – b" in n["what"] and "neither marked" in n["reason"] for n in found["not_measured"]
    )


def test_a_table_of_several_coders_is_enough(tmp_path) -> None:
    one = Annotations(
        "r", (Tier("ah", (Mark(1, 2),), coder="x"), Tier("ah", (Mark(1.1, 2),), coder="y")), "p"
    )
    write_csv([one], tmp_path / "all.csv")
    assert read_annotations(tmp_path / "all.csv")[0].coders == ("x", "y")
    assert (
        json.loads(run("agree", tmp_path / "all.csv", "--json")[1])["pairs"][0]["event_f1"] == 1.0
    )
