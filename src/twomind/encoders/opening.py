"""Open an encoder by name: a plug-in of the group ``encoders``, or a CLIP."""

from __future__ import annotations

from twomind.core import registry
from twomind.core.errors import MissingExtra
from twomind.encoders.encoder import Encoder, Name

#: The small encoder of the distribution twomind-synth, which has seen synthetic people only.
EMBEDDED = "face-text"


def open_encoder(name: Name = EMBEDDED, *, offline: bool | None = None) -> Encoder:
    """``face-text`` (of twomind-synth; knows synthetic people only), or a CLIP: see
    :func:`twomind.encoders.clip.load_clip`.

    Args:
        name: of a plug-in; or of a CLIP: a folder, added weights or a hub id.
        offline: nothing may be fetched; None: as ``TWOMIND_OFFLINE`` says.

    Returns:
        The encoder, with its weights in memory.

    Raises:
        BadInput: no encoder of that name.
        MissingExtra: the distribution that brings it is not installed.

    Example:
        >>> from twomind.encoders.opening import open_encoder
        >>> open_encoder("face-text").drawn_only
        True
    """
    if str(name) in registry.names("encoders"):
        encoder: Encoder = registry.load("encoders", str(name))()
        return encoder
    if str(name) == EMBEDDED:
        raise MissingExtra("synth", f"the encoder {EMBEDDED!r}, which knows synthetic people only,")
    from twomind.encoders.clip import load_clip

    return load_clip(name, offline=offline)
