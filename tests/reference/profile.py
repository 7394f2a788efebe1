"""Slow references for a person's neutral, for the quality of a face and for phrases in text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

nan = math.nan
Numbers = Sequence[float]


def median(values: Numbers) -> float:
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def at_rest(
    values: Numbers, step_s: float, least: int = 10
) -> tuple[float, float, int, float] | None:
    """Median, median distance from it, rows, seconds; None with fewer than ten known rows."""
    known = [v for v in values if math.isfinite(v)]
    if len(known) < least:
        return None
    centre = median(known)
    return centre, median([abs(v - centre) for v in known]), len(known), len(known) * step_s


def merged(parts: Sequence[tuple[float, float, int, float]]) -> tuple[float, float, int, float]:
    """(centre, spread, rows, seconds) over visits, weighted by seconds; equally where no visit has
    any.

    The spread is over the visits that have one.
    """
    seconds = [p[3] for p in parts]
    weight = seconds if sum(seconds) > 0 else [1.0] * len(parts)
    centre = sum(w * p[0] for w, p in zip(weight, parts, strict=True)) / sum(weight)
    with_spread = [(w, p[1]) for w, p in zip(weight, parts, strict=True) if math.isfinite(p[1])]
    total = sum(w for w, _ in with_spread)
    spread = sum(w * s for w, s in with_spread) / total if total else nan
    return centre, spread, sum(p[2] for p in parts), sum(seconds)


def sample_sd(values: Numbers) -> float:
    if len(values) < 2:
        return nan
    mean = sum(values) / len(values)
    return math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - 1))


# --- quality
# ------------------------------------------------------------------------------------------------------


def ramp(value: float, bad: float, good: float) -> float:
    share = (value - bad) / (good - bad)
    return min(1.0, max(0.0, share))


def quality(
    face_px: float,
    sharpness: float,
    light: float,
    clipped: float,
    yaw: float,
    pitch: float,
    cover: float,
) -> tuple[float, int]:
    """Product of the scores, and 1 + the first rule that forbids measuring (0: none), with the
    usual limits.
    """
    blur = 1 / (1 + sharpness)
    score = (
        ramp(face_px, 20, 120)
        * ramp(light, 0.05, 0.25)
        * ramp(clipped, 1.0, 0.05)
        * ramp(blur, 1.0, 0.85)
    )
    score *= ramp(abs(yaw), 90, 15) * (1 - cover)
    rules = (
        face_px < 40,
        light < 0.10,
        clipped > 0.5,
        blur > 0.97,
        abs(yaw) > 40 or abs(pitch) > 35,
        cover > 0.5,
    )
    return score, next((k + 1 for k, broken in enumerate(rules) if broken), 0)


# --- text
# ---------------------------------------------------------------------------------------------------------


def fits(pattern: str, token: str) -> bool:
    """``*`` stands for any letters, none among them."""
    if "*" not in pattern:
        return pattern == token
    first, *rest = pattern.split("*")
    if not token.startswith(first):
        return False
    token = token[len(first) :]
    for k, part in enumerate(rest):
        if k == len(rest) - 1:
            return token.endswith(part)
        at = token.find(part)
        if at < 0:
            return False
        token = token[at + len(part) :]
    return True


def matches(
    phrases: Mapping[int, Sequence[Sequence[str]]], tokens: Sequence[str]
) -> list[tuple[int, int, int]]:
    """(category, first token, number): from left to right, per category the longest phrase; no
    overlap.
    """
    found = []
    for category, known in phrases.items():
        i = 0
        while i < len(tokens):
            longest = 0
            for phrase in known:
                n = len(phrase)
                if i + n <= len(tokens) and all(
                    fits(p, tokens[i + j]) for j, p in enumerate(phrase)
                ):
                    longest = max(longest, n)
            if longest:
                found.append((category, i, longest))
            i += max(longest, 1)
    return sorted(found, key=lambda hit: (hit[1], hit[0]))


def repeats(
    tokens: Sequence[str], ends: Sequence[bool], emphatic: frozenset[str]
) -> list[tuple[int, int]]:
    """(first token, n) of second copies of three, two or one words, the longest first, inside one
    sentence.
    """
    found = []
    i = 1
    while i < len(tokens):
        step = 1
        for n in (3, 2, 1):
            if i < n or i + n > len(tokens):
                continue
            same = all(tokens[i + k] == tokens[i - n + k] for k in range(n))
            one_sentence = not any(ends[k] for k in range(i - n, i + n - 1))
            emphasis = all(tokens[i + k] in emphatic for k in range(n))
            if same and one_sentence and not emphasis:
                found.append((i, n))
                step = n
                break
        i += step
    return found
