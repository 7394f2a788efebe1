"""Figures of transcribed speech: words, fillers and times against what is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from twomind.core.errors import BadInput
from twomind.evaluation.edits import compared
from twomind.evaluation.grids import read_grid
from twomind.evaluation.transcribed import Item, figures, judge, read_manifest
from twomind.features.describe import Description
from twomind.features.voice.unworded import FILLED_PAUSE, WITHOUT_WORDS
from twomind.types import Cue, Features, Recording, Word

LONG = """File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 2
tiers? <exists>
size = 2
item []:
    item [1]:
        class = "IntervalTier"
        name = "words"
        xmin = 0
        xmax = 2
        intervals: size = 2
        intervals [1]:
            xmin = 0
            xmax = 1.5
            text = "he said ""no"" 3 times"
        intervals [2]:
            xmin = 1.5
            xmax = 2
            text = ""
    item [2]:
        class = "TextTier"
        name = "clicks"
        xmin = 0
        xmax = 2
        points: size = 1
        points [1]:
            number = 0.5
            mark = "x"
"""
SHORT = """File type = "ooTextFile"
Object class = "TextGrid"

0
3
<exists>
1
"IntervalTier"
"words"
0
3
3
0
1
"um"
1
2
"go"
2
3
""
"""


def folder_with(tmp_path: Path, **files: str) -> Path:
    for name, text in files.items():
        (tmp_path / name.replace("__", ".")).write_text(text, encoding="utf-8")
    return tmp_path


def item(folder: Path, transcript: str = "", times: str = "", n_fillers: int | None = None) -> Item:
    written = None
    if transcript:
        written = folder / "said.txt"
        written.write_text(transcript)
    grid = None
    if times:
        grid = folder / "said.TextGrid"
        grid.write_text(times)
    return Item(folder / "a.wav", written, grid, n_fillers, "")


def found(words: list[Word], cues: list[Cue] | None = None) -> Description:
    recording = Recording("a", "a", Path("a.wav"), duration_s=60.0, words=tuple(words))
    features = Features("a", "a", {}, (0.0, 60.0))
    return Description(recording, features, tuple(cues or ()), "", {}, {}, {}, "")


def said(text: str, at_s: float = 0.0) -> list[Word]:
    return [Word(one, at_s + k, at_s + k + 0.9) for k, one in enumerate(text.split())]


@pytest.mark.parametrize(
    ("a", "b", "substituted", "deleted", "inserted"),
    [
        ("a b c", "a b c", 0, 0, 0),
        ("a b c", "a x c", 1, 0, 0),
        ("a b c", "a c", 0, 1, 0),
        ("a c", "a b c", 0, 0, 1),
        ("", "a b", 0, 0, 2),
        ("a b", "", 0, 2, 0),
        ("a b c d", "b c d e", 0, 1, 1),
    ],
)
def test_edits(a: str, b: str, substituted: int, deleted: int, inserted: int) -> None:
    edits = compared(a.split(), b.split())
    assert (edits.n_substituted, edits.n_deleted, edits.n_inserted) == (
        substituted,
        deleted,
        inserted,
    )
    for k, n in edits.same:
        assert a.split()[k] == b.split()[n]


def test_grids_long_and_short(tmp_path: Path) -> None:
    folder_with(tmp_path, a__TextGrid=LONG, b__TextGrid=SHORT, c__TextGrid="no grid")
    ((first, _),) = read_grid(tmp_path / "a.TextGrid").values()
    assert (first.start_s, first.end_s, first.text) == (0.0, 1.5, 'he said "no" 3 times')
    assert [one.text for one in read_grid(tmp_path / "b.TextGrid")["words"]] == ["um", "go", ""]
    with pytest.raises(BadInput, match="TextGrid of Praat"):
        read_grid(tmp_path / "c.TextGrid")
    (tmp_path / "d.TextGrid").write_text(SHORT[:90])
    with pytest.raises(BadInput, match="TextGrid of Praat"):
        read_grid(tmp_path / "d.TextGrid")


def test_words_are_compared_as_they_are_said(tmp_path: Path) -> None:
    one = judge(
        item(tmp_path, "alright mister smith uh is fifty percent ill disposed"),
        found(said("All right, Mr. Smith Um, is 50% ill-disposed.")),
    )
    assert one.edits is not None
    assert one.edits.n_wrong == 0
    assert (one.words_met, one.words_said) == (9, 9)
    assert one.fillers is not None
    assert (one.fillers.found, one.fillers.right, one.fillers.said) == (1, 1, 1)


def test_a_filler_that_is_heard_counts_once_at_its_place(tmp_path: Path) -> None:
    known = item(tmp_path, "i um go uh home")
    words = said("i um go home")
    cues = [
        Cue(FILLED_PAUSE, "voice", 1.1, 1.5),
        Cue(FILLED_PAUSE, "voice", 2.92, 2.98),
        Cue(WITHOUT_WORDS, "voice", 10.0, 12.0, 2.0, "s"),
    ]
    one = judge(known, found(words, cues))
    assert one.fillers is not None
    assert (one.fillers.found, one.fillers.right, one.fillers.said) == (2, 2, 2)
    assert one.erased_s == 2.0


def test_fillers_with_known_times_must_be_there(tmp_path: Path) -> None:
    grid = SHORT.replace('"words"', '"fillers"').replace('"go"', '""')
    known = item(tmp_path, "um go", grid)
    early = judge(known, found([Word("um", 0.5, 0.9), Word("go", 1.0, 2.0)]))
    late = judge(known, found([Word("go", 1.0, 2.0), Word("um", 2.5, 2.9)]))
    assert early.fillers is not None
    assert late.fillers is not None
    assert (early.fillers.right, late.fillers.right) == (1, 0)
    assert late.fillers.found == 1


def test_times_of_words_are_compared_with_the_grid(tmp_path: Path) -> None:
    one = judge(
        item(tmp_path, "um go", SHORT), found([Word("Um,", 0.02, 1.0), Word("go", 1.06, 2)])
    )
    assert sorted(round(ms) for ms in one.boundary_ms) == [0, 0, 20, 60]
    table = figures([one])
    assert table["boundary_ms"]["value"] == pytest.approx(10.0)
    assert table["boundary_within_50"]["k"] == 3


def test_a_filler_where_none_was_said_counts_against_precision(tmp_path: Path) -> None:
    one = judge(item(tmp_path, n_fillers=0), found(said("uh")))
    table = figures([one])
    assert table["filler_precision"]["value"] == 0.0
    assert table["filler_recall"]["value"] is None
    assert table["wer"]["value"] is None


def test_figures_and_their_intervals(tmp_path: Path) -> None:
    one = judge(item(tmp_path, "i want to go"), found(said("i went to go now")))
    table = figures([one] * 2)
    assert table["wer"] == {"value": 0.5, "interval": None, "n": 2}
    assert table["word_recall"]["value"] == 0.75
    assert table["insertions_per_min"]["value"] == pytest.approx(1.0)
    five = figures([one] * 5)
    assert five["wer"]["interval"] == [0.5, 0.5]
    assert five["word_recall"]["interval"][0] < 0.75 < five["word_recall"]["interval"][1]
    without = figures([replace(one, boundary_ms=())])
    assert without["boundary_ms"]["value"] is None


def test_the_manifest_is_checked(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="columns file, transcript"):
        read_manifest(tmp_path)
    head = "file,transcript,times,n_fillers,note\n"
    for rows, why in (
        ("file,transcript\n", "'times'"),
        (head + "a.wav,,,,\n", "no file .*a.wav"),
        (head + ",,,,\n", "a file in every row"),
    ):
        folder_with(tmp_path, manifest__csv=rows)
        with pytest.raises(BadInput, match=why):
            read_manifest(tmp_path)
    folder_with(tmp_path, a__wav="", manifest__csv=head + "a.wav,,,many,\n")
    with pytest.raises(BadInput, match="whole number"):
        read_manifest(tmp_path)
    folder_with(tmp_path, manifest__csv=head + 'a.wav,,,0,"laughs, loudly"\n')
    (row,) = read_manifest(tmp_path)
    assert (row.n_fillers, row.note, row.transcript) == (0, "laughs, loudly", None)
