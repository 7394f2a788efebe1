"""A run without names: what of it may leave a laboratory.

What goes along is listed here, field by field; nothing else does. People, recordings and folds have
pseudonyms under the laboratory's key and stand in their order, which is a random one. Without
``windows`` even the order of a person's rows is gone: their scores are sorted, each line for itself,
so that no row can be followed from one line to another.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from twomind.core.lab_key import LabKey
from twomind.evaluation.hidden_text import KnownNames, has_path, without_paths
from twomind.evaluation.runs import NOT_TOLD
from twomind.types import Fold, Rows, Run
from twomind.types.plain import Array, Foreign, Plain

#: Key of ``Run.windows``: how much of its rows a run still has.
SCORES = "scores"
PER_PERSON = "per person, in no order"
LEFT_OUT = "a remark that named somebody or a file was left out"
#: Names of folds that protocols give, which say nothing of anybody; every other may be a person's.
_FOLD = re.compile(r"official|train-val|question \d+")
#: Whole numbers with fewer digits are never taken for somebody's name.
_NUMBER = 1000
_PARTS = ("train", "val", "neutral", "target", "few")


@dataclass(frozen=True)
class Hider:
    """Takes names out of runs of one laboratory.

    ``known`` are names that must not stand in any text. ``alike`` are lines that would be one
    without what is left out: the model of each has a mark.
    """

    key: LabKey
    windows: bool
    known: KnownNames
    alike: frozenset[str] = frozenset()

    @classmethod
    def of(cls, runs: Sequence[Run], key: LabKey, windows: bool = False) -> Hider:
        """A hider that knows every name in some runs.

        Args:
            runs: all that go into one bundle.
            key: of the laboratory.
            windows: keep single rows, with their times and questions.
        """
        recordings: set[str] = set()
        people: set[str] = set()
        for run in runs:
            of_run = _names_in(run)
            recordings |= of_run[0]
            people |= of_run[1]
        names = KnownNames(frozenset(recordings), frozenset(people), key.name)
        plain = cls(key, windows, names)
        return replace(plain, alike=plain._alike(runs))

    def _alike(self, runs: Sequence[Run]) -> frozenset[str]:
        """Lines that would be one without what is left out of their names and settings."""
        found: dict[str, set[str]] = {}
        for run in runs:
            left = (self.text(run.model), self.text(run.method), self.plain(run.config))
            found.setdefault(_json(left), set()).add(_line_of(run))
        return frozenset(line for lines in found.values() if len(lines) > 1 for line in lines)

    def hidden(self, run: Run) -> Run:
        """The run without names."""
        levels = self._levels(run)
        fold = self._fold(run.fold, levels)
        kept = self._texts(run)
        where = f"{kept['dataset']}-{fold.protocol}-{fold.name}"
        kept["name"] = f"{where}-{kept['model']}-{kept['method']}-seed{run.seed}"
        kept["windows"] = dict(run.windows)
        if not self.windows:
            kept["windows"][SCORES] = PER_PERSON
        people: set[str] = set()
        for rows in levels.values():
            people.update(np.unique(rows.subject).tolist())
        kept["not_shown"] = tuple(sorted(people))
        kept["place"] = self.key.laboratory
        return Run(task=run.task, fold=fold, rows=levels, saw=run.saw, **kept)

    def _levels(self, run: Run) -> dict[str, Rows]:
        """The rows that go along: all, or those of the task's own level."""
        levels = {}
        for level, rows in run.rows.items():
            if self.windows:
                levels[level] = self._single_rows(rows, is_shared_out(run.fold))
            elif level == run.level:
                levels[level] = self._sorted_scores(rows, run.fill)
        return levels

    def _texts(self, run: Run) -> Plain:
        """Everything else that goes along, without names."""
        kept: Plain = {}
        for name in ("dataset", "model", "method"):
            kept[name] = self.text(getattr(run, name))
        if _line_of(run) in self.alike:
            kept["model"] += f" [{self.key.name('line', _line_of(run))[:8]}]"
        for name in ("config", "seen", "git"):
            kept[name] = self.plain(getattr(run, name))
        versions = dict(run.versions)
        if "machine" in versions:
            # Behind the system's name may stand whose kernel it is.
            versions["machine"] = versions["machine"].partition("-")[0]
        kept["versions"] = self.plain(versions)
        for name in ("reset", "seed", "fill", "drawn"):
            kept[name] = getattr(run, name)
        # A sum over names and labels, which somebody who guesses them all could make too.
        kept["fingerprint"] = self.key.name("fingerprint", run.fingerprint)
        kept["seconds"] = self.plain(run.seconds)
        kept["peak_mb"] = self.value(run.peak_mb)
        kept["notes"] = self._notes(run.notes)
        return kept

    # --- rows

    def _single_rows(self, rows: Rows, hide_questions: bool) -> Rows:
        """Every row, people and recordings under pseudonyms and in their order."""
        question = [self._question(str(one)) for one in rows.question]
        if hide_questions:
            question = _not_told(rows)
        named = replace(
            rows,
            subject=self._each("person", rows.subject),
            recording=self._each("recording", rows.recording),
            question=np.array(question, dtype=str),
            reasons={},
        )
        order = np.lexsort((named.span_s[:, 0], named.recording, named.subject))
        return named.take(order)

    def _question(self, text: str) -> str:
        """A question, which may say something of somebody; its number says nothing."""
        return text if re.fullmatch(r"\d{1,3}", text) else self.text(text)

    def _sorted_scores(self, rows: Rows, fill: str) -> Rows:
        """Each person's labels and scores, sorted; every line beside them for itself."""
        rows = rows.take(rows.y >= 0)
        people = self._each("person", rows.subject)
        order = np.lexsort((rows.y, people))
        subject = people[order]
        rows = rows.take(order)
        other_person = subject[1:] != subject[:-1]
        other_label = rows.y[1:] != rows.y[:-1]
        is_edge = other_person | other_label
        edges = np.flatnonzero(is_edge) + 1
        pieces = np.split(np.arange(len(rows)), edges)
        beside = {}
        for name, probs in rows.beside.items():
            beside[name] = _sorted_in(probs, pieces)
        is_measured = np.isfinite(rows.probs).all(axis=1)
        if fill in beside and not is_measured.all():
            # What stands in for a score depends on the row, which is gone.
            beside[fill] = _beside_the_missing(rows.probs, rows.beside[fill], pieces)
        question = _not_told(rows)
        no_clock = np.full((len(rows), 2), np.nan)
        own = _sorted_in(rows.probs, pieces)
        asked = np.array(question, dtype=str)
        return Rows(subject, subject, asked, no_clock, rows.y, own, beside)

    def _each(self, kind: str, names: Array) -> Array:
        known, index = np.unique(names, return_inverse=True)
        pseudonyms = [self.key.name(kind, str(name)) for name in known]
        every = np.array(pseudonyms, dtype=str)
        return np.asarray(every[index])

    # --- folds and texts

    def _fold(self, fold: Fold, levels: Mapping[str, Rows]) -> Fold:
        """The fold with as much as its rows still tell; whom it was trained on is one name."""
        tested: set[str] = set()
        for rows in levels.values():
            tested.update(np.unique(rows.recording).tolist())
        source = self.key.name("source", repr((fold.train, fold.val)))
        name = fold.name
        if not _FOLD.fullmatch(name) or self.text(name) != name:
            name = self.key.name("fold", name)
        return Fold(
            name=name,
            protocol=fold.protocol,
            train=(source,),
            test=tuple(sorted(tested)) or (source,),  # of a fold that nobody coded
            same_people=fold.same_people,
        )

    def _notes(self, notes: Sequence[str]) -> tuple[str, ...]:
        kept: dict[str, None] = {}
        for note in notes:
            safe = note == self.text(note) and not has_path(note)
            kept[note if safe else LEFT_OUT] = None
        return tuple(kept)

    def text(self, text: str) -> str:
        """A text with pseudonyms for names, of a path its last part alone, and without addresses."""
        # Names first: one may hold a slash.
        return without_paths(self.known.hidden(text))

    def plain(self, values: Mapping[str, Foreign]) -> dict[str, Foreign]:
        """Plain values with the same done to every text."""
        found: dict[str, Foreign] = {}
        for name, value in values.items():
            told = self.text(str(name))
            if told in found:
                told = f"{told} [{self.key.name('text', str(name))[:8]}]"
            found[told] = self.value(value)
        return found

    def value(self, value: Foreign) -> Foreign:
        """A plain value, whatever its kind, with the names in it hidden."""
        if isinstance(value, Mapping):
            return self.plain(value)
        if isinstance(value, list | tuple):
            return [self.value(one) for one in value]
        if isinstance(value, float):
            # So many digits only, since people have numbers for names.
            return float(f"{value:.4g}")
        if isinstance(value, int) and abs(value) >= _NUMBER and self.known.is_name(str(value)):
            return self.text(str(value))
        return self.text(value) if isinstance(value, str) else value


def is_shared_out(fold: Fold) -> bool:
    """Whether only some of a person's recordings are tested, by a draw that goes by their name: which
    ones these are tells somebody who has a list of names.
    """
    return bool(fold.target or fold.few) and not fold.transductive


def _not_told(rows: Rows) -> list[str]:
    return [f"{NOT_TOLD} {label}" for label in rows.y]


def _line_of(run: Run) -> str:
    """What tells its line from others."""
    return _json((run.model, run.method, dict(run.config)))


def _json(value: Foreign) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def as_sent(run: Run) -> Run:
    """A run of this laboratory, called as it would be in a bundle: beside those of others it stands
    in the line of the same model and settings.
    """
    no_names = KnownNames(frozenset(), frozenset(), lambda kind, name: name)
    hider = Hider(LabKey(b"", Path()), True, no_names)
    return replace(
        run,
        dataset=hider.text(run.dataset),
        model=hider.text(run.model),
        method=hider.text(run.method),
        config=hider.plain(run.config),
    )


def _names_in(run: Run) -> tuple[set[str], set[str]]:
    """Names of recordings and of people."""
    recordings = set(run.fold.test)
    people = {str(name) for name in run.people} | set(run.not_shown)
    for part in _PARTS:
        recordings |= set(getattr(run.fold, part))
    for rows in run.rows.values():
        people |= {str(name) for name in np.unique(rows.subject)}
        recordings |= {str(name) for name in np.unique(rows.recording)}
    return recordings - {""}, people - {""}


def _sorted_in(probs: Array, pieces: Sequence[Array]) -> Array:
    """Rows sorted within each piece; nan comes last."""
    found = np.empty_like(probs)
    for piece in pieces:
        found[piece] = _sorted(probs[piece])
    return found


def _sorted(rows: Array) -> Array:
    order = np.lexsort(rows.T)
    return np.asarray(rows[order])


def _beside_the_missing(probs: Array, stand_in: Array, pieces: Sequence[Array]) -> Array:
    """The stand-in sorted so that the values of unmeasured rows lie beside those rows, which come
    last.
    """
    found = np.empty_like(stand_in)
    for piece in pieces:
        is_measured = np.isfinite(probs[piece]).all(axis=1)
        own = stand_in[piece]
        with_score = _sorted(own[is_measured])
        without = _sorted(own[~is_measured])
        found[piece] = np.concatenate([with_score, without])
    return found


__all__ = ["PER_PERSON", "SCORES", "Hider", "as_sent", "is_shared_out"]
