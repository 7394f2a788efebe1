"""Options of version 0.1 that are settings now, and how each is written."""

from __future__ import annotations

from collections.abc import Mapping

import click

#: Option of 0.1 of ``predict`` and ``describe`` → how it is written now.
MOVED: Mapping[str, str] = {
    "--subject": "--person NAME",
    "--profile": "--profiles FILE",
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


class Command(click.Command):
    """A verb that says of an option of version 0.1 how it is written now."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            now = MOVED.get(error.option_name)
            if now is None:
                raise
            message = f"{error.option_name} is written {now} since version 0.2."
            raise click.UsageError(message, ctx) from error
