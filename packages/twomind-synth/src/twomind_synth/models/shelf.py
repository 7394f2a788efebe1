"""The weights that come with this package, for ``twomind weights`` and for models that are asked
for by name.
"""

from __future__ import annotations

from pathlib import Path

from twomind.core.weights import Weights, shipped_sums

_PACKAGE = Path(__file__).parent.parent

WEIGHTS = (
    Weights(
        "face-text",
        "a small face-text encoder that has seen synthetic people only",
        "Apache-2.0",
        "tests and demonstrations; it means nothing on real faces (`twomind docs clip-au`)",
        "trained by `python -m twomind_synth.models.face_text_train`",
        package="twomind_synth",
        extra="torch",
        files=shipped_sums(_PACKAGE, "models", "face_text.safetensors"),
    ),
    Weights(
        "clip-au",
        "CLIP-AU on the face-text encoder, trained on synthetic people only",
        "Apache-2.0",
        "tests and demonstrations; it means nothing on real faces (`twomind docs clip-au`)",
        "trained by `python -m twomind_synth.models.clip_au`",
        package="twomind_synth",
        extra="torch",
        files=shipped_sums(_PACKAGE, "models", "clip_au.safetensors"),
    ),
)
