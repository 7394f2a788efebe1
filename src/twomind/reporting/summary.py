"""The JSON summary of one answer."""

from __future__ import annotations

from typing import Any

import numpy as np

from twomind.reporting import tables
from twomind.reporting.result import Result
from twomind.types import Status

#: What a probability says, unless the model says otherwise of its own.
MEANING = (
    "probability that a trained coder would mark ambivalence or hesitancy somewhere in this answer"
)


def summary_of(result: Result, mark: str) -> dict[str, Any]:
    """The JSON summary of one answer (schema ``twomind.answer/1``)."""
    prediction, recording = result.prediction, result.recording
    ok = prediction.status is Status.OK
    evidence = prediction.evidence
    band = {e.name: e.value for e in evidence if e.kind == "band"}
    return {
        "schema": "twomind.answer/1",
        "recording": recording.id,
        "subject": recording.subject,
        "question": recording.question,
        "drawn_person": recording.drawn,
        "purpose": result.purpose,
        "fingerprint": mark,
        "media": result.media,
        "words": {
            "status": "ok" if result.features.words is not None else "not_measured",
            "n": None if result.features.words is None else len(result.features.words),
            "source": recording.words_source,
            "reason": result.features.notes.get("words", ""),
        },
        "prediction": {
            "status": str(prediction.status),
            "reason": prediction.reason,
            "probability": float(prediction.probs[1])
            if prediction.status is not Status.NOT_MEASURED
            else None,
            "decision": _decision(result) if ok else None,
            "band_95": [band["low"], band["high"]] if {"low", "high"} <= band.keys() else None,
            "parts_log_odds": {e.name: e.value for e in evidence if e.kind == "part"} or None,
            "evidence": [e for e in evidence if e.kind not in tables.ADDITIVE],
            **({} if result.unadapted is None else {"unadapted": _unadapted(result)}),
            "meaning": result.model.get("meaning", MEANING),
        },
        "located": {
            "status": result.located,
            "reason": result.located_reason,
            "segments": list(result.segments),
        },
        "cues": result.summary.get("cue_counts", {}),
        "summary": result.summary,
        "neutral": result.neutral,
        **({"adaptation": result.adaptation} if result.adaptation else {}),
        "not_measured": list(result.not_measured),
        "model": result.model,
        "provenance": result.provenance,
    }


def _unadapted(result: Result) -> dict[str, Any]:
    """The answer of the same model on the same windows with no method."""
    found = result.unadapted
    assert found is not None
    measured = found.status is not Status.NOT_MEASURED
    classes = result.model.get("classes", ["absent", "present"])
    return {
        "status": str(found.status),
        "reason": found.reason,
        "probability": float(found.probs[1]) if measured else None,
        "decision": str(classes[int(np.argmax(found.probs))]) if measured else None,
    }


def _decision(result: Result) -> str:
    classes = result.model.get("classes", ["absent", "present"])
    return str(classes[int(np.argmax(result.prediction.probs))])
