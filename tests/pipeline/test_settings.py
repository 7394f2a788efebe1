"""Settings by key: where they come from, what beats what, and that a saved file gives the run back."""

from __future__ import annotations

from pathlib import Path

import pytest

from twomind.adaptation import load_method
from twomind.core.errors import BadInput
from twomind.pipeline.run import adaptation_of
from twomind.pipeline.settings import DESCRIBE, PREDICT, as_toml


def test_an_option_beats_set_beats_the_file_beats_the_default(tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text('workers = 2\nquestion = "3"\nperson = "ana"\n[model]\nname = "from-file"\n')
    plain = PREDICT.read().settings
    assert (plain.workers, plain.question, plain.model.name) == (0, None, "words")
    asked = PREDICT.read(
        config=config,
        sets=["question=4", "model.name=from-set"],
        options={"model.name": "from-option", "person": None},
    )
    run = asked.settings
    assert (run.workers, run.question, run.model.name, run.person) == (2, "4", "from-option", "ana")
    assert asked.given == {"workers", "question", "person", "model.name"}
    assert PREDICT.read(config=config).settings.model.name == "from-file"


def test_an_option_has_the_same_name_as_a_setting(tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text('model = "clip-au"\nadapt = "tda"\nlanguage = "en"\n')
    run = PREDICT.read(config=config, sets=["speech_model=base"]).settings
    assert (run.model.name, run.method) == ("clip-au", "tda")
    assert (run.describe.language, run.describe.speech_model) == ("en", "base")


def test_media_and_a_manifest_give_way_to_each_other(tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text('manifest = "m.csv"\n')
    run = PREDICT.read(config=config, options={"media": (Path("a.mp4"),)}).settings
    assert (run.media, run.manifest) == ((Path("a.mp4"),), None)
    config.write_text('media = ["a.mp4", "b.mp4"]\n')
    run = PREDICT.read(config=config, options={"manifest": Path("m.csv")}).settings
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
    asked = PREDICT.read(sets=sets, options={"out": tmp_path})
    how = adaptation_of(asked)
    saved = tmp_path / "settings.toml"
    saved.write_text(as_toml(asked.settings, None if how is None else how.adapter()), "utf-8")
    again = PREDICT.read(config=saved)
    assert again.settings == asked.settings
    assert adaptation_of(again) == how
    other = PREDICT.read(config=saved, options={"out": tmp_path / "other"})
    assert other.settings.out == tmp_path / "other"


def test_settings_of_the_method_that_nobody_gave_stand_as_remarks() -> None:
    asked = PREDICT.read(sets=["method=tda", "adapt.n_pos=2"])
    text = as_toml(asked.settings, load_method("tda", n_pos=2))
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
        ("model.prevalence=1", "expected a number above 0 and below 1, or none, got 1.0"),
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
        PREDICT.read(sets=[text])
    assert why in str(error.value)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("workers = 2.5", "workers: expected a whole number at least 0, got 2.5"),
        ("workers = true", "workers: expected a whole number at least 0, got True"),
        ("person = 7", "person: expected text, or none, got 7"),
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
        PREDICT.read(config=config)
    assert str(error.value).startswith(str(config))
    assert why in str(error.value)
    with pytest.raises(BadInput, match=r"absent\.toml: expected settings as TOML"):
        PREDICT.read(config=tmp_path / "absent.toml")


def test_describe_knows_nothing_of_models() -> None:
    keys = DESCRIBE.keys
    assert "describe.face.target" in keys
    assert not [key for key in keys if key.startswith(("model.", "llm.", "states."))]
    assert {"question", "method"}.isdisjoint(keys)
    with pytest.raises(BadInput, match="no setting"):
        DESCRIBE.read(sets=["adapt.lr=1"])


def test_every_key_is_listed_and_every_default_is_a_value_of_its_type() -> None:
    rows = {name: default for name, _, default in PREDICT.listing()}
    assert "adapt.NAME" in rows
    for name, key in PREDICT.keys.items():
        assert name in rows
        if key.default is not None and not key.many:
            assert key.from_text(str(key.default)) == key.default, name
    assert set(PREDICT.short.values()) <= set(rows)


def test_settings_of_a_method_need_the_method() -> None:
    with pytest.raises(BadInput, match=r"adapt\.lr, states\.reset: goes with --adapt METHOD"):
        adaptation_of(PREDICT.read(sets=["adapt.lr=1", "states.reset=never"]))
