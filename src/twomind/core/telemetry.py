"""Libraries that report how they are used are told not to, before they are loaded."""

import os

#: ONNX Runtime (1.32 keeps a device id and a queue of reports, and sends them to its maker), and the
#: library of the Hugging Face hub. Ray's switch says 0 (:mod:`twomind.core.cluster`).
SWITCHES = ("ORT_DISABLE_TELEMETRY", "HF_HUB_DISABLE_TELEMETRY")


def off() -> None:
    """Switch reports off, unless somebody has set a switch themselves."""
    for name in SWITCHES:
        os.environ.setdefault(name, "1")
