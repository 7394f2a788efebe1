"""Words are measured in English alone; another language is declared, or recognised."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from twomind.transcripts.language import (
    is_measured,
    name_of,
    recognised_language,
    spoken_language,
)
from twomind.transcripts.words import Words, read_words, words_of_text

ENGLISH = "I want to stop smoking but I do not know if I can, because it is so hard."
OTHERS = {
    "de": "Ich will aufhören zu rauchen, aber ich weiß nicht, ob ich es kann.",
    "fr": "Je veux arrêter de fumer, mais je ne sais pas si je peux.",
    "es": "No sé, a veces pienso que sí y a veces que no.",
    "it": "Voglio smettere di fumare, ma non so se ci riesco.",
    "pt": "Eu quero parar de fumar, mas não sei se consigo.",
    "nl": "Ik wil stoppen met roken, maar ik weet niet of ik het kan.",
    "sv": "Jag vill sluta röka, men jag vet inte om jag kan.",
    "da": "Jeg vil gerne stoppe med at ryge, men jeg ved ikke om jeg kan.",
    "no": "Jeg vil slutte å røyke, men jeg vet ikke om jeg kan.",
    "fi": "Haluan lopettaa, mutta en tiedä voinko, koska se on niin vaikeaa.",
    "pl": "Chcę rzucić palenie, ale nie wiem, czy mogę to zrobić.",
    "cs": "Chci přestat kouřit, ale nevím, jestli to dokážu, protože je to těžké.",
    "hu": "Le akarok szokni a dohányzásról, de nem tudom, hogy képes vagyok-e rá.",
    "ro": "Vreau să mă las de fumat, dar nu știu dacă pot.",
    "tr": "Sigarayı bırakmak istiyorum ama yapabilir miyim bilmiyorum, çünkü çok zor bir şey.",
    "id": "Saya mau berhenti merokok tetapi saya tidak tahu apakah saya bisa.",
    "vi": "Tôi muốn bỏ thuốc lá nhưng tôi không biết có làm được không.",
    "ru": "Я хочу бросить курить, но не знаю, смогу ли.",
    "uk": "Я хочу кинути палити, але не знаю, чи зможу, це дуже важко і я ще не готовий.",
    "zh": "我想戒烟但是我不知道能不能",
    "ja": "私はタバコをやめたいですが、できるかどうかわかりません。",
    "ko": "담배를 끊고 싶지만 할 수 있을지 모르겠어요",
    "ar": "أريد أن أتوقف عن التدخين ولكن لا أعرف إذا كنت أستطيع",
    "he": "אני רוצה להפסיק לעשן",
    "el": "Θέλω να σταματήσω",
    "hi": "मैं धूम्रपान छोड़ना चाहता हूँ",
}


@pytest.mark.parametrize("code", OTHERS)
def test_another_language_is_recognised(code: str) -> None:
    assert recognised_language(OTHERS[code].split()) == code
    words = words_of_text(OTHERS[code], "text", 9.0)
    assert words.language == code
    assert not is_measured(words.language)
    assert any(name_of(code) in problem for problem in words.problems)


@pytest.mark.parametrize(
    "text",
    [
        ENGLISH,
        "no no no no no no no no no no",
        "um uh um uh um uh um uh um",
        "Hasta la vista, baby.",
        "I said je ne sais pas, and then I went home to my wife.",
        "C'est la vie, as they say, I don't know what to do about it.",
        "I live on Rue de la Montagne, at the corner of Saint Denis.",
        "apple banana pear milk bread cheese eggs",
        "My name is 王小明 and I like tea.",
        "Die hard, die hard, die hard was in the war, so.",
        "Pizza, pasta, gelato, con amore, per favore: that is what I want.",
        "Ja.",
        "",
    ],
)
def test_english_and_what_does_not_tell_stay_measured(text: str) -> None:
    assert recognised_language(text.split()) in (None, "en")
    words = words_of_text(text, "text", 9.0)
    assert words.language is None
    assert not any("recognised" in problem for problem in words.problems)


def test_a_language_that_is_not_known_is_not_english() -> None:
    made_up = [a + b + "ul" for a in "bdfgklmnp" for b in ("wa", "zi", "ko", "ru", "tye")]
    assert recognised_language(made_up) == "mis"
    assert not is_measured("mis")
    assert recognised_language(made_up[:10]) is None


@pytest.mark.parametrize(
    ("declared", "text", "language", "is_remarked"),
    [
        (None, ENGLISH, None, False),
        ("en", ENGLISH, "en", False),
        ("en-US", ENGLISH, "en-US", False),
        ("de", OTHERS["de"], "de", False),
        ("de", ENGLISH, "de", True),
        ("en", OTHERS["de"], "de", True),
        (None, OTHERS["de"], "de", True),
        ("de", "Ja.", "de", False),
        ("english", OTHERS["ja"], "ja", True),
    ],
)
def test_what_was_declared_against_what_was_said(
    declared: str | None, text: str, language: str | None, is_remarked: bool
) -> None:
    found, remark = spoken_language(declared, text.split())
    assert found == language
    assert bool(remark) is is_remarked


def _json(tmp_path: Path, text: str, language: str | None) -> Words:
    path = tmp_path / "a.json"
    data = {"language": language, "segments": [{"start": 0, "end": 9, "text": text}]}
    path.write_text(json.dumps(data), encoding="utf-8")
    return read_words(path, 9.0)


def test_a_wrong_declaration_of_english_is_said(tmp_path: Path) -> None:
    words = _json(tmp_path, OTHERS["de"], "en")
    assert words.language == "de"
    assert any("says its language is en" in problem for problem in words.problems)
    assert len(words.words) == 13, "the words are shown"


def test_marks_say_nothing_about_the_language() -> None:
    text = "[ich weiß nicht was er da sagt] " * 3 + ENGLISH
    assert words_of_text(text, "text", 9.0).language is None


def test_a_made_german_file(shared: Path) -> None:
    words = read_words(shared / "cases" / "german-words" / "de.json", 9.5)
    assert words.language == "de"
    undeclared = words_of_text(" ".join(w.text for w in words.words), "text", 9.5)
    assert undeclared.language == "de"


def test_answers_in_english_are_never_taken_for_another_language(shared: Path) -> None:
    texts = []
    with (shared / "data" / "annomi" / "annomi_full.csv").open(encoding="utf-8") as file:
        texts += [row["utterance_text"] for row in csv.DictReader(file)]
    for path in sorted((shared / "data" / "mibot" / "transcripts").glob("*.json")):
        said = json.loads(path.read_text(encoding="utf-8"))["utterances"]
        texts += [utterance["text"] for utterance in said]
    found = {recognised_language(text.split()) for text in texts}
    assert found == {None, "en"}


def test_of_the_public_answers_of_bah_a_few_are_in_french(shared: Path) -> None:
    found = []
    for name in ("train.txt", "val.txt"):
        lines = (shared / "data" / "bah_v1" / name).read_text(encoding="utf-8").splitlines()
        texts = [line.split(",", 2)[2] for line in lines]
        found += [recognised_language(text.split()) for text in texts]
    assert set(found) == {None, "en", "fr"}
    assert found.count("fr") == 7, "as their readers see; the others are English"
