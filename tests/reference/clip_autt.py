"""CLIP-AUTT (arXiv 2603.27999) in plain loops and double precision; sections are those of the notes
``clip_au.md``.

Nothing is cached or shortened: each window is convolved by itself, each prompt goes through the
whole text tower, and the gradient is a central difference of the loss, one number of the context at
a time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reference.plain import Vector, dot, entropy, first_smallest, head, mean, softmax, unit

Frames = list[Vector]
Context = np.ndarray  # (N, M, W)

#: Section 3.1, and what the library documents as its own (``balance`` to ``max_updates``).
DEFAULTS: dict[str, Any] = {
    "mode": "corrected",
    "steps": 1,
    "learning_rate": 1e-3,
    "weight_decay": 1e-4,
    "n_context": 4,
    "k": 16,
    "balance": 1.0,
    "memory": 32,
    "entropy_floor": 0.5,
    "max_drift": 0.15,
    "patience": 3,
    "max_updates": 200,
    "epochs": 10,
    "batch": 40,
}
SCALE = 5.0


@dataclass(frozen=True)
class Model:
    """CLIP-AU: ``w`` by the names of the checkpoints, a text tower, and the tokens of the phrases.

    ``worded``: the phrases as CLIP-AU reads them; ``released``: as the released prompt learner
    does. Each is ids ``(N, L)`` and where they are read ``(N,)``.
    """

    w: Mapping[str, np.ndarray]
    tower: Mapping[str, np.ndarray]
    n_heads: int
    worded: tuple[np.ndarray, np.ndarray]
    released: tuple[np.ndarray, np.ndarray]


# --- text: section 3.1
# ------------------------------------------------------------------------------------------------


def normed(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Layer normalisation of tokens ``(L, W)``."""
    centred = x - x.mean(axis=1, keepdims=True)
    return centred / np.sqrt(x.var(axis=1, keepdims=True) + 1e-5) * weight + bias


def text_feature(m: Model, tokens: np.ndarray, read_at: int) -> Vector:
    """CLIP's text tower on one prompt ``(L, W)``: causal pre-norm blocks, read at one token,
    projected.

    Not what is tested here, so it is written in matrices.
    """
    t = m.tower
    x = tokens + t["positional_embedding"][: len(tokens)]
    later = np.triu(np.full((len(tokens), len(tokens)), -np.inf), 1)
    layer = 0
    while f"transformer.resblocks.{layer}.ln_1.weight" in t:
        at = f"transformer.resblocks.{layer}."
        h = normed(x, t[f"{at}ln_1.weight"], t[f"{at}ln_1.bias"])
        q, k, v = np.split(
            h @ t[f"{at}attn.in_proj_weight"].T + t[f"{at}attn.in_proj_bias"], 3, axis=1
        )
        mixed = []
        for own in np.split(np.arange(x.shape[1]), m.n_heads):
            shares = np.exp(q[:, own] @ k[:, own].T / math.sqrt(len(own)) + later)
            mixed.append(shares / shares.sum(axis=1, keepdims=True) @ v[:, own])
        x = (
            x
            + np.concatenate(mixed, axis=1) @ t[f"{at}attn.out_proj.weight"].T
            + t[f"{at}attn.out_proj.bias"]
        )
        h = normed(x, t[f"{at}ln_2.weight"], t[f"{at}ln_2.bias"])
        h = h @ t[f"{at}mlp.c_fc.weight"].T + t[f"{at}mlp.c_fc.bias"]
        h = h / (1 + np.exp(-1.702 * h))
        x = x + h @ t[f"{at}mlp.c_proj.weight"].T + t[f"{at}mlp.c_proj.bias"]
        layer += 1
    last = normed(x[read_at : read_at + 1], t["ln_final.weight"], t["ln_final.bias"])
    return [float(value) for value in last[0] @ t["text_projection"]]


def released_prompt(m: Model, k: int, context: np.ndarray) -> tuple[np.ndarray, int]:
    """Start of text, context, the embedding of the padding token, then zeros; read where the phrase
    would end.
    """
    ids, read_at = m.released
    table = m.tower["token_embedding.weight"]
    tokens = np.zeros((ids.shape[1], table.shape[1]))
    tokens[0] = table[ids[k][0]]
    for i in range(len(context)):
        tokens[1 + i] = context[i]
    tokens[1 + len(context)] = table[ids[k][-1]]
    return tokens, int(read_at[k])


def worded_prompt(m: Model, k: int, context: np.ndarray) -> tuple[np.ndarray, int]:
    """The phrase's own tokens; the context is added to its first words and never reaches
    its end.
    """
    ids, read_at = m.worded
    table = m.tower["token_embedding.weight"]
    tokens = np.array([table[i] for i in ids[k]])
    for i in range(len(context)):
        if 1 + i < read_at[k]:
            tokens[1 + i] += context[i]
    return tokens, int(read_at[k])


def linear(w: Mapping[str, np.ndarray], name: str, x: Sequence[float]) -> Vector:
    return head(w[f"{name}.weight"].tolist(), w[f"{name}.bias"].tolist(), x)


def phrase_row(m: Model, feature: Vector, normalise: bool) -> Vector:
    """The adapter, Linear - ReLU - Linear, between two normalisations; CLIP-AU itself has the
    second alone.
    """
    h = linear(m.w, "text_adapter.0", unit(feature) if normalise else feature)
    return unit(linear(m.w, "text_adapter.2", [max(v, 0.0) for v in h]))


def tuned_row(m: Model, k: int, context: np.ndarray, words: bool) -> Vector:
    """The row of phrase ``k`` with its context ``(M, W)``."""
    tokens, read_at = worded_prompt(m, k, context) if words else released_prompt(m, k, context)
    return phrase_row(m, text_feature(m, tokens, read_at), normalise=not words)


def plain_rows(m: Model) -> list[Vector]:
    """The phrases' rows of CLIP-AU, without any context."""
    nothing = np.zeros((0, m.tower["token_embedding.weight"].shape[1]))
    return [tuned_row(m, k, nothing, words=True) for k in range(len(m.worded[0]))]


# --- pictures: sections 1.1 and 3.1
# ----------------------------------------------------------------------------------


def clip_row(m: Model, frames: Frames) -> Vector:
    """``norm(mean_t GELU(Conv(X)_t))`` with zeros before the first and after the last frame."""
    taps = [m.w["temporal.weight"][:, :, tap].tolist() for tap in range(3)]
    bias = m.w["temporal.bias"].tolist()
    total = [0.0] * len(bias)
    for t in range(len(frames)):
        for d in range(len(bias)):
            y = bias[d]
            for tap in range(3):
                if 0 <= t + tap - 1 < len(frames):
                    y += dot(taps[tap][d], frames[t + tap - 1])
            total[d] += 0.5 * y * (1 + math.erf(y / math.sqrt(2)))
    return unit([v / len(frames) for v in total])


def window_rows(m: Model, frames: Frames, k: int) -> list[Vector]:
    """Every window of ``k`` frames, stride 1; the whole clip when it is not longer."""
    if len(frames) <= k:
        return [clip_row(m, frames)]
    return [clip_row(m, frames[start : start + k]) for start in range(len(frames) - k + 1)]


def logits_of(m: Model, row: Vector, phrases: list[Vector], scale: float = SCALE) -> Vector:
    """``MLP(scale * cosines)``."""
    h = linear(m.w, "temporal_classifier.0", [scale * dot(row, phrase) for phrase in phrases])
    return linear(m.w, "temporal_classifier.2", [max(v, 0.0) for v in h])


def window_entropies(m: Model, rows: list[Vector], phrases: list[Vector], words: bool) -> Vector:
    """Of the answers on a clip's windows. Released: without the factor, and 1e-8 inside the
    logarithm.
    """
    found = []
    for row in rows:
        probs = softmax(logits_of(m, row, phrases, SCALE if words else 1.0))
        found.append(-sum(p * math.log(p + (0.0 if words else 1e-8)) for p in probs))
    return found


# --- one update
# ------------------------------------------------------------------------------------------------------


def loss_of(m: Model, rows: list[Vector], phrases: list[Vector], balance: float) -> float:
    """Mean entropy of the answers, less ``balance`` times the entropy of the mean answer."""
    probs = [softmax(logits_of(m, row, phrases)) for row in rows]
    return sum(entropy(p) for p in probs) / len(probs) - balance * entropy(mean(probs))


def adamw(
    value: float, gradient: float, first: float, second: float, n: int, rate: float, decay: float
) -> tuple[float, float, float]:
    """Step ``n`` (from 1) of AdamW on one number: the value and its two moments."""
    first = 0.9 * first + 0.1 * gradient
    second = 0.999 * second + 0.001 * gradient * gradient
    value -= rate * decay * value
    value -= rate * (first / (1 - 0.9**n)) / (math.sqrt(second / (1 - 0.999**n)) + 1e-8)
    return value, first, second


@dataclass
class Update:
    start: list[int]
    window_entropies: list[Vector]
    logits: list[Vector]
    loss: float
    gradient: np.ndarray
    context: np.ndarray
    moments: dict[str, Any]


def update(
    m: Model,
    context: np.ndarray,
    windows: list[list[Vector]],
    s: Mapping[str, Any],
    moments: Mapping[str, Any] | None = None,
    memory: Sequence[Vector] = (),
) -> Update:
    """Choose each clip's window of lowest entropy, then one step of AdamW on the loss of these and
    of ``memory``.
    """
    words = s["mode"] == "corrected"
    balance = s["balance"] if words else 0.0
    phrases = [tuned_row(m, k, context[k], words) for k in range(len(context))]
    spread = [window_entropies(m, rows, phrases, words) for rows in windows]
    start = [first_smallest(each) for each in spread]
    chosen = [rows[i] for rows, i in zip(windows, start, strict=True)]
    seen = [*chosen, *memory]
    gradient = np.zeros_like(context)
    small = 1e-5
    for k, i, d in np.ndindex(*context.shape):
        sides = []
        for step in (small, -small):
            moved = context[k].copy()
            moved[i, d] += step
            sides.append(
                loss_of(
                    m,
                    seen,
                    [*phrases[:k], tuned_row(m, k, moved, words), *phrases[k + 1 :]],
                    balance,
                )
            )
        gradient[k, i, d] = (sides[0] - sides[1]) / (2 * small)
    after, first, second = context.copy(), np.zeros_like(context), np.zeros_like(context)
    old = moments or {"first": first.copy(), "second": second.copy(), "n": 0}
    n = int(old["n"]) + 1
    for at in np.ndindex(*context.shape):
        own = (
            float(context[at]),
            float(gradient[at]),
            float(old["first"][at]),
            float(old["second"][at]),
        )
        after[at], first[at], second[at] = adamw(*own, n, s["learning_rate"], s["weight_decay"])
    answers = [logits_of(m, row, phrases) for row in chosen]
    loss = loss_of(m, seen, phrases, balance)
    return Update(
        start, spread, answers, loss, gradient, after, {"first": first, "second": second, "n": n}
    )


def answer(m: Model, context: np.ndarray, windows: list[list[Vector]]) -> list[Vector]:
    """Released modes: each clip's logits on its window of lowest entropy."""
    phrases = [tuned_row(m, k, context[k], words=False) for k in range(len(context))]
    found = []
    for rows in windows:
        best = first_smallest(window_entropies(m, rows, phrases, words=False))
        found.append(logits_of(m, rows[best], phrases))
    return found


# --- the procedures: section 3.4, and the library's corrected one
# -----------------------------------------------------


def subject(
    m: Model, s: Mapping[str, Any], context: np.ndarray, clips: list[Frames]
) -> tuple[Vector, np.ndarray]:
    """Answered before the update, by a fresh optimiser: logits, and the context that the next
    window starts from.
    """
    done = update(m, context, [window_rows(m, clip, s["k"]) for clip in clips], s)
    return mean(done.logits), done.context


def episodic(m: Model, s: Mapping[str, Any], context: np.ndarray, clips: list[Frames]) -> Vector:
    """``steps`` updates of one optimiser from the start, then the answer; nothing is kept."""
    windows = [window_rows(m, clip, s["k"]) for clip in clips]
    moments = None
    for _ in range(s["steps"]):
        done = update(m, context, windows, s, moments)
        context, moments = done.context, done.moments
    return mean(answer(m, context, windows))


def wrapped(frames: Frames, n: int, start: int) -> Frames:
    """Section 1.4, 3: ``n`` frames from ``start``; at the end go on from the beginning, then repeat
    the last.
    """
    taken = [frames[i] for i in range(start, min(start + n, len(frames)))]
    for i in range(len(frames)):
        if len(taken) < n and start + n >= len(frames):
            taken.append(frames[i])
    while len(taken) < n:
        taken.append(taken[-1])
    return taken


def released(
    m: Model,
    s: Mapping[str, Any],
    context: np.ndarray,
    videos: list[Frames],
    n_frames: int,
    draw: Callable[[int], int],
) -> np.ndarray:
    """``epochs`` passes in batches without the remainder, on fresh random crops, an optimiser per
    batch.
    """
    size = min(s["batch"], len(videos))
    for _ in range(s["epochs"]):
        for batch in range(len(videos) // size):
            windows = []
            for video in videos[batch * size : (batch + 1) * size]:
                windows.append(window_rows(m, wrapped(video, n_frames, draw(len(video))), s["k"]))
            context = update(m, context, windows, s).context
    return context


def corrected(
    m: Model, s: Mapping[str, Any], state: Mapping[str, Any], clips: list[Frames]
) -> tuple[Vector, dict[str, Any]]:
    """One window: update under the guard, then answer from whole clips, then remember them.

    An update is dropped, and its moments with it, when the mean entropy of the person's answers
    falls below a share of what it was before any tuning, or the mean probability of a class moves
    too far from it.
    """
    new = dict(state)
    whole = [clip_row(m, clip) for clip in clips]
    seen = [*whole, *state["memory"]]
    windows = [window_rows(m, clip, s["k"]) for clip in clips]
    enough = s["balance"] == 0 or len(seen) > 1
    for _ in range(s["steps"] if enough and not state["ended"] else 0):
        done = update(m, new["context"], windows, s, new["moments"], state["memory"])
        before = [softmax(logits_of(m, row, plain_rows(m))) for row in seen]
        phrases = [tuned_row(m, k, done.context[k], words=True) for k in range(len(done.context))]
        after = [softmax(logits_of(m, row, phrases)) for row in seen]
        calm = sum(map(entropy, after)) < s["entropy_floor"] * sum(map(entropy, before))
        moved = max(abs(a - b) for a, b in zip(mean(after), mean(before), strict=True))
        if calm or moved > s["max_drift"]:
            new["n_dropped"] += 1
            new["in_a_row"] += 1
            new["moments"] = None
            new["ended"] = new["in_a_row"] >= s["patience"]
            break
        new |= {"context": done.context, "moments": done.moments, "in_a_row": 0}
        new["n_updates"] += 1
        if new["n_updates"] >= s["max_updates"]:
            new["ended"] = True
            break
    phrases = [tuned_row(m, k, new["context"][k], words=True) for k in range(len(new["context"]))]
    new["memory"] = [*state["memory"], *whole][-s["memory"] :]
    return mean([logits_of(m, row, phrases) for row in whole]), new
