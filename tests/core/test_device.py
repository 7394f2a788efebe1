"""One place decides where networks compute, and in what precision."""

from __future__ import annotations

import ast
import os
from pathlib import Path

import pytest

import twomind
from twomind.core import device
from twomind.core.errors import BadInput

torch = pytest.importorskip("torch")


def test_auto_is_the_processor_without_a_card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device.name_of("auto") == "cpu"
    with pytest.raises(BadInput, match="torch sees no GPU here"):
        device.name_of("cuda:1")


def test_auto_is_the_card_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert device.name_of("auto") == "cuda"
    assert str(device.chosen("cuda:1")) == "cuda:1"
    with pytest.raises(BadInput, match="below 2"):
        device.name_of("cuda:2")
    with device.standing("cpu"):
        assert device.name_of() == "cpu"


@pytest.mark.parametrize("asked", ["gpu", "cuda:", "cuda:x", "CPU", "mps"])
def test_a_device_that_is_none_is_refused(asked: str) -> None:
    with pytest.raises(BadInput, match="expected auto, cpu, cuda"):
        device.name_of(asked)


def test_it_stands_while_the_block_runs_and_no_longer() -> None:
    before = dict(os.environ)
    with device.standing("cpu", "bfloat16"):
        assert device.precision() == "bfloat16"
        with device.standing(None, "float32"):
            assert device.precision() == "float32"
        assert device.precision() == "bfloat16"
    assert dict(os.environ) == before
    with pytest.raises(BadInput, match="precision"):
        device.precision("int8")


def test_nobody_else_looks_for_a_card() -> None:
    """The kind of fault: a module that decides by itself."""
    package = Path(twomind.__file__).parent
    asking = []
    for path in package.rglob("*.py"):
        text = path.read_text("utf-8")
        if "is_available" not in text:
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Attribute) and node.attr == "is_available":
                asking.append(path.relative_to(package).as_posix())
    assert set(asking) == {"core/device.py"}
