"""Words → categories: matching, repeats, restarts, times; and the readers of labelled
transcripts.
"""

from __future__ import annotations

import numpy as np
import pytest

from twomind.core.errors import BadInput
from twomind.datasets.bah_splits import parse_line, read_split, read_splits, read_table
from twomind.features.words.lexicon import lexicon
from twomind.features.words.text import count, describe_words, find
from twomind.types import Word


def words(text: str) -> tuple[Word, ...]:
    return tuple(Word(t, float(i), i + 0.5) for i, t in enumerate(text.split()))


def found(text: str, category: str) -> list[str]:
    return [hit.text for hit in find(text.split()) if hit.category == category]


@pytest.mark.parametrize(
    ("text", "category", "expected"),
    [
        ("Um, so, UH I go", "filler", ["um", "uh"]),
        ("the umbrella is her own", "filler", []),
        ("I want to, but I don’t know", "uncertainty", ["i don't know"]),
        ("I want to, but I don't know", "contrast", ["but"]),
        ("It is “kind of” nice, maybe.", "hedge", ["kind of", "maybe"]),
        ("I’m kind—of there", "hedge", ["kind of"]),
        ("I should. I have to!", "obligation", ["should", "have to"]),
        ("That isn't what I couldn't do", "negation", ["isn't", "couldn't"]),
        ("a knot in the north", "negation", []),
        ("I would like to stop and cut down", "change_talk", ["i would like to", "cut down"]),
        ("She will go", "change_talk", []),
        ("I can't stop because it is a habit", "sustain_talk", ["i can't stop", "habit"]),
        ("I um want uh to go", "change_talk", ["i want to"]),
    ],
)
def test_categories(text: str, category: str, expected: list[str]) -> None:
    assert found(text, category) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I I go", ["i"]),
        ("I, um, I go", ["i"]),
        ("and then and then we go", ["and then"]),
        ("very very good, no, no", []),
        ("I like it. It is good", []),
        ("the dog the cat", []),
        ("we go go go", ["go", "go"]),
    ],
)
def test_repeats_are_second_copies_inside_a_sentence(text: str, expected: list[str]) -> None:
    assert found(text, "repeat") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I w- I went", ["w"]),
        ("I'm I'd like it", ["i'm i'd"]),
        ("I would I think so", ["i would i"]),
        ("I think I should go", []),
        ("well-being is good", []),
        ("Here I am. I sing", []),
    ],
)
def test_restarts(text: str, expected: list[str]) -> None:
    assert found(text, "restart") == expected


def test_a_repeated_phrase_is_counted_once_and_fillers_do_not_change_the_counts() -> None:
    plain = ["I", "want", "to", "stop", "but", "it", "is", "hard"]
    verbatim = [
        "Um",
        "I",
        "want",
        "to",
        "I",
        "want",
        "to",
        "stop,",
        "uh,",
        "but",
        "it",
        "it",
        "is",
        "hard",
    ]
    a, b = count(plain), count(verbatim)
    assert a.n_words == b.n_words == 8
    skip = [lexicon().names.index(n) for n in ("filler", "repeat")]
    assert np.array_equal(np.delete(a.counts, skip), np.delete(b.counts, skip))
    assert b.counts[skip].tolist() == [2, 2]


def test_the_table_has_one_row_per_word_and_one_column_per_category() -> None:
    said = words("um I would like to go")
    track = describe_words(said)
    assert track.names == lexicon().names
    assert track.column("filler").tolist() == [1, 0, 0, 0, 0, 0]
    assert track.column("desire").tolist() == [0, 0, 1, 1, 0, 0]
    assert describe_words(()).values.shape == (0, len(lexicon().names))


def test_every_category_says_what_it_means_and_can_occur() -> None:
    for category in lexicon().categories:
        assert category.meaning
        assert category.computed or category.phrases
        for phrase in category.phrases:
            example = " ".join(phrase).replace("*", "")
            hits = {hit.category for hit in find(example.split())}
            assert category.name in hits or "repeat" in hits, (category.name, phrase)


LINE = "Videos/12/Visite_1/12_Question_3_2024-01-01_10-00-00_Video.mp4,1,well, I like it, but no"


def test_a_line_is_cut_at_its_first_two_commas_only() -> None:
    answer = parse_line(LINE)
    assert (answer.subject, answer.question, answer.label) == ("12", "3", 1)
    assert answer.transcript == "well, I like it, but no"


def test_blanks_and_underscores_name_the_same_recording() -> None:
    blank = LINE.replace("Visite_1", "Visite 1").replace("01_10", "01 10")
    assert parse_line(blank).id == parse_line(LINE).id


def test_bad_lines_are_reported_with_their_number_and_the_rest_is_read(tmp_path) -> None:
    other = LINE.replace("12_Q", "13_Q").replace("/12/", "/13/").split(",")[0]
    text = [LINE, "no commas here", "", f"{other},2,x", f"{other},0,", "Videos/x.mp4,1,x", LINE]
    path = tmp_path / "test.txt"
    path.write_text("\r\n".join(text), encoding="utf-8")
    split = read_split(path)
    assert [a.transcript for a in split.answers] == ["well, I like it, but no", ""]
    assert [p.split(":")[0] for p in split.problems] == ["line 2", "line 4", "line 6", "line 7"]
    with pytest.raises(BadInput, match="line 2"):
        read_split(path, strict=True)


def test_what_cannot_be_read_is_bad_input(tmp_path) -> None:
    with pytest.raises(BadInput, match="no folder"):
        read_splits(tmp_path / "absent", ["test"])
    with pytest.raises(BadInput, match="no split test"):
        read_splits(tmp_path, ["test"])
    (tmp_path / "test.txt").write_text("\n", encoding="utf-8")
    with pytest.raises(BadInput, match="empty"):
        read_splits(tmp_path, ["test"])
    (tmp_path / "test.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadInput, match="UTF-8"):
        read_splits(tmp_path, ["test"])


def test_own_table(tmp_path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(
        'subject,question,label,transcript\na,Why?,1,"yes, but"\nb,,0,no\n,,1,x\nc,,maybe,x\n',
        "utf-8",
    )
    split = read_table(path)
    assert [(a.subject, a.question, a.label) for a in split.answers] == [
        ("a", "Why?", 1),
        ("b", None, 0),
    ]
    assert len(split.problems) == 2
    path.write_text("subject,label\na,1\n", "utf-8")
    with pytest.raises(BadInput, match="question, transcript"):
        read_table(path)


def test_the_public_files_are_read_whole(shared) -> None:
    folder = shared / "data" / "bah_v1"
    train, val = (read_split(folder / f"{n}.txt", strict=True).answers for n in ("train", "val"))
    assert (len(train), len({a.subject for a in train})) == (616, 143)
    assert (len(val), len({a.subject for a in val})) == (110, 25)
    per_question = [sum(a.question == str(q) for a in train) for q in range(1, 8)]
    assert per_question == [140, 79, 76, 76, 84, 83, 78]
    assert not {a.id for a in train} & {a.id for a in val}
