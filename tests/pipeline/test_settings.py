"""Settings by key: where they come from, what beats what, and that a saved file gives the run back."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from twomind.adaptation import load_method
from twomind.core.errors import BadInput
from twomind.pipeline.keys import Bounds, Key, keys_of, rebuilt
from twomind.pipeline.run import adaptation_of
from twomind.pipeline.settings import SHORT, DescribeRun, PredictRun, as_toml, ask, known, listing


def test_an_option_beats_set_beats_the_file_beats_the_default(tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text('workers = 2\nquestion = "3"\nperson = "ana"\n[model]\nname = "from-file"\n')
    plain = ask(PredictRun()).run
    assert (plain.workers, plain.question, plain.model.name) == (0, None, "words")
    asked = ask(
        PredictRun(),
        config=config,
        sets=["question=4", "model.name=from-set"],
        options={"model.name": "from-option", "person": None},
    )
    run = asked.run
    assert (run.workers, run.question, run.model.name, run.person) == (2, "4", "from-option", "ana")
    assert asked.given == {"workers", "question", "person", "model.name"}
    assert ask(PredictRun(), config=config).run.model.name == "from-file"


def test_an_option_has_the_same_name_as_a_setting(tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text('model = "clip-au"\nadapt = "tda"\nlanguage = "en"\n')
    run = ask(PredictRun(), config=config, sets=["speech_model=base"]).run
    assert (run.model.name, run.method) == ("clip-au", "tda")
    assert (run.describe.language, run.describe.speech_model) == ("en", "base")


def test_media_and_a_manifest_give_way_to_each_other(tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text('manifest = "m.csv"\n')
    run = ask(PredictRun(), config=config, options={"media": (Path("a.mp4"),)}).run
    assert (run.media, run.manifest) == ((Path("a.mp4"),), None)
    config.write_text('media = ["a.mp4", "b.mp4"]\n')
    run = ask(PredictRun(), config=config, options={"manifest": Path("m.csv")}).run
    assert (run.media, run.manifest) == ((), Path("m.csv"))


@pytest.mark.parametrize(
    "sets",
    [
        [],
        ["describe.target=largest", "describe.cues.long_pause_s=1.5", "media=a.mp4,b.mp4"],
        ["model.prevalence=.2", 'model.prevalence_source=a "pilot", n = 80\\ü\x7f', "study="],
        ["model.name=llm", "llm.strategy=td1", "llm.budget.max_requests=9", "llm.send_text=true"],
        ["model.name=clip-au", "method=guarded", "adapt.method=tda", "adapt.settings.n_pos=2"],
        ["model.name=clip-au", "method=tda", "states.folder=s", "states.reset=never"],
    ],
)
def test_what_is_saved_gives_the_same_run_back(tmp_path: Path, sets: list[str]) -> None:
    asked = ask(PredictRun(), sets=sets, options={"out": tmp_path})
    how = adaptation_of(asked)
    saved = tmp_path / "settings.toml"
    saved.write_text(as_toml(asked.run, None if how is None else how.adapter()), "utf-8")
    again = ask(PredictRun(), config=saved)
    assert again.run == asked.run
    assert adaptation_of(again) == how
    other = ask(PredictRun(), config=saved, options={"out": tmp_path / "other"})
    assert other.run.out == tmp_path / "other"


def test_settings_of_the_method_that_nobody_gave_stand_as_remarks() -> None:
    asked = ask(PredictRun(), sets=["method=tda", "adapt.n_pos=2"])
    text = as_toml(asked.run, load_method("tda", n_pos=2))
    assert 'n_pos = "2"' in text
    assert "# n_neg = " in text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("llm.frames=3", "did you mean llm.n_frames? There is: llm.model (text)"),
        ("prevalence=.2", "did you mean model.prevalence?"),
        ("nonsense=1", "`--set help` lists every key"),
        ("llm.n_frames=few", "llm.n_frames: expected a whole number, got 'few'"),
        ("llm.replay=1", "llm.replay: expected true or false, got '1'"),
        ("describe.target=all", "expected one of continuity, largest, central, got 'all'"),
        ("model.prevalence=1", "expected a number above 0 and below 1, got 1.0"),
        ("model.max_risk=nan", "above 0 and at most 0.5"),
        ("llm.per_minute=0", "above 0"),
        ("workers=-1", "at least 0"),
        ("workers", "expected key=value"),
        ("=3", "expected key=value"),
        ("describe.offline=true", "there is no setting 'describe.offline'"),
    ],
)
def test_what_cannot_be_set_is_refused_with_what_can(text: str, why: str) -> None:
    with pytest.raises(BadInput) as error:
        ask(PredictRun(), sets=[text])
    assert why in str(error.value)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("workers = 2.5", "workers: expected a whole number at least 0, got 2.5"),
        ("workers = true", "workers: expected a whole number at least 0, got True"),
        ("person = 7", "person: expected text, got 7"),
        ("media = [1]", "media: expected a path"),
        ("purpose = 'fun'", "expected one of research, medical, quality, demonstration"),
        ("[llm]\nframes = 3", "did you mean llm.n_frames?"),
        ("[adapt]\nlr = [1]", "adapt.lr: expected a text, a number, or true or false"),
        ("workers = ", "expected settings as TOML"),
    ],
)
def test_a_file_is_checked_as_well_and_named(tmp_path: Path, text: str, why: str) -> None:
    config = tmp_path / "mine.toml"
    config.write_text(text)
    with pytest.raises(BadInput) as error:
        ask(PredictRun(), config=config)
    assert str(error.value).startswith(str(config))
    assert why in str(error.value)
    with pytest.raises(BadInput, match=r"absent\.toml: expected settings as TOML"):
        ask(PredictRun(), config=tmp_path / "absent.toml")


def test_describe_knows_nothing_of_models() -> None:
    keys = known(DescribeRun())
    assert "describe.face.target" in keys
    assert not [key for key in keys if key.startswith(("model.", "llm.", "states."))]
    assert {"question", "method"}.isdisjoint(keys)
    with pytest.raises(BadInput, match="no setting"):
        ask(DescribeRun(), sets=["adapt.lr=1"])


def test_every_key_is_listed_and_every_default_is_a_value_of_its_type() -> None:
    run = PredictRun()
    rows = {name: default for name, _, default in listing(run)}
    for name, key in known(run).items():
        assert name in rows
        if key.default is not None and not key.many:
            assert key.from_text(str(key.default)) == key.default, name
    assert set(SHORT.values()) <= set(rows)


def test_settings_of_a_method_need_the_method() -> None:
    with pytest.raises(BadInput, match=r"adapt\.lr, states\.reset: goes with --adapt METHOD"):
        adaptation_of(ask(PredictRun(), sets=["adapt.lr=1", "states.reset=never"]))


@dataclass(frozen=True)
class Inner:
    width: int = 3
    names: tuple[str, ...] = ("a",)


@dataclass(frozen=True)
class Outer:
    path: Path | None = None
    inner: Inner = field(default_factory=Inner)

    def __post_init__(self) -> None:
        if self.path is None and self.inner.width > 9:
            raise BadInput("together only")


def test_nested_fields_have_dotted_names_and_are_checked_together() -> None:
    keys = keys_of(Outer(), bounds={"inner.width": Bounds(1)})
    assert list(keys) == ["path", "inner.width", "inner.names"]
    assert keys["path"] == Key("path", Path, None, optional=True)
    assert keys["path"].from_text("none") is None
    assert keys["inner.names"].from_text("x, y,") == ("x", "y")
    assert keys["inner.names"].from_value("x") == ("x",)
    assert keys["inner.width"].expected() == "a whole number at least 1"
    made = rebuilt(Outer(), {"inner.width": 12, "path": Path("p")})
    assert made == Outer(Path("p"), Inner(12))
    with pytest.raises(BadInput, match="together only"):
        rebuilt(Outer(), {"inner.width": 12})
