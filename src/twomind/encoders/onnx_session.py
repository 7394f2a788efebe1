"""ONNX Runtime, opened in one way by all who run a graph in it: on the processor."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from twomind.core.errors import MissingExtra


def open_session(graph: Path | bytes, needed_for: str) -> Any:
    """A session of ONNX Runtime on the processor.

    Args:
        graph: the file, or what is in it.
        needed_for: what needs it, for the message where ONNX Runtime is absent.

    Raises:
        MissingExtra: onnxruntime is not installed.
    """
    if importlib.util.find_spec("onnxruntime") is None:
        raise MissingExtra("clip", needed_for)
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    given = graph if isinstance(graph, bytes) else str(graph)
    return onnxruntime.InferenceSession(given, options, providers=["CPUExecutionProvider"])


__all__ = ["open_session"]
