"""The fusion networks once more, slowly: loops over recordings, rows, modalities, heads and
streams, in float64.

Written from the description of the BAH baselines (ICLR 2026; temporal convolutions, LFAN, CAN, MT,
JMT), from ``docs/fusion.md`` and from the deviations that the library's docstrings state. Nothing
here is shared with the library but the names of the weights and the order in which a head lists its
pairs of streams. Dropout is left out.

``w`` holds the arrays of a network by name. ``x (B, T, D)`` are the rows of several recordings.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

Weights = Mapping[str, np.ndarray]

LFAN_HEADS, LFAN_SIZE = 2, 16
LEAK = 0.01


# --- small parts
# -----------------------------------------------------------------------------------------------------


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def softplus(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def leaky(x: np.ndarray) -> np.ndarray:
    return np.array([v if v > 0 else LEAK * v for v in x])


def softmax(scores: Sequence[float]) -> list[float]:
    top = max(scores)
    powers = [math.exp(s - top) for s in scores]
    return [p / sum(powers) for p in powers]


def linear(w: Weights, name: str, x: np.ndarray) -> np.ndarray:
    return w[f"{name}.weight"] @ x + w[f"{name}.bias"]


def layer_norm(w: Weights, name: str, x: np.ndarray) -> np.ndarray:
    mean = sum(x) / len(x)
    variance = sum((v - mean) ** 2 for v in x) / len(x)
    return (x - mean) / math.sqrt(variance + 1e-5) * w[f"{name}.weight"] + w[f"{name}.bias"]


def batch_norm(
    w: Weights, name: str, x: np.ndarray, counted: np.ndarray, training: bool, eps: float = 1e-5
) -> np.ndarray:
    """Each column on one scale. In training: the one of the entries ``counted (B, T, D)``."""
    y = np.empty_like(x)
    for d in range(x.shape[2]):
        mean, variance = w[f"{name}.running_mean"][d], w[f"{name}.running_var"][d]
        if training:
            mean, variance, _ = moments(x, counted, d)
        y[:, :, d] = (x[:, :, d] - mean) / math.sqrt(variance + eps) * w[f"{name}.weight"][d] + w[
            f"{name}.bias"
        ][d]
    return y


def moments(x: np.ndarray, counted: np.ndarray, d: int) -> tuple[float, float, int]:
    """Mean and variance (over n, not n - 1) of the counted entries of column ``d``, and how many
    they are.
    """
    found = [x[b, t, d] for b in range(x.shape[0]) for t in range(x.shape[1]) if counted[b, t, d]]
    if not found:
        return 0.0, 0.0, 0
    mean = sum(found) / len(found)
    return mean, sum((v - mean) ** 2 for v in found) / len(found), len(found)


def every_column(rows: np.ndarray, width: int) -> np.ndarray:
    """``(B, T)`` → ``(B, T, width)``."""
    return np.repeat(np.asarray(rows)[:, :, None], width, axis=2)


# --- temporal convolutions
# -------------------------------------------------------------------------------------------


def receptive_field(n_blocks: int, kernel: int) -> int:
    """Rows that one output row sees: itself, and what each of the two convolutions of every block
    looks back.
    """
    rows = 1
    for block in range(n_blocks):
        for _convolution in range(2):
            rows += (kernel - 1) * 2**block
    return rows


def causal_convolution(w: Weights, name: str, x: np.ndarray, dilation: int) -> np.ndarray:
    """Rows ``(T, n_in)`` → ``(T, n_out)``. The last tap is the row itself; before the beginning
    there are zeros.
    """
    v, g, bias = w[f"{name}.v"], w[f"{name}.g"], w[f"{name}.bias"]
    n_out, _, kernel = v.shape
    y = np.zeros((len(x), n_out))
    for o in range(n_out):
        weight = g[o] * v[o] / math.sqrt((v[o] ** 2).sum())
        for t in range(len(x)):
            y[t, o] = bias[o]
            for tap in range(kernel):
                at = t - (kernel - 1 - tap) * dilation
                if at >= 0:
                    y[t, o] += weight[:, tap] @ x[at]
    return y


def tcn(
    w: Weights, name: str, x: np.ndarray, n_blocks: int, counted: np.ndarray, training: bool
) -> np.ndarray:
    """Blocks of two convolutions with a residual, dilation 1, 2, 4 …, then batch norm."""
    found = []
    for rows in x:
        for block in range(n_blocks):
            at = f"{name}.blocks.{block}"
            h = causal_convolution(w, f"{at}.first", rows, 2**block)
            h = np.array([leaky(r) for r in h])
            h = causal_convolution(w, f"{at}.second", h, 2**block)
            h = np.array([leaky(r) for r in h])
            skip = rows
            if f"{at}.skip.weight" in w:
                skip = np.array(
                    [w[f"{at}.skip.weight"][:, :, 0] @ r + w[f"{at}.skip.bias"] for r in rows]
                )
            rows = h + skip
        found.append(rows)
    y = np.array(found)
    return batch_norm(w, f"{name}.norm", y, every_column(counted, y.shape[2]), training)


def seen_lately(measured: np.ndarray, hold: int) -> np.ndarray:
    """Whether one of the last ``hold`` rows, this one included, was measured ``(B, T)``."""
    found = np.zeros_like(measured)
    for b in range(measured.shape[0]):
        for t in range(measured.shape[1]):
            found[b, t] = any(measured[b, s] for s in range(max(t - hold + 1, 0), t + 1))
    return found


def anchor(w: Weights, name: str, z: np.ndarray, windows: Sequence[int]) -> np.ndarray:
    """How strongly chosen columns were up over windows that end now: ``z (T, n_columns)`` →
    ``(T,)`` in (0, 1).
    """
    columns = [softplus(c) for c in w[f"{name}.columns"]]
    share = softmax(list(w[f"{name}.times"]))
    steepness, threshold = softplus(float(w[f"{name}.steepness"])), float(w[f"{name}.threshold"])
    total = [
        sum(c * v for c, v in zip(columns, row, strict=True)) / math.sqrt(len(columns)) for row in z
    ]
    y = []
    for t in range(len(z)):
        level = 0.0
        for part, rows in zip(share, windows, strict=True):
            level += part * sum(total[s] for s in range(max(t - rows + 1, 0), t + 1)) / rows
        y.append(sigmoid(2 * steepness * (level - threshold)))
    return np.array(y)


# --- heads
# -----------------------------------------------------------------------------------------------------------
# ``hs``: one ``(B, T, d_m)`` per modality; ``present (B, T, M)``; ``frames (B, T)``: real rows.


def lfan(w: Weights, hs: Sequence[np.ndarray], present: np.ndarray) -> np.ndarray:
    """Per row and head, attention of every modality over those that are present; the first modality
    leads.
    """
    n_batch, n_rows, n_mod = present.shape
    inner = LFAN_HEADS * LFAN_SIZE
    y = np.zeros((n_batch, n_rows, hs[0].shape[2] + inner * n_mod))
    for b in range(n_batch):
        for t in range(n_rows):
            three = [linear(w, f"qkv.{m}", hs[m][b, t]) for m in range(n_mod)]
            mixed = []
            for m in range(n_mod):
                for head in range(LFAN_HEADS):
                    part = slice(head * LFAN_SIZE, (head + 1) * LFAN_SIZE)
                    q = three[m][:inner][part]
                    keys = [three[o][inner : 2 * inner][part] for o in range(n_mod)]
                    values = [three[o][2 * inner :][part] for o in range(n_mod)]
                    others = [o for o in range(n_mod) if present[b, t, o]]
                    out = values[m].copy()
                    if others:
                        weights = softmax([q @ keys[o] / math.sqrt(LFAN_SIZE) for o in others])
                        for weight, o in zip(weights, others, strict=True):
                            out = out + weight * values[o]
                    mixed.append(out)
            follower = layer_norm(w, "norm", linear(w, "out", np.concatenate(mixed)))
            y[b, t] = np.concatenate([hs[0][b, t], follower])
    return y


def can(
    w: Weights,
    hs: Sequence[np.ndarray],
    present: np.ndarray,
    frames: np.ndarray,
    training: bool = False,
) -> np.ndarray:
    """A softmax over all channels of all modalities that are present weighs the channels."""
    n_batch, n_rows, n_mod = present.shape
    width = len(w["project.0.bias"])
    mixed = np.zeros((n_batch, n_rows, width * n_mod))
    for b in range(n_batch):
        for t in range(n_rows):
            channels, here = [], []
            for m in range(n_mod):
                channels += list(
                    linear(w, f"project.{m}", hs[m][b, t]) if present[b, t, m] else np.zeros(width)
                )
                here += [bool(present[b, t, m])] * width
            scores = linear(w, "attend", np.array(channels))
            weighed = np.zeros(len(channels))
            if any(here):
                chosen = [c for c in range(len(channels)) if here[c]]
                for c, weight in zip(chosen, softmax([scores[c] for c in chosen]), strict=True):
                    weighed[c] = weight * channels[c]
            mixed[b, t] = linear(w, "mix", weighed)
    y = batch_norm(w, "norm", mixed, every_column(frames, mixed.shape[2]), training)
    return np.array([[leaky(row) for row in rows] for rows in y])


def attend(
    w: Weights,
    name: str,
    query: np.ndarray,
    others: Sequence[np.ndarray],
    allowed: Sequence[bool] | None = None,
) -> np.ndarray:
    """What one row takes from others: scaled dot products, softmax, values, output layer.
    One head.
    """
    others = [o for k, o in enumerate(others) if allowed is None or allowed[k]]
    q = linear(w, f"{name}.q", query)
    taken = np.zeros(len(q))
    if others:
        weights = softmax([q @ linear(w, f"{name}.k", o) / math.sqrt(len(q)) for o in others])
        for weight, o in zip(weights, others, strict=True):
            taken = taken + weight * linear(w, f"{name}.v", o)
    return linear(w, f"{name}.out", taken)


def over_time(
    w: Weights, name: str, queries: np.ndarray, others: np.ndarray, window: int | None
) -> np.ndarray:
    """Attention over the rows of one recording: the last ``window`` ones, this one included, or
    all.
    """
    y = []
    for t in range(len(queries)):
        rows = others if window is None else others[max(t - window + 1, 0) : t + 1]
        y.append(attend(w, name, queries[t], list(rows)))
    return np.array(y)


def after_attention(w: Weights, name: str, x: np.ndarray, attended: np.ndarray) -> np.ndarray:
    """The rest of a post-norm transformer layer, for one row."""
    x = layer_norm(w, f"{name}.norm1", x + attended)
    inner = np.maximum(linear(w, f"{name}.inner.0", x), 0)
    return layer_norm(w, f"{name}.norm2", x + linear(w, f"{name}.inner.3", inner))


def pairs_of(n_modalities: int, joint: bool) -> list[tuple[int, int]]:
    """(query, key) streams in the order of the weights; the joint stream is the last."""
    if joint and n_modalities == 2:
        video, audio, both = 0, 1, 2
        return [
            (video, audio),
            (audio, video),
            (both, video),
            (video, both),
            (both, audio),
            (audio, both),
        ]
    n = n_modalities + int(joint)
    return [(q, k) for q in range(n) for k in range(n) if q != k]


def streams(
    w: Weights,
    hs: Sequence[np.ndarray],
    present: np.ndarray,
    frames: np.ndarray,
    *,
    joint: bool,
    released: bool,
    residual: bool,
    window: int,
    training: bool = False,
) -> np.ndarray:
    """MT and JMT. Corrected: the last attention is over the streams of a row. Released: over all
    rows of the batch.
    """
    n_mod = 2 if released else len(hs)
    residual = residual and not released
    look_back = None if released else window
    n_batch, n_rows = frames.shape
    pairs = pairs_of(n_mod, joint)
    width = len(w["fc.bias"])
    slots: list[list[list[np.ndarray]]] = []  # [b][t][pair]
    allowed: list[list[list[bool]]] = []
    for b in range(n_batch):
        rows = [np.array([linear(w, f"project.{m}", h) for h in hs[m][b]]) for m in range(n_mod)]
        here = [[bool(present[b, t, m]) for t in range(n_rows)] for m in range(n_mod)]
        if joint:
            rows.append(
                np.array(
                    [
                        linear(w, "joint", np.concatenate([r[t] for r in rows]))
                        for t in range(n_rows)
                    ]
                )
            )
            here.append([bool(present[b, t].any()) for t in range(n_rows)])
        encoded = []
        for s, stream in enumerate(rows):
            attended = over_time(w, f"encode.{s}.attention", stream, stream, look_back)
            encoded.append(
                np.array(
                    [
                        after_attention(w, f"encode.{s}", stream[t], attended[t])
                        for t in range(n_rows)
                    ]
                )
            )
        crossed = [
            over_time(w, f"cross.{i}", encoded[q], encoded[k], look_back)
            for i, (q, k) in enumerate(pairs)
        ]
        slots.append([])
        allowed.append([])
        for t in range(n_rows):
            if not pairs:  # one modality alone: its own rows go on
                slots[b].append([encoded[0][t]])
                allowed[b].append([here[0][t]])
                continue
            whole = [here[q][t] and here[k][t] for q, k in pairs]
            now = []
            for i, (q, _) in enumerate(pairs):
                if not residual:
                    now.append(crossed[i][t])
                elif whole[i]:
                    now.append(encoded[q][t] + crossed[i][t])
                else:
                    now.append(encoded[q][t])
            if not any(whole):  # no pair is whole: those whose rows are of a stream that is there
                whole = [here[q if residual else k][t] for q, k in pairs]
            slots[b].append(now)
            allowed[b].append(whole)
    if released:
        mean = last_slot_over_all_rows(w, slots)
    else:
        mean = np.zeros((n_batch, n_rows, width))
        for b in range(n_batch):
            for t in range(n_rows):
                mean[b, t] = over_streams(w, slots[b][t], allowed[b][t], residual)
    fc = np.array([[linear(w, "fc", row) for row in rows] for rows in mean])
    y = batch_norm(w, "norm", fc, every_column(frames, width), training)
    return np.array([[leaky(row) for row in rows] for rows in y])


def over_streams(
    w: Weights, slots: Sequence[np.ndarray], allowed: Sequence[bool], residual: bool
) -> np.ndarray:
    """Encoder and attention over the streams of one row, then the mean of the streams that are
    there.
    """
    encoded = [
        after_attention(
            w, "slot_encoder", slot, attend(w, "slot_encoder.attention", slot, slots, allowed)
        )
        for slot in slots
    ]
    met = [attend(w, "slot_attention", row, encoded, allowed) for row in encoded]
    if residual:
        met = [row + m for row, m in zip(encoded, met, strict=True)]
    there = [m for m, ok in zip(met, allowed, strict=True) if ok]
    return sum(there) / len(there) if there else np.zeros(len(slots[0]))


def last_slot_over_all_rows(
    w: Weights, slots: Sequence[Sequence[Sequence[np.ndarray]]]
) -> np.ndarray:
    """The published code: the last slot alone, its rows of all recordings attending to
    one another.
    """
    places = [(b, t) for b in range(len(slots)) for t in range(len(slots[0]))]
    rows = [slots[b][t][-1] for b, t in places]
    encoded = [
        after_attention(w, "slot_encoder", row, attend(w, "slot_encoder.attention", row, rows))
        for row in rows
    ]
    y = np.zeros((len(slots), len(slots[0]), len(rows[0])))
    for (b, t), row in zip(places, encoded, strict=True):
        y[b, t] = attend(w, "slot_attention", row, encoded)
    return y


def conflict(
    w: Weights,
    hs: Sequence[np.ndarray],
    present: np.ndarray,
    frames: np.ndarray,
    anchors: Sequence[tuple[np.ndarray, np.ndarray] | None],
    *,
    terms: bool,
    training: bool = False,
) -> np.ndarray:
    """Plain attention over the modalities, strengths for and against, and (``terms``) their
    products.

    ``anchors``: per modality for and against ``(B, T)``, which take the place of the first learnt
    pair; or None.
    """
    n_batch, n_rows, n_mod = present.shape
    sides = len(w["sides.0.bias"]) // 2
    plain, found, there = [], [], []
    for b in range(n_batch):
        for t in range(n_rows):
            here = [bool(present[b, t, m]) for m in range(n_mod)]
            tokens = [linear(w, f"project.{m}", hs[m][b, t]) for m in range(n_mod)]
            together = np.zeros(len(tokens[0]))
            chosen = [m for m in range(n_mod) if here[m]]
            if chosen:
                scores = [float(linear(w, "score", np.tanh(tokens[m]))[0]) for m in chosen]
                for m, weight in zip(chosen, softmax(scores), strict=True):
                    together = together + weight * tokens[m]
            plain.append(linear(w, "hidden", together))
            pro, con = [], []
            for m in range(n_mod):
                both = [sigmoid(v) for v in linear(w, f"sides.{m}", hs[m][b, t])]
                # Learnt strengths lie as for, against, for, against …
                pro.append([both[2 * s] for s in range(sides)])
                con.append([both[2 * s + 1] for s in range(sides)])
                if anchors[m] is not None:
                    pro[m][0], con[m][0] = anchors[m][0][b, t], anchors[m][1][b, t]
                if not here[m]:
                    pro[m], con[m] = [0.0] * sides, [0.0] * sides
            values, known = [], []
            for m in range(n_mod):
                values += pro[m] + con[m]
                known += [here[m]] * (2 * sides)
            if terms:
                for m in range(n_mod):
                    values += [pro[m][s] * con[m][s] for s in range(sides)]
                    known += [here[m]] * sides
                for i in range(n_mod):
                    for j in range(i + 1, n_mod):
                        values += [
                            pro[i][s] * con[j][s] + con[i][s] * pro[j][s] for s in range(sides)
                        ]
                        values += [
                            pro[i][s] * pro[j][s] + con[i][s] * con[j][s] for s in range(sides)
                        ]
                        known += [here[i] and here[j]] * (2 * sides)
            found.append(values)
            there.append(known)
    shape = (n_batch, n_rows, -1)
    hidden = np.array(plain).reshape(shape)
    hidden = batch_norm(w, "norm", hidden, every_column(frames, hidden.shape[2]), training)
    hidden = np.array([[leaky(row) for row in rows] for rows in hidden])
    known_terms = np.array(there).reshape(shape)
    counted = known_terms & every_column(frames, known_terms.shape[2])
    scaled = batch_norm(w, "term_norm", np.array(found).reshape(shape), counted, training, eps=1e-3)
    scaled = np.where(known_terms, scaled, 0.0)
    return np.concatenate([hidden, scaled, present.astype(float)], axis=2)


# --- the whole network
# -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Design:
    """What a network is made of, in plain numbers."""

    model: str
    released: bool
    residual: bool
    kernel: int
    n_blocks: int  # of every modality
    hold: int  # rows for which a modality counts as present after it was measured
    anchor_rows: tuple[int, ...]  # lengths of the anchors' windows
    approach: tuple[tuple[int, ...], ...]  # per modality: columns that speak for
    avoid: tuple[tuple[int, ...], ...]  # and against


@dataclass(frozen=True)
class Answer:
    """Rows ``z (B, T, D)``, ``frame (B, T, C)`` without the question, calibrated ``rows``; ``video
    (B, C)``.
    """

    z: np.ndarray
    frame: np.ndarray
    rows: np.ndarray
    log_weight: np.ndarray
    pooled: np.ndarray
    video: np.ndarray
    present: np.ndarray


def part(w: Weights, name: str) -> dict[str, np.ndarray]:
    """The weights under a name, by the rest of their names."""
    return {k[len(name) + 1 :]: v for k, v in w.items() if k.startswith(f"{name}.")}


def network(
    w: Weights,
    design: Design,
    names: Sequence[str],
    values: Sequence[np.ndarray],
    masks: Sequence[np.ndarray],
    frames: np.ndarray,
    question: Sequence[int],
    training: bool = False,
    keep: np.ndarray | None = None,
) -> Answer:
    """Scores of rows and recordings. ``values``, ``masks (B, T, D_m)``.

    ``keep (V, B, M)``: the recordings as seen in V ways, each with some modalities only; the answer
    has ``V * B``. The convolutions see everything; what the heads take as absent is what ``keep``
    leaves out.
    """
    n_batch, n_rows = frames.shape
    hs, present, anchors = [], [], []
    for i, m in enumerate(names):
        z = np.zeros(values[i].shape)
        for b in range(n_batch):
            for t in range(n_rows):
                for d in range(z.shape[2]):
                    if masks[i][b, t, d]:
                        standard = (values[i][b, t, d] - w[f"mean_{m}"][d]) / w[f"sd_{m}"][d]
                        z[b, t, d] = min(max(standard, -8.0), 8.0)
        x = np.concatenate([z, masks[i].astype(float)], axis=2)
        seen = seen_lately(masks[i].any(axis=2), design.hold)
        # Rows without the modality are no sample of it (the released variants count them).
        counted = frames if design.released else frames & seen
        hs.append(tcn(w, f"tcn.{m}", x, design.n_blocks, counted, training))
        present.append(seen)
        anchors.append(None)
        if f"anchor.{m}.0.columns" in w:
            pro = [
                anchor(w, f"anchor.{m}.0", z[b][:, design.approach[i]], design.anchor_rows)
                for b in range(n_batch)
            ]
            con = [
                anchor(w, f"anchor.{m}.1", z[b][:, design.avoid[i]], design.anchor_rows)
                for b in range(n_batch)
            ]
            anchors[i] = (np.array(pro), np.array(con))
    there = np.stack(present, axis=2)
    real = frames
    if keep is not None:
        ways = range(len(keep))
        there = np.concatenate([there & view[:, None, :] for view in keep])
        frames = np.concatenate([frames for _ in ways])
        real = frames & there.any(axis=2)  # rows with nothing set no scale
        question = [q for _ in ways for q in question]
        hs = [np.concatenate([h for _ in ways]) for h in hs]
        anchors = [a and tuple(np.concatenate([v for _ in ways]) for v in a) for a in anchors]
        n_batch = len(frames)
    for i, m in enumerate(names):
        for b in range(n_batch):
            for t in range(n_rows):
                if not there[b, t, i]:
                    hs[i][b, t] = w[f"absent.{m}"]
    head = part(w, "head")
    if design.model == "lfan":
        z = lfan(head, hs, there)
    elif design.model == "can":
        z = can(head, hs, there, real, training)
    elif design.model in ("mt", "jmt"):
        z = streams(
            head,
            hs,
            there,
            real,
            joint=design.model == "jmt",
            released=design.released,
            residual=design.residual,
            window=receptive_field(design.n_blocks, design.kernel),
            training=training,
        )
    else:
        z = conflict(
            head, hs, there, real, anchors, terms=design.model == "conflict", training=training
        )
    return scores(w, z, frames, question, there)


def scores(
    w: Weights, z: np.ndarray, frames: np.ndarray, question: Sequence[int], present: np.ndarray
) -> Answer:
    """Frame scores are linear in ``z``; a recording's score is their weighted mean, scaled
    (auto-pool).
    """
    n_batch, n_rows = frames.shape
    n_classes = len(w["frame.bias"])
    frame, rows = np.zeros((n_batch, n_rows, n_classes)), np.zeros((n_batch, n_rows, n_classes))
    log_weight = np.zeros((n_batch, n_rows))
    pooled, video = np.zeros((n_batch, z.shape[2])), np.zeros((n_batch, n_classes))
    sharpness = softplus(float(w["sharpness"]))
    for b in range(n_batch):
        for t in range(n_rows):
            frame[b, t] = linear(w, "frame", z[b, t])
            asked = w["frame_question"][:, question[b]]
            rows[b, t] = w["frame_slope"] * (frame[b, t] + asked) + w["frame_offset"]
            top = max(frame[b, t][1:])
            odds = top + math.log(sum(math.exp(s - top) for s in frame[b, t][1:])) - frame[b, t][0]
            log_weight[b, t] = sharpness * min(max(odds, -20.0), 20.0)
        real = [t for t in range(n_rows) if frames[b, t]]
        share = softmax([log_weight[b, t] for t in real])
        mean = np.zeros(n_classes)
        for weight, t in zip(share, real, strict=True):
            pooled[b] += weight * z[b, t]
            mean += weight * frame[b, t]
        video[b] = w["video_scale"] * mean + w["video_bias"] + w["video_question"][:, question[b]]
    return Answer(z, frame, rows, log_weight, pooled, video, present)
