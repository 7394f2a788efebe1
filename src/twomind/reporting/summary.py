"""The JSON summary of one answer."""

from __future__ import annotations

import numpy as np

from twomind.reporting import tables
from twomind.reporting.result import Plain, Result
from twomind.types import Prediction, Status

#: What a probability says, unless the model says otherwise of its own.
MEANING = (
    "probability that a trained coder would mark ambivalence or hesitancy somewhere in this answer"
)


def summary_of(result: Result, mark: str) -> Plain:
    """The JSON summary of one answer (schema ``twomind.answer/1``)."""
    recording = result.recording
    found: Plain = {"schema": "twomind.answer/1"}
    found["recording"] = recording.id
    found["subject"] = recording.subject
    found["question"] = recording.question
    found["drawn_person"] = recording.drawn
    found["purpose"] = result.purpose
    found["fingerprint"] = mark
    found["media"] = result.media
    found["words"] = _words(result)
    found["prediction"] = _prediction(result)
    found["located"] = {
        "status": result.located,
        "reason": result.located_reason,
        "segments": list(result.segments),
    }
    if result.two_sides:
        found["change_talk"] = result.two_sides
    found["cues"] = result.summary.get("cue_counts", {})
    found["summary"] = result.summary
    found["neutral"] = result.neutral
    if result.adaptation:
        found["adaptation"] = result.adaptation
    found["not_measured"] = list(result.not_measured)
    found["model"] = result.model
    found["provenance"] = result.provenance
    return found


def _words(result: Result) -> Plain:
    words = result.features.words
    recording = result.recording
    labels = [turn.label for turn in recording.others]
    lengths_s = [turn.end_s - turn.start_s for turn in recording.others]
    found: Plain = {"status": "not_measured", "n": None}
    if words is not None:
        found = {"status": "ok", "n": len(words)}
    found["source"] = recording.words_source
    found["reason"] = result.why_no_words
    found["remarks"] = list(recording.words_remarks)
    found["language"] = recording.language
    found["n_marks"] = len(recording.marks)
    found["others"] = list(dict.fromkeys(labels))
    found["others_s"] = sum(lengths_s)
    return found


def _prediction(result: Result) -> Plain:
    """The answer of the model with all that it gave for it."""
    prediction = result.prediction
    evidence = prediction.evidence
    decision = _decision(result, prediction) if prediction.status is Status.OK else None
    parts = {e.name: e.value for e in evidence if e.kind == "part"}
    found: Plain = {"status": str(prediction.status)}
    found["reason"] = prediction.reason
    found["probability"] = _probability(prediction)
    found["decision"] = decision
    found["band_95"] = _band(prediction)
    found["band_95_reason"] = prediction.why_no_band
    found["parts_log_odds"] = parts or None
    found["evidence"] = [e for e in evidence if e.kind not in tables.ADDITIVE]
    if result.unadapted is not None:
        found["unadapted"] = _unadapted(result, result.unadapted)
    found["meaning"] = result.model.get("meaning", MEANING)
    return found


def _probability(prediction: Prediction) -> float | None:
    """Of the second class; None where nothing was measured."""
    if prediction.status is Status.NOT_MEASURED:
        return None
    return float(prediction.probs[1])


def _band(prediction: Prediction) -> list[float] | None:
    """Lower and upper end of the probability's 95 % band, where the model gives one."""
    ends = {e.name: e.value for e in prediction.evidence if e.kind == "band"}
    if "low" not in ends or "high" not in ends:
        return None
    return [ends["low"], ends["high"]]


def _unadapted(result: Result, plain: Prediction) -> Plain:
    """The answer of the same model on the same windows with no method."""
    measured = plain.status is not Status.NOT_MEASURED
    return {
        "status": str(plain.status),
        "reason": plain.reason,
        "probability": _probability(plain),
        "decision": _decision(result, plain) if measured else None,
    }


def _decision(result: Result, prediction: Prediction) -> str:
    classes = result.model.get("classes", ["absent", "present"])
    most_probable = int(np.argmax(prediction.probs))
    return str(classes[most_probable])
