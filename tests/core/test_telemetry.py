"""No library that is used reports to its maker."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from twomind.core import telemetry

ASK = "import os, twomind; print([os.environ.get(name) for name in %r])"


def run(code: str, home: Path, **more: str) -> str:
    kept = {name: value for name, value in os.environ.items() if name not in telemetry.SWITCHES}
    environment = kept | {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")} | more
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_switches_are_set_before_anything_is_loaded(tmp_path: Path) -> None:
    assert run(ASK % (telemetry.SWITCHES,), tmp_path) == "['1', '1']"
    own = run(ASK % (telemetry.SWITCHES,), tmp_path, ORT_DISABLE_TELEMETRY="0")
    assert own == "['0', '1']"


@pytest.mark.skipif(importlib.util.find_spec("onnxruntime") is None, reason="needs onnxruntime")
def test_onnx_runtime_keeps_no_reports(tmp_path: Path) -> None:
    run("import twomind, onnxruntime", tmp_path)
    assert [path for path in tmp_path.rglob("*") if "onnxruntime" in path.name] == []
