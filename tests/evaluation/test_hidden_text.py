"""Texts that leave a laboratory: whatever a name looks like, and however a path is written."""

from __future__ import annotations

import unicodedata

import pytest

from twomind.evaluation.hidden_text import A_FOLDER, AN_ADDRESS, KnownNames, has_path, without_paths

PEOPLE = (
    *("Anna Schmidt", "O'Brien", "Müller, Zoë", "x+12", "P(3)", "#0815", "S01:v2", "a&b", "Łukasz"),
    *("Zoë", "P001", "7", "f", "82711", "n1b6", "a/b 3", r"c\\d"),
)
RECORDINGS = ("7/7_Question_1.mp4", "clips/Anna Schmidt 2.webm", "P001_3")
NAMES = KnownNames(
    frozenset(RECORDINGS), frozenset(PEOPLE), lambda kind, name: f"<{kind} {sum(map(ord, name))}>"
)


@pytest.mark.parametrize("name", PEOPLE)
@pytest.mark.parametrize("form", ["{}", "{} was left out", "refused {}: no clip", "of ({})."])
def test_no_person_is_named(name: str, form: str) -> None:
    code = sum(map(ord, name))
    for spelled in (name, name.upper(), unicodedata.normalize("NFD", name)):
        assert NAMES.hidden(form.format(spelled)) == form.format(f"<person {code}>")


@pytest.mark.parametrize(
    "text",
    ["7_Question_1.mp4: no face", "at 7_question_1", "Anna_Schmidt_2 is short", "read P001_3.mp4"],
)
def test_no_recording_is_named(text: str) -> None:
    hidden = NAMES.hidden(text)
    assert hidden.count("<recording") == 1
    for part in ("Question", "question", "Schmidt", "P001"):
        assert part not in hidden


def test_a_name_inside_a_word_and_a_part_of_one() -> None:
    assert "P001" not in NAMES.hidden("P001Question1")
    assert "82711" not in NAMES.hidden("82711-finetuned")
    assert "Schmidt" not in NAMES.hidden("Schmidt was late")


@pytest.mark.parametrize(
    ("person", "text", "left"),
    [
        ("İpek", "İpek was late", "<> was late"),
        ("Strauß", "STRAUSS was late", "<> was late"),
        ("Νίκος", "ΝΊΚΟΣ and Νίκος", "<> and <>"),
        ("Anna", "Ａｎｎａ", "<>"),
        ("Anna", "An\u00adna", "<>"),
        ("Anna", "An\u200bna", "<>"),
        ("Anna ", "Anna was late", "<> was late"),
        ("Anna", "Ánna", "<>"),
        ("Anna", "anna1", "<>1"),
        ("Anna", "modelAnna", "model<>"),
        ("Anna", "AnnaModel", "<>Model"),
        ("Anna", "Hannah and Joanna", "Hannah and Joanna"),
        ("Μάξ", "ΜΑΞ", "<>"),
        ("李明", "李明的模型", "<>的模型"),
        ("Bo", "Bo.pt", "<>.pt"),
        ("Bo", "bo_state", "<>_state"),
        ("P1", "state-P1.pt", "state-<>.pt"),
        ("Anna Schmidt", "anna_schmidt.pt", "<>.pt"),
        ("Anna Schmidt", "anna-schmidt", "<>"),
        ("Anna Schmidt", "AnnaSchmidt", "<>"),
        ("Anna Schmidt", "of SCHMIDT", "of <>"),
        ("anna.schmidt", "schmidt", "<>"),
        ("0a1b2c3d" * 4, "of " + "0a1b2c3d" * 4, "of <>"),
        ("0a1b2c3d-" * 3 + "0a1b2c3d", "0a1b2c3d" * 4, "<>"),
    ],
)
def test_another_spelling_is_the_same_name(person: str, text: str, left: str) -> None:
    names = KnownNames(frozenset(), frozenset({person}), lambda kind, name: "<>")
    assert names.hidden(text) == left


@pytest.mark.parametrize("ending", [".wmv", ".mpg", ".m4v", ".3gp", ".flac", ".mp4.mp4", ".tar.gz"])
def test_a_recording_is_known_without_any_ending(ending: str) -> None:
    names = KnownNames(frozenset({f"a/Dora_3{ending}"}), frozenset(), lambda kind, name: "<>")
    assert names.hidden("Dora_3: no face") == "<>: no face"


def test_words_of_the_program_name_nobody() -> None:
    """Whoever is called so; and files in the folder of a person may be called anything."""
    people = frozenset({"own", "source", "test", "bah", "video"})
    files = ("P000/mine.mp4", "P000/video.mp4", "P000/rest.mp4", "P000/1.mp4")
    names = KnownNames(frozenset(files), people, lambda kind, name: "<>")
    for text in (
        "own",
        "source-only",
        "bah",
        "video-llava",
        "mine",
        "at rest",
        "fold 1",
        "tta-cap",
    ):
        assert names.hidden(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "no face",
        "0.7 of 77 people",
        "a fold",
        "question only",
        f"sha256:{'82711' * 8}",
        "Zoës",
        "uv",
    ],
)
def test_what_names_nobody_stays(text: str) -> None:
    assert NAMES.hidden(text) == text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("/data/anna/x.onnx", "x.onnx"),
        ("../anna.schmidt/patients-2024/Video-LLaVA", "Video-LLaVA"),
        ("anna.schmidt/resnet", "resnet"),
        ("anna/resnet", "resnet"),
        ("~/anna/x", "x"),
        ("~anna/x", "x"),
        (r"C:\Users\Anna B\m.bin", "m.bin"),
        ("C:/Users/Anna B/m.bin", "m.bin"),
        (r"\\srv01\share\anna", "anna"),
        (r"anna\resnet", "resnet"),
        ("read from:/data/anna/x", "read from:x"),
        ("[/home/anna/x]", "[x]"),
        ("cnn (/m/lab/resnet, float32)", "cnn (resnet, float32)"),
        ("cnn (lab/resnet, float32)", "cnn (resnet, float32)"),
        ("weights from schmidt/patients.", "weights from patients."),
        ("/home/anna", A_FOLDER),
        (r"C:\Users\Anna", A_FOLDER),
        ("~anna", A_FOLDER),
        ("gpu7.clinic.local", AN_ADDRESS),
        ("10.0.0.5", AN_ADDRESS),
        ("[::1]:8000", AN_ADDRESS),
        ("ask anna@clinic.de", f"ask {AN_ADDRESS}"),
        ("of lab/net-7 and A/H", "of net-7 and A/H"),
        ("file:///home/anna/x", AN_ADDRESS),
        ("http://anna:pw@gpu07.clinic.local:8000/v1", AN_ADDRESS),
        ("asked gpu07.clinic.local:8000", f"asked {AN_ADDRESS}"),
        ("localhost:8000", AN_ADDRESS),
        ("10.0.0.3:8000", AN_ADDRESS),
    ],
)
def test_of_a_path_the_last_part_and_of_an_address_nothing(text: str, left: str) -> None:
    assert has_path(text)
    assert without_paths(text) == left
    assert not has_path(left)


@pytest.mark.parametrize(
    "text",
    [
        *("A/H", "fold 1/5", "n/a", "yes and/or no", "twomind.run/1", "4.11.0.86", "td1, strict"),
        *("audio/visual", "frames/s", "1e-3", "C++", "net: td1"),
    ],
)
def test_what_is_no_path_stays(text: str) -> None:
    assert not has_path(text)
    assert without_paths(text) == text
