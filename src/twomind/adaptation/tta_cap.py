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
from dataclasses import dataclass
from typing import Any

import numpy as np

from twomind.adaptation import caches, prototypes
from twomind.adaptation.losses import entropy, softmax, unit
from twomind.core.errors import BadInput
from twomind.models.embedding import from_logits
from twomind.types import Access, Features, Given, Prediction, State

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
}


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
        unknown = set(self._gates) - {"temp", "entropy", "proto"}
        if unknown:
            raise BadInput(
                f"tta_cap gates: expected some of temp,entropy,proto, got {self.gates!r}"
            )
        if (
            min(self.window, self.proto_top_k, self.top_k, self.n_pos, self.n_neg, self.n_people)
            < 1
        ):
            raise BadInput(
                "tta_cap: expected window, proto_top_k, top_k, n_pos, n_neg and n_people of at "
                "least 1"
            )

    @property
    def _gates(self) -> tuple[str, ...]:
        return tuple(g.strip() for g in self.gates.split(",") if g.strip())

    @property
    def needs(self) -> Access:
        extra = {"all": Access.NOTHING, "neutral": Access.NEUTRAL, "target": Access.TARGET}[
            self.select
        ]
        return Access.SUMMARY | extra

    def begin(self, model: Any, given: Given) -> State:
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

    def step(self, model: Any, state: State, x: Features) -> tuple[Prediction, State]:
        got = caches.read(model, x)
        if isinstance(got, Prediction):
            return got, state
        weight, bias = caches.head(model)
        state = dict(state)
        if self.reset_scope == "video" and x.recording != state["recording"]:
            state |= _fresh(self, *weight.shape)
        bank = Bank(state["prototypes"], state["prototype_class"], len(weight))
        w = look(self, got[0][None], got[1][None], bank)
        pred, n = int(w.pred[0]), int(state["n"])
        state["history"] = [*state["history"], pred][-self.window :]
        positive, negative = _accept(self, w, np.array([pred == _majority(state["history"])]))
        before = state["positive"], state["negative"]
        if positive[0]:
            state["positive"] = caches.insert(before[0], pred, w.z[0], float(w.entropy[0]), n)
        elif negative[0]:
            state["negative"] = caches.insert(
                before[1], int(w.neg_class[0]), w.z[0], float(w.entropy[0]), n
            )
        seen = (state["positive"], state["negative"]) if self.write_order == "before" else before
        rows = [_searched(self, c["z"][None], (c["at"] >= 0)[None], w.pred) for c in seen]
        fused = fuse(self, w, bank, weight, bias, *rows)
        return from_logits(x, fused.logits[0]), {**state, "n": n + 1, "recording": x.recording}


@dataclass(frozen=True)
class Bank:
    """Prototypes ``rows (K, D)`` of length 1 with ``classes (K,)``."""

    rows: np.ndarray
    classes: np.ndarray
    n_classes: int

    @classmethod
    def of(cls, rows: np.ndarray, classes: np.ndarray, n_classes: int, dim: int) -> Bank:
        rows = np.asarray(rows, np.float32).reshape(
            -1, np.shape(rows)[-1] if np.ndim(rows) == 2 else dim
        )
        classes = np.asarray(classes, np.int64)
        if rows.shape != (len(classes), dim) or (
            len(classes) and not 0 <= classes.min() <= classes.max() < n_classes
        ):
            raise BadInput(
                f"prototypes: expected rows (K, {dim}) and prototype_class (K,) in "
                f"0..{n_classes - 1}, "
                f"got {rows.shape} and {classes.shape}; build them from embeddings of this very "
                "model"
            )
        return cls(unit(rows), classes, n_classes)

    def scores(self, z: np.ndarray, k: int) -> np.ndarray:
        """Mean of the ``k`` largest cosines per class ``(T, C)``; ``MISSING`` of a class without
        prototypes.
        """
        out = np.full((len(z), self.n_classes), MISSING, np.float32)
        cosine = z @ self.rows.T
        for c in range(self.n_classes):
            own = cosine[:, self.classes == c]
            if own.shape[1]:
                out[:, c] = np.sort(own, axis=1)[:, ::-1][:, :k].mean(axis=1)
        return out

    def mix(self, scores: np.ndarray, gamma: float) -> np.ndarray:
        """``l2n(sum_c softmax(gamma s)_c mu_c)`` over the classes that have prototypes,
        ``(T, D)``.
        """
        there = [c for c in range(self.n_classes) if (self.classes == c).any()]
        if not there:
            return np.zeros((len(scores), self.rows.shape[1]), np.float32)
        centres = unit(np.stack([self.rows[self.classes == c].mean(axis=0) for c in there]))
        return unit(softmax(gamma * scores[:, there]) @ centres)

    def nearest(self, z: np.ndarray, pred: np.ndarray, k: int) -> np.ndarray:
        """``l2n`` of the mean of the ``k`` nearest prototypes of each query's own class; zero
        without one.
        """
        out = np.zeros_like(z)
        for c in range(self.n_classes):
            mine, rows = np.flatnonzero(pred == c), self.rows[self.classes == c]
            if len(mine) and len(rows):
                order = np.argsort(-(z[mine] @ rows.T), axis=1, kind="stable")[:, :k]
                out[mine] = unit(rows[order].mean(axis=1))
        return out


@dataclass(frozen=True)
class Look:
    """What windows say by themselves, ``T`` of them: nothing here depends on the caches."""

    z: np.ndarray  # (T, D), length 1
    scale: np.ndarray  # (T, 1), the embedding's own length
    logits: np.ndarray  # (T, C)
    probs: np.ndarray  # (T, C)
    entropy: np.ndarray  # (T,) nats
    pred: np.ndarray  # (T,)
    neg_class: np.ndarray  # (T,) class of a negative entry
    scores: np.ndarray  # (T, C) prototype scores
    proto_class: np.ndarray  # (T,) -1 without prototypes
    margin: np.ndarray  # (T,)


def look(config: TTACap, z: np.ndarray, logits: np.ndarray, bank: Bank) -> Look:
    """Labels, entropies and prototype scores of ``z (T, D)`` with the model's ``logits (T, C)``."""
    scale = np.linalg.norm(z, axis=1, keepdims=True)
    own = unit(z)
    probs = softmax(logits)
    pred = probs.argmax(axis=1)
    scores = bank.scores(own, config.proto_top_k)
    there = len(np.unique(bank.classes))
    ordered = np.sort(scores, axis=1)[:, ::-1]
    margin = ordered[:, 0] - ordered[:, 1]
    if there < 2 and (config.empty_class == "unavailable" or not there):
        margin = np.zeros(len(z), np.float32)  # one class alone has no distance to a second one
    proto_class = scores.argmax(axis=1) if there else np.full(len(z), -1)
    neg = pred if config.neg_class == "pred" else probs.argmin(axis=1)
    return Look(own, scale, logits, probs, entropy(probs), pred, neg, scores, proto_class, margin)


def gates(config: TTACap, w: Look) -> dict[str, np.ndarray]:
    """The gates of every window as booleans ``(T,)``, whether in use or not (the temporal one needs
    the stream).
    """
    h = w.entropy / (math.log(w.probs.shape[1]) if config.entropy_unit == "fraction" else 1.0)
    usable = _usable(config, w)
    margin = np.where(usable, w.margin > config.tau_margin, config.missing == "pass")
    agree = np.where(
        usable, (w.margin > config.tau_margin) & (w.proto_class == w.pred), config.missing == "pass"
    )
    return {
        "confident": h < config.tau_pos,
        "ambiguous": (h >= config.tau_pos) & (h < config.tau_neg),
        "agree": agree,
        "margin": margin,
    }


def _usable(config: TTACap, w: Look) -> np.ndarray:
    """Can the prototype gate speak: with some prototypes; in the corrected reading with those of
    two classes.
    """
    if config.empty_class == "released":
        return w.proto_class >= 0
    return (w.scores > MISSING / 2).sum(axis=1) >= 2


def _accept(config: TTACap, w: Look, temporal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positive and negative writes ``(T,)``; a window is never both."""
    g, used = gates(config, w), config._gates
    always = np.ones(len(w.pred), bool)
    temporal = temporal if "temp" in used else always
    agree = g["agree"] if "proto" in used else always
    for_negative = (
        (g["margin"] if config.negative_gate == "margin" else g["agree"])
        if "proto" in used
        else always
    )
    confident = g["confident"] if "entropy" in used else always
    ambiguous = g["ambiguous"] if "entropy" in used else always & config.negative_without_entropy
    positive = temporal & agree & confident
    return positive, temporal & for_negative & ambiguous & ~positive


def _majority(labels: list[int]) -> int:
    """The most frequent label; among equals, the most recent one."""
    most = max(labels.count(c) for c in labels)
    return next(c for c in reversed(labels) if labels.count(c) == most)


def _searched(
    config: TTACap, keys: np.ndarray, valid: np.ndarray, pred: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Keys ``(T, C L, D)`` of all classes with what may be looked up ``(T, C L)``.

    Searching one class only is of the embedding space: the logit space spreads a label over all of
    them. A cache that lacks a class can only ever speak for the other one, so with
    ``empty_class="unavailable"`` it is not looked up.
    """
    t, n_classes, capacity = valid.shape
    if config.empty_class == "unavailable" and config.search == "all":
        valid = valid & np.all(valid.any(axis=2), axis=1, keepdims=True)[:, :, None]
    if config.search == "bucket" and config.fusion_space == "embed":
        valid = valid & (np.arange(n_classes)[None, :, None] == pred[:, None, None])
    return keys.reshape(t, n_classes * capacity, -1), valid.reshape(t, -1)


@dataclass(frozen=True)
class Fused:
    """The final logits and their parts; ``parts`` maps target, source, positive, negative to
    vectors ``(T, D)``.
    """

    logits: np.ndarray  # (T, C)
    parts: dict[str, np.ndarray]
    weights: dict[str, np.ndarray]  # (T,) each, 0 where a part is absent
    fused: np.ndarray | None  # (T, D)
    label_scores: dict[str, np.ndarray]  # (T, C) in logit space


def fuse(
    config: TTACap,
    w: Look,
    bank: Bank,
    weight: np.ndarray,
    bias: np.ndarray,
    positive: tuple[np.ndarray, np.ndarray],
    negative: tuple[np.ndarray, np.ndarray],
) -> Fused:
    """Look up both caches and the prototypes, and fuse. ``positive`` and ``negative`` are keys with
    their validity.
    """
    found = [
        caches.weights_of(*rows, w.z, config.top_k, config.beta) for rows in (positive, negative)
    ]
    if config.fusion_space == "logit":
        return _fuse_logits(config, w, found)
    if config.source_term == "mix":
        source = bank.mix(w.scores, config.gamma)
    elif config.source_term == "class":
        source = bank.nearest(w.z, w.pred, config.proto_top_k)
    else:
        source = np.zeros_like(w.z)
    parts = {
        "target": w.z,
        "source": source,
        "positive": caches.blend(found[0], positive[0]),
        "negative": caches.blend(found[1], negative[0]),
    }
    weights = _part_weights(config, parts, weight, bias, w.scale)
    signs = {"target": 1, "source": 1, "positive": 1, "negative": -1}
    mixed = sum((signs[k] * weights[k][:, None] * parts[k] for k in parts), np.zeros_like(w.z))
    fused = unit(mixed)
    return Fused(w.scale * (fused @ weight.T) + bias, parts, weights, fused, {})


def _part_weights(
    config: TTACap,
    parts: dict[str, np.ndarray],
    weight: np.ndarray,
    bias: np.ndarray,
    scale: np.ndarray,
) -> dict[str, np.ndarray]:
    names = ("target", "source", "positive", "negative")
    lam = np.array([1.0, config.lam_src, config.lam_pos, config.lam_neg], np.float32)
    there = np.stack([np.abs(parts[k]).max(axis=1) > 0 for k in names], axis=1)  # (T, 4)
    out = np.where(there, lam, 0).astype(np.float32)
    if config.weighting == "equal" and config.agreement == "none":
        return dict(zip(names, out.T, strict=True))
    # In double precision: a weight's rounding is multiplied where the parts nearly cancel.
    wide = weight.astype(np.float64).T
    probs = np.stack(
        [softmax(scale * (parts[k] @ wide) + bias) for k in names], axis=1
    )  # (T, 4, C)
    sure, label = probs.max(axis=2), probs.argmax(axis=2)
    if config.agreement == "majority":
        there = there & _agreeing(label[:, :3], sure[:, :3], there[:, :3])
    if config.weighting == "equal":
        out = np.where(there, lam, 0)
    elif config.weighting == "confidence":
        out = np.where(there, lam * sure, 0)
    else:
        logits = np.where(there, lam * sure / config.temperature, -np.inf)
        out = softmax(logits)
    return dict(zip(names, out.astype(np.float32).T, strict=True))


def _agreeing(label: np.ndarray, sure: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Of target, source, positive ``(T, 3)``: who holds a class that two hold, else the surest
    alone → ``(T, 4)``.
    """
    same = (label[:, :, None] == label[:, None, :]) & there[:, None, :]
    held = there & (same.sum(axis=2) >= 2)
    best = np.where(there, sure, -1).argmax(axis=1)
    alone = np.arange(label.shape[1])[None] == best[:, None]
    keep = np.where(held.any(axis=1, keepdims=True), held, alone)
    return np.concatenate([keep, np.ones((len(keep), 1), bool)], axis=1)


def _fuse_logits(config: TTACap, w: Look, found: list[np.ndarray]) -> Fused:
    n_classes = w.probs.shape[1]
    labels = [f.reshape(len(f), n_classes, -1).sum(axis=2) for f in found]
    source = w.scores
    if config.source_term == "none" or (w.proto_class < 0).all():
        source = np.zeros_like(source)
    elif (
        config.empty_class == "unavailable"
    ):  # a class without prototypes gets no push, and neither does the other
        source = np.where((source > MISSING / 2).all(axis=1, keepdims=True), source, 0)
    logits = (
        w.logits + config.lam_src * source + config.lam_pos * labels[0] - config.lam_neg * labels[1]
    )
    return Fused(logits, {}, {}, None, {"positive": labels[0], "negative": labels[1]})


def _fresh(config: TTACap, n_classes: int, dim: int) -> dict[str, Any]:
    return {
        "positive": caches.empty(n_classes, config.n_pos, dim),
        "negative": caches.empty(n_classes, config.n_neg, dim),
        "history": [],
    }


def _person_prototypes(config: TTACap, model: Any, given: Given) -> tuple[np.ndarray, np.ndarray]:
    summary = given.summary or {}
    for name in ("prototypes", "prototype_class"):
        if name not in summary:
            raise BadInput(
                f"tta_cap: expected {name!r} in the source summary, got {sorted(summary)}"
            )
    rows, classes = np.asarray(summary["prototypes"]), np.asarray(summary["prototype_class"])
    if config.select == "all":
        return rows, classes
    for name in ("prototype_subject", "subject_mean", "subject_variance"):
        if name not in summary:
            raise BadInput(
                f"tta_cap select={config.select}: expected {name!r} in the source summary; or "
                "select=all"
            )
    windows = given.neutral if config.select == "neutral" else given.target
    found = [
        got[0] for x in windows or () if not isinstance(got := caches.read(model, x), Prediction)
    ]
    if not found:
        raise BadInput(
            f"tta_cap select={config.select}: expected at least one measured window, got none"
        )
    mean, variance = prototypes.gaussian(unit(np.stack(found)))
    distance = prototypes.wasserstein2(
        mean, variance, summary["subject_mean"], summary["subject_variance"]
    )
    nearest = np.argsort(distance, kind="stable")[: config.n_people]
    chosen = prototypes.personal(np.asarray(summary["prototype_subject"]), classes, nearest)
    return rows[chosen], classes[chosen]


@dataclass(frozen=True)
class Whole:
    """A whole stream evaluated at once: :class:`Look`, :class:`Fused`, and what the caches held,
    ``T`` windows.
    """

    look: Look
    fused: Fused
    majority: np.ndarray  # (T,) label of the temporal gate
    positive: np.ndarray  # (T,) written to the positive cache
    negative: np.ndarray  # (T,)
    at: tuple[
        np.ndarray, np.ndarray
    ]  # (T, C, L) window numbers in each cache after the window, -1: free


def evaluate(
    config: TTACap,
    z: np.ndarray,
    logits: np.ndarray,
    bank: Bank,
    head: tuple[np.ndarray, np.ndarray],
) -> Whole:
    """The same as stepping through ``z (T, D)`` from an empty state within one reset scope, as one
    batch.

    Exact, because nothing feeds back (notes 5.2): accept flags first, then which windows each
    bucket held when, then one batched look-up.
    """
    w = look(config, z, logits, bank)
    labels = w.pred.tolist()
    spans = (labels[max(0, t - config.window + 1) : t + 1] for t in range(len(labels)))
    majority = np.array([_majority(s) for s in spans], np.int64)
    positive, negative = _accept(config, w, majority == w.pred)
    n_classes = w.probs.shape[1]
    held = (
        _members(w.entropy, w.pred, positive, n_classes, config.n_pos),
        _members(w.entropy, w.neg_class, negative, n_classes, config.n_neg),
    )
    rows = []
    for index in held:
        seen = (
            index
            if config.write_order == "before"
            else np.concatenate([np.full_like(index[:1], -1), index[:-1]])
        )
        rows.append(_searched(config, w.z[np.maximum(seen, 0)], seen >= 0, w.pred))
    return Whole(w, fuse(config, w, bank, *head, *rows), majority, positive, negative, held)


def _members(
    h: np.ndarray, classes: np.ndarray, accepted: np.ndarray, n_classes: int, capacity: int
) -> np.ndarray:
    """Window numbers in each bucket after each window ``(T, C, L)``; only accepted windows cost
    anything.
    """
    from bisect import bisect_right

    out = np.full((len(h), n_classes, capacity), -1, np.int64)
    keys: list[list[float]] = [[] for _ in range(n_classes)]
    ids: list[list[int]] = [[] for _ in range(n_classes)]
    for t in np.flatnonzero(accepted):
        c, key = int(classes[t]), float(h[t])
        place = bisect_right(keys[c], key)
        if place >= capacity:
            continue
        keys[c].insert(place, key)
        ids[c].insert(place, int(t))
        del keys[c][capacity:], ids[c][capacity:]
        out[t:, c, : len(ids[c])] = ids[c]
    return out
