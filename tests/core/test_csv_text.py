"""Text in our tables is text in a spreadsheet, and comes back as it was; of people's tables nothing
is dropped without a word.
"""

import csv

import pytest

from twomind.annotations import Annotations, Mark, Tier, read_csv, write_csv
from twomind.core.csv_text import Reader, cell, row_of, table, text_of
from twomind.core.errors import BadInput
from twomind.datasets.bah_splits import read_table
from twomind.datasets.coders import read_annotation_rows
from twomind.datasets.people import read_people_table
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


# --- what people wrote


def rows_of(path):
    with table(path) as file:
        return list(Reader(file, path))


@pytest.mark.parametrize(
    "text",
    ["a,b\n1,2\n", "a,b\n1,2,,\n", "a,b,,\n1,2,\n", " a , b\n1,2, \n\n", "\ufeffa,b\r\n1,2\r\n"],
)
def test_empty_cells_behind_the_last_column_are_none(text, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(text, encoding="utf-8", newline="")
    assert rows_of(path) == [{"a": "1", "b": "2"}]


def test_a_short_line_has_empty_cells(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(",a,b\n0,1\n")
    assert rows_of(path) == [{"": "0", "a": "1", "b": ""}]


WRONG = {
    "a decimal comma": (
        "a,b\n1,2\n1,0,137\n",
        r"line 3: more cells .* at most 2, got 3.*\(0\.5, not",
    ),
    "one under no name": ("a,b,\n1,0,137\n", "line 2: more cells than columns"),
    "one far behind": ("a,b\n1,0,,,note\n", "line 2: more cells than columns: .*got 5"),
    "a column twice": ("a,b,a\n1,2,3\n", "the column 'a' is there twice"),
    "semicolons": ("a;b\n1;0,5\n", "expected commas between the columns, got semicolons"),
    "tabs": ("a\tb\n1\t2\n", "expected commas between the columns, got tabs"),
    "UTF-16 without its mark": ("a\0,\0b\0\n\0", "expected a CSV file in UTF-8, got UTF-16"),
}


@pytest.mark.parametrize("what", WRONG)
def test_nothing_is_dropped_without_a_word(what, tmp_path):
    text, told = WRONG[what]
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(BadInput, match=told) as caught:
        rows_of(path)
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_called_so(encoding, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,2\n", encoding=encoding)
    with pytest.raises(BadInput, match=r"got UTF-16\. In a spreadsheet, save it as 'CSV UTF-8'"):
        rows_of(path)


def test_a_table_with_tabs_says_where_commas_stand(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_text("a,b\n1,2\n")
    with table(path) as file, pytest.raises(BadInput, match=r"expected tabs .* got commas"):
        Reader(file, path, "\t")


READERS = {
    "answers": ("subject,question,label,transcript\nP1,1,0,well, yes\n", read_table),
    "people": ("subject,age,sex\nP1,20,5,f\n", read_people_table),
    "marks": ("recording,tier,start_s,end_s\nP1,ah,0,5,1\n", read_annotation_rows),
    "annotations": ("recording,tier,start_s,end_s\nP1,ah,0,5,1\n", read_csv),
    "a manifest": ("path,subject\na, b.mp4,P1\n", lambda path: plan([], manifest=path)),
}


@pytest.mark.parametrize("kind", READERS)
def test_a_comma_too_many_is_refused_in_every_table(kind, tmp_path):
    text, read = READERS[kind]
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(BadInput, match="line 2: more cells than columns"):
        read(path)
