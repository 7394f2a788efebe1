"""The sentences of the report: what was measured, what the score means, its limits. In plain
English.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from twomind.reporting.comparison import Comparison, compared, in_points, percent_of
from twomind.reporting.messages import ENGLISH, Texts
from twomind.reporting.report_data import (
    duration_s,
    is_action_unit,
    modality_counts,
    plain,
    score_data,
    unadapted_p,
)
from twomind.reporting.result import Plain, Result, Values
from twomind.types import Prediction, Status, Track

#: A row of text by column, and the same to read only.
Line = dict[str, str]
LineView = Mapping[str, str]
#: Keys of what a score is not for.
_NOT_FOR = ("one", "two", "three", "four")
#: Parts of a score that a page has words for.
_PARTS = ("question", "length", "content", "prevalence")


def percent(share: float, t: Texts) -> str:
    """``0.984`` → ``98 %``; never rounds to all or nothing what is not."""
    if 0 < share < 0.005:
        return t("page.under_one")
    if 0.995 <= share < 1:
        return t("page.over_99")
    return t.percent(share)


def seconds(value: float) -> str:
    """``83.2`` → ``1 min 23 s``; short times with a tenth."""
    if value < 60:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest:02d} s"


def _line(t: Texts, key: str, state: str, text: str) -> Line:
    """What was measured of something: ``ok``, ``part`` or ``no``, and a sentence."""
    return {"key": key, "what": t(f"modality.{key}"), "state": state, "text": text}


# --- what was measured
# -----------------------------------------------------------------------------------------------


def _no(t: Texts, what: str, why: str) -> Line:
    return _line(t, what, "no", t("measured.face_no", why=t.said(why)))


def _face_line(t: Texts, track: Track | None, note: str) -> Line:
    if track is None:
        return _no(t, "face", note or t("measured.no_face"))
    if not track.valid.any():
        frames = t.count(len(track), "frame")
        text = t("measured.face_none", n=frames, why=t.said(_commonest(track)))
        return _line(t, "face", "no", text)
    share = float(track.valid.mean())
    frames = t.count(len(track), "video_frame")
    text = t("measured.face_part", share=percent(share, t), n=frames)
    if share < 1:
        text += t("measured.face_lost", why=t.said(_commonest(track)))
    state = "ok" if share >= 0.8 else "part"
    return _line(t, "face", state, f"{text}.")


def _commonest(track: Track) -> str:
    assert track.reason_code is not None
    codes = track.reason_code[~track.valid]
    if not len(codes):
        return "no video frame could be decoded"
    commonest = int(np.bincount(codes).argmax())
    return track.reasons[commonest] or "no reason was given"


#: What found the speech, where the page says so.
_DETECTORS = ("silero", "energy")


def _voice_line(t: Texts, track: Track | None, note: str, summary: Mapping[str, Any]) -> Line:
    """What was measured of the voice, and what is to be said of its measures."""
    line = _line_of_voice(t, track, note, str(summary.get("vad", "")))
    remarks = summary.get("remarks", ())
    if not remarks or line["state"] == "no":
        return line
    joint = t("page.joint")
    noted = joint.join(t.said(remark) for remark in remarks)
    text = t("measured.note", text=line["text"], noted=noted)
    return _line(t, line["key"], "part", text)


def _line_of_voice(t: Texts, track: Track | None, note: str, detector: str) -> Line:
    what = "voice"
    if track is None:
        return _no(t, "voice", note or t("measured.no_voice"))
    if not track.valid.any():
        return _no(t, "voice", _commonest(track))
    if "speech" not in track.names:
        return _line(t, what, "ok", t("measured.voice_ok"))
    step_s = 0.01
    if len(track) > 1:
        step_s = float(np.median(np.diff(track.times_s)))
    is_speech = track.column("speech") >= 0.5
    speech_s = float(np.nansum(is_speech)) * step_s
    told = t(f"measured.{detector}") if detector in _DETECTORS else ""
    if speech_s <= 0:
        return _line(t, what, "part", t("measured.voice_silent", told=told))
    sound = seconds(float(track.valid.sum()) * step_s)
    text = t("measured.voice_speech", speech=seconds(speech_s), sound=sound, told=told)
    return _line(t, what, "ok", text)


def _words_line(t: Texts, words: Values) -> Line:
    n_remarks = len(words["remarks"])
    remarked = ""
    if n_remarks:
        remarked = t("measured.remarks", n=t.count(n_remarks, "remark"))
    what = "words"
    if not words["measured"]:
        why = t("measured.face_no", why=t.said(words["reason"]))
        return _line(t, what, "no", why + remarked)
    line = _line_of_words(t, words)
    return _line(t, what, "part", line["text"] + remarked) if remarked else line


def _line_of_words(t: Texts, words: Values) -> Line:
    n = len(words["items"])
    what = "words"
    if not n:
        return _line(t, what, "part", t("measured.words_empty"))
    counted = t.count(n, "word")
    text = t("measured.words", n=counted)
    if words["source"]:
        text = t("measured.words_from", n=counted, source=t.said(words["source"]))
    state = "ok"
    if words["spread"]:
        state = "part"
        text += f" {' '.join(words['notes'])}"
    if words["reason"]:
        state = "part"
        text = t("measured.note", text=text, noted=t.said(words["reason"]))
    return _line(t, what, state, text)


def _cues_line(t: Texts, result: Result) -> Line:
    of_all = modality_counts(result.cues)
    counts = {modality: n for modality, n in of_all.items() if n}
    what = "cues"
    if not counts:
        return _line(t, what, "part", t("measured.cues_none"))
    each = []
    for modality, n in counts.items():
        name = t.name("modality", modality)
        each.append(f"{n} {name.lower()}")
    cues = t.count(len(result.cues), "cue")
    return _line(t, what, "ok", t("measured.cues", n=cues, each=", ".join(each)))


def _file_lines(t: Texts, problems: Sequence[str]) -> list[Line]:
    """What is to be known of the media file; nothing of an ordinary one."""
    if not problems:
        return []
    noted = t("page.joint").join(t.said(problem) for problem in problems)
    return [_line(t, "file", "part", t("measured.file", noted=noted))]


def measured(result: Result, words: Values, t: Texts = ENGLISH) -> list[Line]:
    """One line for face, voice, words and cues, and one for the file where something is to be known of
    it: a state (``ok``, ``part``, ``no``) and a sentence.

    Args:
        result: the answer.
        words: its transcript, as the page shows it.
        t: texts of the page's language.
    """
    tracks = result.features.tracks
    notes = result.features.notes
    face = _face_line(t, tracks.get("face"), notes.get("face", ""))
    summary = result.summary.get("voice", {})
    voice = _voice_line(t, tracks.get("voice"), notes.get("voice", ""), summary)
    file = _file_lines(t, result.media.get("problems", ()))
    return [face, voice, _words_line(t, words), _cues_line(t, result), *file]


# --- the score
# -------------------------------------------------------------------------------------------------------


def question_text(question: str | None, t: Texts = ENGLISH) -> str:
    """``7`` → its theme in words, where it is one of the seven; an own prompt as it is; or that it
    is unknown.
    """
    from twomind.models.questions import BAH_QUESTIONS, resolve

    if question is None or not question.strip():
        return t("question.none")
    name = resolve(question, tuple(BAH_QUESTIONS))
    if name is None:
        return question
    response, theme = BAH_QUESTIONS[name]
    return t("question.known", name=name, theme=t.said(theme), response=t.said(response))


def known_to(model: Values, question: str | None) -> bool:
    """Whether the model used the question; a model that does not list its questions is believed."""
    from twomind.models.questions import resolve

    used = model.get("settings", {}).get("use_question", True)
    if not used:
        return False
    if "questions" not in model:
        return True
    return resolve(question, tuple(model["questions"])) is not None


def skill_text(model: Values, question: str | None, t: Texts = ENGLISH) -> str:
    """How well the model tells answers apart on held-out people, for this kind of question; "" when
    it does not say.

    Args:
        model: its card.
        question: that was asked.
        t: texts of the page's language.
    """
    skill = model.get("skill", {})
    known = known_to(model, question)
    figures = skill.get("known_question" if known else "unknown_or_own_prompt", skill)
    auc = figures.get("auc")
    inside = figures.get("within_question_auc")
    if not isinstance(auc, int | float):
        return ""
    low, high = figures.get("auc_ci") or (None, None)
    interval = ""
    if low is not None and high is not None:
        interval = t("score.skill_interval", low=f"{low:.2f}", high=f"{high:.2f}")
    within = ""
    if isinstance(inside, int | float) and known:
        within = t("score.skill_within", share=percent(inside, t))
    told = {"who": t("score.people" if known else "score.people_new")}
    told |= {"share": percent(auc, t), "auc": f"{auc:.2f}", "interval": interval}
    return t("score.skill", within=within, **told)


def _bar(t: Texts, part: Values, reach: float, known: bool) -> Plain:
    """A part as a bar from the middle, in percent; ``reach`` is the value at the edge."""
    name = part["name"]
    value = part["value"]
    label = name.replace("_", " ")
    about = ""
    if name in _PARTS:
        label = t(f"score.{name}")
        about = t(f"score.{name}_about")
    if name == "question" and not known:
        about = t("score.question_left_out")
    if abs(value) < 0.05:
        effect, sign = t("score.hardly"), 0
    elif value > 0:
        effect, sign = t("score.raises"), 1
    else:
        effect, sign = t("score.lowers"), -1
    width = 50 * abs(value) / reach
    begin = 50 - width if value < 0 else 50
    told = {"label": label, "about": about, "effect": effect, "sign": sign}
    return {**part, **told, "x": round(begin, 2), "width": round(width, 2)}


def _parts(t: Texts, score: Values, known: bool) -> tuple[list[Plain], float | None]:
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
    bars = [_bar(t, part, reach, known) for part in moving]
    if base is None:
        return [{**bar, "points": None} for bar in bars], None
    points = in_points(base, [part["value"] for part in moving])
    pairs = zip(bars, points, strict=True)
    with_points = [{**bar, "points": n} for bar, n in pairs]
    return with_points, 1 / (1 + math.exp(-base))


def meaning(model: Values, t: Texts = ENGLISH) -> str:
    """What the model's number is: a coder's likely mark, unless the model says otherwise of its
    own.
    """
    own = str(model.get("meaning") or "")
    return t.said(own) or t("score.meaning")


def _given(t: Texts, prediction: Prediction) -> list[str]:
    """What a model gave besides parts and words: its word, both sides, the moments that
    it cites.
    """
    found = []
    for e in prediction.evidence:
        if e.kind == "said":
            found.append(t("score.own_word", name=e.name))
        elif e.kind == "side":
            found.append(t("score.says", name=e.name))
        elif e.kind == "cited":
            when = t("score.cites_no_time")
            if math.isfinite(e.start_s):
                start = f"{e.start_s:.1f}"
                end = f"{e.end_s:.1f}"
                when = t("score.cites_when", start=start, end=end)
            found.append(t("score.cites", when=when, name=e.name))
        elif e.kind == "dropped":
            name = t.said(e.name)
            found.append(t("score.dropped", n=f"{e.value:.0f}", name=name))
    return found


def _method(t: Texts, name: str) -> str:
    """What a method does in plain words, with its name; its name alone where there are none."""
    if not t.has("method", name):
        return t("adapted.own_name", name=name)
    return t("adapted.named", plain=t.name("method", name), name=name)


def _access(t: Texts, saw: str) -> str:
    """``summary+neutral`` in plain words."""
    names = saw.split("+")
    first, *others = [t.name("access", name) for name in names]
    told = first
    for other in others:
        told = t("adapted.and", one=told, other=other)
    return told


def _changed(t: Texts, result: Result, score: Values) -> str:
    """What adaptation did, where a method was used: the answer without it stays beside the one with
    it.
    """
    if not result.adaptation:
        return ""
    plain = result.unadapted
    before = t("score.not_measured")
    if plain is not None and plain.status is not Status.NOT_MEASURED:
        before = f"{plain.probs[1]:.2f}"
    method = _method(t, str(result.adaptation.get("method", "")))
    if not result.adaptation["said"]:
        return t("adapted.not_adapted", method=method, before=before)
    saw = str(result.adaptation.get("saw", ""))
    how = t("adapted.saw_nothing")
    if saw and saw != "nothing":
        how = t("adapted.saw", saw=_access(t, saw))
    after = t("score.not_measured")
    if score["p"] is not None:
        after = f"{score['p']:.2f}"
    return t("adapted.changed", method=method, how=how, before=before, after=after)


def _headline(t: Texts, score: Values, alone: Comparison | None) -> str:
    """The score beside what the question alone gives."""
    p = f"{score['p']:.2f}"
    if alone is None and score["before"] is not None:
        return _beside_unadapted(t, score["p"], score["before"])
    if alone is None:
        return t("score.no_comparison", p=p)
    points = alone.points
    way = "nothing"
    if points:
        way = "adds" if points > 0 else "takes"
    key = way if alone.known else f"unknown_{way}"
    if alone.known and way == "nothing":
        key = "adds_nothing"
    told = _points(t, points)
    return t(f"score.{key}", p=p, alone=f"{alone.p:.2f}", points=told)


def _points(t: Texts, points: int) -> str:
    size = abs(points)
    return t("score.point") if size == 1 else t("score.points", n=size)


def _beside_unadapted(t: Texts, p: float, before: float) -> str:
    """The score beside that of the same model without adaptation, as the two rounded figures
    differ.
    """
    points = percent_of(p) - percent_of(before)
    way = "same"
    if points:
        way = "raises" if points > 0 else "lowers"
    told = {"p": f"{p:.2f}", "before": f"{before:.2f}"}
    told["points"] = _points(t, points)
    return t(f"score.adapted_{way}", **told)


def _sentences(t: Texts, score: Values, own_meaning: bool) -> list[str]:
    """What the number says, in frequencies, and what it mostly comes from."""
    if own_meaning:
        return [t("score.observed_not")]
    found = _observed(t, score)
    if _mostly_the_question(score["parts"]):
        found.append(t("score.mostly_question"))
    return found


def _observed(t: Texts, score: Values) -> list[str]:
    """How often answers of about this score are marked, as far as that was tested."""
    why = t.said(str(score.get("no_band", "")))
    if why:
        return [f"{why[0].upper()}{why[1:]}."]
    expected = t("score.expected", n=f"{score['p'] * 100:.0f}")
    if not score["band"]:
        return [expected]
    low, high = score["band"]
    least = f"{100 * low:.0f}"
    most = f"{100 * high:.0f}"
    observed = t("score.observed", low=least, high=most)
    return [expected, observed]


def _mostly_the_question(parts: Sequence[Values]) -> bool:
    """Do the question and the length weigh more than the words?"""
    known = [p for p in parts if p["value"] is not None]
    size = {p["name"]: abs(p["value"]) for p in known}
    if not {"question", "length", "content"} <= size.keys():
        return False
    return bool(size["question"] + size["length"] > size["content"])


def score_text(result: Result, t: Texts = ENGLISH) -> Plain:
    """The score card: a heading, sentences, the scale's places in percent, the parts."""
    score = score_data(result.prediction)
    status = result.prediction.status
    score["given"] = _given(t, result.prediction)
    score["changed"] = _changed(t, result, score)
    score["meaning"] = meaning(result.model, t)
    score["before"] = unadapted_p(result)
    if status is Status.NOT_MEASURED:
        nothing = {"heading": t("score.not_measured"), "headline": "", "alone": None}
        return score | nothing | {"sentences": [], "bars": [], "base": None, "skill": ""}
    known = known_to(result.model, result.recording.question)
    bars, base = _parts(t, score, known)
    is_abstained = status is Status.ABSTAINED
    score["heading"] = t("score.cannot_tell") if is_abstained else f"{score['p']:.2f}"
    alone = compared(score, known)
    score["alone"] = None if alone is None else {"p": alone.p, "known": alone.known}
    score["headline"] = _headline(t, score, alone)
    score["sentences"] = _sentences(t, score, bool(result.model.get("meaning")))
    score["bars"] = bars
    score["base"] = base
    score["skill"] = skill_text(result.model, result.recording.question, t)
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


def limits(result: Result, t: Texts = ENGLISH) -> list[str]:
    """What a reader must not take the score and the cues for."""
    found = _card_list(result.model, "limits", "limitations")
    if not result.located:
        found.insert(0, t("limits.not_when"))
    found.append(t("limits.geometry"))
    population = _card_list(result.model, "population")
    found = [t.said(text) for text in found]
    found += [t("limits.trained_on", text=t.said(text)) for text in population]
    return list(dict.fromkeys(found))


def not_for(result: Result, t: Texts = ENGLISH) -> list[str]:
    """What the model must not be used for; in its own words where it has some."""
    own = _card_list(result.model, "not_for", "out_of_scope")
    if own:
        return [t.said(text) for text in own]
    return [t(f"not_for.{key}") for key in _NOT_FOR]


def missing(result: Result, lines: Sequence[LineView], t: Texts = ENGLISH) -> dict[str, list[Line]]:
    """What carries no number: of this answer; action units and kinds of cue that are the same for
    every answer.

    Args:
        result: the answer.
        lines: what was measured of it.
        t: texts of the page's language.
    """
    rows = [_row(m.what, m.reason) for m in result.not_measured]
    seen = {row["what"] for row in rows}
    for what, reason in result.features.notes.items():
        if what not in seen:
            rows.append(_row(what, reason))
    seen = {row["what"] for row in rows}
    for line in lines:
        what = line["key"]
        if line["state"] == "no" and what not in seen:
            rows.append(_row(what, line["text"]))
    units = [row for row in rows if is_action_unit(row["what"])]
    kinds = [row for row in rows if row["what"].startswith("cue: ")]
    own = [row for row in rows if row not in units and row not in kinds]
    found = {"answer": _merged(own, t)}
    found["units"] = _told(units, t)
    found["kinds"] = _told(kinds, t)
    return found


def _told(rows: Sequence[LineView], t: Texts) -> list[Line]:
    """The rows with names and reasons in the page's language."""
    found = []
    for row in rows:
        name = _name(row["what"].removeprefix("cue: "), t)
        reason = t.said(row["reason"])
        language = t.language_of(row["reason"])
        found.append(_row(name, reason, language))
    return found


def _name(key: str, t: Texts) -> str:
    """What is not measured, as the page calls it: a measure, a kind of cue, an action unit."""
    for section in ("missing", "kind", "curve"):
        if t.has(section, key) and not is_action_unit(key):
            return t.name(section, key)
    return key.replace("_", " ")


def _row(what: str, reason: str, language: str = "en") -> Line:
    return {"what": what, "reason": reason, "language": language}


def _merged(rows: Sequence[LineView], t: Texts) -> list[Line]:
    """``voice: a``, ``voice: b`` with one reason between them become one row that names them."""
    groups: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        head, _, tail = row["what"].partition(": ")
        groups.setdefault((head, row["reason"]), []).append(tail)
    found = []
    for (head, why), tails in groups.items():
        what = _name(head, t)
        reason = t.said(why)
        names = [_name(tail, t) for tail in tails if tail]
        if len(names) > 1:
            told = {"n": len(names), "names": ", ".join(names)}
            reason = t("answer.measures_of", reason=reason, **told)
        elif names:
            what = f"{what}: {names[0]}"
        found.append(_row(what, reason, t.language_of(why)))
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
    known = {name: value for name, value in files.items() if not _is_empty(value)}
    found: Plain = {"files": known}
    found["model"] = model
    found["versions"] = versions
    found["settings"] = settings
    found["measures"] = plain(_without(result.summary, "cue_counts"))
    return found


def _is_empty(value: Any) -> bool:
    return value in (None, "", [], {})


def two_sides_text(result: Result, t: Texts = ENGLISH) -> Plain | None:
    """The clauses for a change and those against it; None where the model was not asked."""
    found = result.two_sides
    if not found:
        return None
    about = found["model"]
    counts = found.get("counts", {})
    text: Plain = {"reason": t.said(found["reason"])}
    text["both"] = found.get("both_sides", False)
    for side in ("change", "sustain"):
        own = [clause for clause in found["clauses"] if clause["said"] == side]
        text[side] = [_quoted(clause) for clause in own]
    numbers = {"neutral": counts.get("neutral", 0), "cannot_tell": counts.get("cannot tell", 0)}
    made_of = {name: t.said(str(about[name])) for name in ("trained_on", "labelled_by")}
    text["rest"] = t("sides.rest", **numbers, **made_of)
    risk = f"{about['max_risk']:.0%}"
    elsewhere = t.said(about["judged_elsewhere"])
    text["limit"] = t("sides.limit", risk=risk, elsewhere=elsewhere).strip()
    return text


def _quoted(clause: Values) -> Plain:
    """A clause with its time; ≈ where words have none of their own."""
    about = "" if clause["timed"] else "≈ "
    at = f"{about}{clause['start_s']:.1f} s"
    return {"at": at, "quote": clause["quote"]}


def answer_text(result: Result, words: Values, t: Texts = ENGLISH) -> Plain:
    """All sentences of one answer.

    Args:
        result: the answer.
        words: its transcript, as the page shows it.
        t: texts of the page's language.
    """
    recording = result.recording
    lines = measured(result, words, t)
    found: Plain = {"id": recording.id, "subject": recording.subject}
    found["question"] = question_text(recording.question, t)
    found["duration"] = seconds(duration_s(result))
    found["drawn"] = recording.drawn
    found["purpose"] = result.purpose
    found["score"] = score_text(result, t)
    found["two_sides"] = two_sides_text(result, t)
    found["measured"] = lines
    found["limits"] = limits(result, t)
    found["not_for"] = not_for(result, t)
    found["missing"] = missing(result, lines, t)
    found["made"] = made(result)
    return found
