"""Runs that are made up, bundles of them, and the same bundles with something changed."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from twomind.evaluation import bundle
from twomind.types import Fold, Rows, Run, Task

#: Of a network: digits of somebody's name stand in it.
SUM = f"82711{'0b' * 29}e"


TASK = Task("ambivalence_hesitancy", ("absent", "present"), "clip")


#: One person of each data set's own way of naming.
PEOPLE = ("82711", "071309_w_21", "n1b6", "064-ak064", "P017", "Zoë Müller", "c" * 30, "7")


def made_up(
    people: tuple[str, ...] = PEOPLE, seed: int = 0, model: str = "mine", n: int = 6, lost: int = 3
) -> Run:
    """A run with scores, shortcuts and some rows that were not measured; labels go by the people."""
    rng = np.random.default_rng(seed)
    labels = np.random.default_rng(list(" ".join(people).encode()))
    subject = np.repeat(people, n)
    recording = [f"{who}_Question_{k % 7 + 1}" for k, who in enumerate(subject)]
    y = labels.integers(0, 2, len(subject))
    p = np.clip(0.3 + 0.4 * y + 0.25 * rng.standard_normal(len(y)), 0.01, 0.99)
    probs = np.stack([1 - p, p], axis=1)
    probs[:lost] = np.nan
    asked = labels.random(len(y))
    rows = Rows(
        recording=np.array(recording, dtype=str),
        subject=subject.astype(str),
        question=np.array([name[-1] for name in recording], dtype=str),
        span_s=np.stack([np.zeros(len(y)), np.full(len(y), 9.0)], axis=1),
        y=y,
        probs=probs,
        beside={
            "prevalence": np.full((len(y), 2), 0.5),
            "question_only": np.stack([1 - asked, asked], axis=1),
            "no_adaptation": probs[::-1].copy(),
        },
        reasons={recording[0]: f"/data/{people[0]}/film.mp4: no face"},
    )
    return Run(
        name=f"run of {people[0]}",
        dataset="bah",
        task=TASK,
        fold=Fold(people[0], "official", ("x1", "x2"), tuple(recording)),
        model=model,
        method="source-only",
        rows={"recording": rows},
        config={"state": f"/home/me/{people[0]}/state", "steps": 2, "network": f"sha256:{SUM}"},
        fill="question_only",
        people={who: {"sex": "f", "age": 30} for who in people},
        fingerprint=hashlib.sha256(repr(people).encode()).hexdigest(),
        versions={"twomind": "0.2.0", "machine": "Linux"},
        notes=(f"{people[0]} was left out", "a remark", "read from /data/bah/x.txt"),
    )


def texts_of(path: Path) -> Iterator[bytes]:
    with tarfile.open(path) as tar:
        for member in tar:
            yield member.name.encode()
            yield tar.extractfile(member).read()  # type: ignore[union-attr]
    yield path.read_bytes()


def of_one(person: str, dataset: str = "bah") -> Run:
    """One person's fold, as leaving one out or personalising makes it."""
    run = replace(made_up((person,)), dataset=dataset)
    return replace(run, fold=replace(run.fold, name=person, protocol="leave-one-person-out"))


def rebuilt(path: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """The same tar with other files in it."""
    with tarfile.open(path) as tar:
        files = {m.name: tar.extractfile(m).read() for m in tar}  # type: ignore[union-attr]
    change(files)
    out = path.with_name("changed.tar")
    bundle._write_tar(out, files)
    return out


def flip(name: str) -> Callable[[dict[str, bytes]], None]:
    def change(files: dict[str, bytes]) -> None:
        content = bytearray(files[name])
        content[-9] ^= 1
        files[name] = bytes(content)

    return change


def resealed(files: dict[str, bytes]) -> None:
    """Sums that fit, as anybody can make them."""
    about = json.loads(files["bundle.json"])
    for name in about["files"]:
        about["files"][name] = {"bytes": len(files[name]), "sha256": bundle._sum(files[name])}
    about["content_sha256"] = bundle._content(about)
    files["bundle.json"] = bundle._json(about)


def with_groups(n_female: int, n_male: int) -> Run:
    """People whose sex and age are known, and more that must not leave."""
    names = tuple(f"P{k:03d}" for k in range(n_female + n_male))
    known = {}
    for k, name in enumerate(names):
        sex = "Female" if k < n_female else "Male"
        known[name] = {"Sex": sex, "age": 20 + 3 * k, "ethnicity": "rare", "country": "somewhere"}
    return replace(made_up(names, lost=0), people=known)
