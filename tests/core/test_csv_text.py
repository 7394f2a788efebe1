"""Text in our tables is text in a spreadsheet, and comes back as it was."""

import csv

import pytest

from twomind.annotations import Annotations, Mark, Tier, read_csv, write_csv
from twomind.core.csv_text import cell, row_of, text_of
from twomind.datasets.coders import read_annotation_rows
from twomind.pipeline.jobs import plan
from twomind.reporting.tables import _quoted, write_rows
from twomind.transcripts.words import read_words

FORMULAS = ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(1)", "\t=1", "'=1", "''@x", "--"]
FORMULAS += [" =1", "\u00a0=1", "\ufeff=1", "\u200b@x", "\x00=1", "\x1f+x"]
PLAIN = ["hello", "a=1", "'tis", "", "-2", "+3.5", "-1e-05", "-.5", "-inf", " -2", " a"]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_becomes_a_text_and_comes_back(text):
    assert cell(text) == f"'{text}"
    assert text_of(cell(text)) == text


@pytest.mark.parametrize("value", [*PLAIN, -2.5, -3, None, True])
def test_numbers_and_other_texts_stay(value):
    assert cell(value) is value
    if isinstance(value, str):
        assert text_of(value) == value


def test_a_row_comes_back_whole():
    assert row_of({"a": "'=1", "b": None, "c": "d"}) == {"a": "=1", "b": "", "c": "d"}


def test_the_words_of_a_transcript_are_written_as_text(shared, tmp_path):
    words = read_words(shared / "cases" / "hostile-text" / "formula.srt").words
    rows = [(word.text, -1.5) for word in words]
    with open(write_rows(tmp_path / "w.csv", ("word", "share"), rows), newline="") as file:
        written = list(csv.DictReader(file))
    assert [text_of(row["word"]) for row in written] == [word.text for word in words]
    assert not any(row["word"].startswith(("=", "+", "-", "@")) for row in written)
    assert {row["share"] for row in written} == {"-1.500"}
    assert _quoted("=a,b") == '"\'=a,b"'


def test_annotations_come_back_from_their_table(tmp_path):
    mark = Mark(0.5, 1.0, "=A/H", "-1")
    tiers = (Tier("ah", (mark,), coder="@anna"), Tier("cue", (), "facial", "+bo"))
    one = Annotations("-rec", tiers, "=me")
    path = write_csv([one], tmp_path / "a.csv")
    assert read_csv(path) == (one,)
    assert "\n=" not in path.read_text()
    assert ",=" not in path.read_text()
    assert read_annotation_rows(path)["-rec"][0]["label"] == "=A/H"


def test_a_manifest_may_be_a_table_of_ours(tmp_path):
    rows = [("film.mp4", "=me")]
    path = write_rows(tmp_path / "m.csv", ("path", "subject"), rows)
    assert plan([], manifest=path)[0].subject == "=me"
