"""ONNX Runtime, opened in one way by all who run a graph in it."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from twomind.core.errors import MissingExtra

_ON_CARD = "CUDAExecutionProvider"


def open_session(graph: Path | bytes, needed_for: str, place: str = "cpu") -> Any:
    """A session of ONNX Runtime.

    Args:
        graph: the file, or what is in it.
        needed_for: what needs it, for the message where ONNX Runtime is absent.
        place: a device by torch's name; see :func:`runs_on`.

    Raises:
        MissingExtra: onnxruntime is not installed.
    """
    if importlib.util.find_spec("onnxruntime") is None:
        raise MissingExtra("clip", needed_for)
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    given = graph if isinstance(graph, bytes) else str(graph)
    providers: list[Any] = ["CPUExecutionProvider"]
    if runs_on(place) != "cpu":
        _, _, number = place.partition(":")
        # TF32 keeps ten bits of a number; the processor's rows have twenty-three.
        providers.insert(0, (_ON_CARD, {"device_id": int(number or 0), "use_tf32": 0}))
    return onnxruntime.InferenceSession(given, options, providers=providers)


def runs_on(place: str) -> str:
    """Where a graph runs when it is to run on a device: on the processor, where the ONNX Runtime that
    is installed knows no GPU (``onnxruntime-gpu`` does) or there is none.

    Args:
        place: a device by torch's name.
    """
    if place == "cpu" or importlib.util.find_spec("onnxruntime") is None:
        return "cpu"
    import onnxruntime

    return place if _ON_CARD in onnxruntime.get_available_providers() else "cpu"


__all__ = ["open_session", "runs_on"]
