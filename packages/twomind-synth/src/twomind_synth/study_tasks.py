"""The spoken tasks of the StressID layout: what is said, and how stress changes the voice."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from twomind_synth import phrases, voice
from twomind_synth.phones import phones
from twomind_synth.script import Token, filler, parse, sentences
from twomind_synth.study_people import StudyPerson
from twomind_synth.study_phrases import COLOURS, NUMBERS, READING, SPEAKING
from twomind_synth.study_world import StudyWorld
from twomind_synth.world import stream

SPOKEN = ("Counting1", "Counting2", "Counting3", "Stroop", "Speaking", "Math", "Reading")


def speak_task(
    world: StudyWorld, person: StudyPerson, task: str, pitch: float, fast: float, sound: bool
) -> voice.Speech | None:
    """The task's speech (None for a silent task): ``pitch`` and ``fast`` are how much stress raises
    and hurries it.
    """
    if task not in SPOKEN:
        return None
    factors = person.factors
    rng = stream(factors.seed, "study", "task", factors.index, person.visit, task)
    tokens: list[Token] = []
    at_s, number = 0.6, 0
    while at_s < world.task_s - 1.4 or not tokens:
        for token in _unit(task, number, person, rng):
            fitted = replace(token, rate=token.rate / (1 + 0.25 * fast), pitch_st=3.0 * pitch)
            at_s += max(fitted.pause_s, voice.FLOW_S)
            at_s += voice.length_ms(fitted, phones(fitted.text), factors) / 1000
            tokens.append(fitted)
        number += 1
    return voice.speak(
        sentences(tokens),
        factors,
        stream(factors.seed, "study", "task voice", factors.index, person.visit, task),
        "builtin",
        world.noise_db,
        sound=sound,
    )


def _unit(task: str, number: int, person: StudyPerson, rng: np.random.Generator) -> list[Token]:
    """The next clause, number or colour."""
    pause_s = float(rng.uniform(0.3, 0.8))
    if task in ("Reading", "Speaking"):
        texts = READING if task == "Reading" else SPEAKING
        clause = parse(texts[number % len(texts)], phrases.TOPICS[1][0])
    elif task == "Stroop":
        clause = [Token(COLOURS[int(rng.integers(len(COLOURS)))], starts_clause=True)]
    elif task == "Math":
        left, right = (NUMBERS[int(i)] for i in rng.integers(0, 10, 2))
        clause = [Token(w, starts_clause=i == 0) for i, w in enumerate((left, "plus", right, "is"))]
        clause.append(
            Token(NUMBERS[int(rng.integers(10, 20))], pause_s=float(rng.uniform(0.3, 1.2)))
        )
    else:
        clause = [Token(NUMBERS[number % len(NUMBERS)], starts_clause=True)]
    if task in ("Speaking", "Math") and rng.random() < person.factors.filler_rate:
        clause = [filler(person.factors, rng), *clause]
    return [replace(clause[0], pause_s=pause_s, starts_clause=True), *clause[1:]]
