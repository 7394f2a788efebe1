"""A comparison of methods from its settings to its pages, and again from the settings it kept."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, ClassVar

import pytest
from click.testing import CliRunner

pytest.importorskip("torch")
pytest.importorskip("sklearn")
pytest.importorskip("twomind_synth")

from twomind.adaptation import traits
from twomind.cli.main import main
from twomind.core import registry, synthetic
from twomind.core.errors import BadInput
from twomind.core.settings import FILE
from twomind.core.store import Ledger
from twomind.evaluation.merging import differences
from twomind.evaluation.orders import ORDERS
from twomind.evaluation.runs import find_runs, load_run, save_run
from twomind.evaluation.windows import Labels, Windows
from twomind.models.base import BaseModel, complete
from twomind.pipeline import fixed_model
from twomind.pipeline.personalise import Place, Talk, _title, personalise
from twomind.pipeline.personalise_methods import ALL, chosen_methods, configured, within_guard
from twomind.pipeline.personalise_settings import (
    SCHEMA,
    CompareSettings,
    DataSettings,
    PersonaliseSettings,
    SyntheticSettings,
)
from twomind.training.described import fitted
from twomind.types import Access, Features


def run(*arguments: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(main, [str(a) for a in arguments])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A small comparison; one of its methods is of another kind of model."""
    out = tmp_path_factory.mktemp("personal") / "first"
    code, _, talk = run(
        *("score", "personalise", "--drawn", "biovid", "--people", 4, "--protocol", "targets-2"),
        *("--methods", "neutral-threshold,dsfda", "--order", "class_blocked", "--workers", 1),
        *("--set", "synthetic.knobs=clips_per_class=2,clip_s=2.0", "--seeds", 2, "--out", out),
    )
    assert code == 0, talk
    return out, talk


def board_of(out: Path) -> Any:
    [board] = json.loads((out / "class_blocked" / "leaderboard.json").read_text())["boards"]
    return board


def test_kept_settings_are_what_was_asked(asked: tuple[Path, str]) -> None:
    out, _ = asked
    kept = SCHEMA.read(out / FILE).settings
    knobs = ("clips_per_class=2", "clip_s=2.0")
    assert kept == PersonaliseSettings(
        data=DataSettings(protocol="targets-2"),
        synthetic=SyntheticSettings("biovid", 4, knobs=knobs),
        compare=CompareSettings(("neutral-threshold", "dsfda"), seeds=2, orders=("class_blocked",)),
    )


def test_settings_given_back_give_the_same_runs(asked: tuple[Path, str], tmp_path: Path) -> None:
    out, _ = asked
    command = ("score", "personalise", "--workers", 1, "--config", out / FILE)
    code, _, talk = run(*command, "--out", tmp_path)
    assert code == 0, talk
    assert (tmp_path / FILE).read_bytes() == (out / FILE).read_bytes()
    first = {path.name: load_run(path) for path in find_runs([out])}
    again = {path.name: load_run(path) for path in find_runs([tmp_path])}
    assert first.keys() == again.keys()
    assert len(first) == 2 * 2 * 2, "folds, seeds, no adaptation and a method"
    for name, made in first.items():
        assert differences(made, again[name]) == []
    lines, same = (board_of(folder)["lines"] for folder in (out, tmp_path))
    assert [line["figures"] for line in lines] == [line["figures"] for line in same]

    # Both folders on one page: the runs of the one are those of the other.
    page = tmp_path / "page"
    runs = [folder / "runs" for folder in (out, tmp_path)]
    code, said, talk = run("score", "report", *runs, "--out", page, "--bootstrap", 100, "--json")
    assert code == 0, talk
    [board] = json.loads(said)["boards"]
    assert board["n_rows"] == board_of(out)["n_rows"]

    # One that is not the same is named.
    path = next(p for p in find_runs([tmp_path / "runs"]))
    save_run(replace(load_run(path), fill="constant"), path)
    code, _, talk = run("score", "report", *runs, "--out", page)
    assert code == 3
    assert str(path) in talk
    assert str(out) in talk
    assert "other fill" in talk


def test_a_method_that_the_model_refuses_is_a_row_with_the_reason(asked: tuple[Path, str]) -> None:
    out, talk = asked
    why = "dsfda adapts a DSFDA model"
    refused = Ledger(out / "runs" / "class_blocked" / "ledger.jsonl").entries()
    assert sum(e["state"] == "refused" and why in e["error"] for e in refused) == 2
    [row] = board_of(out)["refused"]
    assert (row["name"], row["n_folds"], row["of_folds"]) == ("dsfda", 2, 2)
    assert why in row["why"]
    assert f"refused every fold: {why}" in (out / "class_blocked" / "leaderboard.md").read_text()
    assert f"dsfda: refused every fold: {why}" in talk


EVERYTHING = Access.NEUTRAL | Access.SUMMARY | Access.TARGET | Access.SOURCE | Access.FEW


def test_a_method_that_the_protocol_does_not_serve_is_kept_beside_one_that_it_does() -> None:
    offered = EVERYTHING & ~Access.NEUTRAL
    kept, left = chosen_methods(("neutral-alignment", "t3a", "source-only"), offered)
    assert list(kept) == ["neutral-alignment", "t3a"]
    assert left == {}
    with pytest.raises(BadInput, match="neutral-alignment: needs neutral, which this protocol"):
        chosen_methods(("neutral-alignment",), offered)
    with pytest.raises(BadInput, match="no-such-method"):
        chosen_methods(("no-such-method", "t3a"), offered)


_THIRD_PARTY = '''
"""A method of somebody else's distribution."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from twomind.training.described import fitted
from twomind.types import Access, Features


@dataclass(frozen=True)
class Shifted:
    by: float = 0.0
    model_kind: ClassVar[str | None] = None

    @classmethod
    def variants(cls, model_kind):
        return ({}, {"by": 0.5}) if model_kind == "described" else ({},)

    @classmethod
    def why_not(cls, model_kind):
        return "reads measures" if model_kind == "clip-au" else ""

    @staticmethod
    def source_summary(model):
        return lambda source: {"shifted.n": np.array(len(source))}

    @property
    def needs(self):
        return Access.SUMMARY

    def begin(self, model, given):
        assert int(given.summary["shifted.n"]) > 0
        return {}

    def step(self, model, state, x):
        return model.predict(x), state


PLUGIN = Shifted
'''


@pytest.fixture
def third_party(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A method ``shifted`` that lies elsewhere and is declared as an entry point."""
    (tmp_path / "place").mkdir()
    (tmp_path / "place" / "somebodys_method.py").write_text(_THIRD_PARTY)
    monkeypatch.syspath_prepend(tmp_path / "place")
    ours = EntryPoint("shifted", "somebodys_method:PLUGIN", "twomind.methods")
    real = registry.entry_points

    def found(*, group: str) -> list[EntryPoint]:
        more = [ours] if group == ours.group else []
        return [*real(group=group), *more]

    monkeypatch.setattr(registry, "entry_points", found)


def test_a_method_of_one_file_elsewhere_is_compared_with_all(
    third_party: None, tmp_path: Path
) -> None:
    kept, _ = chosen_methods(ALL, EVERYTHING)
    mine = {spec: method.by for spec, method in kept.items() if spec.startswith("shifted")}
    assert mine == {"shifted": 0.0, "shifted:by=0.5": 0.5}
    assert list(kept)[-1] == "shifted:by=0.5", "variants come after every method's first"
    assert "guarded shifted:by=0.5" in within_guard(kept)
    assert chosen_methods(ALL, EVERYTHING, "clip-au")[1]["shifted"] == "reads measures"
    command = ("score", "personalise", "--drawn", "biovid", "--people", 4, "--workers", 1)
    asked = ("--protocol", "targets-2", "--set", "synthetic.knobs=clips_per_class=2,clip_s=2.0")
    out = tmp_path / "out"
    code, _, talk = run(*command, *asked, "--methods", "shifted", "--out", out)
    assert code == 0, talk
    seen = [load_run(path).seen for path in find_runs([out]) if load_run(path).method == "shifted"]
    assert seen
    assert all("shifted.n" in one["summary"]["arrays"] for one in seen)


def test_a_method_without_traits_is_compared_once_as_it_is() -> None:
    assert traits.variants(object(), "described") == ({},)
    assert traits.why_not(object(), "described") == ""
    assert traits.source_summary(object()) is None
    assert not traits.wraps(object())
    guarded = configured("guarded:method=sfda-pft")
    assert traits.wraps(guarded)
    assert traits.source_summary(guarded) is traits.source_summary(configured("sfda-pft"))


KNOBS = "synthetic.knobs=clips_per_class=2,clip_s=2.0"


def trained_model(folder: Path) -> Path:
    """A linear head on measures of four synthetic people, saved."""
    study = synthetic.studies().dataset(
        "biovid",
        people=4,
        seed=0,
        visits=1,
        knobs=("clips_per_class=2", "clip_s=2.0"),
        control="none",
    )
    [task] = study.tasks
    fold = study.folds("targets-2", 0)[0]
    labels = Labels(study, task, Windows(None))
    fitted(labels, study.features, "face", fold).save(folder)
    return folder


def test_titles_name_the_order_of_the_stream_in_the_language_of_the_page() -> None:
    english = [_title("biovid", "targets-2", order, "en") for order in ORDERS]
    french = [_title("biovid", "targets-2", order, "fr") for order in ORDERS]
    assert english[0] == "biovid, targets-2, shuffled stream"
    assert french[0] == "biovid, targets-2, suite mélangée"
    assert not any("stream" in title for title in french)


def test_a_trained_model_is_compared_as_it_is(tmp_path: Path) -> None:
    model = trained_model(tmp_path / "mine")
    command = ("score", "personalise", "--drawn", "biovid", "--people", 4, "--workers", 1)
    more = ("--protocol", "targets-2", "--set", KNOBS, "--methods", "t3a,guarded")
    out = tmp_path / "out"
    for _ in range(2):  # the second time everything is read back
        code, _, talk = run(*command, *more, "--model", model, "--out", out)
        assert code == 0, talk
    runs = [load_run(path) for path in find_runs([out])]
    assert {one.method for one in runs} == {"source-only", "t3a", "guarded"}
    assert {one.model for one in runs} == {"mine (fixed)"}
    assert all(one.notes.count(fixed_model.NOTE) == 1 for one in runs)
    page = (out / "shuffled" / "leaderboard.md").read_text()
    assert fixed_model.NOTE in page
    kept = SCHEMA.read(out / FILE).settings
    assert kept.compare.model == str(model.resolve())


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("words", "no embedding and weights that a method could work on"),
        ("no-such-model", "model 'no-such-model': expected one of"),
    ],
)
def test_a_model_that_no_method_can_work_on_is_refused(
    model: str, said: str, tmp_path: Path
) -> None:
    command = ("score", "personalise", "--drawn", "biovid", "--people", 4, "--set", KNOBS)
    command = (*command, "--protocol", "targets-2")
    code, _, talk = run(*command, "--model", model, "--out", tmp_path / "out")
    assert code == 3
    assert said in talk
    assert not (tmp_path / "out").exists()


def test_a_model_of_another_task_is_refused(tmp_path: Path) -> None:
    model = trained_model(tmp_path / "mine")
    command = ("score", "personalise", "--drawn", "bah", "--people", 4, "--protocol", "targets-1")
    code, _, talk = run(*command, "--model", model, "--out", tmp_path / "out")
    assert code == 3
    assert "task" in talk
    assert not (tmp_path / "out").exists()


def test_a_fixed_model_reads_what_it_prepares(monkeypatch: pytest.MonkeyPatch) -> None:
    x = Features("r", "p", {}, (0.0, 1.0))

    class Preparing(BaseModel):
        card: ClassVar[dict[str, object]] = {}

        def prepare(self, x: Features, recording: Any, *_: Any, **__: Any) -> Features:
            return replace(x, recording=f"{x.recording} of {recording}")

    monkeypatch.setattr(fixed_model, "opened", lambda place: Preparing())
    monkeypatch.setattr(
        fixed_model.clip_au_folds, "opened", lambda root, name: (None, {"r": "film"})
    )
    reading = fixed_model.Prepared(lambda recording: x, "m", Path("d"), None, Path("s"))
    assert reading("r").recording == "r of film"


class OfSynthetic(BaseModel):
    """Trained on synthetic people; it reads whoever it may look at."""

    card: ClassVar[dict[str, object]] = {"synthetic": True}

    def prepare(self, x: Features, *_: Any, **__: Any) -> Features:
        return x


def test_a_fixed_model_of_synthetic_people_looks_at_real_ones_where_that_is_allowed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = Features("r", "p", {}, (0.0, 1.0))
    monkeypatch.setattr(fixed_model, "opened", lambda place: OfSynthetic())
    monkeypatch.setattr(
        fixed_model.clip_au_folds, "opened", lambda root, name: (None, {"r": "film"})
    )
    reading = fixed_model.Prepared(lambda recording: real, "m", Path("d"), None, Path("s"))
    with pytest.raises(BadInput, match="score personalise --allow-drawn-model"):
        reading("r")
    assert replace(reading, allow_drawn=True)("r") is real
    assert not fixed_model.Fixed("m")(None).allow_real
    assert fixed_model.Fixed("m", True)(None).allow_real
    assert fixed_model.notes_on("m", False) == (fixed_model.NOTE,)
    assert fixed_model.notes_on("m", True) == (fixed_model.NOTE, fixed_model.ALLOWED_NOTE)


def test_the_allowance_reaches_the_model_from_the_command_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    model = trained_model(tmp_path / "mine")
    told = []

    class Told(fixed_model.Fixed):
        def __call__(self, fold: Any) -> Any:
            found = super().__call__(fold)
            told.append(complete(found).allow_real)
            return found

    monkeypatch.setattr(fixed_model, "Fixed", Told)
    command = ("score", "personalise", "--drawn", "biovid", "--people", 4, "--workers", 1)
    more = ("--protocol", "targets-2", "--set", KNOBS, "--methods", "t3a", "--model", model)
    for number, option in enumerate(((), ("--allow-drawn-model",))):
        code, _, talk = run(*command, *more, "--out", tmp_path / f"out{number}", *option)
        assert code == 0, talk
        assert set(told) == {bool(option)}
        told.clear()
    runs = [load_run(path) for path in find_runs([tmp_path / "out1"])]
    assert all(fixed_model.ALLOWED_NOTE in one.notes for one in runs)


def test_a_task_that_is_not_there_is_named_before_anything_is_made(tmp_path: Path) -> None:
    settings = PersonaliseSettings(
        data=DataSettings(task="joy"), synthetic=SyntheticSettings("biovid", 4)
    )

    def never(*_: object) -> None:
        raise AssertionError("nothing is to be told")

    with pytest.raises(BadInput, match="no task 'joy'; there is: pain"):
        personalise(settings, Place(tmp_path / "out", tmp_path), Talk(never, never))
    assert not (tmp_path / "out").exists()
