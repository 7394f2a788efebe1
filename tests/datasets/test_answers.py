"""Labelled answers as text: split files, a table, a labelled folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from twomind.core.errors import BadInput
from twomind.datasets.answers import divided, read_answers
from twomind.datasets.own import fake


def _folder(root: Path, rows: str, column: str = "") -> Path:
    head = "path,subject,question,label,transcript"
    (root / "recordings.csv").write_text(f"{head}{column}\n{rows}", encoding="utf-8")
    return root


def test_a_labelled_folder_gives_the_words_of_each_answer(tmp_path: Path) -> None:
    folder = fake(tmp_path)
    read = read_answers(folder, ["train"])
    assert not divided(folder)
    assert read.problems == ()
    assert len(read.answers) == 16
    first = {one.id: one for one in read.answers}["ada answer 0"]
    assert (first.subject, first.question, first.label) == ("ada", "0", 0)
    assert first.transcript == "hello from ada"


def test_who_was_not_coded_is_left_out_and_who_has_no_words_is_told(tmp_path: Path) -> None:
    rows = "a.mp4,ana,1,,so it goes\nb.mp4,ana,2,1,\nc.mp4,ben,1,0,so it went\n"
    read = read_answers(_folder(tmp_path, rows), [])
    assert [one.id for one in read.answers] == ["c"]
    assert read.problems == ("b: no transcript was given",)


def test_the_column_split_says_who_is_meant(tmp_path: Path) -> None:
    rows = "a.mp4,ana,1,1,so it goes,train\nb.mp4,ben,1,0,so it went,test\n"
    folder = _folder(tmp_path, rows, ",split")
    assert divided(folder)
    assert [one.subject for one in read_answers(folder, ["test"]).answers] == ["ben"]
    with pytest.raises(BadInput, match="no split val; there is: test, train"):
        read_answers(folder, ["val"])


def test_a_folder_without_an_answer_says_why(tmp_path: Path) -> None:
    with pytest.raises(
        BadInput, match="no recording with a label and a transcript; a: no transcript was"
    ):
        read_answers(_folder(tmp_path, "a.mp4,ana,1,1,\n"), [])
