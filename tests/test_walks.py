"""Four requests go through the packages in the order that docs/explanation/architecture.md draws."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from click.testing import CliRunner

import twomind
from twomind.cli.main import main

PACKAGE = Path(twomind.__file__).parent
PAGE = Path(__file__).parent.parent / "docs" / "explanation" / "architecture.md"
MEDIA = Path(__file__).parent / "fixtures" / "v0_1" / "media"

pytestmark = pytest.mark.skipif(not PAGE.is_file(), reason="the manual is not beside the tests")


def drawn() -> dict[str, list[tuple[str, str]]]:
    """Letter of a walk → the (module, function) of its boxes, in order."""
    found: dict[str, list[tuple[str, str]]] = {}
    boxes = re.findall(r'([a-z])(\d+)\["([\w.]+)<br/>(\w+)"\]', PAGE.read_text(encoding="utf-8"))
    for letter, number, module, function in boxes:
        walk = found.setdefault(letter, [])
        assert int(number) == len(walk) + 1, f"{letter}{number} is out of order"
        walk.append((module, function))
    return found


def entered(request: Callable[[], object], boxes: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The boxes in the order in which a request first enters them."""
    wanted = {}
    for module, function in boxes:
        path = PACKAGE.joinpath(*module.split("."))
        file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        assert file.is_file(), f"{module} is not there"
        wanted[str(file), function] = (module, function)
    order: list[tuple[str, str]] = []

    def watch(frame: FrameType, event: str, _: Any) -> None:
        box = wanted.get((frame.f_code.co_filename, frame.f_code.co_name))
        if event == "call" and box is not None and box not in order:
            order.append(box)

    threading.setprofile(watch)
    sys.setprofile(watch)
    try:
        request()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]
    return order


def _packages(boxes: list[tuple[str, str]]) -> list[str]:
    """Each box's package, neighbours once."""
    names = [module.split(".")[0] for module, _ in boxes]
    return [name for k, name in enumerate(names) if k == 0 or name != names[k - 1]]


def _cli(*words: object) -> None:
    done = CliRunner().invoke(main, [str(word) for word in words])
    assert done.exit_code == 0, done.output


def test_every_walk_passes_through_a_package_once() -> None:
    walks = drawn()
    assert sorted(walks) == ["f", "l", "n", "w"]
    for boxes in walks.values():
        passed = _packages(boxes)
        assert len(passed) == len(set(passed)) >= 3


def test_a_film_becomes_a_report(tmp_path: Path) -> None:
    film, said = MEDIA / "clip-talking.mp4", MEDIA / "clip-talking.txt"
    boxes = drawn()["f"]

    def request() -> None:
        out = ("--out", tmp_path / "out", "--store", tmp_path / "store", "--workers", 1)
        _cli("predict", film, "--transcript", said, *out)

    assert entered(request, boxes) == boxes


def _clip_au() -> Any:
    pytest.importorskip("torch")
    pytest.importorskip("mediapipe")
    from twomind.models import load

    return load("clip-au")


def test_a_window_becomes_an_adapted_prediction() -> None:
    from twomind.adaptation import load_method, stream
    from twomind.encoders.frames import live_windows
    from twomind.media import stream as media

    model, boxes = _clip_au(), drawn()["w"]

    def request() -> None:
        film = media.stream(MEDIA / "a2.mp4", audio=False)
        frames = ((frame.time_s, frame.rgb) for frame in film)
        encoder = model.open_encoder()
        windows = live_windows(frames, encoder, model.window_s, subject="a", drawn=True)
        for _ in stream(model, load_method("t3a"), windows):
            pass

    assert entered(request, boxes) == boxes


def test_a_neutral_clip_becomes_a_state(tmp_path: Path) -> None:
    boxes = drawn()["n"]
    _clip_au()

    def request() -> None:
        asked = (
            "--model",
            "clip-au",
            "--neutral",
            MEDIA / "a2.mp4",
            "--set",
            "method=neutral-threshold",
        )
        more = ("--set", f"states.folder={tmp_path / 'states'}")
        out = ("--out", tmp_path / "out", "--store", tmp_path / "store", "--workers", 1)
        _cli("predict", MEDIA / "clip-talking.mp4", *asked, *more, *out)

    assert entered(request, boxes) == boxes


def test_a_labelled_folder_becomes_a_model(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from twomind.datasets import bah_fake

    data, boxes = bah_fake.fake(tmp_path / "bah"), drawn()["l"]

    def request() -> None:
        asked = ("--data", data, "--protocol", "official", "--modalities", "words")
        quick = ("--model", "lfan", "--epochs", 1, "--bootstrap", 100)
        out = ("--out", tmp_path / "out", "--store", tmp_path / "store")
        _cli("train", "fusion", *asked, *quick, *out)

    assert entered(request, boxes) == boxes
