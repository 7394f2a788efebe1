"""One flipped byte in anything that was saved is an error, or a byte that no number depends on."""

from __future__ import annotations

import json
import random
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from models.test_model_contract import BUILT_IN
from twomind.adaptation.state import load_state, save_state
from twomind.cli.main import main
from twomind.core import seals
from twomind.core.errors import BadInput, MissingWeights, TwomindError, Unsealed
from twomind.features.profile import Neutral, Profile, Visit, read_profile, write_profile
from twomind.models import load

KEPT = Path(__file__).parent.parent / "fixtures" / "v0_1"
FEW, MANY = 16, 1500


def change_talk() -> Any:
    return load("change-talk"), []


def llm() -> Any:
    from twomind.models.llm.recogniser import LlmRecogniser, LlmSettings

    return LlmRecogniser(LlmSettings(model="m", strategy="td1")), []


MODELS: dict[str, Callable[[], Any]] = {**BUILT_IN, "change_talk": change_talk, "llm": llm}


def everything(folder: Path) -> dict[str, bytes]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def flip_bytes(path: Path, n: int, read: Callable[[], object], expected: object) -> int:
    """Flip bytes of a file, one at a time; how many were noticed.

    What is read in spite of one is what was read before.
    """
    whole = path.read_bytes()
    draw = random.Random(path.name)
    places = range(len(whole)) if len(whole) <= n else draw.sample(range(len(whole)), n)
    noticed = 0
    for at in places:
        flipped = bytearray(whole)
        flipped[at] ^= 1 << draw.randrange(7)
        path.write_bytes(flipped)
        try:
            with warnings.catch_warnings():
                # Where the name of the checksum is damaged, the file is read as one without.
                warnings.simplefilter("error", Unsealed)
                found = read()
        except (TwomindError, Unsealed):
            noticed += 1
            continue
        assert found == expected, (path.name, at)
    path.write_bytes(whole)
    return noticed


def _flip_model(name: str, folder: Path, n: int) -> None:
    if name != "words":
        pytest.importorskip("torch")
    model, _ = MODELS[name]()
    model.save(folder / "kept")

    def saved_again() -> dict[str, bytes]:
        """All that a model holds, as it writes it."""
        again = folder / "again"
        shutil.rmtree(again, ignore_errors=True)
        load(folder / "kept").save(again)
        return everything(again)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Unsealed)
        expected = saved_again()
        for path in sorted((folder / "kept").iterdir()):
            noticed = flip_bytes(path, n, saved_again, expected)
            assert noticed > min(n, path.stat().st_size) / 2, path.name
        assert saved_again() == expected


@pytest.mark.parametrize("name", MODELS)
def test_a_flipped_byte_of_a_saved_model_changes_no_number(name: str, tmp_path: Path) -> None:
    _flip_model(name, tmp_path, FEW)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_many_flipped_bytes_of_a_saved_model_change_no_number(name: str, tmp_path: Path) -> None:
    _flip_model(name, tmp_path, MANY)


def test_a_digit_of_a_card_is_noticed_though_the_json_is_whole(tmp_path: Path) -> None:
    load("words").save(tmp_path)
    card = tmp_path / "card.json"
    text = card.read_text(encoding="utf-8")
    changed = text.replace("0.7", "0.8", 1)
    assert changed != text
    card.write_text(changed, encoding="utf-8")
    with pytest.raises(MissingWeights, match="damaged or changed by hand"):
        load(tmp_path)
    # Whoever wants the change takes the checksum out, and is told what that means.
    entry = json.loads(changed)
    del entry[seals.KEY]
    card.write_text(json.dumps(entry), encoding="utf-8")
    with pytest.warns(Unsealed, match="carries no checksum"):
        load(tmp_path)


def test_a_file_that_a_card_names_is_checked_where_it_is_named_itself(tmp_path: Path) -> None:
    path = load("words").save(tmp_path)
    assert load(path).prevalence > 0
    entry = json.loads(path.read_text(encoding="utf-8"))
    del entry[seals.KEY]
    path.write_text(json.dumps(entry), encoding="utf-8")
    with pytest.raises(MissingWeights, match="not that of the model's card"):
        load(path)


def test_a_layout_of_another_program_does_not_count(tmp_path: Path) -> None:
    path = seals.write_sealed(tmp_path / "a.json", {"b": [1.5, (2, 3)], "a": {"é": None}})
    entry = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(dict(reversed(entry.items()))), encoding="utf-8")
    assert seals.read_sealed(path) == {"b": [1.5, [2, 3]], "a": {"é": None}}


def test_a_damaged_model_of_0_1_is_an_error_and_no_trace(tmp_path: Path) -> None:
    shutil.copytree(KEPT / "models" / "fusion", tmp_path / "m")
    card = tmp_path / "m" / "card.json"
    card.write_text(card.read_text(encoding="utf-8").replace('"task"', '"tosk"', 1), "utf-8")
    pytest.importorskip("torch")
    with pytest.warns(Unsealed), pytest.raises(MissingWeights, match="damaged"):
        load(tmp_path / "m")


# --- profiles and states


def profile() -> Profile:
    stats = {"face": {"AU04": Neutral(0.25, 0.125, 20, 2.0)}}
    visit = Visit("0" * 64, "2026-01-01T00:00:00+00:00", stats, entries=(("face", "ab"),))
    return Profile("ana", (visit,))


def test_a_flipped_byte_of_a_profile_changes_no_number(tmp_path: Path) -> None:
    path = write_profile(profile(), tmp_path / "profile.json")

    def neutral() -> object:
        found = read_profile(path)
        return found.person, found.visits

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Unsealed)
        noticed = flip_bytes(path, 10_000, neutral, neutral())
    assert noticed > path.stat().st_size / 2
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("0.25", "0.35"), encoding="utf-8")
    with pytest.raises(BadInput, match="damaged or changed by hand"):
        read_profile(path)


def test_a_flipped_byte_of_a_state_changes_no_number(tmp_path: Path) -> None:
    state = {"n": 3, "rows": np.arange(6.0), "seen": ("a", "b")}
    path = save_state(tmp_path / "state.safetensors", state, {"person": "ana"})

    def loaded() -> str:
        found, meta = load_state(path)
        return repr((found, meta))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Unsealed)
        noticed = flip_bytes(path, 10_000, loaded, loaded())
    assert noticed > path.stat().st_size / 2


def test_what_0_1_saved_is_read_and_said_to_carry_no_checksum() -> None:
    for profile_file in KEPT.glob("profiles/**/profile.json"):
        with pytest.warns(Unsealed, match="carries no checksum"):
            read_profile(profile_file)
    with pytest.warns(Unsealed, match="carries no checksum"):
        load(KEPT / "models" / "words")
    for state in KEPT.glob("states/**/*.safetensors"):
        with pytest.warns(Unsealed, match="carries no checksum"):
            load_state(state)


def test_the_command_line_says_it_in_a_line(tmp_path: Path) -> None:
    path = shutil.copy(KEPT / "profiles" / "ana" / "profile.json", tmp_path / "profile.json")
    (tmp_path / "ana").mkdir()
    shutil.move(path, tmp_path / "ana" / "profile.json")
    done = CliRunner().invoke(main, ["profile", "show", "ana", "--profiles", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert done.stderr.count("carries no checksum") == 1
    assert ".py" not in done.stderr


def test_a_folder_of_several_models_asks_which(tmp_path: Path) -> None:
    """``train fusion`` writes one for each fold of its protocol."""
    for name in ("group_2", "group_1"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "card.json").write_text("{}", encoding="utf-8")
    with pytest.raises(BadInput, match=r"several models: group_1, group_2\. Name one: .*group_1"):
        load(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match=r"made by `twomind train`, with a card\.json; it has none"):
        load(tmp_path / "empty")
