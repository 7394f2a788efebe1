"""Texts that were made to break a reader: a short refusal, soon."""

import json
import time

import pytest

from twomind.annotations import from_bah, read_csv, read_eaf, read_vtt
from twomind.core.errors import BadInput, quoted, shortened
from twomind.core.yaml_files import load_yaml
from twomind.transcripts.words import read_words

REFUSED = [
    "hostile-text/badbool.yaml",
    "hostile-text/bigintint.json",
    "hostile-text/chain_min.eaf",
    "hostile-text/deep_min.json",
    "hostile-text/hugehour.srt",
    "hostile-text/hugetime.eaf",
    "hostile-text/putback.json",
    "hostile-text/regex.srt",
    "hostile-text/surrogate.json",
    "hostile-text/tuplekey.yaml",
    "yaml_bomb/bomb.yaml",
]


@pytest.mark.parametrize("name", REFUSED)
def test_a_hostile_file_is_refused_in_a_few_words(shared, name):
    path = shared / "cases" / name
    read = read_eaf if path.suffix == ".eaf" else read_words
    start_s = time.process_time()
    with pytest.raises(BadInput) as caught:
        read(path)
    assert time.process_time() - start_s < 2.0
    assert len(str(caught.value)) < 1000


def _refusal(read, path):
    """What a reader says against a file; nothing where it reads it."""
    try:
        read(path)
    except BadInput as error:
        return str(error)
    return ""


TEXTS = {
    "tags.vtt": "WEBVTT\n\n00:01.000 --> 00:02.000\n" + "<b " * 30_000,
    "opened.vtt": "WEBVTT\n\n00:01.000 --> 00:02.000\n" + "<" * 100_000,
    "certain.vtt": "WEBVTT\n\n00:01.000 --> 00:02.000\n" + "<c.certainty>" * 10_000,
    "brackets.txt": "(a" * 50_000,
    "cues.srt": "1\n00:00:01,000 --> 00:00:02,000\n" + "{\\" * 50_000,
    "commas.txt": "I do " + "," * 100_000 + "x not " + ".-" * 50_000 + "y",
    "wide.json": json.dumps({"x" * 100_000: 1}),
    "list.json": json.dumps({"chunks": [{"text": "a", "timestamp": ["x"] * 50_000}]}),
    "itself.yaml": "a: &a [*a]\ntext: hi\n",
    "tag.yaml": "text: !" + "x" * 100_000 + " y\n",
    "number.yaml": "text: 0x" + "f" * 10_000 + "\n",
    "deep.yaml": "[" * 5_000,
}


@pytest.mark.parametrize("name", TEXTS)
def test_no_text_takes_long_or_ends_in_a_defect(tmp_path, name):
    path = tmp_path / name
    path.write_text(TEXTS[name])
    readers = [read_words, read_vtt] if path.suffix == ".vtt" else [read_words]
    for read in readers:
        start_s = time.process_time()
        assert len(_refusal(read, path)) < 1000
        assert time.process_time() - start_s < 2.0


def test_the_words_that_a_list_lacks_are_put_back_below_the_limit(tmp_path):
    timed = [{"word": word, "start": 0.1, "end": 0.2} for word in ["the", "a"] * 150]
    segment = {"text": "the a " * 300, "start": 0.0, "end": 300.0, "words": timed}
    path = tmp_path / "w.json"
    path.write_text(json.dumps({"segments": [segment]}))
    start_s = time.process_time()
    assert len(read_words(path).words) == 600
    assert time.process_time() - start_s < 2.0


def test_aliases_that_repeat_a_value_are_read():
    assert load_yaml("a: &a [1, 2]\nb: *a\nc: 'two * three'") == {
        "a": [1, 2],
        "b": [1, 2],
        "c": "two * three",
    }
    assert load_yaml("") is None


def test_tables_of_annotations_are_refused_in_a_few_words(tmp_path):
    table = tmp_path / "a.csv"
    table.write_text("recording,tier,start_s,end_s\nr,ah," + "9" * 90_000 + "x,1\n")
    with pytest.raises(BadInput, match="row 2") as caught:
        read_csv(table)
    assert len(str(caught.value)) < 1000
    film = tmp_path / "a.vtt"
    film.write_text("WEBVTT\n\nNOTE twomind\nrecording=r; duration_s=long\n")
    with pytest.raises(BadInput, match="long"):
        read_vtt(film)


@pytest.mark.parametrize("span", [" " * 20_000 + "1", "x" * 20_000, [10**400, 1]])
def test_times_of_bah_are_refused_in_a_few_words(span):
    entry = {"global_ah": 1, "time_detailed_ah": [span]}
    start_s = time.process_time()
    with pytest.raises(BadInput) as caught:
        from_bah(entry, "r")
    assert time.process_time() - start_s < 2.0
    assert len(str(caught.value)) < 1000


def test_what_is_quoted_is_cut():
    assert quoted("a" * 500) == "'" + "a" * 76 + "..."
    assert quoted([1, "x"]) == "[1, 'x']"
    assert quoted(16**10_000) == "a value of type int that is too long to show"
    assert shortened("b" * 500) == "b" * 500
    assert shortened("b" * 501) == "b" * 497 + "..."
