"""The contract of a model: every model that ships keeps it, and each check notices a model that
breaks it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twomind.core.errors import BadInput
from twomind.models import base, check, load
from twomind.models.words.recogniser import WordsRecogniser
from twomind.types import Features, Prediction, Task, Track, Word

CARD = {"population": "nobody: a toy", "licence": "CC0", "not_for": ["anything but this test"]}
TASK = Task("toy", ("calm", "torn"), "window")


def spoken(text: str, question: str = "7") -> Features:
    words = tuple(Word(t, i * 0.4, i * 0.4 + 0.3) for i, t in enumerate(text.split()))
    return Features("r", "s", {}, (0.0, 20.0), question, words)


def rows(seed: int, name: str = "embedding", n: int = 30, dim: int = 16) -> Features:
    values = np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)
    track = Track(values, 0.08 * np.arange(n), np.ones(n, bool))
    return Features("r", "s", {name: track}, (0.0, 0.08 * n), drawn=True)


# --- those that ship


def words() -> tuple[Any, list[Features]]:
    said = ["um I would like to stop it but I do not know how", "yes that is what I always do"]
    return WordsRecogniser.load(), [spoken(text) for text in said]


def fusion() -> tuple[Any, list[Features]]:
    import torch

    from fusion_world import RECIPE, takes
    from twomind.models.fusion.net import FusionConfig, FusionNet
    from twomind.models.fusion.recogniser import FusionRecogniser
    from twomind.types import AMBIVALENCE

    torch.manual_seed(1)
    net = FusionNet(FusionConfig("conflict", False), RECIPE, 2)
    model = FusionRecogniser(AMBIVALENCE, net, {**CARD, "drawn": True})
    return model, [take.x for take in takes(range(2), "face", 1)]


def clip_au() -> tuple[Any, list[Features]]:
    from twomind.adaptation.methods.clip_autt import toy_model

    return replace(toy_model(), card=CARD), [rows(0), rows(1)]


def dsfda() -> tuple[Any, list[Features]]:
    from twomind.adaptation.methods.dsfda import toy_world

    world = toy_world()
    return replace(world.model, card=CARD), list(world.windows["anna"][:2])


def clip_text() -> tuple[Any, list[Features]]:
    import torch

    from twomind.models.clip_text import parts
    from twomind.models.clip_text.recogniser import TEXT, ClipText

    text = torch.randn(2, 16, generator=torch.Generator().manual_seed(0))
    weights = {TEXT: text, **parts.new_weights(16)}
    model = ClipText(TASK, weights, frames=4, card=CARD)
    return model, [rows(seed, "clip") for seed in range(2)]


def embedding() -> tuple[Any, list[Features]]:
    from twomind.adaptation.check import toy

    world = toy()
    return replace(world.model, card=CARD), list(world.windows["anna"][:2])


def described() -> tuple[Any, list[Features]]:
    pytest.importorskip("sklearn")
    from fusion_world import takes
    from twomind.models.described import fit_described
    from twomind.types import Example

    whole = takes(range(1), "face", 1)[0].x
    cut = [whole.between(start_s, start_s + 3.0) for start_s in range(0, 24, 3)]
    examples = [Example(x, n % 2) for n, x in enumerate(cut)]
    return replace(fit_described(examples, TASK), card=CARD), cut[:2]


def sfda_pft() -> tuple[Any, list[Features]]:
    import torch

    from twomind.models.sfda_pft import net
    from twomind.models.sfda_pft.recogniser import PftRecogniser

    weights = {}
    for name, shape in net.shapes().items():
        value = 1.0 if name.endswith("running_var") else 0.01
        weights[f"f.{name}"] = torch.full(shape, value)
    weights |= {"head.weight": torch.full((2, net.DIM), 0.1), "head.bias": torch.zeros(2)}
    rng = np.random.default_rng(0)
    xs = []
    for seed in range(2):
        pictures = rng.integers(0, 256, (2, 64, 64, 3)).astype(np.uint8)
        track = Track(pictures, np.arange(2) * 0.2, np.ones(2, bool))
        xs.append(Features(f"r{seed}", "p", {"face_crop": track}, (0.0, 0.4)))
    return PftRecogniser(TASK, weights, card=CARD), xs


_MADE = (words, fusion, clip_au, clip_text, dsfda, sfda_pft, embedding, described)
BUILT_IN = {f.__name__: f for f in _MADE}


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_model_that_ships_keeps_the_contract(name: str) -> None:
    if name != "words":
        pytest.importorskip("torch")
    model, xs = BUILT_IN[name]()
    check.check_model(model, xs)


def test_a_language_model_keeps_the_contract(tmp_path: Path) -> None:
    """Asked once over the wire, then from its record, as the loaded model is too."""
    pytest.importorskip("openai")
    import llm_tools as tools

    xs = [tools.answer(said="I should go but"), tools.answer(said="I like it very much")]
    record = tmp_path / "record.jsonl"
    tokens = tools.first(0.8, 0.2)
    with tools.serving(tmp_path, tools.say(tokens=tokens)) as served:
        asked = tools.recogniser(served.url, record=record)
        for x in xs:
            asked.predict(x)
            asked.predict(replace(x, question=None))
        check.check_model(tools.recogniser(served.url, record=record, replay=True), xs)


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_saved_model_is_found_by_its_folder(name: str, tmp_path: Path) -> None:
    if name != "words":
        pytest.importorskip("torch")
    model, xs = BUILT_IN[name]()
    model.save(tmp_path / "kept")
    for place in (tmp_path / "kept", str(tmp_path / "kept"), tmp_path / "kept" / "card.json"):
        found = load(place)
        assert type(found) is type(model)
        np.testing.assert_allclose(found.predict(xs[0]).probs, model.predict(xs[0]).probs)
    card = json.loads((tmp_path / "kept" / "card.json").read_text("utf-8"))
    assert set(base.STATED) <= card.keys()


def test_a_language_model_is_found_with_its_settings(tmp_path: Path) -> None:
    from twomind.models.llm.recogniser import LlmRecogniser, LlmSettings

    settings = LlmSettings(model="m", strategy="td1", text_only=True, record=tmp_path / "r.jsonl")
    LlmRecogniser(settings).save(tmp_path / "kept")
    assert load(tmp_path / "kept").settings == settings


def test_a_card_that_names_no_plug_in_is_refused(tmp_path: Path) -> None:
    (tmp_path / "card.json").write_text("{}", "utf-8")
    with pytest.raises(BadInput, match="names its recogniser"):
        load(tmp_path)


# --- a model written to the protocol alone, and what is wrong with it


@dataclass
class Plain:
    """No base class: the mean of a track, against a threshold."""

    level: float = 0.0
    card: Mapping[str, object] = None  # type: ignore[assignment]
    inputs: tuple[str, ...] = ("embedding",)
    locates: tuple[bool, str] = (False, "nobody looked")
    task: Task = TASK

    def __post_init__(self) -> None:
        self.card = self.card if self.card is not None else CARD

    def predict(self, x: Features) -> Prediction:
        track = x.tracks.get("embedding")
        if track is None or not track.valid.any():
            return Prediction.not_measured(x.span_s, 2, "no embedding")
        p = self.probability(x)
        return Prediction(x.span_s, np.array([1 - p, p]))

    def probability(self, x: Features) -> float:
        mean = float(x.tracks["embedding"].values.mean())
        return float(1 / (1 + np.exp(self.level - mean)))

    def save(self, folder: Path) -> Path:
        folder.mkdir(parents=True)
        (folder / "level.txt").write_text(str(self.level))
        return base.write_card(folder, "plain", self.card, ["level.txt"])

    @classmethod
    def load(cls, folder: Path | None = None, /) -> Plain:
        if folder is None:
            return cls()
        return cls(float((folder / "level.txt").read_text()), base.read_card(folder))


XS = (rows(0), rows(1))


def test_a_model_of_the_protocol_alone_keeps_the_contract() -> None:
    check.check_model(Plain(0.3), XS)


def test_what_a_model_leaves_out_has_a_default() -> None:
    model = Plain()
    whole = base.complete(model)
    assert base.complete(whole) is whole
    assert base.bare(whole) is model
    assert base.track_of(model) == "embedding"
    assert not base.is_trainable(model)
    assert whole.describe()["meaning"] == "probability of 'torn' (toy)"
    assert not whole.knows("7")
    assert whole.skill("7") == {}
    assert whole.prepare(XS[0], None) is XS[0]  # type: ignore[arg-type]
    assert (whole.window_s, whole.source_summary(), whole.segments(XS[0])) == (None, None, ())
    for asked in (
        lambda: whole.recalibrate(0.3, "a pilot"),
        lambda: whole.abstaining(0.1),
        lambda: whole.timeline(XS[0]),
    ):
        with pytest.raises(BadInput, match="Plain"):
            asked()


def test_what_a_model_has_itself_stands_before_the_default() -> None:
    class Own(Plain):
        window_s = 2.0

        def describe(self) -> dict[str, object]:
            return {"name": "own"}

        def knows(self, question: str | None) -> bool:
            return True

    whole = base.complete(Own(card={**CARD, "figures": {"auc": 0.7}}))
    assert whole.describe() == {"name": "own"}
    assert whole.knows(None)
    assert whole.window_s == 2.0
    assert whole.skill(None) == {"auc": 0.7}


@pytest.mark.parametrize("key", ["synthetic", "drawn"])
def test_a_model_of_synthetic_people_refuses_a_real_one(key: str) -> None:
    whole = base.complete(Plain(card={**CARD, key: True}))
    real = replace(XS[0], drawn=False)
    assert whole.synthetic
    whole.predict(XS[0])
    with pytest.raises(BadInput, match="real person"):
        whole.predict(real)
    assert whole.allowing_drawn().predict(real).probs[1] == whole.predict(XS[0]).probs[1]
    assert not whole.allow_real, "the model itself was not told"


class Fails(Plain):
    """Each subclass breaks one duty."""


class NoCard(Fails):
    def __post_init__(self) -> None:
        self.card = {"population": "somebody", "licence": "", "not_for": []}


class NoInputs(Fails):
    def __post_init__(self) -> None:
        self.card, self.inputs = CARD, ()


class ThreeClasses(Fails):
    def predict(self, x: Features) -> Prediction:
        return Prediction(x.span_s, np.full(3, 1 / 3))


class OtherOrder(Fails):
    def predict(self, x: Features) -> Prediction:
        found = super().predict(x)
        return replace(found, logits=np.log(found.probs[::-1]))


class AlwaysAnswers(Fails):
    def predict(self, x: Features) -> Prediction:
        return super().predict(x) if x.tracks else Prediction(x.span_s, np.array([0.5, 0.5]))


class WritesInput(Fails):
    def predict(self, x: Features) -> Prediction:
        found = super().predict(x)
        for track in x.tracks.values():
            track.values[0] += 1
        return found


class Remembers(Fails):
    n = 0

    def probability(self, x: Features) -> float:
        self.n += 1
        return super().probability(x) / self.n


class SavesNothing(Fails):
    def save(self, folder: Path) -> Path:
        folder.mkdir(parents=True)
        return folder


class SavesNoName(Fails):
    def save(self, folder: Path) -> Path:
        found = super().save(folder)
        found.write_text("{}", "utf-8")
        return found


class Forgets(Fails):
    @classmethod
    def load(cls, folder: Path | None = None, /) -> Plain:
        return cls(level=-3.0)


class TurnsTheClasses(Fails):
    @classmethod
    def load(cls, folder: Path | None = None, /) -> Plain:
        found = super().load(folder)
        return replace(found, task=Task("toy", TASK.classes[::-1], "window"))


class ReadsMore(Fails):
    def probability(self, x: Features) -> float:
        return 0.9 if x.question == "7" else 0.1


class ReadsElsewhere(Fails):
    def __post_init__(self) -> None:
        self.card, self.inputs = CARD, ("voice",)


class LocatesWithoutACurve(Fails):
    def __post_init__(self) -> None:
        self.card, self.locates = CARD, (True, "of course")


class NoReason(Fails):
    def __post_init__(self) -> None:
        self.card, self.locates = CARD, (False, " ")


class CurveOutside(Fails):
    def __post_init__(self) -> None:
        self.card, self.locates = CARD, (True, "it was compared")

    def timeline(self, x: Features) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return np.array([x.span_s[1] + 1]), np.array([[0.5, 0.5]]), np.ones(1, bool)


BROKEN: tuple[tuple[type[Plain], Callable[..., None], str], ...] = (
    (NoCard, check.check_card, "licence"),
    (NoInputs, check.check_members, "reads nothing"),
    (ThreeClasses, check.check_probabilities, "2 probabilities"),
    (OtherOrder, check.check_probabilities, "another order"),
    (AlwaysAnswers, check.check_not_measured, "expected not measured"),
    (WritesInput, check.check_input_untouched, "changed the track"),
    (Remembers, check.check_repeatable, "second time"),
    (SavesNothing, check.check_saved, "card.json"),
    (SavesNoName, check.check_saved, "names its recogniser"),
    (Forgets, check.check_saved, "answers differently"),
    (TurnsTheClasses, check.check_saved, "expected the task"),
    (ReadsMore, check.check_inputs, "does not name"),
    (ReadsElsewhere, check.check_inputs, "does not name"),
    (LocatesWithoutACurve, check.check_locates, "timeline"),
    (NoReason, check.check_locates, "reason"),
    (CurveOutside, check.check_locates, "within"),
)


def fresh() -> tuple[Features, ...]:
    return tuple(replace(rows(seed), question="7") for seed in (0, 1))


@pytest.mark.parametrize(
    ("kind", "notices", "what"), BROKEN, ids=[kind.__name__ for kind, _, _ in BROKEN]
)
def test_a_broken_model_is_noticed(
    kind: type[Plain], notices: Callable[..., None], what: str
) -> None:
    with pytest.raises(AssertionError, match=what):
        notices(kind(), fresh())
    with pytest.raises(AssertionError):
        check.check_model(kind(), fresh())


def test_a_class_is_no_model() -> None:
    with pytest.raises(AssertionError, match="not its class"):
        check.check_model(Plain, XS)  # type: ignore[arg-type]
    with pytest.raises(AssertionError, match="at least one window"):
        check.check_model(Plain(), ())


def test_a_model_that_looks_at_real_people_is_noticed() -> None:
    looks = base.complete(Plain(card={**CARD, "synthetic": True}))
    check.check_synthetic(looks, XS)
    looks.refuse = lambda x: None  # type: ignore[method-assign]
    with pytest.raises(AssertionError, match="did not refuse"):
        check.check_synthetic(looks, XS)


# --- what a trainable one owes besides


def trainable() -> Any:
    pytest.importorskip("torch")
    return embedding()[0]


def broken_trainable(name: str) -> Any:
    model = trainable()
    kind = type(model)

    class OffTheHead(kind):  # type: ignore[misc, valid-type]
        def run(self, xs: Sequence[Features], params: Any = None) -> Any:
            z, logits = super().run(xs, params)
            return z, logits + 1

    class OffPredict(kind):  # type: ignore[misc, valid-type]
        def predict(self, x: Features) -> Prediction:
            return Prediction(x.span_s, np.array([0.3, 0.7]))

    class Writes(kind):  # type: ignore[misc, valid-type]
        def run(self, xs: Sequence[Features], params: Any = None) -> Any:
            found = super().run(xs, params)
            self.weights["head.bias"].add_(0.1)
            return found

    class DeafRun(kind):  # type: ignore[misc, valid-type]
        def run(self, xs: Sequence[Features], params: Any = None) -> Any:
            return super().run(xs)

    class DeafHead(kind):  # type: ignore[misc, valid-type]
        def head(self, params: Any = None) -> Any:
            weight, bias = self.weights["head.weight"], self.weights["head.bias"]
            return (weight, bias) if params is None else (weight, 0 * bias)

        def run(self, xs: Sequence[Features], params: Any = None) -> Any:
            return kind(self.task, {**self.weights, **(params or {})}, unit=self.unit).run(xs)

    made = {c.__name__: c for c in (OffTheHead, OffPredict, Writes, DeafRun, DeafHead)}[name]
    return made(model.task, dict(model.weights), unit=model.unit, drawn=True, card=CARD)


@pytest.mark.parametrize(
    ("name", "notices", "what"),
    [
        ("OffTheHead", check.check_run, "embedding @ head"),
        ("OffPredict", check.check_run, "run and predict"),
        ("Writes", check.check_weights_untouched, "head.bias"),
        ("DeafRun", check.check_weights_honoured, "run does not use"),
        ("DeafHead", check.check_weights_honoured, "head does not use"),
    ],
)
def test_a_broken_trainable_model_is_noticed(
    name: str, notices: Callable[..., None], what: str
) -> None:
    pytest.importorskip("torch")
    xs = embedding()[1]
    notices(trainable(), xs)
    with pytest.raises(AssertionError, match=what):
        notices(broken_trainable(name), xs)
