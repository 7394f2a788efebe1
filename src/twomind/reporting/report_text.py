"""The sentences of the report: what was measured, what the score means, its limits. In plain
English.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from twomind.reporting.report_data import (
    duration_s,
    is_action_unit,
    modality_counts,
    plain,
    score_data,
)
from twomind.reporting.result import Result
from twomind.types import Prediction, Status, Track

DRAWN = (
    "A drawn person, not a real one: numbers here show that the machinery works; they say "
    "nothing about real faces."
)
MEANING = (
    "probability that a trained coder would mark ambivalence or hesitancy somewhere in this answer"
)
CAPTION = "Words that moved this answer’s score"
NOT_FOR = (
    "diagnosis, or decisions about a person without a human who looks for themselves",
    "hiring, supervision at work or marking in education (in the European Union prohibited for "
    "emotion recognition)",
    "lie detection, or reading what someone “really” thinks or feels",
    "comparing people or groups: error by group is unknown unless the model’s card states it",
)
#: What each part is called, and what it stands for.
PARTS = {
    "question": (
        "The question asked",
        "how often answers to this question were marked, whoever answered",
    ),
    "length": ("How long the answer is", "its number of words, whatever they are"),
    "content": ("What was said", "hesitation and ambivalence words of this answer"),
    "prevalence": ("The prevalence you set", "shifts every score alike"),
}


def percent(share: float) -> str:
    """``0.984`` → ``98 %``; never rounds to all or nothing what is not."""
    if 0 < share < 0.005:
        return "under 1 %"
    if 0.995 <= share < 1:
        return "over 99 %"
    return f"{share:.0%}".replace("%", " %")


def seconds(value: float) -> str:
    """``83.2`` → ``1 min 23 s``; short times with a tenth."""
    if value < 60:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest:02d} s"


def plural(n: int, one: str, many: str = "") -> str:
    return f"{n:,} {one if n == 1 else many or one + 's'}"


# --- what was measured
# -----------------------------------------------------------------------------------------------


def _face_line(track: Track | None, note: str) -> dict[str, str]:
    if track is None:
        return {"what": "Face", "state": "no", "text": f"Not measured: {note or 'no face track'}."}
    if not track.valid.any():
        reason = _commonest(track)
        return {
            "what": "Face",
            "state": "no",
            "text": f"Not measured in any of {plural(len(track), 'frame')}: {reason}.",
        }
    share = float(track.valid.mean())
    text = f"Measurable in {percent(share)} of {plural(len(track), 'video frame')}"
    if share < 1:
        text += f"; most often lost because: {_commonest(track)}"
    return {"what": "Face", "state": "ok" if share >= 0.8 else "part", "text": f"{text}."}


def _commonest(track: Track) -> str:
    assert track.reason_code is not None
    codes = track.reason_code[~track.valid]
    if not len(codes):
        return "no video frame could be decoded"
    return track.reasons[int(np.bincount(codes).argmax())] or "no reason was given"


def _voice_line(track: Track | None, note: str) -> dict[str, str]:
    if track is None:
        return {
            "what": "Voice",
            "state": "no",
            "text": f"Not measured: {note or 'no voice track'}.",
        }
    if not track.valid.any():
        return {"what": "Voice", "state": "no", "text": f"Not measured: {_commonest(track)}."}
    if "speech" not in track.names:
        return {"what": "Voice", "state": "ok", "text": "Measured."}
    step = float(np.median(np.diff(track.times_s))) if len(track) > 1 else 0.01
    speech = float(np.nansum(track.column("speech") >= 0.5)) * step
    if speech <= 0:
        return {
            "what": "Voice",
            "state": "part",
            "text": "Sound was measured; no speech was found in it.",
        }
    heard = float(track.valid.sum()) * step
    return {
        "what": "Voice",
        "state": "ok",
        "text": f"{seconds(speech)} of speech in {seconds(heard)} of sound.",
    }


def _words_line(result: Result, words: Mapping[str, Any]) -> dict[str, str]:
    if not words["measured"]:
        return {"what": "Words", "state": "no", "text": f"Not measured: {words['reason']}."}
    n = len(words["items"])
    if not n:
        return {
            "what": "Words",
            "state": "part",
            "text": "The transcript is there and holds no word.",
        }
    source = f" from {words['source']}" if words["source"] else ""
    text = f"{plural(n, 'word')}{source}."
    if words["spread"]:
        text += f" {' '.join(words['notes'])}"
    if words["reason"]:
        text += f" Note: {words['reason']}."
    return {
        "what": "Words",
        "state": "part" if words["spread"] or words["reason"] else "ok",
        "text": text,
    }


def measured(result: Result, words: Mapping[str, Any]) -> list[dict[str, str]]:
    """One line for face, voice, words and cues: a state (``ok``, ``part``, ``no``) and a
    sentence.
    """
    tracks, notes = result.features.tracks, result.features.notes
    counts = {k: n for k, n in modality_counts(result.cues).items() if n}
    listed = ", ".join(f"{n} {k}" for k, n in counts.items())
    cues = (
        f"{plural(len(result.cues), 'cue')} that a coder might mark ({listed})."
        if counts
        else "None was found."
    )
    return [
        _face_line(tracks.get("face"), notes.get("face", "")),
        _voice_line(tracks.get("voice"), notes.get("voice", "")),
        _words_line(result, words),
        {
            "what": "Cues",
            "state": "ok" if counts else "part",
            "text": f"{cues} A cue is not ambivalence.",
        },
    ]


# --- the score
# -------------------------------------------------------------------------------------------------------


def question_text(question: str | None) -> str:
    """``7`` → its theme in words, where it is one of the seven; an own prompt as it is; or that it
    is unknown.
    """
    from twomind.models.questions import BAH_QUESTIONS, resolve

    if question is None or not question.strip():
        return "Question not given"
    name = resolve(question, tuple(BAH_QUESTIONS))
    if name is None:
        return question
    response, theme = BAH_QUESTIONS[name]
    return f"Question {name}: {theme} ({response})"


def _known_to(model: Mapping[str, Any], question: str | None) -> bool:
    """Whether the model used the question; a model that does not list its questions is believed."""
    from twomind.models.questions import resolve

    used = model.get("settings", {}).get("use_question", True)
    return bool(used) and (
        "questions" not in model or resolve(question, tuple(model["questions"])) is not None
    )


def skill_text(model: Mapping[str, Any], question: str | None) -> str:
    """How well the model tells answers apart on held-out people, for this kind of question; "" when
    it does not say.
    """
    skill = model.get("skill", {})
    known = _known_to(model, question)
    figures = skill.get("known_question" if known else "unknown_or_own_prompt", skill)
    auc, within = figures.get("auc"), figures.get("within_question_auc")
    if not isinstance(auc, int | float):
        return ""
    low, high = figures.get("auc_ci") or (None, None)
    interval = (
        f", 95 % interval {low:.2f} to {high:.2f}" if low is not None and high is not None else ""
    )
    who = "people" if known else "people and to a question that it does not know"
    text = (
        f"Skill: of two answers of held-out {who}, one marked and one not, it scores the marked "
        "one "
        "higher in "
        f"{percent(auc)} of pairs (AUC {auc:.2f}{interval})"
    )
    if isinstance(within, int | float) and known:
        text += f"; when both answer the same question, in {percent(within)}"
    return f"{text}. Chance is 50 %."


def _parts(score: Mapping[str, Any], known: bool) -> tuple[list[dict[str, Any]], float | None]:
    """The parts as bars from the middle, in shares of the widest; and the starting point as a
    probability.
    """
    bars = [p for p in score["parts"] if p["name"] != "baseline" and p["value"] is not None]
    widest = max((abs(p["value"]) for p in bars), default=0.0)
    reach = max(widest, 0.5)
    found = []
    for part in bars:
        label, about = PARTS.get(part["name"], (part["name"].replace("_", " "), ""))
        if part["name"] == "question" and not known:
            about = "the model does not know this question and leaves it out"
        value = part["value"]
        small = abs(value) < 0.05
        effect = "hardly moves it" if small else ("raises it" if value > 0 else "lowers it")
        width = 50 * abs(value) / reach
        found.append(
            part
            | {
                "label": label,
                "about": about,
                "effect": effect,
                "sign": 0 if small else (1 if value > 0 else -1),
            }
            | {"x": round(50 - width if value < 0 else 50, 2), "width": round(width, 2)}
        )
    base = next((p["value"] for p in score["parts"] if p["name"] == "baseline"), None)
    return found, None if base is None else 1 / (1 + math.exp(-base))


def meaning(model: Mapping[str, Any]) -> str:
    """What the model's number is: a coder's likely mark, unless the model says otherwise of its
    own.
    """
    return str(model.get("meaning") or MEANING)


def _given(prediction: Prediction) -> list[str]:
    """What a model gave besides parts and words: its word, both sides, the moments that
    it cites.
    """
    found = []
    for e in prediction.evidence:
        if e.kind == "said":
            found.append(f"The model’s own word: {e.name}.")
        elif e.kind == "side":
            found.append(f"It says, {e.name}")
        elif e.kind == "cited":
            when = (
                f" at {e.start_s:.1f} to {e.end_s:.1f} s"
                if math.isfinite(e.start_s)
                else " (no time known)"
            )
            found.append(f"It cites{when}: {e.name}")
        elif e.kind == "dropped":
            found.append(f"Left out, {e.value:.0f} cited: {e.name}.")
    return found


def _changed(result: Result) -> list[str]:
    """What adaptation did, where a method was used: the answer without it stays beside the one with
    it.
    """
    if not result.adaptation:
        return []
    plain = result.unadapted
    without = (
        "not measured"
        if plain is None or plain.status is Status.NOT_MEASURED
        else f"{plain.probs[1]:.2f}"
    )
    said = str(result.adaptation["said"]) or "not adapted"
    return [f"{said[0].upper()}{said[1:]}. The same model without adaptation: {without}."]


def _sentences(score: Mapping[str, Any], own_meaning: bool) -> list[str]:
    """What the number says, in frequencies, and what it mostly comes from."""
    if own_meaning:
        return [
            "How often answers that score like this one are marked by a coder was not measured."
        ]
    found = [
        "Of 100 answers that score like this one, a trained coder would be expected to mark about "
        f"{score['p'] * 100:.0f}."
    ]
    if score["band"]:
        low, high = score["band"]
        found.append(
            f"The band, {low:.2f} to {high:.2f}, says how well that share is known (95 %)."
        )
    size = {p["name"]: abs(p["value"]) for p in score["parts"] if p["value"] is not None}
    if {"question", "length", "content"} <= size.keys() and size["question"] + size[
        "length"
    ] > size["content"]:
        found.append(
            "Which question was asked and how long the answer is move this score more than what "
            "was "
            "said."
        )
    return found


def score_text(result: Result) -> dict[str, Any]:
    """The score card: a heading, sentences, the scale's places in percent, the parts."""
    score = score_data(result.prediction)
    status = result.prediction.status
    if status is Status.NOT_MEASURED:
        return score | {
            "heading": "not measured",
            "sentences": [],
            "given": [*_changed(result), *_given(result.prediction)],
            "bars": [],
            "base": None,
            "skill": "",
            "meaning": meaning(result.model),
        }
    bars, base = _parts(score, _known_to(result.model, result.recording.question))
    abstained = status is Status.ABSTAINED
    return score | {
        "heading": "cannot tell" if abstained else f"{score['p']:.2f}",
        "sentences": _sentences(score, bool(result.model.get("meaning"))),
        "given": [*_changed(result), *_given(result.prediction)],
        "bars": bars,
        "base": base,
        "skill": skill_text(result.model, result.recording.question),
        "meaning": meaning(result.model),
    }


# --- limits, what is missing, how it was made
# ------------------------------------------------------------------------


def _card_list(model: Mapping[str, Any], *names: str) -> list[str]:
    """Texts of the model's card under the first of ``names`` that it has."""
    card = model.get("card")
    for place in (card if isinstance(card, Mapping) else {}, model):
        for name in names:
            value = place.get(name)
            if isinstance(value, str) and value.strip():
                return [value]
            if isinstance(value, Sequence) and not isinstance(value, str) and value:
                return [str(v) for v in value]
    return []


def limits(result: Result) -> list[str]:
    """What a reader must not take the score and the cues for."""
    found = _card_list(result.model, "limits", "limitations")
    if not result.located:
        found.insert(
            0, "It does not say when: cues and coloured words have times, the score has none."
        )
    found.append(
        "Face measures come from the geometry of landmarks: they describe movement, not emotion."
    )
    population = _card_list(result.model, "population")
    found += [f"Trained on: {text}." for text in population]
    return list(dict.fromkeys(found))


def not_for(result: Result) -> list[str]:
    return _card_list(result.model, "not_for", "out_of_scope") or list(NOT_FOR)


def missing(result: Result, lines: Sequence[Mapping[str, str]]) -> dict[str, list[dict[str, str]]]:
    """What carries no number: of this answer; action units and kinds of cue that are the same for
    every answer.
    """
    rows = [{"what": m.what, "reason": m.reason} for m in result.not_measured]
    seen = {m["what"] for m in rows}
    rows += [{"what": k, "reason": v} for k, v in result.features.notes.items() if k not in seen]
    seen = {r["what"] for r in rows}
    rows += [
        {"what": line["what"].lower(), "reason": line["text"]}
        for line in lines
        if line["state"] == "no" and line["what"].lower() not in seen
    ]
    units = [r for r in rows if is_action_unit(r["what"])]
    kinds = [r for r in rows if r["what"].startswith("cue: ")]
    own = [r for r in rows if r not in units and r not in kinds]
    return {"answer": _merged(own), "units": units, "kinds": kinds}


def _merged(rows: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """``voice: a``, ``voice: b`` with one reason between them become one row that names them."""
    groups: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        head, _, tail = row["what"].partition(": ")
        groups.setdefault((head, row["reason"]), []).append(tail)
    found = []
    for (head, reason), tails in groups.items():
        names = [t.replace("_", " ") for t in tails if t]
        if len(names) > 1:
            found.append(
                {"what": head, "reason": f"{reason} ({len(names)} measures: {', '.join(names)})"}
            )
        else:
            found.append({"what": f"{head}: {names[0]}" if names else head, "reason": reason})
    return found


def made(result: Result) -> dict[str, Any]:
    """Files, model, versions and settings as nested plain values, short ones first."""
    recording = result.recording
    files: dict[str, Any] = {"recording": recording.media.name, **plain(result.media)}
    files["transcript"] = recording.words_source or "none"
    files["face values are relative to"] = result.neutral or None
    model = plain({k: v for k, v in result.model.items() if k not in ("numbers", "card")})
    card = result.model.get("card")
    if isinstance(card, Mapping):
        model = {
            **{k: plain(v) for k, v in card.items() if not isinstance(v, Mapping | list | tuple)},
            **model,
        }
    settings = plain(dict(result.provenance))
    return {
        "files": {k: v for k, v in files.items() if v not in (None, "", [], {})},
        "model": model,
        "versions": settings.pop("versions", {}),
        "settings": settings,
        "measures": plain({k: v for k, v in result.summary.items() if k != "cue_counts"}),
    }


def answer_text(result: Result, words: Mapping[str, Any]) -> dict[str, Any]:
    """All sentences of one answer."""
    lines = measured(result, words)
    return {
        "id": result.recording.id,
        "subject": result.recording.subject,
        "question": question_text(result.recording.question),
        "duration": seconds(duration_s(result)),
        "drawn": result.recording.drawn,
        "purpose": result.purpose,
        "score": score_text(result),
        "measured": lines,
        "limits": limits(result),
        "not_for": not_for(result),
        "missing": missing(result, lines),
        "made": made(result),
    }
