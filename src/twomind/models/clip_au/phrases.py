"""The facial movements that CLIP-AU asks about: one short phrase each, with its number in FACS.

The wording is this project's own. The order is a contract: the recogniser's head reads the
similarities by position.
"""

from __future__ import annotations

from dataclasses import dataclass

from twomind.core.errors import BadInput


@dataclass(frozen=True)
class Phrase:
    """One movement: its FACS numbers (one, but for the fused phrase of ``released``), words, and
    how it is measured.

    ``measure`` is the column of the ``face`` track that measures it, ``sign`` -1 where it measures
    the opposite; empty where landmarks cannot.
    """

    facs: tuple[int, ...]
    text: str
    measure: str = ""
    sign: int = 1

    @property
    def name(self) -> str:
        """``AU12 lip corners pulled up, a smile``."""
        return f"{'+'.join(f'AU{n}' for n in self.facs)} {self.text.replace('_', ' ')}"


def _p(facs: int, text: str, measure: str = "", sign: int = 1) -> Phrase:
    return Phrase((facs,), text, measure, sign)


_ALL = (
    _p(1, "inner eyebrows raised", "AU01"),
    _p(2, "outer eyebrows raised", "AU02"),
    _p(4, "eyebrows lowered and drawn together", "AU04"),
    _p(5, "upper eyelids raised", "AU05"),
    _p(6, "cheeks raised with wrinkled eye corners"),
    _p(7, "eyelids tightened", "AU07"),
    _p(9, "nose wrinkled", "AU09"),
    _p(10, "upper lip raised"),
    _p(11, "fold beside the nose deepened"),
    _p(12, "lip corners pulled up in a smile", "AU12"),
    _p(13, "cheeks puffed upwards"),
    _p(14, "lip corners tightened into dimples"),
    _p(15, "lip corners pulled down", "AU15"),
    _p(16, "lower lip pulled down"),
    _p(17, "chin raised pushing up the lower lip", "AU17"),
    _p(18, "lips puckered", "AU18"),
    _p(20, "lips stretched sideways", "AU20"),
    _p(22, "lips pushed out like a funnel"),
    _p(23, "lips tightened", "AU23"),
    _p(24, "lips pressed together", "AU24"),
    _p(25, "lips slightly parted", "AU25"),
    _p(26, "jaw dropped", "AU26"),
    _p(27, "mouth stretched wide open"),
    _p(28, "lips sucked in"),
    _p(41, "upper eyelids drooping"),
    _p(42, "eyes narrowed to slits"),
    _p(43, "eyes closed", "AU43"),
    _p(44, "eyes squinting"),
    _p(45, "eyes blinking", "blink"),
    _p(46, "one eye winking"),
    _p(51, "head turned left", "pose_yaw"),
    _p(52, "head turned right", "pose_yaw", -1),
    _p(53, "head up", "pose_pitch"),
    _p(54, "head down", "pose_pitch", -1),
    _p(61, "eyes looking left", "gaze_yaw"),
    _p(62, "eyes looking right", "gaze_yaw", -1),
    _p(63, "eyes looking up", "gaze_pitch"),
    _p(64, "eyes looking down", "gaze_pitch", -1),
    _p(29, "jaw pushed forward"),
    _p(31, "jaw clenched"),
    _p(32, "lip bitten"),
    _p(37, "tongue wiping the lips"),
    _p(37, "licking the lips"),
    _p(33, "cheeks blown out"),
    _p(38, "nostrils widened"),
    _p(39, "nostrils narrowed"),
    _p(19, "tongue shown"),
)

#: The 46 that are asked by default, each a movement of its own. The 47th, AU19, is left out, so
#: that a head of the published size fits.
PHRASES = _ALL[:46]


def released_phrases() -> tuple[Phrase, ...]:
    """The list as the released code has it: words joined by underscores, and the last two phrases
    run together.

    A comma is missing there, so two string literals became one. The wording is ours all the same:
    for a checkpoint trained elsewhere, give the very phrases it was trained with.
    """
    from dataclasses import replace

    last, more = _ALL[45:]
    fused = Phrase((*last.facs, *more.facs), last.text + more.text)
    return tuple(replace(p, text=p.text.replace(" ", "_")) for p in (*_ALL[:45], fused))


def read_phrases(lines: list[str]) -> tuple[Phrase, ...]:
    """Phrases from lines ``<FACS number><TAB><words>``; the order counts.

    Raises:
        BadInput: a line is not of that form.
    """
    found = []
    for number, line in enumerate(lines, 1):
        facs, tab, text = line.rstrip("\n").partition("\t")
        if not tab or not text.strip() or not all(part.isdigit() for part in facs.split("+")):
            raise BadInput(
                f"phrases, line {number}: expected <FACS number><TAB><words>, got {line!r}"
            )
        ids = tuple(int(part) for part in facs.split("+"))
        known = next((p for p in _ALL if p.facs == ids), Phrase(ids, text))
        found.append(Phrase(ids, text.strip(), known.measure, known.sign))
    return tuple(found)
