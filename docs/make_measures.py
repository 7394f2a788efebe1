"""Writes docs/measures.md from the code, so that the page cannot say something else than the
program does.

python docs/make_measures.py
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from twomind.features.body.measures import MEASURES as BODY_MEASURES
from twomind.features.cues import KINDS, NOT_MEASURED
from twomind.features.face.blendshapes import OF_UNITS, PREFERRED_SOURCE
from twomind.features.face.measures import MEASURES, UNSUPPORTED
from twomind.features.voice.track import NAMES, SUMMARY, UNITS

PAGE = Path(__file__).parent / "measures.md"

_HEAD = """# Measures and cues

Written by `python docs/make_measures.py` from the code; do not edit by hand.

Every measure is kept raw (`value`). Face, head and gaze also come relative to the person's neutral (`relative`): the
median of a neutral clip (`--neutral`) or, without one, the recording's own median; the table says which. Quality
columns, `blink` and `mouth_motion` have no neutral.

**What the numbers are worth.** The formulas and the leaks in "limits" were found with synthetic faces, whose
action units are known exactly: that shows that geometry follows geometry. On real faces they were checked only for
being finite, plausible and smooth, and on posed photographs of a few people ([faces.md](faces.md)). They are not FACS
codes by a certified coder, and no intensity A to E is claimed.

`iod` is the distance between the middles of the two eyes (about 63 mm in adults), after the head's pose is taken out.

## Face: one row per decoded frame
"""

_VOICE = {
    "speech": "speech activity: energy over the noise floor, and voiced nearby; Silero's veto where it "
    "is installed",
    "pitch": "autocorrelation with a Viterbi path; empty where the voice is not voiced",
    "energy": "RMS of 25 ms; empty where clipped",
    "syllable": "1 at a syllable nucleus",
}


_SOUND = """
**By what pauses are told.** Where nine tenths of the words have times that can be trusted (their own, or
[aligned](transcription.md) with the sound), a pause lies between two of the person's words, and is a silence of both:
no word stands there, and nobody is heard. So soft speech is no pause, and neither is a filler that nobody wrote.
`summary.voice.pauses_by` is then `words`. Else it is `sound`, pauses lie between speech that is heard, and
`pauses_by_reason` says why: there are no words, their times are spread or a recogniser's, they are implausible, or a
transcript's own times run through most of the silences that are heard. It is empty where pauses cannot be measured.

| in `summary.voice`, with `pauses_by` = `words` | what |
|---|---|
| `first_word_s`, `last_word_s` | begin and end of the answer by its words; `words_per_min` goes by them |
| `speaking_s` | from the first to the last word, pauses left out |
| `words_per_speaking_min` | speech rate: words per minute of `speaking_s` |
| `by_sound` | the five measures of pauses by the sound alone, to hold against recordings without such words |

Long pauses, slow and fast speech, and the pauses in the report go by the same. Syllables are counted in the sound and
stay measures of the sound: of soft speech they miss most (in `cold_corpus`, 31 nuclei of 88 syllables), where words
are all there. What is relative to a profile goes by the sound on both sides, since a neutral clip seldom comes with
words.

On two recordings with known word times (13 pauses of 0.25 s or more, 8.9 s): by the sound 12.4 s are pauses in 19
silences, by aligned words 7.8 s in 11; of the silent time of both, that of the grid and that which was found, they
share .54 by the sound and .74 by words.

**Which detector.** `describe.voice.vad` is `auto` by default: Silero where the extra `speech` is installed, else
`energy`. `summary.voice.vad` and the report name the one that ran. `energy` goes by level and pitch alone: music,
ring tones, blowing into the microphone and other people count as speech. Silero refuses the first three; other people
are speech to it too. It only vetoes: edges of speech and pauses are those of the energy. Films that carry the mark of
synthetic people keep `energy`, because Silero does not take their built-in voice for one; `--set
describe.voice.vad=silero` asks for it all the same.

Voices that were told from silence in two ways are not held against each other. A profile keeps the detector of each
visit (one of 0.1 counts as `energy`): the voice of a visit with another one is left out, with a remark in
`summary.voice.remarks`. A fusion model keeps the one of its training (a card of 0.1 counts as `energy`): `predict`
measures with it, and asking for another one by name is refused.

**Which stream, which channels.** Of a file with several sound streams (a recorder of screens writes one for each
source) the first that carries sound is heard, everywhere: one that is silent over the whole file, or carries nothing
beyond dither (-78 dB under full scale), gives way. The report and `media.problems` in `summary.json` say which. The
player of the report is the browser's, which plays the stream that it likes.
A single channel is taken as it is. Several are judged over the whole recording. A channel that is
silent (40 dB under the loudest), steady noise (less than 6 dB between its quiet and loud parts) or clipped where
another one holds the same sound (correlation over .9, as it is or clipped likewise) is left out; so is
that for the lowest tones. Where a layout has a centre, it carries
the speech and is used alone, unless it is silent or 20 dB under the others. Where two cancel each other (correlation
below -.5, over all of it or in seconds that hold a tenth of their sound) the loudest one is used. Two microphones
that stand apart hear a voice at different times, and their average is an echo with another pitch: where channels hold
the same sound .5 to 20 ms apart (correlation of at least .5, and .1 more than at the same time, in half of their
sound) the loudest unclipped one is used. One that is out for seconds in which another one with the same sound
(correlation over .9 at all other times, or the same sound at another time) goes on is left out; where each is out at
some time they are averaged, and it is remarked. All others
are averaged, so that two identical channels are as loud as one.
Channels with different sound (correlation below .3), such as two people with a microphone each, are averaged and it
is remarked: all of them are heard as one person; give a file of one channel to measure one. Where the
loudest channel carries nothing beyond dither there is no such remark. A sample is clipped when
it is in any channel that is used.
"""

_FLOORS = """
Cues of the face are relative to the person's neutral, and each has a floor that is not: brows, smile and lips must
move by a distance (`describe.cues.…_iod`, at least a pixel in the smallest face that is measured), head and gaze by
degrees, eyes must have been seen open (height over width of .15) before they can close, slow and fast speech must
differ from the person's median by a syllable per second. A cue of face and head lasts at least two frames, since what
one frame shows has no known length; shakes and nods need four frames in the slowest swing, so that a film of five
frames per second has none. `gaze_away` is found in the line of sight, head and eyes together, off its usual
direction: the report draws that curve (`line_of_sight`).

### The resting face, and what a cue needs besides

Cues of brows, smile and lips are a change against the resting face. A neutral clip or a profile gives it. Without
one it is estimated from the frames that are still, with lips closed and eyes open, with the neutral faces of people
as a prior (`summary.face.rest` in `summary.json`: each unit's value, its standard deviation `sd`, and the seconds
of such frames). Where the standard deviation is above half of the change that begins a cue, cues of that kind are
not looked for: they stand under "not measured" with the reason. Relative columns stay relative to the recording's
own median.

| cue | what must be true |
|---|---|
| `smile` | every corner of the mouth that is seen is raised, and no eye is shut while the other is open |
| `lip_press` | the lips are together (AU25 at most .05 iod), and it is not a smile |
| `brow_raise`, `brow_lower` | the brows of every half that is seen; nothing else |
| `eyes_closed` | the eyes were seen open before; the mean of both, so that a wink is none |
| `gaze_away` | the eyes are open, and it is not a turn of the head |
| `look_away` | it is neither a shake nor a nod |
| `head_shake`, `nod`, `tilt` | the head is seen; of a movement askew the larger part counts |

A cue of face and head holds what is below its beginning for at most a second and a half before and after a frame that
reaches it, so that a slow way back does not count.
"""


_BLENDSHAPES = """
### The back end landmarker: blendshapes beside the geometry

`--set features.face=landmarker` (`twomind weights add face-landmarker` brings its file) gives all columns above
from its own landmarks, its 52 blendshapes as `blendshape_NAME`, and for these action units the mean of the
blendshapes that stand for them as `AU.._blendshape`; all are shares, 0 to 1. Which measure is taken for an action
unit where one is asked for (`score faces`, encoders) stands in the last column, and the figures behind it in
[faces.md](faces.md). Cues read the geometry from both back ends: their thresholds are lengths.

"""


_BODY = """
## Body: one row per frame that is looked at

`--set body=true` measures shoulders, posture and hands with the pose and hand models in MediaPipe's wheel (0.10.14,
Python 3.11 or 3.12; later wheels carry none, and then the body is not measured, with this reason). Every k-th frame
is looked at: one each `describe.body.every_s` (0.2) seconds. It is off by default, since it costs more than the
face: 79 ms of processor time a look, 0.38 s per second of film, where the face takes 0.20 s (`python -m
benchmarks.body FILM`).

A row is valid where a body is found whose face is seen (each point with a visibility of .5), where the face reader
sees the person's face at that time, and where no second face is ever seen. Columns of the shoulders are empty where
one of them is outside the picture or hidden; `not_measured` in the summary says it where that is so in all rows.
Below, `iod` is this person's own distance between the eyes, median over the recording.

"""

_BODY_CUES = """
### Cues of the body

They are a change against this recording's own median, which needs three seconds of rows; each threshold is a length
on a body and was set before a film was looked at.

| cue | what must be true |
|---|---|
| `shrug`, `shoulder_raise` | both shoulders seen; nearer to the ears by .5 iod (3 cm) *and* higher in the \
picture, so that a lowered head is none; a shrug is of both, for 3 s at most |
| `posture_shift` | the shoulders' middle lies 1 iod (6 cm) elsewhere, and stayed in place for 1.6 s before and \
after |
| `lean_away` | face and shoulders both look smaller by 12 %, for a second: a turned body alone is none |
| `hand_at_face` | a third of a hand's points inside the ellipse of the face, for .4 s; before the face looks \
like on the face |
| `hand_movement` | a hand seen in both of two looks, faster than 4 iod/s (25 cm/s) |
| `restless` | the shoulders move faster than .5 iod/s in six of ten looks over 8 s |

On all real clips at hand (seven, 85 s; four are close-ups, and one shows nobody) one cue of the body was found: by
eye, 0 of 1 were wrong: a false-alarm rate of 0 a minute, and by 95 % at most 2.6. (Where nobody is, the pose model
sees a body in half of the looks; the face refuses it.)
That is little: the shoulders were inside the picture in 4 s, so that of shrugs, shifts,
leaning and restlessness nothing is known on people; they were checked with planted poses
(`tests/features/test_body.py`). The verdicts lie in `tests/features/seen_verdicts/body.csv`.

### Inconsistency cues

Two things at one time that do not go together, both quoted with their times (`detail` in `cues.csv`, the lane
"Across" of the report, the tier "inconsistency" in ELAN). They are cues, never ambivalence, and no score reads
them.

| cue | what must be true |
|---|---|
| `face_against_words` | a smile over half of a phrase of dislike or delay, or a frown over one of liking; each \
word has its own time (given, recognised or aligned); the resting face is known, as for any smile |
| `voice_against_words` | liking, a wish or a motive, within .3 s after a long pause or a held filler, or all of \
it in slow speech; each word has its own time |
| `within_words` | a wish or liking and a dislike or delay on two sides of one "but" (or "although", "on the \
other hand" …), at most 12 words from it, in its sentence or in the one before where "but" opens one |

`within_words` was judged on the people of BAH v1, AnnoMI and MIBOT whose talk was not read when word cues were
written (57,000 words): 5 of 17 were wrong, that is one wrong cue in 11,000 words. Wrong are those where the two
sides are about two things. The verdicts lie in `tests/features/seen_verdicts/inconsistency.csv`. The seven real
clips have no words, so that for face and voice against words no rate is known; none was found there.
"""


def _units() -> Iterable[Iterable[str]]:
    for unit, members in OF_UNITS.items():
        yield f"`{unit}_blendshape`", ", ".join(members), PREFERRED_SOURCE[unit]


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(str(c).replace("|", "\\|") for c in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def page() -> str:
    """The text of docs/measures.md."""
    face = ((f"`{m.name}`", m.unit, m.meaning, m.formula, m.limits) for m in MEASURES)
    body = ((f"`{m.name}`", m.unit, m.meaning, m.formula, m.limits) for m in BODY_MEASURES)
    parts = [
        _HEAD,
        _table(("measure", "unit", "what", "formula", "limits"), face),
        _BLENDSHAPES,
        _table(("unit", "blendshapes", "taken"), _units()),
        "\n### Action units that are left out\n\n",
        _table(("unit", "why"), UNSUPPORTED.items()),
        _BODY,
        _table(("measure", "unit", "what", "formula", "limits"), body),
        "\n## Voice: one row per 10 ms\n\n",
        _table(
            ("measure", "unit", "what"),
            ((f"`{n}`", u, _VOICE[n]) for n, u in zip(NAMES, UNITS, strict=True)),
        ),
        "\nOver the whole answer (`summary.voice` in `summary.json`):\n\n",
        _table(("measure", "unit and meaning"), ((f"`{k}`", v) for k, v in SUMMARY.items())),
        _SOUND,
        "\n## Cues\n\nThings a coder would mark, with their times. A cue is not ambivalence. How "
        "well these cues agree "
        "with human coders is not known; how often word cues are right is in "
        "[word-cues.md](word-cues.md).\n\n",
        _table(("cue", "what"), ((f"`{k}`", v) for k, v in KINDS.items())),
        _FLOORS,
        _BODY_CUES,
        "\n### Cues that this list does not hold\n\n",
        _table(("cue", "why"), NOT_MEASURED.items()),
    ]
    return "".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
