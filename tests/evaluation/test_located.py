"""Does a model know *when*: on frames made here, where the truth is known, and on the
public files.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from twomind.core.errors import BadInput
from twomind.datasets.bah_splits import Answer
from twomind.evaluation import located as lo
from twomind.models.words.recogniser import WordsRecogniser

N_FRAMES = 300


def marked(
    subject: str, first: int, last: int, n_frames: int = N_FRAMES, question: str = "1"
) -> lo.Marked:
    """One answer whose frames ``first`` to ``last`` are marked."""
    answer = Answer(f"{subject}_{question}", subject, question, 1, "one two three four five six")
    return lo._marked(answer, [(0, n_frames - 1, 0), (first, last, 1)])


def people(n: int = 12) -> list[lo.Marked]:
    """Marked in the later half of the answer, at a place that differs by person."""
    return [marked(f"p{i}", 160 + 5 * i, 220 + 5 * i) for i in range(n)]


def oracle(one: lo.Marked) -> np.ndarray:
    return one.present + 0.0


def constant(one: lo.Marked) -> np.ndarray:
    return np.ones(len(one.present))


def test_an_oracle_is_perfect_and_beats_the_position() -> None:
    found = lo.locate(people(), oracle, later=True, n_bootstrap=200)
    assert found["auc_inside_answers"]["words"]["value"] == 1.0
    position = found["auc_inside_answers"]["position"]["value"]
    assert 0.5 < position < 1
    assert found["gain_over_position"]["value"] == pytest.approx(1 - position)
    assert found["locates"] is True
    assert (found["n_answers"], found["n_people"]) == (12, 12)


def test_a_constant_score_is_chance_and_does_not_locate() -> None:
    found = lo.locate(people(), constant, later=True, n_bootstrap=200)
    assert found["auc_inside_answers"]["words"] == {"value": 0.5, "ci": [0.5, 0.5]}
    assert found["locates"] is False


def test_better_than_the_position_but_not_than_chance_does_not_locate() -> None:
    """Against the wrong end of the answer, a constant score gains; it still knows nothing."""
    found = lo.locate(people(), constant, later=False, n_bootstrap=200)
    assert found["gain_over_position"]["ci"][0] > 0
    assert found["locates"] is False


def test_the_position_row_by_hand_in_both_directions() -> None:
    # Looked at: frames 0, 6, … 54; marked: 30 and 36, i.e. above five of eight unmarked ones each.
    one = [marked("p", 30, 36, n_frames=55)]
    assert list(one[0].frames[one[0].present == 1]) == [30, 36]
    later = lo.locate(one, constant, later=True, n_bootstrap=20)["auc_inside_answers"]["position"][
        "value"
    ]
    earlier = lo.locate(one, constant, later=False, n_bootstrap=20)["auc_inside_answers"][
        "position"
    ]["value"]
    assert later == pytest.approx(5 / 8)
    assert earlier == pytest.approx(3 / 8)
    assert lo.later_is_marked(one)
    assert not lo.later_is_marked([marked("p", 0, 12, n_frames=55)])


def test_pairs_are_inside_one_answer_only() -> None:
    """A score that knows only which answer has more marked frames is at chance."""
    data = [marked("a", 0, 250), marked("b", 0, 20), marked("c", 280, 299), marked("d", 40, 299)]
    found = lo.locate(
        data, lambda m: np.full(len(m.present), m.present.mean()), later=True, n_bootstrap=50
    )
    assert found["auc_inside_answers"]["words"]["value"] == 0.5


def test_intervals_resample_people_not_answers() -> None:
    """Ten answers of one person who is scored right, ten of one scored wrong: two people, so
    anything from 0 to 1.
    """
    data = [marked(p, 100, 200, question=str(q)) for p in ("right", "wrong") for q in range(10)]

    def score(one: lo.Marked) -> np.ndarray:
        return oracle(one) * (1 if one.answer.subject == "right" else -1)

    found = lo.locate(data, score, later=True, n_bootstrap=400)
    assert found["auc_inside_answers"]["words"] == {"value": 0.5, "ci": [0.0, 1.0]}
    position = found["auc_inside_answers"]["position"]["value"]
    assert found["gain_over_position"]["ci"] == pytest.approx([-position, 1 - position])


def test_frames_that_nobody_coded_are_left_out() -> None:
    one = lo._marked(Answer("x", "p", "1", 1, "a"), [(0, 5, 0), (30, 40, 1)])
    assert list(one.frames) == [0, 30, 36]
    assert list(one.present) == [0, 1, 1]
    assert one.position[-1] == pytest.approx(36 / 41)


def write_split(folder: Path, split: str, at: float, n_people: int = 6) -> None:
    """Split and segment file: words of contrast and desire stand where the segment is, ``at`` (0 to
    1).
    """
    lines, rows = [], ["video,segment_id,label,num_frames,start_frame,end_frame"]
    for person in range(n_people):
        path = f"Videos/{split}{person}/Visite_1/{split}{person}_Question_4_2024-01-01_10-00-00_Video.mp4"
        n, first = 60, int(at * 60)
        words = [f"thing{i}" for i in range(n)]
        words[first : first + 6] = ["but", "however", "want", "although", "wish", "though"]
        lines.append(f"{path},1,{' '.join(words)}")
        for start, end, label in (
            (0, first * 10 - 1, 0),
            (first * 10, first * 10 + 59, 1),
            (first * 10 + 60, 599, 0),
        ):
            rows.append(f"{path},0,{label},{end - start + 1},{start},{end}")
    (folder / f"{split}.txt").write_text("\n".join(lines), encoding="utf-8")
    (folder / f"segments_{split}.csv").write_text("\n".join(rows), encoding="utf-8")


def without_card(**located: object) -> WordsRecogniser:
    shipped = WordsRecogniser.load()
    card = {k: v for k, v in shipped.card.items() if k != "located"}
    return replace(shipped, card={**card, **({"located": located} if located else {})})


def test_words_that_stand_where_the_segment_is_are_found(tmp_path: Path) -> None:
    write_split(tmp_path, "val", at=0.3)
    found = lo.score_located(without_card(), tmp_path, "val", n_bootstrap=50)
    assert found["auc_inside_answers"]["words"]["value"] == pytest.approx(1.0, abs=1e-3)
    assert found["locates"] is True
    # Nobody learnt a direction, so the position row gets the better one, and that is said.
    assert found["position"] == {"later_is_marked": False, "learnt_on": "val itself"}
    assert found["auc_inside_answers"]["position"]["value"] > 0.5


def test_the_direction_of_the_position_row_is_the_one_of_the_training_people(
    tmp_path: Path,
) -> None:
    write_split(tmp_path, "train", at=0.7)
    write_split(tmp_path, "val", at=0.2)
    model = without_card()
    people_of_train = {f"train{i}": model.known.model for i in range(6)}
    card = lo.located_card(
        model, lo.Segments(tmp_path, ["train"], "val"), people_of_train, n_bootstrap=50
    )
    assert card is not None
    assert card["position"] == {"later_is_marked": True, "learnt_on": "train"}
    assert card["train"]["auc_inside_answers"]["position"]["value"] > 0.5
    assert card["held_out"]["auc_inside_answers"]["position"]["value"] < 0.5
    assert card["locates"] is card["held_out"]["locates"] is True
    # A model that carries this card uses the direction again.
    again = lo.score_located(without_card(**card), tmp_path, "val", n_bootstrap=50)
    assert again["position"] == card["position"]


def test_the_training_row_uses_models_that_never_saw_the_person(tmp_path: Path) -> None:
    """The word score of a person comes from that person's own model: turned round for all, it finds
    the opposite.
    """
    write_split(tmp_path, "train", at=0.7)
    model = without_card()
    against = replace(
        model.known.model,
        content={c: (-w, rate) for c, (w, rate) in model.known.model.content.items()},
    )
    segments = lo.Segments(tmp_path, ["train"], None)
    people = {f"train{i}": against for i in range(5)}
    card = lo.located_card(model, segments, people, n_bootstrap=50)
    assert card is not None
    assert card["train"]["auc_inside_answers"]["words"]["value"] == pytest.approx(0.0, abs=1e-3)
    assert card["train"]["n_people"] == 5
    # Training people alone never allow to draw segments.
    assert card["locates"] is False
    assert "held_out" not in card


def test_without_segments_there_is_no_claim(tmp_path: Path) -> None:
    write_split(tmp_path, "train", at=0.7)
    (tmp_path / "segments_train.csv").unlink()
    model = without_card()
    assert (
        lo.located_card(model, lo.Segments(tmp_path, ["train"], None), {}, n_bootstrap=10) is None
    )
    locates, reason = model.locates
    assert not locates
    assert "never compared" in reason
    with pytest.raises(BadInput, match="no segment file"):
        lo.score_located(model, tmp_path, "train")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("end_frame", "to"), "missing: end_frame"),
        (("180,239", "180,x"), "line 3: expected whole numbers"),
        (("180,239", "180,20"), "line 3: expected 0 <= start_frame"),
        ((",0,1,60,", ",0,0,60,"), "both marked and unmarked"),
    ],
)
def test_bad_segment_files_are_refused(
    tmp_path: Path, change: tuple[str, str], message: str
) -> None:
    write_split(tmp_path, "val", at=0.3)
    path = tmp_path / "segments_val.csv"
    path.write_text(path.read_text(encoding="utf-8").replace(*change), encoding="utf-8")
    with pytest.raises(BadInput, match=message):
        lo.read_marked(tmp_path, "val")


def test_the_reason_is_plain_and_has_both_groups_of_people() -> None:
    locates, reason = WordsRecogniser.load().locates
    card = WordsRecogniser.load().card["located"]
    assert locates is card["locates"] is False
    assert "do not tell when" in reason
    for group in ("held_out", "train"):
        assert str(card[group]["n_people"]) in reason
        assert f"{card[group]['auc_inside_answers']['position']['value']:.0%}"[:-1] + " %" in reason
    assert reason.count(". ") <= 1
    held_out = {**card["held_out"], "locates": True}
    assert (
        "the words tell when"
        in without_card(**{**card, "locates": True, "held_out": held_out}).locates[1]
    )


@pytest.mark.parametrize("split", ["train", "val"])
def test_on_the_public_files_words_do_not_know_when(shared: Path, split: str) -> None:
    found = lo.score_located(
        WordsRecogniser.load(), shared / "data" / "bah_v1", split, n_bootstrap=200
    )
    assert 0.47 < found["auc_inside_answers"]["words"]["value"] < 0.53
    assert found["locates"] is False
    assert found["position"] == {"later_is_marked": True, "learnt_on": "train"}
    if split == "train":
        assert found["auc_inside_answers"]["position"]["ci"][0] > 0.5
        assert found["gain_over_position"]["ci"][1] < 0
