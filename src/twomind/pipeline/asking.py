"""A language model over many answers: asked once settings were checked, and what came back of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from twomind.core.errors import BadInput
from twomind.core.settings import Asked
from twomind.models.llm.recogniser import LlmRecogniser
from twomind.models.llm.settings import LlmSettings
from twomind.pipeline.settings import PredictRun

MODEL = "llm"
#: The record of replies, in the folder of the results unless ``llm.record`` names another.
RECORD = "llm-replies.jsonl"
#: What came back, in the folder of the results.
SUMMARY = "llm.json"


def llm_settings(asked: Asked[PredictRun], offline: bool) -> LlmSettings | None:
    """The settings of the language model; None where another model is asked.

    Raises:
        BadInput: some were given with another model, or do not go together.
    """
    run, given = asked.settings, asked.given_below(MODEL)
    if run.model.name != MODEL:
        if given:
            raise BadInput(
                f"{', '.join(given)}: goes with --model {MODEL}; the model here is "
                f"{run.model.name!r}"
            )
        return None
    if run.method is not None:
        raise BadInput(
            "--adapt: a language model has no embedding or weights here that a method could work on"
        )
    if run.model.prevalence is not None:
        LlmRecogniser().recalibrate(run.model.prevalence, run.model.prevalence_source)
    if run.model.max_risk is not None:
        LlmRecogniser().abstaining(run.model.max_risk)
    record = run.llm.record or run.out / RECORD
    return replace(run.llm, record=record, offline=offline)


def ready(settings: LlmSettings, warn: Callable[[str], None]) -> LlmRecogniser:
    """The recogniser, after everything that can be refused was: no file is read before."""
    recogniser = LlmRecogniser(settings, warn=warn)
    recogniser.check()
    return recogniser


def remember(recogniser: Any, summary: Mapping[str, Any]) -> None:
    """Count an answer of an earlier run with those of this one, so that what is said is said of
    the whole batch. Other models count nothing.
    """
    if not isinstance(recogniser, LlmRecogniser):
        return
    prediction = summary["prediction"]
    reason = str(prediction["reason"])
    if prediction["status"] != "not_measured":
        recogniser.counts.update(["replies", "measured"])
        recogniser.decisions.append(int(prediction["probability"] > 0.5))
    elif reason.startswith("the model says"):
        recogniser.counts.update(["replies", "word alone"])
        said = [one["value"] for one in prediction["evidence"] if one["kind"] == "said"]
        recogniser.decisions += [int(value) for value in said[:1] if value is not None]
    elif reason.startswith("unparsable reply"):
        recogniser.counts.update(["replies", "unparsable"])
    else:
        recogniser.counts.update(["not asked"])


def write_summary(recogniser: LlmRecogniser, out: Path) -> list[str]:
    """Write ``llm.json`` beside the overview; returns what came back, in sentences."""
    from twomind.reporting.tables import write_json

    found = recogniser.summary()
    write_json(found, out / SUMMARY)
    n = found["answers"]
    said = (
        f"language model: {n['replies']} answers asked about, {n['measured']} with a probability, "
        f"{n['word alone']} with a word alone, {n['unparsable']} with a reply that could not be "
        "read"
    )
    if n["not asked"]:
        said += f"; {n['not asked']} not asked about"
    run = found.get("this_run")
    if run:
        said += f". Requests answered: {run['asked']}, from the record: {run['from_the_record']}"
    if found["constant"]:
        return [said, f"Warning: {found['constant']}."]
    return [said]
