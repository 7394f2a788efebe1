"""The ``Containerfile`` as it is read for its nightly run in a plain Debian folder."""

from __future__ import annotations

import pytest
from tests.container.steps import ROOT, read


def test_every_instruction_of_the_file_is_known_and_run() -> None:
    stages = read((ROOT / "Containerfile").read_text(encoding="utf-8"))
    assert {"worker", "service"} <= set(stages)
    for name, extra in (("worker", "face,train,parquet"), ("service", "face,server")):
        stage = stages[name]
        assert "python:3.11" in stage.base
        commands = [step.command for step in stage.steps]
        assert commands[0].startswith("apt-get update && apt-get install")
        assert any(f"/src[{extra}]" in command for command in commands)
        assert stage.user == "twomind"
        assert {step.user for step in stage.steps} == {"root"}


def test_an_unknown_instruction_is_no_silent_gap() -> None:
    with pytest.raises(ValueError, match="ADD"):
        read("FROM debian AS base\nADD https://example.org/x /x")
