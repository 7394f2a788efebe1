"""A number of a question that does not exist is an error; a text is a prompt of one's own."""

import pytest

import twomind as tm
from twomind.core.errors import BadInput
from twomind.models.questions import BAH_QUESTIONS, refuse_unknown, resolve
from twomind.pipeline.run import prepare
from twomind.pipeline.settings import PREDICT


@pytest.mark.parametrize(
    "question", ["17", "Q8", "question 0", 9, "99999999999999999999", "-1", "1.5", "17.", "(8)"]
)
def test_a_number_that_does_not_exist_is_refused_with_those_that_do(question):
    with pytest.raises(BadInput, match=r"there is no question .* 1 \(neutral\), .* 7 \(hesitant\)"):
        refuse_unknown(question, tuple(BAH_QUESTIONS))


@pytest.mark.parametrize(
    "question", [None, "", "7", "Q7:", 7, 7.0, "7.0", "Why 17?", "Name 2 pets"]
)
def test_numbers_that_exist_and_texts_are_allowed(question):
    refuse_unknown(question)


def test_a_model_may_have_other_numbers():
    refuse_unknown("17", ("16", "17"))
    refuse_unknown("Q7", ("16", "17"))
    assert resolve("-1", tuple(BAH_QUESTIONS)) is None
    assert resolve("7.0", tuple(BAH_QUESTIONS)) == resolve("Q7", ("7",)) == "7"
    assert resolve("q7", ("q7", "own")) == "q7"
    with pytest.raises(BadInput, match="16, 17"):
        refuse_unknown("18", ("16", "17"))


def test_a_run_refuses_it_before_a_file_is_read(tmp_path):
    film = tmp_path / "a.mp4"
    film.write_bytes(b"no film")
    options = {"media": (film,), "out": tmp_path / "out", "question": "17"}
    with pytest.raises(BadInput, match="a: there is no question '17'"):
        prepare(PREDICT.read(options=options))
    manifest = tmp_path / "m.csv"
    manifest.write_text("path,question\na.mp4,What would you change?\na.mp4,8\n")
    with pytest.raises(BadInput, match="there is no question '8'"):
        prepare(PREDICT.read(options={"manifest": manifest, "out": tmp_path / "out"}))
    assert not (tmp_path / "out").exists()
    prepare(PREDICT.read(options={**options, "question": "Why 17?"}))


def test_python_refuses_it():
    nothing = tm.Features("r", "p", {}, (0.0, 5.0), question="17", notes={"words": "none given"})
    with pytest.raises(BadInput, match="there is no question '17'"):
        tm.predict(nothing, allow_synthetic=True)
