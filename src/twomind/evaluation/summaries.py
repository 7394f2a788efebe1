"""What may leave the source site where no source window may: statistics of source people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from twomind.adaptation import caches, prototypes
from twomind.adaptation.summary import class_means
from twomind.adaptation.traits import SourceSummary
from twomind.evaluation.run import Summary, embedding_summary
from twomind.models.base import pools
from twomind.types import Example, Prediction
from twomind.types.plain import Array, Foreign


def people_summary(model: Foreign, more: Sequence[SourceSummary] = ()) -> Summary:
    """What may leave the source site: prototypes per source person and class, embedding statistics,
    and ``more`` that methods ask for (:mod:`twomind.adaptation.traits`)."""
    return partial(_summary, model, more)


def _summary(
    model: Foreign, more: Sequence[SourceSummary], source: tuple[Example, ...]
) -> Mapping[str, Array]:
    people = _embedded_by_person(model, source)
    # A model of clips has no pooled row of a window: its class means are in the space of ``run``,
    # as the prototypes.
    if pools(model):
        means = embedding_summary(model)(source)
    else:
        means = class_means(model, source)
    found = {**means, **prototypes.summary_of(people, len(model.task.classes))}
    for own_summary in more:
        found |= own_summary(model)(source)
    return found


def _embedded_by_person(
    model: Foreign, source: tuple[Example, ...]
) -> dict[str, tuple[Array, Array]]:
    """Per person the embeddings of the windows that can be read ``(N, D)`` and their classes
    ``(N,)``.
    """
    rows: dict[str, list[Array]] = {}
    classes: dict[str, list[int]] = {}
    for example in source:
        read = caches.prototype_rows(model, example.x)
        if isinstance(read, Prediction):
            continue
        person = example.x.subject
        rows.setdefault(person, []).append(read)
        classes.setdefault(person, []).extend([example.y] * len(read))
    return {person: (np.concatenate(rows[person]), np.array(classes[person])) for person in rows}
