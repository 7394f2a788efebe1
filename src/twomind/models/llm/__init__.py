"""Zero-shot recognition by multimodal language models."""
