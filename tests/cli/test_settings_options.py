"""Verbs whose options are settings: ``--set``, ``--config``, ``--set help``, and old options."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from twomind.cli.main import main
from twomind.cli.settings_options import Command, schema_at
from twomind.pipeline import fusion as fusion_pipeline
from twomind.pipeline import personalise as personalise_pipeline
from twomind.pipeline import personalise_settings

#: Verb → the options that are no settings: where it is kept, how it works.
VERBS = {
    "predict": {"redo"},
    "describe": {"redo"},
    "score personalise": {"out", "store", "workers", "engine"},
    "train fusion": {"out", "store", "workers"},
}
_IN_ALL = {"config", "sets", "as_json", "offline"}


def command_of(name: str) -> Command:
    found: click.Command = main
    for part in name.split():
        assert isinstance(found, click.Group)
        below = found.get_command(click.Context(found), part)
        assert below is not None
        found = below
    assert isinstance(found, Command)
    return found


def run(*arguments: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(main, [str(a) for a in arguments])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr


@pytest.mark.parametrize("name", VERBS)
def test_every_option_is_a_setting(name: str) -> None:
    command = command_of(name)
    schema = schema_at(command.schema)
    parameters = {parameter.name for parameter in command.params}
    keys = {schema.short.get(str(one), one) for one in parameters - VERBS[name] - _IN_ALL}
    assert keys <= set(schema.keys)
    assert set(schema.short.values()) <= set(schema.keys)


@pytest.mark.parametrize("name", VERBS)
def test_choices_of_an_option_are_those_of_its_setting(name: str) -> None:
    command = command_of(name)
    schema = schema_at(command.schema)
    for parameter in command.params:
        if isinstance(parameter.type, click.Choice):
            key = schema.keys[schema.short.get(str(parameter.name), str(parameter.name))]
            assert tuple(parameter.type.choices) == key.choices


#: What an old option of ``describe`` says may be a setting of ``predict`` alone.
@pytest.mark.parametrize("name", ["predict", "score personalise", "train fusion"])
def test_what_an_old_option_says_is_there(name: str) -> None:
    command = command_of(name)
    schema = schema_at(command.schema)
    options = {option for parameter in command.params for option in parameter.opts}
    assert command.moved
    assert not options & command.moved.keys()
    for now in command.moved.values():
        for key in re.findall(r"--set ([\w.-]+)=", now):
            assert key == "adapt.NAME" or schema.short.get(key, key) in schema.keys
        for option in re.findall(r"(--(?!set)[\w-]+)", now):
            assert option in options


OLD_OPTIONS = [(name, old) for name in VERBS for old in sorted(command_of(name).moved)]


@pytest.mark.parametrize(("name", "old"), OLD_OPTIONS)
def test_an_old_option_says_how_it_is_written_now(name: str, old: str) -> None:
    code, _, said = run(*name.split(), "--out", "x", old, "1")
    assert code == 2
    assert f"{old} is written {command_of(name).moved[old]} since version 0.2." in said


@pytest.mark.parametrize(
    ("name", "option", "key"),
    [
        ("predict", "--stream", "stream"),
        ("predict", "--device", "device"),
        ("describe", "--precision", "precision"),
        ("describe", "--follow-tables", "follow_tables"),
        ("score personalise", "--precision", "precision"),
    ],
)
def test_an_option_that_is_a_setting_says_how_it_is_written(name, option, key) -> None:
    code, _, said = run(*name.split(), "--out", "x", option, "1")
    assert code == 2
    assert f"{option} is a setting of this command: --set {key}=VALUE." in said


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("predict", "llm.strategy  text  ["),
        ("predict", "describe.target  short for describe.face.target"),
        ("predict", "adapt.NAME  a setting of the method of --adapt  [not set]"),
        ("describe", "workers  a whole number at least 0  [0]"),
        ("score personalise", "synthetic.visits  a whole number at least 1 and at most 5  [1]"),
        ("score personalise", "clip-au.epochs  a whole number at least 1, or none  [not set]"),
        ("score personalise", "described.face  one of face, face_relative  ["),
        ("train fusion", "fit.imbalance  one of weights, focal, none  ["),
        ("train fusion", "epochs  short for training.epochs"),
    ],
)
def test_all_settings_are_listed_on_demand(name: str, line: str) -> None:
    code, out, _ = run(*name.split(), "--set", "help")
    assert code == 0
    assert line in out


@pytest.mark.parametrize("name", VERBS)
def test_settings_are_listed_as_json_too(name: str) -> None:
    code, out, _ = run(*name.split(), "--json", "--set=help")
    assert code == 0
    listed = [row["key"] for row in json.loads(out)["settings"]]
    assert set(listed) >= set(schema_at(command_of(name).schema).keys)
    assert ("llm.strategy" in listed) == (name == "predict")


def test_an_option_that_never_was_is_refused_as_ever() -> None:
    code, _, said = run("score", "personalise", "--out", "x", "--kobn", "mix=0")
    assert code == 2
    assert "No such option" in said


@pytest.mark.parametrize("given", ["", ",", " , "])
def test_no_name_at_all_is_a_command_misspelt(given: str) -> None:
    code, _, said = run("score", "personalise", "--drawn", "bah", "--out", "x", "--methods", given)
    assert code == 2
    assert "expected one name or several" in said


# --- what reaches the pipeline


class Stopped(Exception):
    """Raised in place of the work."""


def settings_of(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> tuple[Any, Any]:
    """Settings and place that a command hands over."""
    handed: list[Any] = []

    def stop(settings: Any, place: Any, _: Any = None) -> None:
        handed.extend((settings, place))
        raise Stopped

    monkeypatch.setattr(personalise_pipeline, "personalise", stop)
    monkeypatch.setattr(fusion_pipeline, "train_fusion", stop)
    with pytest.raises(Stopped):
        run(*arguments)
    settings, place = handed
    return settings, place


def test_without_options_settings_are_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    settings, place = settings_of(monkeypatch, "score", "personalise", "--out", "x")
    assert settings == personalise_settings.PersonaliseSettings()
    assert (place.out, place.workers) == (Path("x"), 0)


def test_options_give_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings, place = settings_of(
        monkeypatch,
        *("score", "personalise", "--out", "x", "--store", tmp_path, "--workers", 3),
        *("--data", "d", "--protocol", "targets-2", "--task", "pain"),
        *("--drawn", "bah", "--people", 5, "--control", "people-alike"),
        *("--methods", "t3a, tent:steps=2,", "--model", "clip-au", "--seeds", 2, "--guard"),
        *("--order", "recorded", "--order", "shuffled", "--allow-drawn-model"),
        *("--set", "synthetic.knobs=mix=0,gap=1", "--set", "clip-au.epochs=7"),
    )
    ours = personalise_settings
    assert settings.data == ours.DataSettings(Path("d"), None, "targets-2", "pain")
    assert settings.synthetic == ours.SyntheticSettings(
        "bah", 5, knobs=("mix=0", "gap=1"), control="people-alike"
    )
    assert settings.compare == ours.CompareSettings(
        ("t3a", "tent:steps=2"),
        "clip-au",
        2,
        ("recorded", "shuffled"),
        guard=True,
        allow_drawn=True,
    )
    assert settings.clip_au == ours.ClipAuSettings(epochs=7)
    assert (place.store, place.workers) == (tmp_path, 3)


def test_fusion_s_options_give_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text(
        "[data]\nprotocol = 'people-3'\n[model]\nkind = 'mt'\nreleased = true\n", encoding="utf-8"
    )
    settings, place = settings_of(
        monkeypatch,
        *("train", "fusion", "--out", "x", "--config", path, "--data", "d", "--offline"),
        *("--modalities", "voice, words", "--seeds", 2, "--seed", 4, "--epochs", 3),
        *("--set", "fit.imbalance=focal", "--set", "encoders.text=bert"),
    )
    assert settings.data == fusion_pipeline.DataSettings(Path("d"), protocol="people-3")
    assert settings.model == fusion_pipeline.ModelSettings(
        "mt", released=True, modalities=("voice", "words")
    )
    assert settings.training == fusion_pipeline.TrainingSettings(2, 4, 3)
    assert settings.fit.imbalance == "focal"
    assert settings.encoders.text == "bert"
    assert place == fusion_pipeline.Place(Path("x"), offline=True)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((), "Missing option '--data'"),
        (("--data", "d"), "Missing option '--protocol'"),
    ],
)
def test_a_fusion_without_data_or_protocol_is_a_command_misspelt(
    given: tuple[str, ...], said: str
) -> None:
    code, _, talk = run("train", "fusion", "--out", "x", *given)
    assert code == 2
    assert said in talk


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--set", "compare.seed=3"), "did you mean compare.seeds?"),
        (
            ("--set", "synthetic.visits=9"),
            "synthetic.visits: expected a whole number at least 1 and at most 5, got 9",
        ),
        (("--set", "compare.orders=backwards"), "expected one of shuffled, class_blocked"),
        (("--set", "compare.seeds=0"), "seeds: expected a whole number at least 1"),
        (("--set", "compare.orders="), "orders: expected at least one"),
        (("--set", "compare.methods="), "methods: expected at least one"),
        (("--config", "no-such.toml"), "no-such.toml: expected settings as TOML"),
        (("--set", "data.window_s=-1"), "window_s: expected a number at least 0"),
        ((), "give either --data FOLDER"),
        (("--data", "d", "--drawn", "bah"), "give either --data FOLDER"),
        (("--data", "d", "--control", "people-alike"), "expected together with --drawn"),
    ],
)
def test_what_cannot_be_a_setting_is_said(
    given: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    code, _, talk = run("score", "personalise", "--out", tmp_path / "out", *given)
    assert code == 3
    assert said in talk
    assert not (tmp_path / "out").exists()
