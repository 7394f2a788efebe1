"""How English words are pronounced, as phones of the aligner: its own dictionary, and letters to
sounds for words that are not in it (g2p-en's network, run here without its package's downloads).
"""

from __future__ import annotations

import functools
import importlib.util
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

#: Letters and phones that the network knows, in its order.
_LETTERS = ("<pad>", "<unk>", "</s>", *"abcdefghijklmnopqrstuvwxyz")
_PHONE_NAMES = (
    "<pad> <unk> <s> </s> AA0 AA1 AA2 AE0 AE1 AE2 AH0 AH1 AH2 AO0 AO1 AO2 AW0 AW1 AW2 AY0 AY1 AY2 "
    "B CH D DH EH0 EH1 EH2 ER0 ER1 ER2 EY0 EY1 EY2 F G HH IH0 IH1 IH2 IY0 IY1 IY2 JH K L M N NG "
    "OW0 OW1 OW2 OY0 OY1 OY2 P R S SH T TH UH0 UH1 UH2 UW UW0 UW1 UW2 V W Y Z ZH"
)
_PHONES = tuple(_PHONE_NAMES.split())
_START, _END = _PHONES.index("<s>"), _PHONES.index("</s>")
_MAX_PHONES = 20
#: Most ways of saying one word.
_MAX_WAYS = 6
_SPOKEN = {
    "&": "and",
    "%": "percent",
    "@": "at",
    "+": "plus",
    "=": "equals",
    "#": "number",
    "$": "dollars",
    "£": "pounds",
    "€": "euros",
}
_ABBREVIATIONS = {
    "mr": "mister",
    "mrs": "missus",
    "dr": "doctor",
    "st": "saint",
    "vs": "versus",
    "yknow": "you know",
    "y'know": "you know",
}
#: A transcriber's note, which is not said.
_NOTE = re.compile(r"[\[(].*[\])]\W*|[♪♫]+")
_UNDER_20 = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
)
_ONES = _UNDER_20.split()
_TENS_NAMES = "twenty thirty forty fifty sixty seventy eighty ninety"
_TENS = _TENS_NAMES.split()
_DRAWN_OUT = re.compile(r"([^\W\d])\1{2,}")
_PIECE = re.compile(r"[a-z']+|\d+|[&%@+=#$£€]")
#: Gives the phones of a word that is in the dictionary; None for others.
LookUp = Callable[[str], str | None]


def spoken_parts(token: str) -> tuple[str, ...]:
    """What is said for a written word, in small letters: ``50%`` is fifty percent.

    A held letter is written twice at most (``ummmm`` is ``umm``), a hyphen parts words.
    """
    small = token.lower().replace("’", "'")
    if _NOTE.fullmatch(small):
        return ()
    short = _ABBREVIATIONS.get(small.strip('.,?!;:"-'))
    if short is not None:
        return tuple(short.split())
    parts: list[str] = []
    for piece in _PIECE.findall(_DRAWN_OUT.sub(r"\1\1", small)):
        if piece.isdigit():
            parts.extend(_number(piece))
        elif piece in _SPOKEN:
            parts.append(_SPOKEN[piece])
        elif bare := piece.strip("'"):
            parts.append(bare)
    return tuple(parts)


def ways_to_say(token: str, look_up: LookUp) -> tuple[str, ...]:
    """Phones of a written word, with blanks between, in every way that the dictionary knows.

    Short words are said in full and worn down (``them`` as ``DH EH M`` and ``DH AH M``). Empty
    where nothing is said or nobody knows.

    Args:
        token: One word as a transcript writes it.
        look_up: The aligner's dictionary; its second way of saying ``them`` is ``them(2)``.
    """
    ways = [""]
    for part in spoken_parts(token):
        said = _ways_in(look_up, part) or _guessed_ways(part)
        longer = [f"{way} {phones}".strip() for way in ways for phones in said]
        ways = longer[:_MAX_WAYS]
    return tuple(way for way in ways if way)


def _ways_in(look_up: LookUp, part: str) -> list[str]:
    """All ways of saying a word that the dictionary has."""
    ways: list[str] = []
    for n in range(1, _MAX_WAYS + 1):
        phones = look_up(part if n == 1 else f"{part}({n})")
        if phones is None:
            break
        ways.append(phones)
    return list(dict.fromkeys(ways))


def _guessed_ways(part: str) -> list[str]:
    guessed = _guessed(part)
    return [] if guessed is None else [guessed]


def _number(digits: str) -> list[str]:
    """A number as words: up to 9999 in full, years in two halves, longer ones digit by digit."""
    value = int(digits)
    if len(digits) > 4 or (len(digits) > 1 and digits[0] == "0"):
        return [_ONES[int(digit)] for digit in digits]
    if 1100 <= value < 2000:
        rest = value % 100
        return [*_below_100(value // 100), *(_below_100(rest) if rest else ["hundred"])]
    return _below_10000(value)


def _below_10000(value: int) -> list[str]:
    words = []
    if value >= 1000:
        words += [_ONES[value // 1000], "thousand"]
    rest = value % 1000
    if rest >= 100:
        words += [_ONES[rest // 100], "hundred"]
    if rest % 100 or not words:
        words += _below_100(rest % 100)
    return words


def _below_100(value: int) -> list[str]:
    if value < 20:
        return [_ONES[value]]
    tens = _TENS[value // 10 - 2]
    return [tens, _ONES[value % 10]] if value % 10 else [tens]


@functools.lru_cache(maxsize=4096)
def _guessed(word: str) -> str | None:
    """Phones of a word by its letters; None without the network or for a word with no letter."""
    weights = _network()
    letters = [letter for letter in word if letter in _LETTERS]
    if weights is None or not letters:
        return None
    indices = [_LETTERS.index(letter) for letter in (*letters, "</s>")]
    state = np.zeros(weights["enc_w_hh"].shape[1], np.float32)
    for index in indices:
        state = _gated(weights["enc_emb"][index], state, weights, "enc")
    phones = []
    at = _START
    for _ in range(_MAX_PHONES):
        state = _gated(weights["dec_emb"][at], state, weights, "dec")
        logits = state @ weights["fc_w"].T + weights["fc_b"]
        at = int(logits.argmax())
        if at == _END:
            break
        phones.append(_PHONES[at].rstrip("012"))
    known = [phone for phone in phones if not phone.startswith("<")]
    return " ".join(known) or None


def _gated(
    x: np.ndarray, state: np.ndarray, weights: dict[str, np.ndarray], part: str
) -> np.ndarray:
    """One step of a gated recurrent unit (Cho et al. 2014), gates in PyTorch's order."""
    from_input = x @ weights[f"{part}_w_ih"].T + weights[f"{part}_b_ih"]
    from_state = state @ weights[f"{part}_w_hh"].T + weights[f"{part}_b_hh"]
    reset_in, update_in, new_in = np.split(from_input, 3)
    reset_state, update_state, new_state = np.split(from_state, 3)
    reset = 1 / (1 + np.exp(-(reset_in + reset_state)))
    update = 1 / (1 + np.exp(-(update_in + update_state)))
    fresh = np.tanh(new_in + reset * new_state)
    mixed: np.ndarray = (1 - update) * fresh + update * state
    return mixed


@functools.lru_cache(maxsize=1)
def _network() -> dict[str, np.ndarray] | None:
    """The weights that lie in g2p-en's package. The package itself is not imported: it fetches
    dictionaries from the network when it is.
    """
    found = importlib.util.find_spec("g2p_en")
    if found is None or not found.submodule_search_locations:
        return None
    path = Path(found.submodule_search_locations[0], "checkpoint20.npz")
    if not path.is_file():
        return None
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name].astype(np.float32) for name in archive.files}
