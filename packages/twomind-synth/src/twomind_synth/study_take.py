"""One clip of a study as truth: what face, head, eyes and voice do at every moment, and when the
label shows.

A :class:`Take` is what the film draws and what the fast path measures; both come from the same
call.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from twomind_synth import behaviour, voice
from twomind_synth.behaviour import Courses, Movement
from twomind_synth.identity import AU_NAMES, SIDED_UNITS, SPEECH, FaceState
from twomind_synth.study_people import PAIN, STRESS, STUDY_HABITS, StudyPerson
from twomind_synth.study_script import StudyAnswer, StudySegment, write_study_answer
from twomind_synth.study_tasks import speak_task
from twomind_synth.study_world import StudyWorld
from twomind_synth.voice import Speech
from twomind_synth.world import stream

#: what a side looks like in the face and in the head's movement
SIDE_KINDS = {
    ("facial", 1): "smile",
    ("facial", -1): "frown",
    ("body", 1): "nod",
    ("body", -1): "head_shake",
}
#: StressID's tasks, and how often a task is felt as stressful (230 neutral against 248 stressful
#: recordings in all)
TASKS: dict[str, float] = {
    **{
        "Relax": 0.12,
        "Breathing": 0.15,
        "Video1": 0.3,
        "Video2": 0.4,
        "Counting1": 0.6,
        "Counting2": 0.68,
    },
    **{"Counting3": 0.72, "Stroop": 0.7, "Speaking": 0.72, "Math": 0.75, "Reading": 0.55},
}
#: seconds from the start of a BioVid clip to the first sign of pain: earliest and latest
PAIN_ONSET_S = (0.8, 2.2)


@dataclass(frozen=True)
class Noted:
    """One segment as an annotator noted it. ``true`` is the number of the segment behind it, -1
    when invented.
    """

    start_s: float
    end_s: float
    certainty: str
    true: int


@dataclass(frozen=True)
class Take:
    """One clip. ``label`` is the truth, ``noted`` what the annotation says; ``spans`` are the true
    A/H spans (s).

    ``times_s (T,)``; ``aus`` and ``columns`` map names to courses ``(T,)``: commanded action units
    (before the person's rest, gain and asymmetry) and the other numbers of a :class:`FaceState`.
    """

    layout: str
    person: StudyPerson
    name: str
    task: str
    label: int
    noted: int
    duration_s: float
    times_s: np.ndarray
    aus: Courses
    columns: Courses
    blink: np.ndarray
    chest: np.ndarray
    movements: tuple[Movement, ...]
    blinks: tuple[tuple[float, float], ...]
    speech: Speech | None
    answer: StudyAnswer | None = None
    spans: tuple[tuple[float, float], ...] = ()
    segments: tuple[Noted, ...] = ()
    #: how much stress raises and hurries the voice
    tension: tuple[float, float] = (0.0, 0.0)

    def states(self) -> list[FaceState]:
        """What is drawn, frame by frame."""
        return [
            FaceState(
                aus={
                    name: round(float(course[i]), 4)
                    for name, course in self.aus.items()
                    if course[i] > 1e-4
                },
                blink=round(float(self.blink[i]), 4),
                breath=round(float(self.chest[i]), 4),
                **{name: round(float(course[i]), 4) for name, course in self.columns.items()},
            )
            for i in range(len(self.times_s))
        ]

    def frame_labels(self) -> np.ndarray:
        """Annotated label ``(T,)`` of every frame."""
        if self.layout != "bah":
            return np.full(len(self.times_s), self.noted)
        inside = np.zeros(len(self.times_s), int)
        for s in self.segments:
            inside[(self.times_s >= s.start_s) & (self.times_s < s.end_s)] = 1
        return inside


def drawn_aus(take: Take) -> dict[str, np.ndarray]:
    """Drawn intensity ``(T, 2)`` (own left, own right) per action unit, as
    ``identity.effective_sides`` gives it.
    """
    look = take.person.look
    n = len(take.times_s)
    speech = {au: np.zeros(n) for au in AU_NAMES}
    for column, au, amount in SPEECH:
        speech[au] = speech[au] + amount * take.columns[column]
    out = {}
    for au in AU_NAMES:
        moved = look.gain.get(au, 1.0) * take.aus.get(au, np.zeros(n))
        lean = look.asymmetry.get(au, 0.0) if au in SIDED_UNITS else 0.0
        both = np.stack([moved * (1 + lean), moved * (1 - lean)], axis=1)
        out[au] = np.clip(look.rest.get(au, 0.0) + both + speech[au][:, None], 0, 1.3)
    out["AU43"] = np.clip(np.maximum(out["AU43"], take.blink[:, None]), 0, 1)
    return out


# --- the three layouts
# -------------------------------------------------------------------------------------------


def bah_take(world: StudyWorld, person: StudyPerson, question: int, fps: int) -> Take:
    """One spoken answer with its A/H segments."""
    factors = person.factors
    keys = (factors.index, person.visit, question)
    answer = write_study_answer(world, person, question)
    speech = say(world, person, answer, question, sound=False)
    times_s = np.arange(int(np.ceil(speech.duration_s * fps))) / fps
    rng = stream(factors.seed, "study", "behaviour", *keys)
    spans = behaviour.segment_spans(answer, speech)
    movements = [
        *_showing(world, person, answer, speech, spans, rng),
        *_habits(world, person, speech, rng),
    ]
    segments = annotate(
        world, answer, speech, spans, stream(factors.seed, "study", "annotator", *keys)
    )
    return _take(
        ("bah", person, f"{person.subject}_Question_{question}", str(question)),
        (answer.label, int(bool(segments))),
        times_s,
        speech,
        movements,
        _moods(world, times_s, rng),
        world,
        rng,
        answer=answer,
        spans=spans,
        segments=segments,
    )


def say(
    world: StudyWorld, person: StudyPerson, answer: StudyAnswer, question: int, sound: bool
) -> Speech:
    """The answer as speech of the built-in engine; its times are the same with and without
    ``sound``.
    """
    rng = stream(person.factors.seed, "study", "voice", person.index, person.visit, question)
    return voice.speak(answer.tokens, person.factors, rng, "builtin", world.noise_db, sound=sound)


def biovid_take(world: StudyWorld, person: StudyPerson, label: int, number: int, fps: int) -> Take:
    """One clip of heat pain (label 1, PA4) or of none (label 0, BL1), without speech.

    Label noise: the stimulus is what the name says, but nothing of it is felt, or something else
    hurts.
    """
    seed = person.factors.seed
    noted = label
    label = _noted_label(
        world, label, stream(seed, "study", "annotator", "biovid", person.index, noted, number)
    )
    rng = stream(seed, "study", "biovid", person.index, person.visit, noted, number)
    times_s = np.arange(round(world.clip_s * fps)) / fps
    speech = silence(world.clip_s)
    aus = _moods(world, times_s, rng)
    if label:
        onset_s = float(rng.uniform(*PAIN_ONSET_S))
        course = np.clip((times_s - onset_s) / rng.uniform(0.5, 1.2), 0, 1)
        course = course * (1 - 0.3 * np.clip((times_s - onset_s - 2) / 2, 0, 1))
        # Not every stimulus is felt alike, and not everybody lets it show.
        felt = float(rng.beta(2.5, 1.5)) * person.openness * (1 - world.subtlety)
        for au, size in PAIN.items():
            chance = min(1.0, 0.7 * person.mix["pain"][au] ** 0.5)
            if rng.random() < chance:
                height = (
                    1.6
                    * size
                    * felt
                    * min(person.mix["pain"][au], 2.0)
                    * float(rng.lognormal(0, 0.2))
                )
                aus[au] = np.clip(aus.get(au, 0.0) + height * course, 0, 1)
    movements = _habits(world, person, speech, rng)
    if label:
        movements += _startle(world, person, speech, rng)
    level = "PA4" if noted else "BL1"
    return _take(
        ("biovid", person, f"{person.subject}-{level}-{number:03d}", level),
        (label, noted),
        times_s,
        speech,
        movements,
        aus,
        world,
        rng,
    )


def stressid_take(world: StudyWorld, person: StudyPerson, task: str, fps: int) -> Take:
    """One task of a session; some are spoken, and how stressful one is differs from person to
    person.
    """
    seed = person.factors.seed
    keys = (person.index, person.visit, task)
    rng = stream(seed, "study", "stressid", *keys)
    label = int(rng.random() < TASKS[task])
    level = float(rng.beta(4, 1.6)) * person.openness * (1 - world.subtlety) * 2.2 if label else 0.0
    mix = person.mix["stress"]

    def strength(sign: str) -> float:
        return level * STRESS[sign] * min(mix[sign], 2.2)

    tension = (strength("pitch"), strength("fast"))
    speech = speak_task(world, person, task, *tension, sound=False) or silence(world.task_s)
    times_s = np.arange(int(np.ceil(speech.duration_s * fps))) / fps
    aus = _moods(world, times_s, rng)
    waves = np.clip(0.6 + 0.4 * _wave(times_s, rng), 0, 1)
    for sign in STRESS:
        if sign.startswith("AU"):
            aus[sign] = np.clip(aus.get(sign, 0.0) + strength(sign) * waves, 0, 1)
    factors = person.factors
    tense = replace(
        factors,
        blink_per_min=factors.blink_per_min * (1 + strength("blink")),
        sway_deg=factors.sway_deg * (1 + strength("sway")),
    )
    movements = _habits(world, person, speech, rng)
    for _ in range(int(rng.poisson(12 * strength("gaze") * speech.duration_s / 60))):
        kind = "gaze_away" if rng.random() < 0.6 else "look_away"
        movements += _place(kind, "label", (0.3, speech.duration_s - 0.5), 0.8, person, speech, rng)
    noted = _noted_label(world, label, stream(seed, "study", "annotator", "stressid", *keys))
    take = _take(
        ("stressid", replace(person, factors=tense), f"{person.subject}_{task}", task),
        (label, noted),
        times_s,
        speech,
        movements,
        aus,
        world,
        rng,
    )
    return replace(take, person=person, tension=tension)


def silence(duration_s: float) -> Speech:
    """A stretch without a word; the samples are zeros."""
    n = round(duration_s * voice.SAMPLE_RATE_HZ)
    nothing = np.zeros((0, 5))
    f0_hz = np.full(max(1, round(duration_s * 100)), np.nan)
    return Speech(
        np.zeros(n, np.float32),
        voice.SAMPLE_RATE_HZ,
        "builtin",
        (),
        ((0.0, duration_s),),
        (),
        f0_hz,
        "",
        nothing,
    )


def _noted_label(world: StudyWorld, label: int, rng: np.random.Generator) -> int:
    return 1 - label if rng.random() < world.label_noise else label


# --- annotation
# --------------------------------------------------------------------------------------------------


def annotate(
    world: StudyWorld,
    answer: StudyAnswer,
    speech: Speech,
    spans: tuple[tuple[float, float], ...],
    rng: np.random.Generator,
) -> tuple[Noted, ...]:
    """What one annotator notes: true segments with uncertain edges, some overlooked, rarely one
    that is none.
    """
    found: list[Noted] = []
    for k, (start_s, end_s) in enumerate(spans):
        missed = rng.random() < world.label_noise
        edges = np.array([start_s, end_s]) + rng.normal(0, 1, 2) * min(
            world.boundary_s, (end_s - start_s) / 5
        )
        low = found[-1].end_s if found else 0.0
        a, b = (float(v) for v in np.clip(edges, low, speech.duration_s))
        certainty = ("low", "medium", "high")[int(rng.choice(3, p=(0.12, 0.33, 0.55)))]
        if not missed and b > a:
            found.append(Noted(round(a, 3), round(b, 3), certainty, k))
    if not spans and answer.clauses and rng.random() < world.label_noise:
        clause = answer.clauses[int(rng.integers(len(answer.clauses)))]
        a, b = speech.words[clause.first].start_s, speech.words[clause.last].end_s
        found.append(Noted(round(a, 3), round(b, 3), "low", -1))
    return tuple(found)


# --- movements
# ---------------------------------------------------------------------------------------------------


def _place(
    kind: str,
    cause: str,
    span_s: tuple[float, float],
    strength: float,
    person: StudyPerson,
    speech: Speech,
    rng: np.random.Generator,
) -> list[Movement]:
    one = behaviour.placed(kind, cause, *span_s, strength, person.factors, speech, rng)
    return [one] if one else []


def _showing(
    world: StudyWorld,
    person: StudyPerson,
    answer: StudyAnswer,
    speech: Speech,
    spans: tuple[tuple[float, float], ...],
    rng: np.random.Generator,
) -> list[Movement]:
    """Facial and bodily cues of the segments, and the sides that face and head take in every
    clause.
    """
    found: list[Movement] = []
    plain = 1 - world.subtlety
    for plan, span in zip(answer.segments, spans, strict=True):
        # A long segment shows its cues again and again, about every four seconds.
        times = max(1, round((span[1] - span[0]) / 4))
        for modality in ("facial", "body"):
            for kind in plan.cues.get(modality, ()):
                for _ in range(times):
                    size = plain * 1.4 * person.shows[modality]
                    found += _place(kind, "ah", span, size, person, speech, rng)
        found += _sides(plan.sides, span, person, speech, rng, bool(plan.conflict))
        if plan.within == "facial":
            both = ("smile", "frown")
            found += [
                m for kind in both for m in _place(kind, "within", span, 0.7, person, speech, rng)
            ]
    for clause in answer.clauses:
        span = (speech.words[clause.first].start_s, speech.words[clause.last].end_s)
        found += _sides(clause.sides, span, person, speech, rng, False)
    return found


def _sides(
    sides: dict[str, int],
    span: tuple[float, float],
    person: StudyPerson,
    speech: Speech,
    rng: np.random.Generator,
    sure: bool,
) -> list[Movement]:
    found: list[Movement] = []
    for modality in ("body", "facial"):
        side = sides.get(modality, 0)
        if side:
            size = 0.6 if sure else 0.6 * min(person.displays[modality], 1.0)
            found += _place(SIDE_KINDS[modality, side], "side", span, size, person, speech, rng)
    return found


def _habits(
    world: StudyWorld, person: StudyPerson, speech: Speech, rng: np.random.Generator
) -> list[Movement]:
    """Movements that say nothing about the label: mostly the person's own habits."""
    found: list[Movement] = []
    for _ in range(int(rng.poisson(person.habit_per_min * speech.duration_s / 60))):
        kinds = person.habits if rng.random() < 0.75 else STUDY_HABITS
        kind = kinds[int(rng.integers(len(kinds)))]
        found += _place(kind, "habit", (0.3, speech.duration_s - 0.5), 0.75, person, speech, rng)
    return found


def _startle(
    world: StudyWorld, person: StudyPerson, speech: Speech, rng: np.random.Generator
) -> list[Movement]:
    """The head draws back or turns away in pain, in some."""
    if rng.random() > 0.4 * person.openness:
        return []
    kind = ("throw", "look_away", "posture")[int(rng.integers(3))]
    span = (PAIN_ONSET_S[1], speech.duration_s - 0.3)
    return _place(kind, "label", span, 1 - world.subtlety, person, speech, rng)


def _moods(world: StudyWorld, times_s: np.ndarray, rng: np.random.Generator) -> Courses:
    """Slow changes of a face that nobody asked for: they differ from clip to clip."""
    names = ("AU01", "AU04", "AU06", "AU07", "AU12", "AU14", "AU15", "AU17", "AU24")
    courses: Courses = {}
    for name in rng.permutation(names)[:4]:
        height = world.noise * abs(float(rng.normal(0, 0.12)))
        courses[str(name)] = np.clip(height * (0.7 + 0.3 * _wave(times_s, rng)), 0, 1)
    return courses


def _wave(times_s: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.asarray(np.sin(2 * np.pi * (float(rng.uniform(0.03, 0.12)) * times_s + rng.random())))


def _take(
    named: tuple[str, StudyPerson, str, str],
    labels: tuple[int, int],
    times_s: np.ndarray,
    speech: Speech,
    movements: list[Movement],
    moods: Courses,
    world: StudyWorld,
    rng: np.random.Generator,
    answer: StudyAnswer | None = None,
    spans: tuple[tuple[float, float], ...] = (),
    segments: tuple[Noted, ...] = (),
) -> Take:
    layout, person, name, task = named
    movements.sort(key=lambda m: (m.start_s, m.kind))
    aus, columns = behaviour.compose(tuple(movements), times_s)
    for au, course in moods.items():
        aus[au] = np.clip(
            np.maximum(aus.get(au, 0.0), course) + 0.5 * np.minimum(aus.get(au, 0.0), course), 0, 1
        )
    k = person.saturation
    aus = {au: (1 - np.exp(-k * course)) / (1 - np.exp(-k)) for au, course in aus.items()}
    behaviour.add_idle(columns, person.factors, times_s, rng)
    behaviour.add_lips(columns, speech, times_s)
    starts = behaviour.blink_starts(person.factors, speech.duration_s, rng)
    blink = behaviour.blink_course(starts, times_s)
    chest = 0.5 + 0.5 * np.sin(2 * np.pi * (0.23 * times_s + rng.random()))
    return Take(
        layout=layout,
        person=person,
        name=name,
        task=task,
        label=labels[0],
        noted=labels[1],
        duration_s=speech.duration_s,
        times_s=times_s,
        aus=aus,
        columns=columns,
        blink=blink,
        chest=chest,
        movements=tuple(movements),
        blinks=behaviour.runs(blink >= 0.5, times_s),
        speech=speech,
        answer=answer,
        spans=spans,
        segments=segments,
    )


def segment_truth(segment: StudySegment, span: tuple[float, float]) -> dict[str, object]:
    """One true segment as plain values."""
    return {
        "start_s": round(span[0], 4),
        "end_s": round(span[1], 4),
        "cues": {m: list(c) for m, c in segment.cues.items()},
        "sides": dict(segment.sides),
        "conflict": list(segment.conflict),
        "within": segment.within,
    }
