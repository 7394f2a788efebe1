"""Runs read from several folders: the same run found twice counts once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

from twomind.core import registry
from twomind.core.errors import BadInput
from twomind.core.lab_key import default_path, read_key
from twomind.evaluation.bundle import Bundle, is_bundle, read_bundle
from twomind.evaluation.pseudonyms import SCORES, Hider, as_sent
from twomind.evaluation.runs import find_runs, load_run
from twomind.types import Rows, Run
from twomind.types.plain import Foreign

#: What two runs of one thing may differ in: where and when they were made, and what they cost.
_MAY_DIFFER = ("name", "seconds", "peak_mb", "versions", "git", "place")
#: What this laboratory is called beside others.
THIS_LABORATORY = "here"
#: Layouts of one's own recordings, which no other laboratory holds.
_NOT_PUBLIC = {"own", "people"}
PARTS_OF_ONE_SET = (
    "several laboratories hold parts of one public data set: whether some of their people are the same "
    "under other names cannot be told, so the intervals over people may be too narrow"
)
SAME_DATA = (
    "several laboratories hold the same data, as far as their labels tell: their people are the same "
    "under other names, so the number of people counts them once for each laboratory, and each "
    "laboratory's lines stand for themselves"
)
OWN_PARTS = (
    "several laboratories hold recordings of their own: whether some of their people are the same "
    "cannot be told from bundles, and where they are, they count twice"
)
ALL_ALIKE = (
    "several laboratories have as many people with the same labels: where these are the same people, "
    "they count twice, so give one of the bundles"
)
#: So many different values of shortcuts are no design.
_VARIED = 8
#: Shortcuts that are made of labels and questions alone.
_OF_LABELS = ("prevalence", "question_only")
#: Fields that are compared part by part, or said in other words.
_IN_OTHER_WORDS = ("rows", "fold", "fingerprint")


def load_merged(paths: Sequence[Path]) -> list[Run]:
    """The runs in the given folders and below them; two identical runs of one fold are one.

    Args:
        paths: Folders of runs, folders with runs below them, or bundles (``.tar``).

    Returns:
        The runs, in the order of their folders.

    Raises:
        BadInput: a path holds no run, or two folders hold different runs of one method, fold and
            seed; the message names both folders and what differs.
    """
    found: dict[tuple[str, ...], tuple[Path, Run]] = {}
    for folder, run in _every_run(paths):
        other_folder, other = found.setdefault(_key(run), (folder, run))
        differ = "; ".join(differences(other, run))
        if differ:
            what = f"{run.method} on the fold {run.fold.name!r} with seed {run.seed}"
            raise BadInput(
                f"{other_folder} and {folder} are two runs of {what}, and they are not the same: "
                f"{differ}. Give one"
            )
    return apart_by_place([run for _, run in found.values()])


def _every_run(paths: Sequence[Path]) -> Iterator[tuple[Path, Run]]:
    """The runs of folders, and of bundles. Beside a bundle of this laboratory's own, runs of folders
    have its pseudonyms, so that nobody counts twice.
    """
    every = [Path(path) for path in paths]
    bundles = [read_bundle(path) for path in every if is_bundle(path)]
    folders = [path for path in every if not is_bundle(path)]
    own = [(folder, load_run(folder)) for folder in find_runs(folders)]
    hider = _own_hider(bundles, [run for _, run in own]) if own else None
    for folder, run in own:
        yield folder, run if hider is None else hider.hidden(run)
    for bundle in bundles:
        for run in bundle.runs:
            yield bundle.path, run


def _own_hider(bundles: Sequence[Bundle], runs: Sequence[Run]) -> Hider | None:
    """What hides the names of this laboratory's runs, where one of the bundles is its own."""
    if not bundles or not default_path().exists():
        return None
    key = read_key(default_path())
    of_this = [bundle for bundle in bundles if bundle.sealed_by(key)]
    if not of_this:
        return None
    return Hider.of(runs, key, windows=SCORES not in of_this[0].runs[0].windows)


def apart_by_place(runs: Sequence[Run]) -> list[Run]:
    """Runs of several laboratories, told apart.

    Of other data, a fold is named after its laboratory, so that a method's people of all
    laboratories stand together in its line. Where several hold the same data, their people are the
    same under other names, however differently their features were made; so each laboratory's lines
    stand beside the others', and nobody counts twice.

    Nothing in a bundle names the data, since whoever guesses all names could try them. The same are
    those that look alike (:class:`_Look`). Of parts of one public data set that do not, nobody can
    tell; neither of people of two studies who all have the same labels: a note says so.
    """
    if len({run.place for run in runs}) < 2:
        return list(runs)
    runs = [run if run.place else as_sent(run) for run in runs]
    of_board: dict[tuple[str, ...], list[Run]] = {}
    for run in runs:
        of_board.setdefault(_board_of(run), []).append(run)
    apart: dict[int, Run] = {}
    for own in of_board.values():
        for run, named in zip(own, _apart(own), strict=True):
            apart[id(run)] = named
    return [apart[id(run)] for run in runs]


def _apart(runs: Sequence[Run]) -> list[Run]:
    """The runs of one board, told apart."""
    if len({run.place for run in runs}) < 2:
        return list(runs)
    shared = _Shared.of(runs)
    seeds = _seeds(runs)
    found = []
    for run in runs:
        notes = (*run.notes, *shared.notes())
        seed = seeds[run.place, run.seed]
        found.append(replace(shared.called(run), seed=seed, notes=notes))
    return found


@dataclass(frozen=True)
class _Shared:
    """Which laboratories hold the same data: ``holders`` are all of each, by one of them; ``alike``
    is whether some look the same whose data may be others.
    """

    holders: Mapping[str, tuple[str, ...]]
    alike: bool
    is_public: bool

    @classmethod
    def of(cls, runs: Sequence[Run]) -> _Shared:
        places = sorted({run.place for run in runs})
        looks = {place: _Look.of([run for run in runs if run.place == place]) for place in places}
        is_public = _is_public(runs[0])
        holders = {}
        alike = False
        for place in places:
            same = [one for one in places if looks[one].is_same(looks[place], is_public)]
            others = [one for one in places if one not in same]
            alike |= any(looks[one].labels == looks[place].labels for one in others)
            holders[place] = tuple(same)
        return cls(holders, alike, is_public)

    @property
    def _some(self) -> bool:
        """Whether any data are held twice."""
        return any(len(same) > 1 for same in self.holders.values())

    @property
    def _several(self) -> bool:
        """Whether there are data of several kinds."""
        return len(set(self.holders.values())) > 1

    def notes(self) -> list[str]:
        """What to know of a board of these laboratories."""
        found = [SAME_DATA] if self._some else []
        if self._several:
            found.append(PARTS_OF_ONE_SET if self.is_public else OWN_PARTS)
            found += [ALL_ALIKE] if self.alike else []
        return found

    def called(self, run: Run) -> Run:
        """A run with its laboratory in the names of its fold and model, where that tells it apart."""
        if self._several:
            where = "+".join(place or THIS_LABORATORY for place in self.holders[run.place])
            run = replace(run, fold=replace(run.fold, name=f"{where}: {run.fold.name}"))
        if self._some:
            run = replace(run, model=f"{run.model} ({run.place or THIS_LABORATORY})")
        return run


def _seeds(runs: Sequence[Run]) -> dict[tuple[str, int], int]:
    """The seeds of each laboratory as they are; where they differ, counted from 0: a seed of one has
    nothing to do with that of another, and the first of each belong together.
    """
    of_place: dict[str, set[int]] = {}
    for run in runs:
        of_place.setdefault(run.place, set()).add(run.seed)
    same = len({tuple(sorted(seeds)) for seeds in of_place.values()}) == 1
    return {
        (place, seed): seed if same else number
        for place, seeds in of_place.items()
        for number, seed in enumerate(sorted(seeds))
    }


@dataclass(frozen=True)
class _Look:
    """What a laboratory's people look like without their names: by what the same data are known.

    ``labels`` is each person's number of answers of each class, sorted; ``beside`` adds what the
    shortcuts say of them, which hangs on everybody's labels and questions.
    """

    labels: tuple[tuple[int, ...], ...]
    beside: tuple[tuple[float, ...], ...]

    @classmethod
    def of(cls, runs: Sequence[Run]) -> _Look:
        once = {run.fold.name: run for run in reversed(runs)}
        labels: list[tuple[int, ...]] = []
        beside: list[tuple[float, ...]] = []
        for run in once.values():
            rows = run.rows[run.level]
            rows = rows.take(rows.y >= 0)
            for person in np.unique(rows.subject):
                own = rows.take(rows.subject == person)
                labels.append(tuple(np.bincount(own.y, minlength=len(run.task.classes)).tolist()))
                said = [own.beside[name] for name in sorted(own.beside) if name in _OF_LABELS]
                values = [np.sort(probs, axis=0).ravel() for probs in said]
                beside.append(tuple(np.round(np.concatenate([[0.0], *values]), 6).tolist()))
        return cls(tuple(sorted(labels)), tuple(sorted(beside)))

    def is_same(self, other: _Look, is_public: bool) -> bool:
        """Whether two laboratories hold the same data.

        Of a public data set, equal labels are enough. Two studies may have equal ones by chance or by
        their design; what the shortcuts say is the same in both only where it varies.
        """
        if self is other:
            return True
        if is_public or self.labels != other.labels:
            return self.labels == other.labels
        values = {value for own in self.beside for value in own}
        return len(values) >= _VARIED and self.beside == other.beside


def _is_public(run: Run) -> bool:
    public = set(registry.names("datasets")) - _NOT_PUBLIC
    return bool(public & set(run.dataset.split())) and not run.drawn


def _board_of(run: Run) -> tuple[str, ...]:
    return run.dataset, run.fold.protocol, str(run.task)


def _key(run: Run) -> tuple[str, ...]:
    """What a run is of: two with one key stand for the same line, fold and seed of a table."""
    return (
        run.dataset,
        str(run.task),
        run.fold.protocol,
        run.fold.name,
        _text(run.windows),
        run.model,
        run.method,
        _text(run.config),
        run.saw.words(),
        str(run.reset),
        str(run.seed),
        run.place,
    )


def _text(value: Mapping[str, Foreign]) -> str:
    return json.dumps(dict(value), sort_keys=True, default=str)


def differences(a: Run, b: Run) -> list[str]:
    """In what two runs of one thing differ, in words; empty: they are identical.

    Where they were made, when, and what they cost does not count.
    """
    if a is b:
        return []
    found = []
    for level in dict.fromkeys((*a.rows, *b.rows)):
        rows, others = a.rows.get(level), b.rows.get(level)
        if rows is None or others is None:
            found.append(f"only one has rows per {level}")
            continue
        found += [f"per {level}: {what}" for what in _row_differences(rows, others)]
    for f in fields(Run):
        if f.name in _MAY_DIFFER or f.name in _IN_OTHER_WORDS:
            continue
        value, other = getattr(a, f.name), getattr(b, f.name)
        if _plain(value) != _plain(other):
            words = f.name.replace("_", " ")
            found.append(f"other {words}")
    if a.fold != b.fold:
        found.append("the fold holds other recordings, or in another order")
    if a.fingerprint != b.fingerprint:
        found.append("the data, labels or features changed between them")
    return found


def _row_differences(a: Rows, b: Rows) -> list[str]:
    if len(a) != len(b):
        return [f"{len(a)} and {len(b)} rows"]
    found = []
    for name in ("recording", "subject", "question", "span_s"):
        mine, other = getattr(a, name), getattr(b, name)
        if not np.array_equal(mine, other, equal_nan=name == "span_s"):
            return ["other rows, or in another order"]
    n_labels = np.count_nonzero(a.y != b.y)
    if n_labels:
        found.append(f"{n_labels} of {len(a)} labels")
    unmeasured = np.isnan(a.probs) & np.isnan(b.probs)
    differ = (a.probs != b.probs) & ~unmeasured
    n_predictions = np.count_nonzero(differ.any(axis=1))
    if n_predictions:
        distance = np.abs(a.probs - b.probs)
        largest = np.nanmax(distance, initial=0.0)
        found.append(f"{n_predictions} of {len(a)} predictions, by up to {largest:.2g}")
    for name in dict.fromkeys((*a.beside, *b.beside)):
        beside, others = a.beside.get(name), b.beside.get(name)
        if beside is None or others is None:
            found.append(f"only one has {name} beside")
        elif not np.array_equal(beside, others, equal_nan=True):
            found.append(f"{name} beside")
    if dict(a.reasons) != dict(b.reasons):
        found.append("reasons why something was not measured")
    return found


def _plain(value: object) -> Foreign:
    """A value as it is after being kept: what was just made equals what was read back."""
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value
