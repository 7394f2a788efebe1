"""T3A (Iwasawa and Matsuo, NeurIPS 2021) in plain loops; section "T3A" of the notes
``tta_cap.md``.
"""

from __future__ import annotations

from reference.plain import Vector, dot, entropy, first_largest, head, length, softmax, unit

N_SUPPORTS = 20


def run(
    n_supports: int, start: str, rows: list[Vector], weight: list[Vector], bias: Vector
) -> list[Vector]:
    """Scores of a stream. A window joins the supports before it is scored.

    ``start``: ``released`` begins with the head's rows as supports, each of the class that the head
    itself gives it; ``source`` with none, and the head answers until every class has one. Scores
    have the length of the head's rows.
    """
    supports: list[list[tuple[float, Vector]]] = [[] for _ in weight]

    def join(row: Vector) -> None:
        probs = softmax(head(weight, bias, row))
        own = supports[first_largest(probs)]
        own.append((entropy(probs), unit(row)))
        own.sort(key=lambda support: support[0])
        while len(own) > n_supports:
            own.pop()

    if start == "released":
        for row in weight:
            join(row)
    out = []
    for raw in rows:
        join(raw)
        if start == "source" and any(not own for own in supports):
            out.append(head(weight, bias, raw))
            continue
        scores = []
        for own, row in zip(supports, weight, strict=True):
            total = [sum(z[d] for _, z in own) for d in range(len(raw))] if own else row
            scores.append(length(row) * dot(unit(total), raw))
        out.append(scores)
    return out
