"""TTA-CaP: caches of the person's own confident and ambiguous windows beside prototypes of source
people.

The one implementation behind ``tta-cap`` (corrected default), ``tta-cap-v1`` and ``tta-cap-wacv``
(the two published programs). arXiv 2603.21309; written from notes and recorded numbers, no line of
the released code was used.

Nothing feeds back: label, entropy and gates depend on the window alone. So a stream can be stepped,
or evaluated as one batch (:func:`evaluate`); both use the same batched pieces, with ``T = 1`` in a
step.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from twomind.adaptation import caches, prototypes
from twomind.adaptation.losses import entropy, softmax, unit
from twomind.core.errors import BadInput
from twomind.models.embedding import from_logits
from twomind.types import Access, Features, Given, Prediction, State, Trainable
from twomind.types.plain import Array, Foreign

MISSING = np.float32(-1e9)  # the released programs' score of a class without prototypes

_ALLOWED = {
    "reset_scope": ("video", "subject", "never"),
    "write_order": ("before", "after"),
    "neg_class": ("pred", "least_likely"),
    "search": ("bucket", "all"),
    "source_term": ("mix", "class", "none"),
    "fusion_space": ("embed", "logit"),
    "weighting": ("equal", "confidence", "attention"),
    "agreement": ("none", "majority"),
    "missing": ("pass", "block"),
    "negative_gate": ("agree", "margin"),
    "entropy_unit": ("fraction", "nats"),
    "empty_class": ("unavailable", "released"),
    "select": ("all", "neutral", "target"),
    "statistics": ("all", "neutral"),
}

#: The class of a neutral face.
_NEUTRAL = 0

_GATES = {"temp", "entropy", "proto"}

#: What ``select`` asks for besides the source's summary.
_NEEDS = {"all": Access.NOTHING, "neutral": Access.NEUTRAL, "target": Access.TARGET}

#: The parts of an answer in embedding space, in the order of their weights.
_PARTS = ("target", "source", "positive", "negative")


@dataclass(frozen=True)
class TTACap:
    """Settings; the defaults are the corrected method.

    Deviations from both published programs: entropies are fractions of ``ln C`` before
    thresholding, so that the ambiguous band has an upper end for two classes; a class without
    prototypes is unavailable, not ``-1e9``, and a cache that lacks a class is not looked up; a
    window is looked up before it is written, so that it cannot retrieve itself; all classes are
    searched (searching only the predicted class can never change a label); the caches live as long
    as the person's state.
    """

    #: when the caches are emptied inside a person's state: at each new recording, or never
    #: (``subject`` = ``never`` here: whose state it is, ``stream`` decides)
    reset_scope: str = "subject"
    #: is a window written ``before`` or ``after`` it is looked up
    write_order: str = "after"
    #: class under which an ambiguous window is kept
    neg_class: str = "pred"
    #: which classes are looked up: the predicted one (``bucket``) or ``all``
    search: str = "all"
    #: ``mix`` of class centroids by their scores, mean of the nearest of the predicted ``class``,
    #: or ``none``
    source_term: str = "mix"
    #: add in embedding space and classify again, or add scores to the logits
    fusion_space: str = "embed"
    #: weight of each part: equal, its own ``confidence``, or softmax of these (``attention``)
    weighting: str = "equal"
    #: ``majority`` keeps only the parts whose class at least two of target, source, positive hold
    agreement: str = "none"
    #: gates in use, comma-separated: temp, entropy, proto
    gates: str = "temp,entropy,proto"
    #: what the prototype gate says of a person without any prototype
    missing: str = "pass"
    #: the prototype gate of negative writes: class agreement too, or the ``margin`` alone
    negative_gate: str = "agree"
    #: unit of the two entropy thresholds
    entropy_unit: str = "fraction"
    #: a class without prototypes
    empty_class: str = "unavailable"
    #: whose prototypes: of ``all`` source people, or of the ``n_people`` nearest to the person's
    #: own ``neutral`` clip or to unlabelled ``target`` windows known in advance. This decides what
    #: the method needs.
    select: str = "all"
    #: what a source person is compared by: ``all`` windows, or the medoids of the ``neutral`` class
    statistics: str = "all"
    n_people: int = 3
    #: predicted labels in the temporal gate, the present one included
    window: int = 3
    #: prototypes averaged per class
    proto_top_k: int = 5
    #: cache entries looked up
    top_k: int = 5
    #: below: confident
    tau_pos: float = 0.6
    #: from ``tau_pos`` up to below this: ambiguous
    tau_neg: float = 0.9
    #: needed distance between the best and the second class of the prototype scores
    tau_margin: float = 0.0
    #: entries per class
    n_pos: int = 5
    n_neg: int = 4
    #: sharpness of the look-up
    beta: float = 10.0
    #: sharpness of the centroid mix
    gamma: float = 10.0
    #: weights of the parts beside the window's own, which is 1; together they do not outweigh it
    #: (published: 1 each)
    lam_src: float = 0.3
    lam_pos: float = 0.3
    lam_neg: float = 0.3
    #: of ``attention``
    temperature: float = 1.0
    #: with the entropy gate off: are windows that fail the positive gates written to the negative
    #: cache (v1) or not
    negative_without_entropy: bool = False

    def __post_init__(self) -> None:
        for name, allowed in _ALLOWED.items():
            caches.one_of(f"tta_cap {name}", getattr(self, name), allowed)
        unknown = set(self._gates) - _GATES
        if unknown:
            raise BadInput(
                f"tta_cap gates: expected some of temp,entropy,proto, got {self.gates!r}"
            )
        looked_up = min(self.proto_top_k, self.top_k)
        kept = min(self.n_pos, self.n_neg)
        if min(self.window, self.n_people, looked_up, kept) < 1:
            raise BadInput(
                "tta_cap: expected window, proto_top_k, top_k, n_pos, n_neg and n_people of at "
                "least 1"
            )

    @property
    def _gates(self) -> tuple[str, ...]:
        names = [part.strip() for part in self.gates.split(",")]
        return tuple(name for name in names if name)

    @property
    def needs(self) -> Access:
        return Access.SUMMARY | _NEEDS[self.select]

    def begin(self, model: Trainable, given: Given) -> State:
        weight, _ = caches.head(model)
        n_classes, dim = weight.shape
        rows, classes = _person_prototypes(self, model, given)
        bank = Bank.of(rows, classes, n_classes, dim)
        return {
            "prototypes": bank.rows,
            "prototype_class": bank.classes,
            "n": 0,
            "recording": "",
            **_fresh(self, n_classes, dim),
        }

    def step(self, model: Trainable, state: State, x: Features) -> tuple[Prediction, State]:
        got = caches.read_steps(model, x)
        if isinstance(got, Prediction):
            return got, state
        z, logits = got
        head = caches.head(model)
        n_classes, dim = head[0].shape
        after = dict(state)
        if self.reset_scope == "video" and x.recording != state["recording"]:
            after |= _fresh(self, n_classes, dim)
        bank = _bank_of(state["prototypes"], state["prototype_class"], n_classes)
        w = look(self, z, logits, bank)
        after, rows = self._walked(after, w)
        fused = fuse(self, w, bank, head, *rows)
        return from_logits(x, fused.logits.mean(axis=0)), {**after, "recording": x.recording}

    def _walked(
        self, state: State, w: Look
    ) -> tuple[dict[str, Foreign], list[tuple[Array, Array]]]:
        """The state after every step of ``w``, and what each step may look up in either cache.

        Nothing feeds back from an answer, so all steps are looked up and fused at once afterwards.
        """
        fits = gates(self, w)
        held = dict(state)
        seen: dict[str, list[tuple[Array, Array]]] = {"positive": [], "negative": []}
        for t in range(len(w.pred)):
            written = {**held, **self._written(held, w, fits, t)}
            shown = written if self.write_order == "before" else held
            for name, steps in seen.items():
                cache = shown[name]
                steps.append((cache["z"], cache["at"] >= 0))
            held = {**written, "n": int(written["n"]) + 1}
        rows = []
        for steps in seen.values():
            keys = np.stack([z for z, _ in steps])
            filled = np.stack([places for _, places in steps])
            rows.append(_searched(self, keys, filled, w.pred))
        return held, rows

    def _written(self, state: State, w: Look, fits: dict[str, Array], t: int) -> State:
        """The labels so far and both caches, with step ``t`` of ``w`` where it is accepted."""
        pred = int(w.pred[t])
        n = int(state["n"])
        history = [*state["history"], pred][-self.window :]
        steady = np.array([pred == _majority(history)])
        own = {name: passed[t : t + 1] for name, passed in fits.items()}
        to_positive, to_negative = _accepted(self, own, steady)
        positive, negative = state["positive"], state["negative"]
        entry = w.z[t]
        sort_key = float(w.entropy[t])
        if to_positive[0]:
            positive = caches.insert(positive, pred, entry, sort_key, n)
        elif to_negative[0]:
            negative = caches.insert(negative, int(w.neg_class[t]), entry, sort_key, n)
        return {"history": history, "positive": positive, "negative": negative}


@dataclass(frozen=True)
class Bank:
    """Prototypes ``rows (K, D)`` of length 1 with ``classes (K,)``."""

    rows: Array
    classes: Array
    n_classes: int

    @classmethod
    def of(cls, rows: Array, classes: Array, n_classes: int, dim: int) -> Bank:
        """A bank of rows of any length.

        Args:
            rows: prototypes ``(K, D)``; none at all may have any shape.
            classes: their classes ``(K,)``.
            n_classes: number of classes of the model.
            dim: width of its embedding.

        Raises:
            BadInput: the rows are of another width, or a class is none of the model's.
        """
        width = np.shape(rows)[-1] if np.ndim(rows) == 2 else dim
        rows = np.asarray(rows, np.float32).reshape(-1, width)
        classes = np.asarray(classes, np.int64)
        fits = rows.shape == (len(classes), dim)
        if fits and len(classes):
            fits = 0 <= classes.min() <= classes.max() < n_classes
        if not fits:
            raise BadInput(
                f"prototypes: expected rows (K, {dim}) and prototype_class (K,) in "
                f"0..{n_classes - 1}, "
                f"got {rows.shape} and {classes.shape}; build them from embeddings of this very "
                "model"
            )
        return cls(unit(rows), classes, n_classes)

    @cached_property
    def by_class(self) -> dict[int, Array]:
        """The rows of each class that has any."""
        found = {}
        for c in range(self.n_classes):
            own = np.ascontiguousarray(self.rows[self.classes == c])
            if len(own):
                found[c] = own
        return found

    @cached_property
    def centres(self) -> Array:
        """``l2n`` of the mean of each class that has rows."""
        return unit(np.stack([rows.mean(axis=0) for rows in self.by_class.values()]))

    def scores(self, z: Array, k: int) -> Array:
        """Mean of the ``k`` largest cosines per class ``(T, C)``; ``MISSING`` of a class without
        prototypes.
        """
        out = np.full((len(z), self.n_classes), MISSING, np.float32)
        for c, rows in self.by_class.items():
            falling = np.sort(z @ rows.T, axis=1)[:, ::-1]
            out[:, c] = falling[:, :k].mean(axis=1)
        return out

    def mix(self, scores: Array, gamma: float) -> Array:
        """``l2n(sum_c softmax(gamma s)_c mu_c)`` over the classes that have prototypes,
        ``(T, D)``.
        """
        there = list(self.by_class)
        if not there:
            return np.zeros((len(scores), self.rows.shape[1]), np.float32)
        share = softmax(gamma * scores[:, there])
        return unit(share @ self.centres)

    def nearest(self, z: Array, pred: Array, k: int) -> Array:
        """``l2n`` of the mean of the ``k`` nearest prototypes of each query's own class; zero
        without one.
        """
        out = np.zeros_like(z)
        for c, rows in self.by_class.items():
            mine = np.flatnonzero(pred == c)
            if not len(mine):
                continue
            cosine = z[mine] @ rows.T
            order = np.argsort(-cosine, axis=1, kind="stable")
            chosen = rows[order[:, :k]]
            out[mine] = unit(chosen.mean(axis=1))
        return out


#: The bank of the person who was stepped last: its rows stay the same from window to window.
_last: list[Bank] = []


def _bank_of(rows: Array, classes: Array, n_classes: int) -> Bank:
    """The prototypes of a state, sorted by class once and not at every window."""
    for bank in _last:
        if bank.rows is rows and bank.classes is classes and bank.n_classes == n_classes:
            return bank
    found = Bank(rows, classes, n_classes)
    _last[:] = [found]
    return found


@dataclass(frozen=True)
class Look:
    """What windows say by themselves, ``T`` of them: nothing here depends on the caches."""

    z: Array  # (T, D), length 1
    scale: Array  # (T, 1), the embedding's own length
    logits: Array  # (T, C)
    probs: Array  # (T, C)
    entropy: Array  # (T,) nats
    pred: Array  # (T,)
    neg_class: Array  # (T,) class of a negative entry
    scores: Array  # (T, C) prototype scores
    proto_class: Array  # (T,) -1 without prototypes
    margin: Array  # (T,)


def look(config: TTACap, z: Array, logits: Array, bank: Bank) -> Look:
    """What ``T`` windows say by themselves.

    Args:
        config: the method's settings.
        z: embeddings ``(T, D)`` of any length.
        logits: the model's own ``(T, C)``.
        bank: prototypes of source people.

    Returns:
        Labels, entropies and prototype scores.
    """
    scale = np.linalg.norm(z, axis=1, keepdims=True)
    own = unit(z)
    probs = softmax(logits)
    pred = probs.argmax(axis=1)
    scores = bank.scores(own, config.proto_top_k)
    there = len(bank.by_class)
    falling = np.sort(scores, axis=1)[:, ::-1]
    margin = falling[:, 0] - falling[:, 1]
    if there < 2 and (config.empty_class == "unavailable" or not there):
        margin = np.zeros(len(z), np.float32)  # one class alone has no distance to a second one
    proto_class = scores.argmax(axis=1) if there else np.full(len(z), -1)
    neg_class = pred if config.neg_class == "pred" else probs.argmin(axis=1)
    return Look(
        z=own,
        scale=scale,
        logits=logits,
        probs=probs,
        entropy=entropy(probs),
        pred=pred,
        neg_class=neg_class,
        scores=scores,
        proto_class=proto_class,
        margin=margin,
    )


def gates(config: TTACap, w: Look) -> dict[str, Array]:
    """The gates of every window as booleans ``(T,)``, whether in use or not (the temporal one needs
    the stream).
    """
    n_classes = w.probs.shape[1]
    most = math.log(n_classes) if config.entropy_unit == "fraction" else 1.0
    h = w.entropy / most
    usable = _usable(config, w)
    apart = w.margin > config.tau_margin
    same = w.proto_class == w.pred
    otherwise = config.missing == "pass"
    return {
        "confident": h < config.tau_pos,
        "ambiguous": (h >= config.tau_pos) & (h < config.tau_neg),
        "agree": np.where(usable, apart & same, otherwise),
        "margin": np.where(usable, apart, otherwise),
    }


def _usable(config: TTACap, w: Look) -> Array:
    """Can the prototype gate speak: with some prototypes; in the corrected reading with those of
    two classes.
    """
    if config.empty_class == "released":
        return w.proto_class >= 0
    there = w.scores > MISSING / 2
    n_classes: Array = there.sum(axis=1)
    return n_classes >= 2


def _accept(config: TTACap, w: Look, temporal: Array) -> tuple[Array, Array]:
    """Positive and negative writes ``(T,)``; a window is never both."""
    return _accepted(config, gates(config, w), temporal)


def _accepted(config: TTACap, found: dict[str, Array], temporal: Array) -> tuple[Array, Array]:
    """The same of gates that are known: ``found`` as :func:`gates` gives them."""
    used = config._gates
    always = np.ones(len(temporal), bool)
    steady = temporal if "temp" in used else always
    agree = for_negative = always
    if "proto" in used:
        agree = found["agree"]
        for_negative = found["margin"] if config.negative_gate == "margin" else agree
    confident = always
    ambiguous = always & config.negative_without_entropy
    if "entropy" in used:
        confident = found["confident"]
        ambiguous = found["ambiguous"]
    positive = steady & agree & confident
    negative = steady & for_negative & ambiguous & ~positive
    return positive, negative


def _majority(labels: list[int]) -> int:
    """The most frequent label; among equals, the most recent one."""
    most = max(labels.count(c) for c in labels)
    return next(c for c in reversed(labels) if labels.count(c) == most)


#: Keys of a cache ``(T, M, D)``, and which may be looked up ``(T, M)``.
Searched = tuple[Array, Array]


def _searched(config: TTACap, keys: Array, valid: Array, pred: Array) -> Searched:
    """Keys of all classes in a row, ``M = C L``, with what may be looked up.

    Searching one class only is of the embedding space: the logit space spreads a label over all of
    them. A cache that lacks a class can only ever speak for the other one, so with
    ``empty_class="unavailable"`` it is not looked up.
    """
    t, n_classes, capacity = valid.shape
    if config.empty_class == "unavailable" and config.search == "all":
        there = valid.any(axis=2)
        every = np.all(there, axis=1, keepdims=True)
        valid = valid & every[:, :, None]
    if config.search == "bucket" and config.fusion_space == "embed":
        classes = np.arange(n_classes)
        own = classes[None, :, None] == pred[:, None, None]
        valid = valid & own
    flat = keys.reshape(t, n_classes * capacity, -1)
    return flat, valid.reshape(t, -1)


@dataclass(frozen=True)
class Fused:
    """The final logits and their parts; ``parts`` maps target, source, positive, negative to
    vectors ``(T, D)``.
    """

    logits: Array  # (T, C)
    parts: dict[str, Array]
    weights: dict[str, Array]  # (T,) each, 0 where a part is absent
    fused: Array | None  # (T, D)
    label_scores: dict[str, Array]  # (T, C) in logit space


def fuse(
    config: TTACap,
    w: Look,
    bank: Bank,
    head: tuple[Array, Array],
    positive: Searched,
    negative: Searched,
) -> Fused:
    """Look up both caches and the prototypes, and fuse.

    Args:
        config: the method's settings.
        w: what the windows say by themselves.
        bank: prototypes of source people.
        head: the model's ``weight (C, D)`` and ``bias (C,)``.
        positive: keys of the positive cache with their validity.
        negative: those of the negative one.

    Returns:
        Logits ``(T, C)`` and what they were made of.
    """
    pull = caches.weights_of(*positive, w.z, config.top_k, config.beta)
    push = caches.weights_of(*negative, w.z, config.top_k, config.beta)
    if config.fusion_space == "logit":
        return _fuse_logits(config, w, [pull, push])
    weight, bias = head
    parts = {
        "target": w.z,
        "source": _source_part(config, w, bank),
        "positive": caches.blend(pull, positive[0]),
        "negative": caches.blend(push, negative[0]),
    }
    weights = _part_weights(config, parts, weight, bias, w.scale)
    signs = {"target": 1, "source": 1, "positive": 1, "negative": -1}
    mixed: Array = np.zeros_like(w.z)
    for name, part in parts.items():
        mixed = mixed + signs[name] * weights[name][:, None] * part
    fused = unit(mixed)
    logits = w.scale * (fused @ weight.T) + bias
    return Fused(logits, parts, weights, fused, {})


def _source_part(config: TTACap, w: Look, bank: Bank) -> Array:
    """What the prototypes add to each window ``(T, D)``."""
    if config.source_term == "mix":
        return bank.mix(w.scores, config.gamma)
    if config.source_term == "class":
        return bank.nearest(w.z, w.pred, config.proto_top_k)
    return np.zeros_like(w.z)


def _part_weights(
    config: TTACap, parts: dict[str, Array], weight: Array, bias: Array, scale: Array
) -> dict[str, Array]:
    """The weight ``(T,)`` of each part; 0 where it is absent."""
    lam = np.array([1.0, config.lam_src, config.lam_pos, config.lam_neg], np.float32)
    present = [np.abs(parts[k]).max(axis=1) > 0 for k in _PARTS]
    there = np.stack(present, axis=1)  # (T, 4)
    out = np.where(there, lam, 0).astype(np.float32)
    if config.weighting == "equal" and config.agreement == "none":
        return dict(zip(_PARTS, out.T, strict=True))
    # In double precision: a weight's rounding is multiplied where the parts nearly cancel.
    wide = weight.astype(np.float64).T
    answers = []
    for k in _PARTS:
        logits = scale * (parts[k] @ wide) + bias
        answers.append(softmax(logits))
    probs = np.stack(answers, axis=1)  # (T, 4, C)
    sure = probs.max(axis=2)
    label = probs.argmax(axis=2)
    if config.agreement == "majority":
        there = there & _agreeing(label[:, :3], sure[:, :3], there[:, :3])
    if config.weighting == "equal":
        out = np.where(there, lam, 0)
    elif config.weighting == "confidence":
        out = np.where(there, lam * sure, 0)
    else:
        attention = np.where(there, lam * sure / config.temperature, -np.inf)
        out = softmax(attention)
    return dict(zip(_PARTS, out.astype(np.float32).T, strict=True))


def _agreeing(label: Array, sure: Array, there: Array) -> Array:
    """Of target, source, positive ``(T, 3)``: who holds a class that two hold, else the surest
    alone → ``(T, 4)``.
    """
    same = (label[:, :, None] == label[:, None, :]) & there[:, None, :]
    holders = same.sum(axis=2)
    held = there & (holders >= 2)
    best = np.where(there, sure, -1).argmax(axis=1)
    places = np.arange(label.shape[1])
    alone = places[None] == best[:, None]
    agreed = held.any(axis=1, keepdims=True)
    keep = np.where(agreed, held, alone)
    negative = np.ones((len(keep), 1), bool)
    return np.concatenate([keep, negative], axis=1)


def _fuse_logits(config: TTACap, w: Look, found: list[Array]) -> Fused:
    n_classes = w.probs.shape[1]
    labels = [f.reshape(len(f), n_classes, -1).sum(axis=2) for f in found]
    source = w.scores
    if config.source_term == "none" or (w.proto_class < 0).all():
        source = np.zeros_like(source)
    elif config.empty_class == "unavailable":
        # A class without prototypes gets no push, and neither does the other.
        there = source > MISSING / 2
        source = np.where(there.all(axis=1, keepdims=True), source, 0)
    logits = (
        w.logits + config.lam_src * source + config.lam_pos * labels[0] - config.lam_neg * labels[1]
    )
    scores = {"positive": labels[0], "negative": labels[1]}
    return Fused(logits, {}, {}, None, scores)


def _fresh(config: TTACap, n_classes: int, dim: int) -> dict[str, object]:
    return {
        "positive": caches.empty(n_classes, config.n_pos, dim),
        "negative": caches.empty(n_classes, config.n_neg, dim),
        "history": [],
    }


def _person_prototypes(config: TTACap, model: Trainable, given: Given) -> tuple[Array, Array]:
    """Rows and classes of the prototypes that stand for this person."""
    summary = given.summary or {}
    for name in ("prototypes", "prototype_class"):
        if name not in summary:
            raise BadInput(
                f"tta_cap: expected {name!r} in the source summary, got {sorted(summary)}"
            )
    rows = np.asarray(summary["prototypes"])
    classes = np.asarray(summary["prototype_class"])
    if config.select == "all":
        return rows, classes
    for name in ("prototype_subject", "subject_mean", "subject_variance"):
        if name not in summary:
            raise BadInput(
                f"tta_cap select={config.select}: expected {name!r} in the source summary; or "
                "select=all"
            )
    windows = given.neutral if config.select == "neutral" else given.target
    read = [caches.prototype_rows(model, x) for x in windows or ()]
    found = [rows for rows in read if not isinstance(rows, Prediction)]
    if not found:
        raise BadInput(
            f"tta_cap select={config.select}: expected at least one measured window, got none"
        )
    mean, variance = prototypes.gaussian(unit(np.concatenate(found)))
    means, variances = _of_people(config, summary, rows, classes)
    distance = prototypes.wasserstein2(mean, variance, means, variances)
    nearest = np.argsort(distance, kind="stable")[: config.n_people]
    subject = np.asarray(summary["prototype_subject"])
    chosen = prototypes.personal(subject, classes, nearest)
    return rows[chosen], classes[chosen]


def _of_people(
    config: TTACap, summary: Mapping[str, Array], rows: Array, classes: Array
) -> tuple[Array, Array]:
    """Mean and variance ``(S, D)`` of what a source person is compared by."""
    means, variances = summary["subject_mean"], summary["subject_variance"]
    if config.statistics == "all":
        return means, variances
    subject = np.asarray(summary["prototype_subject"])
    each = []
    for s in range(len(means)):
        medoids = rows[(subject == s) & (classes == _NEUTRAL)]
        # Somebody without a neutral window can only be known by all of them.
        one = prototypes.gaussian(unit(medoids)) if len(medoids) else (means[s], variances[s])
        each.append(one)
    return np.stack([mean for mean, _ in each]), np.stack([variance for _, variance in each])


@dataclass(frozen=True)
class Whole:
    """A whole stream evaluated at once: :class:`Look`, :class:`Fused`, and what the caches held,
    ``T`` windows.
    """

    look: Look
    fused: Fused
    majority: Array  # (T,) label of the temporal gate
    positive: Array  # (T,) written to the positive cache
    negative: Array  # (T,)
    at: tuple[Array, Array]  # (T, C, L) window numbers in each cache after the window, -1: free


def evaluate(
    config: TTACap, z: Array, logits: Array, bank: Bank, head: tuple[Array, Array]
) -> Whole:
    """The same as stepping through a stream from an empty state within one reset scope, as one
    batch.

    Exact, because nothing feeds back (notes 5.2): accept flags first, then which windows each
    bucket held when, then one batched look-up.

    Args:
        config: the method's settings.
        z: the stream's embeddings ``(T, D)``.
        logits: the model's own ``(T, C)``.
        bank: prototypes of source people.
        head: the model's ``weight (C, D)`` and ``bias (C,)``.

    Returns:
        What every window said, was fused to, and left in the caches.
    """
    w = look(config, z, logits, bank)
    labels = w.pred.tolist()
    each = []
    for t in range(len(labels)):
        first = max(0, t - config.window + 1)
        each.append(_majority(labels[first : t + 1]))
    majority = np.array(each, np.int64)
    positive, negative = _accept(config, w, majority == w.pred)
    n_classes = w.probs.shape[1]
    held = (
        _members(w.entropy, w.pred, positive, n_classes, config.n_pos),
        _members(w.entropy, w.neg_class, negative, n_classes, config.n_neg),
    )
    rows = []
    for index in held:
        seen = index
        if config.write_order == "after":
            nothing = np.full_like(index[:1], -1)
            seen = np.concatenate([nothing, index[:-1]])
        keys = w.z[np.maximum(seen, 0)]
        rows.append(_searched(config, keys, seen >= 0, w.pred))
    fused = fuse(config, w, bank, head, *rows)
    return Whole(w, fused, majority, positive, negative, held)


def _members(h: Array, classes: Array, accepted: Array, n_classes: int, capacity: int) -> Array:
    """Window numbers in each bucket after each window ``(T, C, L)``; only accepted windows cost
    anything.
    """
    out = np.full((len(h), n_classes, capacity), -1, np.int64)
    keys: list[list[float]] = [[] for _ in range(n_classes)]
    ids: list[list[int]] = [[] for _ in range(n_classes)]
    for t in np.flatnonzero(accepted):
        c = int(classes[t])
        key = float(h[t])
        place = bisect_right(keys[c], key)
        if place >= capacity:
            continue
        keys[c].insert(place, key)
        ids[c].insert(place, int(t))
        del keys[c][capacity:], ids[c][capacity:]
        out[t:, c, : len(ids[c])] = ids[c]
    return out
