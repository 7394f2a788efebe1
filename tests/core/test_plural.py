"""Sentences that agree with a number, and errors that say once what was being done."""

from __future__ import annotations

import pytest

from twomind.core.errors import BadInput, MissingExtra, while_doing
from twomind.core.plural import agreed, sentence


@pytest.mark.parametrize(
    ("n", "one_below", "expected"),
    [
        (0, 0, "{n} marks are left out"),
        (1, 0, "{n} mark is left out"),
        (2, 0, "{n} marks are left out"),
        (0, 2, "{n} mark is left out"),
        (1.5, 2, "{n} mark is left out"),
    ],
)
def test_forms_go_with_the_number(n: float, one_below: float, expected: str) -> None:
    assert agreed("{n} mark[|s] [is|are] left out", n, one_below) == expected


def test_what_is_filled_in_is_not_read_for_forms() -> None:
    said = sentence("{n} mark[|s] such as {first}", 2, first="[a|b] {x}")
    assert said == "2 marks such as [a|b] {x}"


def test_what_was_being_done_is_said_once() -> None:
    what = "speech recognition"
    assert while_doing(what, BadInput("no GPU is seen")) == "speech recognition: no GPU is seen"
    for error in (BadInput(f"{what}: no GPU is seen"), MissingExtra("speech", what)):
        assert while_doing(what, error).count(what) == 1
