"""Verbs whose settings stand in sections: options, ``--set``, ``--config``, and old options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from twomind.cli.fusion_verbs import train_fusion_verb
from twomind.cli.main import main
from twomind.cli.personalise_verb import score_personalise_verb
from twomind.core import settings as core_settings
from twomind.pipeline import fusion as fusion_pipeline
from twomind.pipeline import personalise as personalise_pipeline
from twomind.pipeline import personalise_settings

VERBS = {
    "personalise": (score_personalise_verb, personalise_settings.SCHEMA),
    "fusion": (train_fusion_verb, fusion_pipeline.SCHEMA),
}


def run(*arguments: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(main, [str(a) for a in arguments])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr


@pytest.mark.parametrize("name", VERBS)
def test_a_verb_has_at_most_twenty_options(name: str) -> None:
    command, _ = VERBS[name]
    n_options = len(command.params) + 1  # and --help
    assert n_options <= 20


@pytest.mark.parametrize("name", VERBS)
def test_every_option_and_every_old_one_names_a_setting_that_is_there(name: str) -> None:
    from twomind.cli import fusion_verbs, personalise_verb

    module: Any = {"personalise": personalise_verb, "fusion": fusion_verbs}[name]
    command, schema = VERBS[name]
    parameters = {parameter.name for parameter in command.params}
    now = [text.removeprefix("--set ").partition("=")[0] for text in module._OLD.values()]
    assert set(module._GIVES) <= parameters
    for setting in (*module._GIVES.values(), *now):
        section, _, key = setting.partition(".")
        assert key in core_settings.kinds(schema[section]), setting
    options = {option for parameter in command.params for option in parameter.opts}
    assert not options & module._OLD.keys()


OLD_OPTIONS = [
    *(
        ("score", "personalise", *old)
        for old in (
            ("--name", "biovid", "--set data.name=NAME"),
            ("--window-s", "0", "--set data.window_s=SECONDS"),
            ("--study-seed", "1", "--set synthetic.seed=NUMBER"),
            ("--visits", "2", "--set synthetic.visits=NUMBER"),
            ("--knob", "mix=0", "--set synthetic.knobs=NAME=NUMBER,NAME=NUMBER"),
            ("--face", "face", "--set described.face=face|face_relative"),
            ("--encoder", "vit-b-32", "--set clip-au.encoder=NAME"),
            ("--epochs", "3", "--set clip-au.epochs=NUMBER"),
            ("--clip-hop-s", "0.1", "--set clip-au.hop_s=SECONDS"),
        )
    ),
    *(
        ("train", "fusion", *old)
        for old in (
            ("--name", "bah", "--set data.name=NAME"),
            ("--released", "", "--set model.released=true"),
            ("--published", "", "--set model.published=true"),
            ("--raw-face", "", "--set model.raw_face=true"),
            ("--no-question", "", "--set model.question=false"),
            ("--audio-encoder", "x", "--set encoders.audio=MODEL"),
            ("--text-encoder", "x", "--set encoders.text=MODEL"),
            ("--video-encoder", "x", "--set encoders.video=MODEL"),
            ("--imbalance", "focal", "--set fit.imbalance=weights|focal|none"),
        )
    ),
]


@pytest.mark.parametrize(("group", "verb", "option", "value", "now"), OLD_OPTIONS)
def test_an_option_of_before_says_how_it_is_written_now(
    group: str, verb: str, option: str, value: str, now: str
) -> None:
    given = (option, value) if value else (option,)
    code, _, said = run(group, verb, "--out", "x", *given)
    assert code == 2
    assert f"{option} is no option any more; it is written {now}" in said


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
        ("t3a", "tent:steps=2"), "clip-au", 2, ("recorded", "shuffled"), guard=True
    )
    assert settings.clip_au == ours.ClipAuSettings(epochs=7, allow_drawn=True)
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
        (("--set", "compare.seed=3"), "did you mean seeds?"),
        (("--set", "synthetic.visits=9"), "visits: expected 1 to 5, got 9"),
        (("--set", "compare.orders=backwards"), "expected one of shuffled, class_blocked"),
        (("--set", "compare.seeds=0"), "seeds: expected at least 1"),
        (("--set", "compare.orders="), "orders: expected at least one"),
        (("--set", "compare.methods="), "methods: expected at least one"),
        (("--config", "no-such.toml"), "no-such.toml: expected a TOML file"),
        (("--set", "data.window_s=-1"), "window_s: expected at least 0"),
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
