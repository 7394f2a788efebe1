"""The table of prevalence: what is read, what is refused with a reason, what is remarked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from twomind.core.errors import BadInput
from twomind.evaluation.prevalence import Drawn
from twomind.evaluation.prevalence_report import Asked, choose_next, prevalence_of
from twomind.evaluation.prevalence_table import read_table

GOOD = ("a,P1,1,0.8", "b,P1,,0.4", "c,P2,0,0.2", "d,P3,,0.9", "e,P4,1,0.5")
HEAD = "id,person,human,model"


def written(folder: Path, *rows: str, head: str = HEAD) -> Path:
    path = folder / "t.csv"
    path.write_text("\n".join((head, *rows)) + "\n", encoding="utf-8")
    return path


def test_a_table_is_read(tmp_path: Path) -> None:
    rows = ("x,a,P1,Yes,0.8", "y,b,P1,,", "z,c,P2,absent,0.2", "w,d,P3,,1")
    path = written(tmp_path, *rows, head="\ufeffnote, id,person ,human,model")
    table = read_table(path)
    assert table.answers.id.tolist() == ["a", "b", "c", "d"]
    assert table.answers.human[[0, 2]].tolist() == [1, 0]
    assert np.isnan(table.answers.human[[1, 3]]).all()
    assert table.answers.score.tolist() == pytest.approx([0.8, 2 / 3, 0.2, 1])
    assert table.answers.chance[0] == 0.5
    assert any("1 answers have no score" in remark for remark in table.remarks)


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("f,P5,1,1.2", r"row 6: `model`: expected a score from 0 to 1, got '1.2'"),
        ("f,P5,1,-0.1", "from 0 to 1"),
        ("f,P5,1,nan", "from 0 to 1"),
        ("f,P5,1,high", "from 0 to 1"),
        ("f,P5,maybe,0.5", r"`human`: expected 1 \(A/H present\), 0 .* got 'maybe'"),
        ("f,P5,2,0.5", "`human`"),
        ("f,P5,0.5,0.5", "`human`"),
        ("a,P5,1,0.5", r"row 6: the id 'a' is that of row 1 too"),
        (",P5,1,0.5", "under `id`, got an empty cell"),
        ("f,,1,0.5", "under `person`, got an empty cell"),
        ("f, ,1,0.5", "under `person`, got an empty cell"),
        ("f,P5,1,0.5,0.3", "line 7: more cells than columns"),
    ],
)
def test_a_row_that_cannot_be_used(tmp_path: Path, row: str, told: str) -> None:
    with pytest.raises(BadInput, match=told):
        read_table(written(tmp_path, *GOOD, row))


@pytest.mark.parametrize(
    ("chances", "told"),
    [
        (("0.5", "0.5", "0", "0.5", "0.5"), "above 0 and at most 1, got '0'"),
        (("0.5", "0.5", "1.5", "0.5", "0.5"), "above 0 and at most 1"),
        (("0.5", "0.5", "often", "0.5", "0.5"), "above 0 and at most 1"),
        (("0.5", "0.5", "", "0.5", "0.5"), "row 3: it is coded, and `inclusion_probability` is"),
        (("0.5", "1", "0.5", "0.5", "0.5"), "row 2: .* is 1, and it is not coded"),
    ],
)
def test_a_probability_that_cannot_be(tmp_path: Path, chances: tuple[str, ...], told: str) -> None:
    rows = [f"{row},{chance}" for row, chance in zip(GOOD, chances, strict=True)]
    with pytest.raises(BadInput, match=told):
        read_table(written(tmp_path, *rows, head=f"{HEAD},inclusion_probability"))


def test_other_files(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="absent: person, human, model"):
        read_table(written(tmp_path, "a;b", head="id;person,id"))
    with pytest.raises(BadInput, match="'id' is there twice"):
        read_table(written(tmp_path, "a,b,1,1,1", head="id,person,human,model,id"))
    with pytest.raises(BadInput, match="got none"):
        read_table(written(tmp_path))
    with pytest.raises(BadInput, match="the model's score"):
        read_table(written(tmp_path, "a,P1,1,", "b,P2,0,"))
    with pytest.raises(BadInput, match="no such file"):
        read_table(tmp_path / "absent.csv")
    with pytest.raises(BadInput, match="a folder"):
        read_table(tmp_path)
    (tmp_path / "latin.csv").write_bytes(b"id,person,human,model\na,Ren\xe9,1,0.5\n")
    with pytest.raises(BadInput, match="UTF-8"):
        read_table(tmp_path / "latin.csv")


def test_whether_people_or_answers_were_drawn(tmp_path: Path) -> None:
    people = ("a,P1,1,0.8", "b,P1,0,0.4", "c,P2,,0.2", "d,P2,,0.9", "e,P3,1,0.5", "f,P3,1,0.5")
    table = read_table(written(tmp_path, *people))
    assert table.answers.drawn is Drawn.PEOPLE
    assert table.answers.chance[0] == pytest.approx(2 / 3)
    assert read_table(written(tmp_path, *people), Drawn.ANSWERS).answers.drawn is Drawn.ANSWERS
    assert read_table(written(tmp_path, *GOOD)).answers.drawn is Drawn.ANSWERS


def many(n: int, coded: range) -> list[str]:
    return [
        f"a{k},P{k},{k % 2 if k in coded else ''},0.{k % 9 + 1},q{k * 2 // n}" for k in range(n)
    ]


def test_what_does_not_look_random_is_told(tmp_path: Path) -> None:
    head = f"{HEAD},question"
    remarks = read_table(written(tmp_path, *many(100, range(0, 40)), head=head)).remarks
    assert any("some questions are coded more often" in remark for remark in remarks)
    remarks = read_table(written(tmp_path, *many(100, range(30, 70)), head=head)).remarks
    assert not any("more often" in remark for remark in remarks)
    rows = [f"{row},0.5" for row in many(100, range(0, 5))]
    told = read_table(written(tmp_path, *rows, head=f"{head},inclusion_probability")).remarks
    assert any("50 answers would be coded, and 5 are" in remark for remark in told)


def test_scores_the_wrong_way_round_are_told(tmp_path: Path) -> None:
    rows = [f"a{k},P{k},{k % 2 if k < 60 else ''},{0.9 - 0.8 * (k % 2):.1f}" for k in range(100)]
    found = prevalence_of(read_table(written(tmp_path, *rows)), Asked())
    assert any("run against the codes" in remark for remark in found["remarks"])
    assert found["weight_of_model"] == 0
    assert found["estimate"] == found["classical"]["estimate"]


def test_what_was_drawn_must_be_coded(tmp_path: Path) -> None:
    path = written(tmp_path, *many(60, range(0)), head=f"{HEAD},note")
    out = tmp_path / "next.csv"
    found = choose_next(read_table(path), out, 20, 0)
    assert len(found["next"]) == 20
    with pytest.raises(BadInput, match="20 answers were drawn for coding"):
        prevalence_of(read_table(out), Asked())
    text = out.read_text(encoding="utf-8").splitlines()
    assert text[0] == "id,person,human,model,note,inclusion_probability,code_next"
    filled = [text[0]]
    for number, line in enumerate(text[1:]):
        cells = line.split(",")
        if cells[-1] == "1":
            cells[2] = str(number % 2)
        filled.append(",".join(cells))
    out.write_text("\n".join(filled) + "\n", encoding="utf-8")
    told = prevalence_of(read_table(out), Asked())
    assert told["coded"] == 20
    assert not told["remarks"]
    again = choose_next(read_table(out), tmp_path / "again.csv", 10, 1)
    assert not {one["id"] for one in again["next"]} & {one["id"] for one in found["next"]}
    with pytest.raises(BadInput, match="is there already"):
        choose_next(read_table(path), out, 5, 0)
