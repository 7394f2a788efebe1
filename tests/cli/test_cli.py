"""Every verb, from outside: what it prints, what it writes, how it fails."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from twomind.cli.main import main


def verbs(command: click.Command = main, name: str = "") -> list[tuple[str, click.Command]]:
    """Every verb, those of other distributions too."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        below = ((n, command.get_command(context, n)) for n in command.list_commands(context))
        return [v for n, c in below if c is not None for v in verbs(c, f"{name} {n}".strip())]
    return [(name, command)]


def run(*arguments: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(main, [str(a) for a in arguments])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr


@pytest.mark.parametrize(("name", "command"), verbs(), ids=[n for n, _ in verbs()])
def test_every_verb_has_json_offline_and_a_help(name, command) -> None:
    options = {o for p in command.params for o in p.opts}
    assert {"--json", "--offline"} <= options
    assert command.help
    if name in ("people", "train words", "score words"):
        assert "--seed" in options
    code, out, _ = run(*name.split(), "--help")
    assert code == 0
    assert "Usage" in out


def test_the_promised_verbs_exist() -> None:
    names = {n for n, _ in verbs()}
    assert {
        "predict", "describe", "doctor", "people", "weights list", "weights verify", "weights "
                                                                                     "add", "train "
                                                                                            "words",
        "score words",
    } <= names  # fmt: skip


def test_import_is_light() -> None:
    """R1: importing the package, and asking for help, brings in nothing heavy."""
    code = (
        "import sys, twomind, twomind.cli.main\n"
        "heavy = {'torch', 'mediapipe', 'cv2', 'sklearn', 'av', 'scipy', 'transformers', "
        "'pyarrow', "
        "'jinja2'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_doctor_says_what_works_without_a_network(monkeypatch) -> None:
    code, out, _ = run("doctor", "--json", "--offline")
    found = json.loads(out)
    assert code == 0
    assert found["works_offline"]["probability from words"] == "yes"
    assert found["works_offline"]["face"] == "yes"
    assert found["works_offline"]["words by speech recognition"].startswith("no model here")
    code, out, _ = run("doctor")
    assert code == 0
    assert "mediapipe" in out


def test_doctor_tells_how_to_get_what_is_absent(monkeypatch) -> None:
    from twomind.pipeline import doctor

    real = doctor.importlib.util.find_spec
    monkeypatch.setattr(
        doctor.importlib.util,
        "find_spec",
        lambda name, *a: None if name in ("mediapipe", "faster_whisper") else real(name, *a),
    )
    found = doctor.examine()
    assert found["works_offline"]["face"] == "no: pip install 'twomind[face]'"
    assert (
        found["works_offline"]["words by speech recognition"] == "no: pip install 'twomind[speech]'"
    )
    assert not found["parts"]["face"]["installed"]


@pytest.fixture
def shelf(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("TWOMIND_WEIGHTS", str(tmp_path / "shelf"))
    return tmp_path / "shelf"


def hollow_model(folder: Path, **config: object) -> Path:
    """Files as of a language model, as far as they are looked at without loading it."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config))
    for name in ("model.safetensors", "tokenizer.json", "preprocessor_config.json"):
        (folder / name).write_text("{}")
    return folder


def test_doctor_tells_which_clip_and_language_models_work_without_a_network(
    tmp_path, shelf, monkeypatch
) -> None:
    pytest.importorskip("huggingface_hub")
    from twomind.pipeline.doctor import examine

    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    none = examine()["works_offline"]
    for what in ("CLIP", "language model on this machine"):
        assert none[what].startswith("no model here"), what
    assert none["CLIP-AU of synthetic people"] == "yes"
    assert (
        run(
            "weights",
            "add",
            "clip-vit-b-32",
            hollow_model(tmp_path / "c", architectures=["CLIPModel"]),
        )[0]
        != 0
    )
    (tmp_path / "c" / "vocab.json").write_text("{}")
    (tmp_path / "c" / "merges.txt").write_text("#version")
    assert run("weights", "add", "clip-vit-b-32", tmp_path / "c")[0] == 0
    assert (
        run(
            "weights",
            "add",
            "mine",
            hollow_model(tmp_path / "m", architectures=["LlamaForCausalLM"]),
        )[0]
        == 0
    )
    seeing = {"architectures": ["LlavaForConditionalGeneration"], "vision_config": {}}
    hollow_model(tmp_path / "hub" / "models--its--llava" / "snapshots" / "0", **seeing)
    whisper = tmp_path / "hub" / "models--its--whisper" / "snapshots" / "0"
    hollow_model(whisper, architectures=["WhisperForConditionalGeneration"])
    found = examine()["works_offline"]
    assert found["CLIP"] == "yes, with vit-b-32"
    assert found["language model on this machine"] == "yes, with its/llava, mine", (
        "no CLIP and no Whisper among them"
    )
    (shelf / "clip-vit-b-32" / "vocab.json").write_text("damaged")
    (shelf / "mine" / "tokenizer.json").unlink()
    found = examine()["works_offline"]
    assert found["CLIP"].startswith("no: openai/clip-vit-base-patch32: ")
    assert "vocab.json does not match" in found["CLIP"]
    assert found["language model on this machine"] == "yes, with its/llava"


@pytest.mark.parametrize(
    ("absent", "what", "how"),
    [
        ("torch", "fusion models and adaptation", "no: pip install 'twomind[torch]'"),
        ("torch", "CLIP-AU of synthetic people", "no: pip install 'twomind[torch]'"),
        ("transformers", "CLIP", "no: pip install 'twomind[clip]'"),
        ("onnx", "CLIP in ONNX Runtime", "no: pip install 'twomind[clip]'"),
        ("PIL", "language model on this machine", "no: pip install 'twomind[clip]'"),
        ("openai", "language model behind an endpoint", "no: pip install 'twomind[llm]'"),
    ],
)
def test_doctor_tells_which_extra_a_model_lacks(
    monkeypatch, absent: str, what: str, how: str
) -> None:
    from twomind.pipeline import doctor

    real = doctor.importlib.util.find_spec
    monkeypatch.setattr(
        doctor.importlib.util,
        "find_spec",
        lambda name, *a: None if name == absent else real(name, *a),
    )
    found = doctor.examine()
    assert found["works_offline"][what] == how
    (part,) = (p for name, p in found["parts"].items() if doctor.PARTS[name][0] == absent)
    assert not part["installed"]
    assert part["how"] == how.removeprefix("no: ")


def test_weights_list_verify_add(tmp_path, shelf) -> None:
    (tmp_path / "m.bin").write_bytes(b"1234")
    code, out, _ = run("weights", "add", "mine", tmp_path / "m.bin", "--licence", "MIT", "--json")
    assert (code, json.loads(out)["weights"][0]["state"]) == (0, "present")
    code, out, _ = run("weights", "list", "--json")
    rows = {r["name"]: r for r in json.loads(out)["weights"]}
    assert rows["mine"]["licence"] == "MIT"
    assert rows["words"]["state"] == "present"
    assert run("weights", "verify")[0] == 0
    (shelf / "mine" / "m.bin").write_bytes(b"1235")
    code, out, err = run("weights", "verify")
    assert code == 5
    assert "mine" in err
    assert run("weights", "verify", "nothing")[0] == 3
    assert run("weights", "verify", "whisper-tiny")[0] == 5
    assert run("weights", "add", "x", "http://127.0.0.1:9/x", "--offline")[0] == 6


def test_errors_come_as_json_too() -> None:
    code, out, err = run("predict", "nothing.mp4", "--json")
    assert code == 3
    assert json.loads(out)["error"]["kind"] == "bad_input"
    assert "no such file" in err


def test_nothing_given() -> None:
    assert run("predict")[0] == 3
    assert run("predict", "--no-such-option")[0] == 2


def test_interrupt_is_its_own_exit_code(monkeypatch, tmp_path) -> None:
    from twomind.pipeline import predict as room

    (tmp_path / "a.mp4").write_bytes(b"x")

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(room, "predict_all", stop)
    code, _, err = run("predict", tmp_path / "a.mp4", "--out", tmp_path / "out")
    assert code == 130
    assert "Run the same command again" in err


def test_the_program_is_installed() -> None:
    program = Path(sys.executable).parent / "twomind"
    done = subprocess.run(
        [program, "--version"], capture_output=True, text=True, env={**os.environ}, check=True
    )
    assert "twomind" in done.stdout


def test_offline_ends_with_the_command(tmp_path, monkeypatch) -> None:
    import os

    monkeypatch.delenv("TWOMIND_OFFLINE", raising=False)
    CliRunner().invoke(main, ["predict", str(tmp_path / "absent.mp4"), "--offline"])
    assert "TWOMIND_OFFLINE" not in os.environ


# --- options and settings


#: What a reader can take in: twenty, and `--engine`, which says where all of it is done.
AT_MOST = 21


@pytest.mark.parametrize(("name", "command"), verbs(), ids=[n for n, _ in verbs()])
def test_no_verb_has_more_options_than_a_reader_can_take_in(name, command) -> None:
    n = sum(isinstance(p, click.Option) for p in command.params)
    assert n <= AT_MOST, f"{name}: {n} options"


#: Options of version 0.1 of predict and describe that are options still.
KEPT = {
    *("--out", "--transcript", "--manifest", "--neutral", "--person", "--profiles"),
    *("--speech-model", "--workers", "--redo", "--purpose", "--store", "--study"),
    *("--question", "--model", "--adapt", "--json", "--offline"),
}


def test_common_options_of_version_0_1_are_options_still() -> None:
    predict = dict(verbs())["predict"]
    assert {option for parameter in predict.params for option in parameter.opts} >= KEPT


def test_an_option_that_never_was_is_unknown_as_ever() -> None:
    code, _, err = run("predict", "--no-such-option")
    assert code == 2
    assert "No such option" in err


def test_a_long_list_is_printed_piece_by_piece_as_the_same_json(capsys) -> None:
    from twomind.cli.verb import print_json, print_json_list

    for items in ([], [{"a": [1, {"b": "x\ny"}]}, {"a": float("nan")}]):
        print_json_list("items", iter(items), {"n": 2})
        pieces = capsys.readouterr().out
        print_json({"items": items, "n": 2})
        assert pieces == capsys.readouterr().out
