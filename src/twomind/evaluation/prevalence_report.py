"""What ``twomind prevalence`` tells of a table, as values that JSON can hold."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from twomind.core.errors import BadInput
from twomind.evaluation.prevalence import (
    FEWEST_TO_TUNE,
    Answers,
    Measured,
    Prevalence,
    Share,
    Target,
    estimated,
    refuse_too_few,
)
from twomind.evaluation.prevalence_fit import adjusted
from twomind.evaluation.prevalence_next import draw_next
from twomind.evaluation.prevalence_plan import Wanted, planned
from twomind.evaluation.prevalence_table import CHANCE, NEXT, Table, write_table
from twomind.types.plain import Plain, to_plain

SCHEMA = "twomind.prevalence/1"
#: An assumption, not a measurement.
MINUTES_PER_CODE = 10.0


@dataclass(frozen=True)
class Asked:
    """How the share in a table is estimated, and for whom.

    Attributes:
        target: of whom the intervals speak.
        adjust: whether the codes adjust the scores, each by other people's codes.
        minutes: of a coder for one answer.
        seed: of the deal of people, where the codes adjust the scores.
    """

    target: Target = Target.PEOPLE
    adjust: bool = False
    minutes: float = MINUTES_PER_CODE
    seed: int = 0


def prevalence_of(table: Table, asked: Asked) -> Plain:
    """Shares of a table of answers.

    Args:
        table: see :mod:`twomind.evaluation.prevalence_table`.
        asked: how it is read.

    Returns:
        ``estimate``, ``interval``, ``classical``, ``coder_hours_saved`` over all answers;
        ``groups``, ``questions``, ``differences``; ``targets`` with the intervals of both targets.

    Raises:
        BadInput: codes of fewer than two people.
    """
    answers = table.answers
    refuse_too_few(answers)
    remarks = [*table.remarks, *_against(answers)]
    if asked.adjust:
        answers = adjusted(answers, seed=asked.seed)
    by_target = {target: estimated(answers, target) for target in Target}
    chosen = by_target[asked.target]
    targets = {}
    for target, found in by_target.items():
        targets[target.value] = _shares(found.whole, asked.minutes)
    told: Plain = {"schema": SCHEMA, **_shares(chosen.whole, asked.minutes)}
    told["target"] = asked.target
    told["drawn"] = answers.drawn
    told["adjusted"] = asked.adjust
    told["minutes_per_code"] = asked.minutes
    told["groups"] = _parts(chosen, "group", asked.minutes)
    told["questions"] = _parts(chosen, "question", asked.minutes)
    told["differences"] = _differences(chosen)
    told["targets"] = targets
    told["remarks"] = remarks
    plain: Plain = to_plain(told)
    return plain


def _shares(measured: Measured, minutes: float) -> Plain:
    saved = measured.codes_saved
    return {
        "estimate": measured.share.estimate,
        "interval": list(measured.share.interval),
        "classical": _share(measured.classical),
        "reason": measured.share.reason,
        "codes_saved": saved,
        "coder_hours_saved": saved * minutes / 60,
        "weight_of_model": measured.weight,
        "answers": measured.n,
        "coded": measured.n_coded,
        "people": measured.n_people,
        "people_coded": measured.n_people_coded,
    }


def _share(share: Share) -> Plain:
    return {"estimate": share.estimate, "interval": list(share.interval)}


def _parts(found: Prevalence, kind: str, minutes: float) -> Plain:
    return {name: _shares(one, minutes) for name, one in found.parts[kind].items()}


def _differences(found: Prevalence) -> list[Plain]:
    told = []
    for kind, differences in found.differences.items():
        for one in differences:
            row: Plain = {"of": kind, "first": one.first, "second": one.second}
            row |= _share(one.share)
            row["classical"] = _share(one.classical)
            row["reason"] = one.share.reason
            told.append(row)
    return told


def _against(answers: Answers) -> list[str]:
    """Whether the scores run against the codes."""
    coded = answers.coded
    y = answers.human[coded]
    f = answers.score[coded]
    if len(y) < FEWEST_TO_TUNE or y.std() == 0 or f.std() == 0:
        return []
    together = float(np.corrcoef(y, f)[0, 1])
    if together * math.sqrt(len(y)) > -3:
        return []
    return [
        f"the scores run against the codes (r = {together:.2f}), so they are not used: is 1 under "
        "`model` the score of A/H, and 1 under `human` its presence?"
    ]


def choose_next(table: Table, out: Path, n: int, seed: int) -> Plain:
    """Draw answers to code next, and write the table with what was drawn.

    Args:
        table: of all answers.
        out: the new table; it must not exist.
        n: how many answers.
        seed: of the draw.

    Raises:
        BadInput: fewer answers are left, a probability is not known, or ``out`` exists.
    """
    draw = draw_next(table.answers, table.chance_known, n, seed)
    mark = np.where(draw.chosen, "1", "").tolist()
    chances = [f"{chance:.9g}" for chance in draw.chance.tolist()]
    write_table(table, out, {CHANCE: chances, NEXT: mark})
    chosen = []
    for place in np.flatnonzero(draw.chosen):
        name = str(table.answers.id[place])
        person = str(table.answers.person[place])
        chance = float(draw.chance[place])
        chosen.append({"id": name, "person": person, CHANCE: chance})
    return {"out": str(out), "next": chosen, "remarks": list(table.remarks)}


def plan_of(table: Table, wanted: Wanted, minutes: float = MINUTES_PER_CODE) -> Plain:
    """People and codes for a half-width, from a pilot's table.

    Args:
        table: of all answers.
        wanted: the half-width, and what is known already.
        minutes: of a coder for one answer.

    Raises:
        BadInput: the table tells too little.
    """
    if not 0 < wanted.half_width < 0.5:
        raise BadInput(
            f"expected a half-width between 0 and 0.5, such as 0.05, got {wanted.half_width:g}"
        )
    plan = planned(table.answers, wanted)
    told: Plain = plan.to_dict()
    for one in (*told["possibilities"], told["these"]):
        one["coder_hours"] = one["codes"] * minutes / 60
        one["coder_hours_alone"] = one["codes_alone"] * minutes / 60
    told["minutes_per_code"] = minutes
    told["remarks"] = list(table.remarks)
    return told
