"""A random CLIP of a few kilobytes in transformers' layout, with a tokenizer made here."""

from __future__ import annotations

import json
from pathlib import Path

WORDS = ("brow", "lip", "up", "down", "eye")


def byte_symbols() -> list[str]:
    """The 256 printable stand-ins of byte-level BPE."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    extra = iter(range(256, 512))
    return [chr(b) if b in printable else chr(next(extra)) for b in range(256)]


def make_tiny_clip(folder: Path, seed: int = 0, image_px: int = 32, width: int = 32) -> Path:
    """Write config, weights and vocabulary; the end token has the largest id, as in the
    real one.
    """
    import torch
    from transformers import CLIPConfig, CLIPModel, CLIPTextConfig, CLIPVisionConfig

    symbols = byte_symbols()
    merges = [("u", "p</w>"), ("l", "i")]
    names = [*symbols, *(s + "</w>" for s in symbols), *("".join(m) for m in merges)]
    names += ["<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(
        json.dumps({s: i for i, s in enumerate(names)}), encoding="utf-8"
    )
    (folder / "merges.txt").write_text(
        "#version: 0.2\n" + "\n".join(" ".join(m) for m in merges) + "\n", "utf-8"
    )
    torch.manual_seed(seed)
    common = {
        "hidden_size": width,
        "intermediate_size": 2 * width,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    }
    text = CLIPTextConfig(
        **common,
        vocab_size=len(names),
        max_position_embeddings=77,
        bos_token_id=len(names) - 2,
        eos_token_id=len(names) - 1,
        projection_dim=24,
    )
    vision = CLIPVisionConfig(**common, image_size=image_px, patch_size=8, projection_dim=24)
    config = CLIPConfig(
        text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=24
    )
    model = CLIPModel(config)
    with torch.no_grad():  # the published initialisation is so small that everything is alike
        for value in model.parameters():
            if value.ndim > 1:
                value.mul_(8)
    model.save_pretrained(folder)
    return folder
