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
from twomind.reporting.result import Plain, Result, Values
from twomind.types import Prediction, Status, Track

DRAWN = (
    "A synthetic person, not a real one: numbers here show that the machinery works; they say "
    "nothing about real faces."
)
MEANING = (
    "probability that a trained coder would mark ambivalence or hesitancy somewhere in this answer"
)
#: A row of text by column, and the same to read only.
Line = dict[str, str]
LineView = Mapping[str, str]
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
    """``2`` → ``2 words``.

    Args:
        n: how many.
        one: what one is called.
        many: what several are called; without it with an s.
    """
    word = one if n == 1 else many or f"{one}s"
    return f"{n:,} {word}"


def _line(what: str, state: str, text: str) -> Line:
    """What was measured of something: ``ok``, ``part`` or ``no``, and a sentence."""
    return {"what": what, "state": state, "text": text}


# --- what was measured
# -----------------------------------------------------------------------------------------------


def _face_line(track: Track | None, note: str) -> Line:
    if track is None:
        return _line("Face", "no", f"Not measured: {note or 'no face track'}.")
    if not track.valid.any():
        frames = plural(len(track), "frame")
        return _line("Face", "no", f"Not measured in any of {frames}: {_commonest(track)}.")
    share = float(track.valid.mean())
    frames = plural(len(track), "video frame")
    text = f"Measurable in {percent(share)} of {frames}"
    if share < 1:
        text += f"; most often lost because: {_commonest(track)}"
    state = "ok" if share >= 0.8 else "part"
    return _line("Face", state, f"{text}.")


def _commonest(track: Track) -> str:
    assert track.reason_code is not None
    codes = track.reason_code[~track.valid]
    if not len(codes):
        return "no video frame could be decoded"
    commonest = int(np.bincount(codes).argmax())
    return track.reasons[commonest] or "no reason was given"


#: What found the speech → how the page says it.
_DETECTORS = {
    "silero": " (told from other sound by Silero)",
    "energy": " (told from noise by its level and pitch: music and tones count as speech)",
}


def _voice_line(track: Track | None, note: str, summary: Mapping[str, Any]) -> Line:
    """What was measured of the voice, and what is to be said of its measures."""
    line = _line_of_voice(track, note, str(summary.get("vad", "")))
    remarks = summary.get("remarks", ())
    if not remarks or line["state"] == "no":
        return line
    noted = "; ".join(remarks)
    return _line("Voice", "part", f"{line['text']} Note: {noted}.")


def _line_of_voice(track: Track | None, note: str, detector: str) -> Line:
    if track is None:
        return _line("Voice", "no", f"Not measured: {note or 'no voice track'}.")
    if not track.valid.any():
        return _line("Voice", "no", f"Not measured: {_commonest(track)}.")
    if "speech" not in track.names:
        return _line("Voice", "ok", "Measured.")
    step_s = 0.01
    if len(track) > 1:
        step_s = float(np.median(np.diff(track.times_s)))
    is_speech = track.column("speech") >= 0.5
    speech_s = float(np.nansum(is_speech)) * step_s
    told = _DETECTORS.get(detector, "")
    if speech_s <= 0:
        text = f"Sound was measured; no speech was found in it{told}."
        return _line("Voice", "part", text)
    heard_s = float(track.valid.sum()) * step_s
    text = f"{seconds(speech_s)} of speech in {seconds(heard_s)} of sound{told}."
    return _line("Voice", "ok", text)


def _words_line(words: Values) -> Line:
    n_remarks = len(words["remarks"])
    remarked = ""
    if n_remarks:
        remarked = f" {plural(n_remarks, 'remark')} on the transcript: see below."
    if not words["measured"]:
        return _line("Words", "no", f"Not measured: {words['reason']}.{remarked}")
    line = _line_of_words(words)
    return _line("Words", "part", line["text"] + remarked) if remarked else line


def _line_of_words(words: Values) -> Line:
    n = len(words["items"])
    if not n:
        return _line("Words", "part", "The transcript is there and holds no word.")
    source = f" from {words['source']}" if words["source"] else ""
    text = f"{plural(n, 'word')}{source}."
    state = "ok"
    if words["spread"]:
        state = "part"
        text += f" {' '.join(words['notes'])}"
    if words["reason"]:
        state = "part"
        text += f" Note: {words['reason']}."
    return _line("Words", state, text)


def _cues_line(result: Result) -> Line:
    counts = {k: n for k, n in modality_counts(result.cues).items() if n}
    if not counts:
        return _line("Cues", "part", "None was found. A cue is not ambivalence.")
    each = [f"{n} {modality}" for modality, n in counts.items()]
    listed = ", ".join(each)
    cues = plural(len(result.cues), "cue")
    text = f"{cues} that a coder might mark ({listed}). A cue is not ambivalence."
    return _line("Cues", "ok", text)


def measured(result: Result, words: Values) -> list[Line]:
    """One line for face, voice, words and cues: a state (``ok``, ``part``, ``no``) and a
    sentence.
    """
    tracks = result.features.tracks
    notes = result.features.notes
    face = _face_line(tracks.get("face"), notes.get("face", ""))
    summary = result.summary.get("voice", {})
    voice = _voice_line(tracks.get("voice"), notes.get("voice", ""), summary)
    return [face, voice, _words_line(words), _cues_line(result)]


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


def _known_to(model: Values, question: str | None) -> bool:
    """Whether the model used the question; a model that does not list its questions is believed."""
    from twomind.models.questions import resolve

    used = model.get("settings", {}).get("use_question", True)
    if not used:
        return False
    if "questions" not in model:
        return True
    return resolve(question, tuple(model["questions"])) is not None


def skill_text(model: Values, question: str | None) -> str:
    """How well the model tells answers apart on held-out people, for this kind of question; "" when
    it does not say.
    """
    skill = model.get("skill", {})
    known = _known_to(model, question)
    figures = skill.get("known_question" if known else "unknown_or_own_prompt", skill)
    auc = figures.get("auc")
    within = figures.get("within_question_auc")
    if not isinstance(auc, int | float):
        return ""
    low, high = figures.get("auc_ci") or (None, None)
    interval = ""
    if low is not None and high is not None:
        interval = f", 95 % interval {low:.2f} to {high:.2f}"
    who = "people" if known else "people and to a question that it does not know"
    text = (
        f"Skill: of two answers of held-out {who}, one marked and one not, it scores the marked "
        f"one higher in {percent(auc)} of pairs (AUC {auc:.2f}{interval})"
    )
    if isinstance(within, int | float) and known:
        text += f"; when both answer the same question, in {percent(within)}"
    return f"{text}. Chance is 50 %."


def _bar(part: Values, reach: float, known: bool) -> Plain:
    """A part as a bar from the middle, in percent; ``reach`` is the value at the edge."""
    name = part["name"]
    value = part["value"]
    label, about = PARTS.get(name, (name.replace("_", " "), ""))
    if name == "question" and not known:
        about = "the model does not know this question and leaves it out"
    if abs(value) < 0.05:
        effect, sign = "hardly moves it", 0
    elif value > 0:
        effect, sign = "raises it", 1
    else:
        effect, sign = "lowers it", -1
    width = 50 * abs(value) / reach
    begin = 50 - width if value < 0 else 50
    told = {"label": label, "about": about, "effect": effect, "sign": sign}
    return {**part, **told, "x": round(begin, 2), "width": round(width, 2)}


def _parts(score: Values, known: bool) -> tuple[list[Plain], float | None]:
    """The parts as bars from the middle, in shares of the widest; and the starting point as a
    probability.
    """
    moving = []
    base = None
    for part in score["parts"]:
        if part["name"] != "baseline":
            moving.append(part)
        elif base is None:
            base = part["value"]
    moving = [part for part in moving if part["value"] is not None]
    widest = max((abs(part["value"]) for part in moving), default=0.0)
    reach = max(widest, 0.5)
    bars = [_bar(part, reach, known) for part in moving]
    start = None if base is None else 1 / (1 + math.exp(-base))
    return bars, start


def meaning(model: Values) -> str:
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
            when = " (no time known)"
            if math.isfinite(e.start_s):
                when = f" at {e.start_s:.1f} to {e.end_s:.1f} s"
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
    without = "not measured"
    if plain is not None and plain.status is not Status.NOT_MEASURED:
        without = f"{plain.probs[1]:.2f}"
    said = str(result.adaptation["said"]) or "not adapted"
    return [f"{said[0].upper()}{said[1:]}. The same model without adaptation: {without}."]


def _sentences(score: Values, own_meaning: bool) -> list[str]:
    """What the number says, in frequencies, and what it mostly comes from."""
    if own_meaning:
        return [
            "How often answers that score like this one are marked by a coder was not measured."
        ]
    found = _observed(score)
    if _mostly_the_question(score["parts"]):
        found.append(
            "Which question was asked and how long the answer is move this score more than what "
            "was said."
        )
    return found


def _observed(score: Values) -> list[str]:
    """How often answers of about this score are marked, as far as that was tested."""
    why = str(score.get("no_band", ""))
    if why:
        return [f"{why[0].upper()}{why[1:]}."]
    of_hundred = score["p"] * 100
    expected = (
        "Of 100 answers that score like this one, a trained coder would be expected to mark about "
        f"{of_hundred:.0f}."
    )
    if not score["band"]:
        return [expected]
    low, high = score["band"]
    rate = f"{100 * low:.0f} to {100 * high:.0f} %"
    said = f"Of the held-out answers scored nearest to this one, {rate} were marked"
    return [expected, f"{said} (95 % interval of that rate)."]


def _mostly_the_question(parts: Sequence[Values]) -> bool:
    """Do the question and the length weigh more than the words?"""
    known = [p for p in parts if p["value"] is not None]
    size = {p["name"]: abs(p["value"]) for p in known}
    if not {"question", "length", "content"} <= size.keys():
        return False
    return bool(size["question"] + size["length"] > size["content"])


def score_text(result: Result) -> Plain:
    """The score card: a heading, sentences, the scale's places in percent, the parts."""
    score = score_data(result.prediction)
    status = result.prediction.status
    given = [*_changed(result), *_given(result.prediction)]
    if status is Status.NOT_MEASURED:
        return score | {
            "heading": "not measured",
            "sentences": [],
            "given": given,
            "bars": [],
            "base": None,
            "skill": "",
            "meaning": meaning(result.model),
        }
    bars, base = _parts(score, _known_to(result.model, result.recording.question))
    heading = "cannot tell" if status is Status.ABSTAINED else f"{score['p']:.2f}"
    own_meaning = bool(result.model.get("meaning"))
    score["heading"] = heading
    score["sentences"] = _sentences(score, own_meaning)
    score["given"] = given
    score["bars"] = bars
    score["base"] = base
    score["skill"] = skill_text(result.model, result.recording.question)
    score["meaning"] = meaning(result.model)
    return score


# --- limits, what is missing, how it was made
# ------------------------------------------------------------------------


def _card_list(model: Values, *names: str) -> list[str]:
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


def missing(result: Result, lines: Sequence[LineView]) -> dict[str, list[Line]]:
    """What carries no number: of this answer; action units and kinds of cue that are the same for
    every answer.
    """
    rows = [_row(m.what, m.reason) for m in result.not_measured]
    seen = {row["what"] for row in rows}
    for what, reason in result.features.notes.items():
        if what not in seen:
            rows.append(_row(what, reason))
    seen = {row["what"] for row in rows}
    for line in lines:
        what = line["what"].lower()
        if line["state"] == "no" and what not in seen:
            rows.append(_row(what, line["text"]))
    units = [row for row in rows if is_action_unit(row["what"])]
    kinds = [row for row in rows if row["what"].startswith("cue: ")]
    own = [row for row in rows if row not in units and row not in kinds]
    return {"answer": _merged(own), "units": units, "kinds": kinds}


def _row(what: str, reason: str) -> Line:
    return {"what": what, "reason": reason}


def _merged(rows: Sequence[LineView]) -> list[Line]:
    """``voice: a``, ``voice: b`` with one reason between them become one row that names them."""
    groups: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        head, _, tail = row["what"].partition(": ")
        groups.setdefault((head, row["reason"]), []).append(tail)
    found = []
    for (head, reason), tails in groups.items():
        names = [t.replace("_", " ") for t in tails if t]
        if len(names) > 1:
            listed = ", ".join(names)
            found.append(_row(head, f"{reason} ({len(names)} measures: {listed})"))
        elif names:
            found.append(_row(f"{head}: {names[0]}", reason))
        else:
            found.append(_row(head, reason))
    return found


def _without(values: Values, *names: str) -> Plain:
    """The mapping less some of its keys."""
    return {k: v for k, v in values.items() if k not in names}


def _flat(values: Values) -> Plain:
    """The entries that hold neither a list nor entries of their own, as plain values."""
    found = {}
    for name, value in values.items():
        if not isinstance(value, Mapping | list | tuple):
            found[name] = plain(value)
    return found


def made(result: Result) -> Plain:
    """Files, model, versions and settings as nested plain values, short ones first."""
    recording = result.recording
    files: Plain = {"recording": recording.media.name}
    files |= plain(result.media)
    files["transcript"] = recording.words_source or "none"
    files["face values are relative to"] = result.neutral or None
    model = plain(_without(result.model, "numbers", "card"))
    card = result.model.get("card")
    if isinstance(card, Mapping):
        model = {**_flat(card), **model}
    settings = plain(dict(result.provenance))
    versions = settings.pop("versions", {})
    found: Plain = {"files": {k: v for k, v in files.items() if not _is_empty(v)}}
    found["model"] = model
    found["versions"] = versions
    found["settings"] = settings
    found["measures"] = plain(_without(result.summary, "cue_counts"))
    return found


def _is_empty(value: Any) -> bool:
    return value in (None, "", [], {})


#: What is said under the two columns of every answer.
TWO_SIDES_LIMIT = (
    "A model of the words tells this, clause by clause. It is no part of the score, and it does not "
    "say how strongly somebody means it. Of what it tells, at most {risk:.0%} was wrong on held-out "
    "people of its training, and more elsewhere; of the rest it cannot tell. {elsewhere}"
)


def two_sides_text(result: Result) -> Plain | None:
    """The clauses for a change and those against it; None where the model was not asked."""
    found = result.two_sides
    if not found:
        return None
    about = found["model"]
    counts = found.get("counts", {})
    text: Plain = {"reason": found["reason"], "both": found.get("both_sides", False)}
    for side in ("change", "sustain"):
        own = [clause for clause in found["clauses"] if clause["said"] == side]
        text[side] = [_quoted(clause) for clause in own]
    text["neutral"] = counts.get("neutral", 0)
    text["cannot_tell"] = counts.get("cannot tell", 0)
    text["trained_on"] = about["trained_on"]
    text["labelled_by"] = about["labelled_by"]
    elsewhere = about["judged_elsewhere"]
    text["limit"] = TWO_SIDES_LIMIT.format(risk=about["max_risk"], elsewhere=elsewhere).strip()
    return text


def _quoted(clause: Values) -> Plain:
    """A clause with its time; ≈ where words have none of their own."""
    about = "" if clause["timed"] else "≈ "
    at = f"{about}{clause['start_s']:.1f} s"
    return {"at": at, "quote": clause["quote"]}


def answer_text(result: Result, words: Values) -> Plain:
    """All sentences of one answer."""
    recording = result.recording
    lines = measured(result, words)
    found: Plain = {"id": recording.id, "subject": recording.subject}
    found["question"] = question_text(recording.question)
    found["duration"] = seconds(duration_s(result))
    found["drawn"] = recording.drawn
    found["purpose"] = result.purpose
    found["score"] = score_text(result)
    found["two_sides"] = two_sides_text(result)
    found["measured"] = lines
    found["limits"] = limits(result)
    found["not_for"] = not_for(result)
    found["missing"] = missing(result, lines)
    found["made"] = made(result)
    return found
