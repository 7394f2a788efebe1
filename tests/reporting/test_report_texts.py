"""What the report says: one message file, a score beside its question's, the overview's sentence."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest

from reporting.test_report import face_track, made, page_of, scored, spoken, without_words
from twomind.datasets import load_dataset
from twomind.reporting.comparison import compared, in_points, logistic
from twomind.reporting.messages import Texts
from twomind.reporting.overview import banner, grouped, sentence, short_names
from twomind.reporting.report import ReportSettings, shown, write_pages
from twomind.reporting.report_data import halves_of, score_data, time_data
from twomind.reporting.stills import stills_of
from twomind.types import Cue

MESSAGES = tomllib.loads((files("twomind.reporting") / "messages.toml").read_text("utf-8"))
ALL = [(section, key) for section, texts in MESSAGES.items() for key in texts]
PAGE_FILES = files("twomind.reporting") / "web" / "report"


# --- one message file


def test_every_text_stands_in_both_languages_with_the_same_places() -> None:
    for section, key in ALL:
        text = MESSAGES[section][key]
        assert set(text) == {"en", "fr"}, (section, key)
        places = [sorted(re.findall(r"{(\w+)}", text[language])) for language in ("en", "fr")]
        assert places[0] == places[1], (section, key)


def test_every_text_that_the_page_asks_for_is_there_and_none_is_left_over() -> None:
    template = (PAGE_FILES / "page.html").read_text("utf-8")
    asked = re.findall(r"\bt\('(\w+)\.(\w+)'", template)
    for section, key in asked:
        assert key in MESSAGES[section], (section, key)
    scripts = "".join(f.read_text("utf-8") for f in PAGE_FILES.iterdir() if f.name.endswith(".js"))
    said = set(re.findall(r'"(\w+)"', scripts))
    unused = set(MESSAGES["js"]) - said
    assert unused <= {"measurable"}, unused


def test_the_script_holds_no_sentence_of_its_own() -> None:
    for file in PAGE_FILES.iterdir():
        if not file.name.endswith(".js"):
            continue
        code = re.sub(r"//.*", "", file.read_text("utf-8"))
        texts = re.findall(r'"([^"\n]*)"', code)
        spoken_ = [text for text in texts if re.search(r"[a-z]{3,} [a-z]{3,} [a-z]{3,}", text)]
        assert spoken_ == [], file.name


# --- a score beside its question's


def test_the_headline_is_a_comparison(tmp_path: Path) -> None:
    card = page_of(tmp_path, made()).seen("headline")
    assert card == (
        "0.77; this question alone 0.79: what was said and how long it is lower it by 2 points"
    )
    same = scored(spoken())
    parts = [replace(e, value=0.0) if e.name in ("length", "content") else e for e in same.evidence]
    alone = logistic(0.2 + 1.1)
    even = replace(same, probs=same.probs * 0 + [1 - alone, alone], evidence=tuple(parts))
    card = page_of(tmp_path, made(prediction=even)).seen("headline")
    assert card == "0.79; this question alone 0.79: what was said adds nothing"


def test_a_score_that_is_no_sum_of_its_parts_is_compared_with_nothing(tmp_path: Path) -> None:
    whole = scored(spoken())
    parts = tuple(e for e in whole.evidence if e.name != "content")
    assert compared(score_data(replace(whole, evidence=parts)), True) is None
    page = page_of(tmp_path, made(prediction=replace(whole, evidence=parts)))
    assert "was not measured" in page.seen("headline")
    assert not [a for t, a in page.elements if t == "line" and a.get("class") == "alone"]


def test_points_add_up_to_the_score() -> None:
    points = in_points(0.2, [1.1, -0.4, 0.3])
    assert round(100 * logistic(0.2)) + sum(points) == round(100 * logistic(1.2))


def test_points_are_shown_and_log_odds_wait_in_a_tooltip(tmp_path: Path) -> None:
    page = page_of(tmp_path, made())
    assert "+24 points" in page.seen("effect")
    assert "log-odds" not in page.seen("effect")
    titles = [a["title"] for t, a in page.elements if t == "td" and a.get("class") == "effect"]
    assert titles == ["+1.10 log-odds", "−0.40 log-odds", "+0.30 log-odds"]


def test_an_adapted_answer_shows_two_dots_and_an_arrow_and_names_the_method(tmp_path: Path) -> None:
    before = scored(spoken())
    after = replace(before, probs=before.probs * 0 + [0.1, 0.9])
    adaptation = {"method": "t3a", "said": "adapted by t3a", "saw": "nothing"}
    result = made(prediction=after, unadapted=before, adaptation=adaptation)
    page = page_of(tmp_path, result)
    assert page.seen("changed") == (
        "This model was adapted to this person by “moving the middle of each class to the surest "
        "moments so far” (t3a): it saw nothing but this answer. Without it the score is 0.77, with "
        "it 0.90."
    )
    dots = {a["class"]: a["cx"] for t, a in page.elements if t == "circle"}
    assert dots == {"before": "77.0%", "point": "90.0%"}
    (arrow,) = [a for t, a in page.elements if t == "line" and a.get("class") == "arrow"]
    assert (arrow["x1"], arrow["x2"]) == ("77.0%", "90.0%")
    assert "Written by the model" not in page.text
    assert page.seen("mark") == "without adaptation"
    assert page.seen("headline") == (
        "0.90; without adaptation 0.77: adaptation raises it by 13 points"
    )
    assert shown(result).row["score"]["before"] == 0.77, "the overview has both dots as well"


# --- cues, units, numbers that agree


def test_an_inconsistency_has_both_halves() -> None:
    cue = Cue(
        "face_against_words",
        "across",
        1.0,
        2.4,
        detail="smile (1.0-2.4 s) against negative “hate it” (1.2-1.6 s)",
    )
    assert halves_of(cue) == [
        {"what": "smile", "start_s": 1.0, "end_s": 2.4},
        {"what": "negative “hate it”", "start_s": 1.2, "end_s": 1.6},
    ]
    assert halves_of(Cue("smile", "face", 1, 2, detail="a against b")) == []


def test_units_are_words_and_seconds_have_a_tenth() -> None:
    times = time_data(made(cues=(Cue("long_pause", "voice", 1.0, 2.449, 1.449, "s"),)))
    assert times["cues"][0]["value"] == 1.4
    assert {c["unit_text"] for c in times["curves"]} >= {"eye distances", "degrees", "hertz"}


# --- the overview


def rows(*results: object) -> list[dict]:
    return [dict(shown(result).row) for result in results]  # type: ignore[arg-type]


def test_the_overview_says_one_sentence() -> None:
    t = Texts()
    assert sentence(rows(made(), made(id="b")), t) == (
        "In 2 of 2 answers a coder would likely mark ambivalence or hesitancy; in 2 of these the "
        "question alone says so."
    )
    assert "1 of 2 answers have no score" in sentence(rows(made(), without_words()), t)
    assert sentence(rows(without_words()), t) == "No answer has a score."


def test_where_nothing_was_scored_one_banner_has_the_way_out() -> None:
    found = banner(rows(replace(without_words(), cues=())), Texts())
    assert found is not None
    assert "no transcript was given" in found.why
    assert "--speech-model" in found.way_out
    assert banner(rows(made()), Texts()) is None


def test_names_lose_what_all_begin_with_and_stay_different() -> None:
    long = [f"anna_visit_2_Question_{n}" for n in (1, 2)]
    assert short_names(long) == ["Question 1", "Question 2"]
    assert short_names(["anna_visit_2_Question", "anna_visit_2_Question"])[0].startswith("anna")
    assert short_names(["a", "b"]) == ["a", "b"]


def test_answers_are_grouped_by_person_where_people_have_several() -> None:
    found = grouped(rows(made(id="a"), made(id="b")))
    assert [(row["first"], row["of_person"]) for row in found] == [(True, 2), (False, 2)]


# --- stills and size


@pytest.mark.slow
def test_a_still_is_of_those_who_may_be_shown(tmp_path: Path) -> None:
    root = load_dataset("bah").fake(tmp_path / "bah")
    for person, expected in (("90021", True), ("90022", False)):
        media = sorted(root.glob(f"data/Videos/{person}/*/*.mp4"))[0]
        page = shown(made(media))
        assert bool(page.row["still"]) == expected
        # What was agreed to later counts, not what lies in the folder.
        kept = replace(page, row={**page.row, "still": "data:image/jpeg;base64,AA"})
        source = write_pages([kept, kept], tmp_path / "r.html").read_text("utf-8")
        assert ("data:image" in source) == expected


def test_a_file_without_a_picture_has_no_still(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"this is no video")
    assert stills_of(tmp_path / "a.mp4") == {"printed": "", "small": ""}


def test_a_recording_is_embedded_in_its_own_page_alone(tmp_path: Path) -> None:
    media = tmp_path / "a.mp4"
    media.write_bytes(b"x" * 90_000)
    settings = ReportSettings(embed="all")
    own = shown(made(media), settings)
    write_pages([own], tmp_path / "a" / "report.html", settings=settings)
    write_pages([replace(own, own_page="a/report.html")], tmp_path / "r.html", settings=settings)
    sources = [p.read_text("utf-8") for p in (tmp_path / "a" / "report.html", tmp_path / "r.html")]
    assert ['id="media-1"' in source for source in sources] == [True, False]
    assert 'href="a/report.html"' in sources[1]
    assert 'src="./a.mp4"' in sources[1]


def test_a_large_recording_is_linked_and_the_limit_stated(tmp_path: Path) -> None:
    media = tmp_path / "a.mp4"
    media.write_bytes(b"x" * 90_000)
    page = page_of(tmp_path, made(media), embed_mb=0.05)
    assert "at most 0.05 MB, --set report.embed_mb" in page.text


def test_what_is_not_measured_has_no_headline_and_no_tick(tmp_path: Path) -> None:
    page = page_of(tmp_path, without_words())
    assert page.seen("headline") == ""
    assert not page.count("notlocated")
    assert shown(without_words()).row["alone"] is None


@pytest.mark.parametrize("language", ["en", "fr"])
def test_every_kind_of_cue_and_curve_has_a_name(language: str) -> None:
    from twomind.features.cues import KINDS

    t = Texts(language)  # type: ignore[arg-type]
    assert set(KINDS) == set(MESSAGES["kind"])
    for name in face_track().names:
        assert t.name("curve", name)
