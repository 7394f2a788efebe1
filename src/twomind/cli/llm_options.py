"""Options of ``twomind predict --model llm``: which language model, what it is shown, what may
leave the machine.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from twomind.cli.verb import PATH, say
from twomind.core.errors import BadInput

#: The record of replies, in the folder of the results unless ``--llm-record`` names another.
RECORD = "llm-replies.jsonl"

_OPTIONS = (
    click.option(
        "--llm-model",
        help="With --model llm: its name at the endpoint, or a local folder or hub id.",
    ),
    click.option(
        "--llm-endpoint",
        help="OpenAI-compatible address, e.g. http://127.0.0.1:11434/v1 [default: local].",
    ),
    click.option("--llm-strategy", help="s, d1, d2, td1, td2 or two_sides [default: two_sides]."),
    click.option(
        "--llm-frames", type=click.IntRange(1), help="Frames shown, evenly in time [default: 8]."
    ),
    click.option(
        "--llm-frame-px", type=click.IntRange(16), help="Longer side of a frame [default: 448]."
    ),
    click.option("--llm-text-only", is_flag=True, default=None, help="Show no frames."),
    click.option(
        "--llm-no-question",
        is_flag=True,
        default=None,
        help="Do not tell which question was asked.",
    ),
    click.option(
        "--llm-probability",
        type=click.Choice(["auto", "tokens", "samples", "none"]),
        help="Where a probability comes from [default: auto: tokens, else samples].",
    ),
    click.option(
        "--llm-samples", type=click.IntRange(0), help="Repeated samples where used [default: 5]."
    ),
    click.option("--llm-seed", type=int, help="Seed of sampling [default: 42]."),
    click.option(
        "--llm-reply-tokens", type=click.IntRange(1), help="Longest reply [default: by strategy]."
    ),
    click.option(
        "--llm-timeout", type=click.FloatRange(0.1), help="Seconds for one try [default: 120]."
    ),
    click.option("--llm-tries", type=click.IntRange(1), help="Tries per request [default: 5]."),
    click.option(
        "--llm-per-minute",
        type=click.FloatRange(0, min_open=True),
        help="Requests a minute at most.",
    ),
    click.option(
        "--llm-max-requests", type=click.IntRange(0), help="Budget over the whole record file."
    ),
    click.option(
        "--llm-max-tokens", type=click.IntRange(0), help="Budget of tokens, read and written."
    ),
    click.option(
        "--llm-max-cost", type=click.FloatRange(0), help="Budget of cost; needs both prices."
    ),
    click.option(
        "--llm-price-in", type=click.FloatRange(0), help="Price of a million tokens read."
    ),
    click.option(
        "--llm-price-out", type=click.FloatRange(0), help="Price of a million tokens written."
    ),
    click.option(
        "--llm-key-env",
        help="NAME of the environment variable with the key [default: TWOMIND_LLM_KEY].",
    ),
    click.option(
        "--send-video",
        is_flag=True,
        default=None,
        help="Frames of the person may leave this machine.",
    ),
    click.option(
        "--send-text", is_flag=True, default=None, help="The person's words may leave this machine."
    ),
    click.option(
        "--llm-record", type=PATH, help=f"Record of replies, JSON lines [default: OUT/{RECORD}]."
    ),
    click.option(
        "--llm-replay", type=PATH, help="Answer from this record alone; the network is never used."
    ),
)
#: option → field of LlmSettings; the rest is handled by name below.
_FIELDS = {
    "llm_model": "model",
    "llm_endpoint": "endpoint",
    "llm_strategy": "strategy",
    "llm_frames": "n_frames",
    "llm_frame_px": "frame_px",
    "llm_text_only": "text_only",
    "llm_probability": "probability",
    "llm_samples": "samples",
    "llm_seed": "seed",
    "llm_reply_tokens": "max_tokens",
    "llm_timeout": "timeout_s",
    "llm_per_minute": "per_minute",
    "llm_key_env": "key_env",
    "send_video": "send_video",
    "send_text": "send_text",
}
_BUDGET = {
    "llm_max_requests": "max_requests",
    "llm_max_tokens": "max_tokens",
    "llm_max_cost": "max_cost",
    "llm_price_in": "price_in",
    "llm_price_out": "price_out",
}


def llm_options(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def settings_from(options: dict[str, Any]) -> Any:
    """Take the options of this file out of ``options``: ``LlmSettings`` with ``--model llm``, else
    None.

    Raises:
        BadInput: such an option was given with another model, or its value cannot be used.
    """
    names = [*_FIELDS, *_BUDGET, "llm_no_question", "llm_tries", "llm_record", "llm_replay"]
    given = {name: value for name in names if (value := options.pop(name)) is not None}
    if options["model"] != "llm":
        if given:
            shown = ", ".join("--" + name.replace("_", "-") for name in given)
            raise BadInput(
                f"{shown}: goes with --model llm; the model here is {options['model']!r}"
            )
        return None
    from twomind.models.llm.ask import Budget, Retry
    from twomind.models.llm.recogniser import LlmRecogniser, LlmSettings

    if options["prevalence"] is not None:
        LlmRecogniser().recalibrate(options["prevalence"], options["prevalence_source"])
    if options["max_risk"] is not None:
        LlmRecogniser().abstaining(options["max_risk"])
    if "llm_record" in given and "llm_replay" in given:
        raise BadInput(
            "give either --llm-record (ask what is not in it) or --llm-replay (ask nothing)"
        )
    made: dict[str, Any] = {field: given[name] for name, field in _FIELDS.items() if name in given}
    if "llm_tries" in given:
        made["retry"] = Retry(n=given["llm_tries"])
    record = given.get("llm_replay") or given.get("llm_record") or Path(options["out"]) / RECORD
    return LlmSettings(
        **made,
        budget=Budget(**{field: given[name] for name, field in _BUDGET.items() if name in given}),
        use_question="llm_no_question" not in given,
        record=record,
        replay="llm_replay" in given,
        offline=bool(options["offline"]),
    )


def ready(settings: Any) -> Any:
    """The recogniser, after everything that can be refused was: no file is read before."""
    from twomind.models.llm.recogniser import LlmRecogniser

    recogniser = LlmRecogniser(settings, warn=say)
    recogniser.check()
    return recogniser


def tell(recogniser: Any, out: Path) -> None:
    """Write ``llm.json`` beside the overview, and say in words what came back."""
    from twomind.reporting.tables import write_json

    found = recogniser.summary()
    write_json(found, out / "llm.json")
    n = found["answers"]
    said = f"language model: {n['replies']} answers asked about, {n['measured']} with a probability"
    said += (
        f", {n['word alone']} with a word alone, {n['unparsable']} with a reply that could not "
        "be read"
    )
    if n["not asked"]:
        said += f"; {n['not asked']} not asked about"
    if run := found.get("this_run"):
        said += f". Requests answered: {run['asked']}, from the record: {run['from_the_record']}"
    say(said)
    if found["constant"]:
        say(f"Warning: {found['constant']}.")
