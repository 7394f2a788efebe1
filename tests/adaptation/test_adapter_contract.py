"""Every registered method passes the public contract; a method that breaks it is caught."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

pytest.importorskip("torch")

from twomind.adaptation import check, load_method, stream
from twomind.core import registry
from twomind.types import Access, Adapter, Features, Fold, Given, Prediction, State

METHODS = registry.names("methods")


#: DSFDA trains networks of pictures in each check.
SLOW = ("dsfda",)


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in METHODS],
)
@pytest.mark.parametrize("checker", check.CHECKS, ids=lambda f: f.__name__)
def test_contract(name: str, checker: Callable[[Adapter, check.Toy], None]) -> None:
    world = check.toy()
    adapter = load_method(name)
    if hasattr(
        type(adapter), "toy"
    ):  # a method that needs more than an embedding brings its own small world
        world = type(adapter).toy()
    checker(adapter, world)


@dataclass(frozen=True)
class _Leaky:
    """Breaks the contract: keeps its memory in the method, so people share it."""

    needs: Access = Access.NOTHING
    seen: list[int] = field(default_factory=list)

    def begin(self, model: Any, given: Given) -> State:
        return {}

    def step(self, model: Any, state: State, x: Features) -> tuple[Prediction, State]:
        self.seen.append(1)
        _, logits = model.run([x])
        from twomind.models.embedding import from_logits

        logits = logits[0].clone()
        logits[0] += 0.3 * len(self.seen)
        return from_logits(x, logits), state


@pytest.mark.parametrize("checker", [check.check_step_is_a_value, check.check_people_apart])
def test_hidden_memory_is_caught(checker: Callable[[Adapter, check.Toy], None]) -> None:
    with pytest.raises(AssertionError):
        checker(_Leaky(), check.toy())


@dataclass(frozen=True)
class _Overreach(_Leaky):
    """Says it needs nothing and reads the target."""

    def begin(self, model: Any, given: Given) -> State:
        assert given.target is not None, "reached for what it did not declare"
        return {}


def test_the_stream_hands_over_nothing_else() -> None:
    world = check.toy()
    with pytest.raises(AssertionError, match="reached"):
        list(stream(world.model, _Overreach(), world.windows["anna"], given=world.given))
    with pytest.raises(ValueError, match="does not hand over target"):
        list(stream(world.model, _Leaky(needs=Access.TARGET), world.windows["anna"], given=Given()))


def test_given_hides_what_was_not_declared() -> None:
    given = check.toy().given("anna")
    assert (
        given.access == Access.SOURCE | Access.SUMMARY | Access.TARGET | Access.NEUTRAL | Access.FEW
    )
    only = given.only(Access.NEUTRAL)
    assert only.access is Access.NEUTRAL
    assert only.seed == given.seed
    assert Access.NOTHING.words() == "nothing"
    assert (Access.SOURCE | Access.NEUTRAL).words() == "source+neutral"


def test_a_fold_never_shares_a_recording() -> None:
    fold = Fold("f", "p", train=("a",), test=("b",), val=("c",), neutral=("d",))
    with pytest.raises(ValueError, match="both train and test"):
        replace(fold, train=("b",))
    with pytest.raises(ValueError, match="both test and neutral"):
        replace(fold, neutral=("b",))
    assert replace(fold, neutral=("b",), transductive=("b",)).transductive == ("b",)
    with pytest.raises(ValueError, match="twice in test"):
        replace(fold, test=("b", "b"))
