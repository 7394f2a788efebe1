"""Fillers and back-channels by root, and words that a tokeniser cut in two."""

from __future__ import annotations

import pytest

from twomind.transcripts.fillers import is_backchannel, is_filler
from twomind.transcripts.words import words_of_text

FILLERS = (
    "um uh uhh uhhh umm ummmm Um, uhm uhmmm er err erm ermm urm eh ah hm hmm hmmmm mm mmm huh euh "
    "UM. [um] (uh) um... -um- “um” [*] %HESITATION &-um"
)
BACK_CHANNELS = "mhm mm-hm mm-hmm mmhm uh-huh uhhuh Mm-hmm. [mhm] aha mm-mm"
WORDS = "I oh the her ham hum mum 'em errand umbrella uhlan me aim am um1 uh-oh ahead ähm well"


@pytest.mark.parametrize("token", FILLERS.split())
def test_a_filler_by_its_root(token: str) -> None:
    assert is_filler(token)
    assert not is_backchannel(token)


@pytest.mark.parametrize("token", BACK_CHANNELS.split())
def test_a_back_channel_is_no_filler(token: str) -> None:
    assert is_backchannel(token)
    assert not is_filler(token)


@pytest.mark.parametrize("token", WORDS.split())
def test_words_are_no_fillers(token: str) -> None:
    assert not is_filler(token)
    assert not is_backchannel(token)


@pytest.mark.parametrize(
    ("token", "language", "is_one"),
    [
        ("ähm", "de", True),
        ("äh", "de-AT", True),
        ("ähm", None, False),
        ("er", "de", False),
        ("er", "en-GB", True),
        ("um", "de", False),
        ("um", "pt", False),
        ("euh", "fr", True),
        ("hmm", "xx", True),
        ("um", "xx", False),
    ],
)
def test_roots_belong_to_a_language(token: str, language: str | None, is_one: bool) -> None:
    assert is_filler(token, language) is is_one


@pytest.mark.parametrize(
    ("text", "usual"),
    [
        ("I do n't know", "I don't know"),
        ("I ca n't , wo n't", "I can't, won't"),
        ("It is n’t", "It isn’t"),
        ("I 'm gon na go", "I'm gonna go"),
        ("You wan na ? I got ta .", "You wanna? I gotta."),
        ("lem me see , gim me it", "lemme see, gimme it"),
        ("it 's he 'd we 'll they 've you 're", "it's he'd we'll they've you're"),
        ("don 't can 't", "don't can't"),
        ("don ' t I ' m it ' s", "don't I'm it's"),
        ("'t is so", "'tis so"),
    ],
)
def test_what_a_tokeniser_cut_is_one_word(text: str, usual: str) -> None:
    cut = words_of_text(text, "text", 5.0)
    assert cut.words == words_of_text(usual, "text", 5.0).words


@pytest.mark.parametrize(
    "text",
    [
        "the dogs ' s bowl",
        "he said so. 's okay",
        "gon home na",
        "I got it, ta",
        "wan and na",
        "y'know what",
        "can not",
        "she said 'm' then",
    ],
)
def test_other_words_stay_apart(text: str) -> None:
    said = [word.text for word in words_of_text(text, "text", 5.0).words]
    assert said == text.replace(" ' ", "' ").split()
