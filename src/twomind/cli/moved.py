"""Options of version 0.1 that are settings now, and how each is written, by verb."""

from __future__ import annotations

from collections.abc import Mapping

#: ``predict`` and ``describe``.
RUN: Mapping[str, str] = {
    "--subject": "--person NAME",
    "--profile": "--profiles FILE",
    "--language": "--set language=CODE",
    "--target": "--set describe.target=continuity|largest|central",
    "--prevalence": "--set model.prevalence=RATE",
    "--prevalence-source": "--set model.prevalence_source=TEXT",
    "--max-risk": "--set model.max_risk=SHARE",
    "--allow-drawn-model": "--set model.allow_drawn=true",
    "--adapt-setting": "--set adapt.NAME=VALUE",
    "--state": "--set states.folder=FOLDER",
    "--reset": "--set states.reset=recording|person|never",
    "--llm-model": "--set llm.model=NAME",
    "--llm-endpoint": "--set llm.endpoint=ADDRESS",
    "--llm-strategy": "--set llm.strategy=NAME",
    "--llm-frames": "--set llm.n_frames=N",
    "--llm-frame-px": "--set llm.frame_px=N",
    "--llm-text-only": "--set llm.text_only=true",
    "--llm-no-question": "--set llm.use_question=false",
    "--llm-probability": "--set llm.probability=auto|tokens|samples|none",
    "--llm-samples": "--set llm.samples=N",
    "--llm-seed": "--set llm.seed=N",
    "--llm-reply-tokens": "--set llm.max_tokens=N",
    "--llm-timeout": "--set llm.timeout_s=SECONDS",
    "--llm-tries": "--set llm.retry.n=N",
    "--llm-per-minute": "--set llm.per_minute=N",
    "--llm-max-requests": "--set llm.budget.max_requests=N",
    "--llm-max-tokens": "--set llm.budget.max_tokens=N",
    "--llm-max-cost": "--set llm.budget.max_cost=COST",
    "--llm-price-in": "--set llm.budget.price_in=PRICE",
    "--llm-price-out": "--set llm.budget.price_out=PRICE",
    "--llm-key-env": "--set llm.key_env=VARIABLE",
    "--send-video": "--set llm.send_video=true",
    "--send-text": "--set llm.send_text=true",
    "--llm-record": "--set llm.record=FILE",
    "--llm-replay": "--set llm.record=FILE --set llm.replay=true",
}
#: ``score personalise``.
PERSONALISE: Mapping[str, str] = {
    "--name": "--set data.name=NAME",
    "--window-s": "--set data.window_s=SECONDS",
    "--study-seed": "--set synthetic.seed=NUMBER",
    "--visits": "--set synthetic.visits=NUMBER",
    "--knob": "--set synthetic.knobs=NAME=NUMBER,NAME=NUMBER",
    "--face": "--set described.face=face|face_relative",
    "--encoder": "--set clip-au.encoder=NAME",
    "--epochs": "--set clip-au.epochs=NUMBER",
    "--clip-hop-s": "--set clip-au.hop_s=SECONDS",
}
#: ``train fusion``.
FUSION: Mapping[str, str] = {
    "--name": "--set data.name=NAME",
    "--released": "--set model.released=true",
    "--published": "--set model.published=true",
    "--raw-face": "--set model.raw_face=true",
    "--no-question": "--set model.question=false",
    "--audio-encoder": "--set encoders.audio=MODEL",
    "--text-encoder": "--set encoders.text=MODEL",
    "--video-encoder": "--set encoders.video=MODEL",
    "--imbalance": "--set fit.imbalance=weights|focal|none",
}
