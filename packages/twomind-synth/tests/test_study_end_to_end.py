"""Synthetic studies end to end: films in the real layouts → the real readers → described → protocol →
score → page.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

pytest.importorskip("cv2", reason="drawing needs the extra 'face'")
pytest.importorskip("torch")
pytest.importorskip("sklearn")
pytest.importorskip("mediapipe")

from twomind.cli.main import main
from twomind.core.errors import BadInput
from twomind.datasets import open_dataset
from twomind.types import Access
from twomind_synth.studies.features import film_and_crop
from twomind_synth.study import draw_study, plan_study
from twomind_synth.study_world import StudyWorld

pytestmark = pytest.mark.slow  # whole studies are drawn, measured and scored

SHORT = StudyWorld(
    answer_s=(3.0, 0.5),
    answer_limits_s=(2.5, 3.5),
    segment_s=(1.8, 0.4),
    segment_limits_s=(0.8, 2.5),
    more_segments=2.0,
    clips_per_class=4,
    clip_s=2.0,
    task_s=2.0,
)


def run(*arguments: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(main, [str(a) for a in arguments])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr


@pytest.mark.parametrize("layout", ["bah", "biovid", "stressid"])
def test_films_to_leaderboard(layout: str, tmp_path: Path) -> None:
    fps = {"bah": 6, "biovid": 10, "stressid": 5}[layout]
    plan = plan_study(tmp_path / "study", layout, 3, 3, SHORT, fps=fps, size=(240, 192))
    draw_study(plan, workers=1, work=film_and_crop)
    found = open_dataset(plan.out)
    assert found.name == layout, "the reader of the real set reads it without a switch"
    code, said, _ = run("data", "check", plan.out, "--json")
    report = json.loads(said)
    assert code == 0, report
    assert not report["missing"]
    assert not report["corrupted"]

    command = [
        "score",
        "personalise",
        "--data",
        plan.out,
        "--protocol",
        "targets-1",
        "--workers",
        "1",
    ]
    command += [
        "--methods",
        "source-only,t3a,tent",
        "--set",
        "data.window_s=0",
        "--store",
        tmp_path / "store",
    ]
    code, _, talk = run(*command, "--out", tmp_path / "out")
    assert code == 0, talk
    assert "made by the project, not filmed" in talk
    page = (tmp_path / "out" / "shuffled" / "leaderboard.md").read_text()
    for row in ("no adaptation", "t3a", "tent", "prevalence"):
        assert row in page, f"expected the row {row!r}"
    assert ("| question only" in page) == (layout != "biovid"), (
        "questions are a shortcut where there are several"
    )


def test_fast_studies_tell_what_each_method_saw(tmp_path: Path) -> None:
    command = [
        "score",
        "personalise",
        "--drawn",
        "biovid",
        "--people",
        "6",
        "--protocol",
        "targets-2",
        "--workers",
        "1",
    ]
    command += [
        "--methods",
        "t3a,tta-cap",
        "--order",
        "shuffled",
        "--order",
        "class_blocked",
        "--out",
        tmp_path,
    ]
    command += ["--seeds", "2", "--guard"]
    code, _, talk = run(*command)
    assert code == 0, talk
    for order in ("shuffled", "class_blocked"):
        board = json.loads((tmp_path / order / "leaderboard.json").read_text())["boards"][0]
        saw = {line["name"]: line["saw"] for line in board["lines"]}
        assert saw["t3a"] == saw["no adaptation"] == "nothing"
        assert saw["tta-cap"] == saw["guarded tta-cap"] == "summary"
        harm = json.loads((tmp_path / order / "harm.json").read_text())
        assert list(harm["methods"]) == ["t3a", "tta-cap"]
        people = harm["methods"]["t3a"]["people"]
        assert len(people) == 2
        for person in people.values():
            assert set(person["seeds"]) == {"0", "1"}
            assert person["guarded"] >= person["source"], (
                "a stream this short lets the guard change nothing"
            )
            n_changed = sum(
                c["by"] == "adapted" for s in person["seeds"].values() for c in s["changes"]
            )
            assert person["changed_adapted"] == n_changed
        line = next(x for x in board["lines"] if x["name"] == "t3a")
        harmed = {s for s, p in people.items() if p["harmed_adapted"]}
        assert harmed == {s for s, p in line["people"].items() if p["harmed"]}, (
            "the page and the report agree"
        )
    again = run(*command)
    assert again[0] == 0, "runs that are there are read back"


def personalised(out: Path, *extra: object, methods: str = "neutral-alignment") -> dict[str, Any]:
    command = ["score", "personalise", "--drawn", "biovid", "--workers", "1", "--out", out]
    code, _, talk = run(*command, "--methods", methods, *extra)
    assert code == 0, talk
    [board] = json.loads((out / "shuffled" / "leaderboard.json").read_text())["boards"]
    return board  # type: ignore[no-any-return]


def test_with_the_person_shift_at_zero_a_gain_of_adaptation_vanishes(tmp_path: Path) -> None:
    asked = ("--people", 10, "--protocol", "targets-5")
    boards = {
        c: personalised(tmp_path / c, *asked, "--control", c) for c in ("none", "people-alike")
    }
    gain = {
        c: next(x for x in b["lines"] if x["name"] == "neutral-alignment")["against_no_adaptation"][
            "mean"
        ]
        for c, b in boards.items()
    }
    assert gain["none"] > 0.1, "there is a gain that can vanish"
    assert gain["people-alike"] < 0.05
    named = [b["dataset"] for b in boards.values()]
    assert named == ["drawn biovid", "drawn biovid (people-alike)"], (
        "a control is never mistaken for the study itself"
    )


def test_another_day_is_scored_by_its_own_protocol(tmp_path: Path) -> None:
    asked = (
        "--people",
        4,
        "--set",
        "synthetic.visits=2",
        "--set",
        "synthetic.knobs=clips_per_class=6",
        "--protocol",
        "environment-shift",
    )
    assert personalised(tmp_path, *asked)["dataset"] == "drawn biovid (2 visits, clips_per_class=6)"
    fold = json.loads(next((tmp_path / "runs").rglob("run.json")).read_text())["fold"]
    days = {
        part: {"~visit2" in i or "visit-2" in i for i in fold[part]}
        for part in ("neutral", "target", "test")
    }
    assert days == {"neutral": {False}, "target": {False}, "test": {True}}, (
        "adapted on one day, tested on another"
    )


def test_a_control_without_a_drawn_study_is_refused(tmp_path: Path) -> None:
    code, _, talk = run(
        "score", "personalise", "--data", tmp_path, "--control", "people-alike", "--out", tmp_path
    )
    assert code == 3
    assert "together with --drawn" in talk


def test_all_methods_include_the_translator_and_leave_out_those_with_a_model_of_their_own() -> None:
    from twomind.pipeline.personalise_methods import ALL, chosen_methods

    kept, left = chosen_methods(
        ALL, Access.NEUTRAL | Access.SUMMARY | Access.TARGET | Access.SOURCE | Access.FEW
    )
    assert "sfda-pft" in kept
    assert {"dsfda", "clip-autt"} <= left.keys()


def test_a_translator_is_trained_on_the_source_where_it_is_asked_for(tmp_path: Path) -> None:
    asked = ("--people", 4, "--set", "synthetic.knobs=clips_per_class=4", "--protocol", "targets-1")
    personalised(tmp_path, *asked, methods="sfda-pft,neutral-threshold")
    seen = {}
    for path in (tmp_path / "runs").rglob("run.json"):
        found = json.loads(path.read_text())
        seen[found["method"]] = found["seen"]
    assert any("pft.corrected" in name for name in seen["sfda-pft"]["summary"]["arrays"])


def test_a_method_that_the_protocol_does_not_serve_is_refused(tmp_path: Path) -> None:
    command = [
        "score",
        "personalise",
        "--drawn",
        "biovid",
        "--people",
        "6",
        "--protocol",
        "people-2",
        "--workers",
        "1",
    ]
    code, _, talk = run(*command, "--methods", "tta-cap-v1", "--out", tmp_path)
    assert code == 3
    assert "does not hand over" in talk


def test_a_data_set_is_listed_once_for_all_of_its_recordings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A listing opens every film; one listing for every recording made a score of 264 films take
    half an hour.
    """
    from twomind import datasets
    from twomind.training.described import Described

    plan = plan_study(tmp_path / "study", "biovid", 2, 0, SHORT, fps=5, size=(160, 128))
    draw_study(plan, workers=1)
    found = open_dataset(plan.out)
    listed = []

    def counted(*arguments: object) -> object:
        listed.append(arguments)
        return found

    monkeypatch.setattr(datasets, "open_dataset", counted)
    read = Described(plan.out, "biovid", tmp_path / "store")
    ids = [one.id for one in found.recordings()][:3]
    assert [read(recording).recording for recording in ids] == ids
    assert len(listed) == 1
    with pytest.raises(BadInput, match="no recording"):
        read("nobody")
