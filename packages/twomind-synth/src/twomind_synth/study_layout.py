"""Who and what is in a study: the clips of all people, with the names that the three real layouts
give them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from twomind.core.errors import BadInput
from twomind_synth.study_film import FPS, SIZE
from twomind_synth.study_people import StudyPerson, study_person
from twomind_synth.study_take import TASKS, Noted, Take, bah_take, biovid_take, stressid_take
from twomind_synth.study_world import LAYOUTS, StudyWorld
from twomind_synth.world import stream

#: People that the published ten-target protocols name; the first ten of a study of twelve or more
#: are called like them, so that those protocols find their targets. The people are synthetic all the
#: same: ``study.json`` says so.
TARGETS = {
    "bah": (
        "82711",
        "82687",
        "82585",
        "82592",
        "82598",
        "82632",
        "82681",
        "82683",
        "82708",
        "82714",
    ),
    "biovid": (
        *("081014_w_27", "101609_m_36", "112009_w_43", "091809_w_43", "071309_w_21"),
        *("073114_m_25", "080314_w_25", "073109_w_28", "100909_w_65", "081609_w_40"),
    ),
    "stressid": ("kycf", "uymz", "h8s1", "ctzy", "p9i3", "7h5u", "g7r2", "b9w0", "r3zm", "x1q3"),
}
_SMALLEST_WITH_TARGETS = 12
SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Clip:
    """One clip to be: ``key`` is the question (bah), level and number (biovid) or task (stressid).

    ``media`` is relative to the study's root; ``recording`` is the id under which the layout's
    loader knows it.
    """

    layout: str
    index: int
    subject: str
    visit: int
    key: tuple[str | int, ...]
    media: str
    recording: str

    @property
    def truth(self) -> str:
        """Where the truth lies, relative to the root."""
        return f"truth/{self.media}.json"

    @property
    def base(self) -> str:
        """The folder of the layout that holds this clip, relative to the root."""
        return "." if self.layout == "bah" or self.visit == 1 else f"visit-{self.visit}"


def check_layout(layout: str, n_people: int, visits: int) -> None:
    """Raises BadInput for a study that cannot be."""
    if layout not in LAYOUTS:
        raise BadInput(f"layout: expected one of {', '.join(LAYOUTS)}, got {layout!r}")
    if not 1 <= n_people <= 999:
        raise BadInput(f"n_people: expected 1..999, got {n_people}")
    if not 1 <= visits <= 5:
        raise BadInput(f"visits: expected 1..5, got {visits}")


def subject_name(layout: str, seed: int, index: int, n_people: int) -> str:
    """The name of person number ``index`` in the style of the layout."""
    if n_people >= _SMALLEST_WITH_TARGETS and index < len(TARGETS[layout]):
        return TARGETS[layout][index]
    rng = stream(seed, "study", "name", layout, index)
    if layout == "bah":
        return str(90000 + index)
    if layout == "biovid":
        return f"99{index:04d}_{rng.choice(['w', 'm'])}_{int(rng.integers(20, 66))}"
    return f"d{index:03d}"


def clips_of(
    layout: str, n_people: int, seed: int, world: StudyWorld, visits: int = 1
) -> tuple[Clip, ...]:
    """All clips of a study in a fixed order; the first people of a larger study are those of a
    smaller one.

    (Their names differ where only the larger one has the ten published targets.)
    """
    check_layout(layout, n_people, visits)
    found: list[Clip] = []
    for index in range(n_people):
        subject = subject_name(layout, seed, index, n_people)
        for visit in range(1, visits + 1):
            found += {"bah": _bah, "biovid": _biovid, "stressid": _stressid}[layout](
                index, subject, visit, seed, world
            )
    return tuple(found)


def _bah(index: int, subject: str, visit: int, seed: int, world: StudyWorld) -> list[Clip]:
    rng = stream(seed, "study", "session", index, visit)
    day = f"2024-{1 + (index * 7 + visit * 5) % 12:02d}-{1 + int(rng.integers(28)):02d}"
    clips = []
    # Questions come in an order of their own for everybody; two minutes lie between them.
    for place, question in enumerate(int(q) for q in rng.permutation(7) + 1):
        minute = 10 * 60 + int(index % 60) + 2 * place
        stem = f"{subject}_Question_{question}_{day}_{minute // 60:02d}-{minute % 60:02d}-{10 + place:02d}_Video"
        media = f"Videos/{subject}/Visite_{visit}/{stem}.mp4"
        clips.append(Clip("bah", index, subject, visit, (question,), media, stem))
    return sorted(clips, key=lambda c: c.key)


def _biovid(index: int, subject: str, visit: int, seed: int, world: StudyWorld) -> list[Clip]:
    rng = stream(seed, "study", "stimuli", index, visit)
    n = world.clips_per_class
    numbers = {"BL1": range(81, 81 + n), "PA4": sorted(int(k) for k in rng.permutation(80)[:n] + 1)}
    clips = []
    for level, given in numbers.items():
        for number in given:
            stem = f"{subject}-{level}-{number:03d}"
            where, mark = ("", "") if visit == 1 else (f"visit-{visit}/", f"~visit{visit}")
            media = f"{where}video/{subject}/{stem}.mp4"
            clips.append(Clip("biovid", index, subject, visit, (level, number), media, stem + mark))
    return clips


def _stressid(index: int, subject: str, visit: int, seed: int, world: StudyWorld) -> list[Clip]:
    clips = []
    for task in TASKS:
        where, mark = ("", "") if visit == 1 else (f"visit-{visit}/", f"~visit{visit}")
        media = f"{where}Videos/{subject}/{subject}_{task}.mp4"
        clips.append(
            Clip("stressid", index, subject, visit, (task,), media, f"{subject}_{task}{mark}")
        )
    return clips


def person_of(
    clip: Clip, world: StudyWorld, seed: int, size: tuple[int, int] = SIZE
) -> StudyPerson:
    """Who is in the clip, as they are on that day."""
    return study_person(world, seed, clip.index, clip.subject, clip.visit, size)


def take_of(
    clip: Clip,
    world: StudyWorld,
    seed: int,
    fps: int | None = None,
    size: tuple[int, int] = SIZE,
    person: StudyPerson | None = None,
) -> Take:
    """The clip as truth."""
    person = person or person_of(clip, world, seed, size)
    fps = fps or FPS[clip.layout]
    if clip.layout == "bah":
        take = bah_take(world, person, int(clip.key[0]), fps)
    elif clip.layout == "biovid":
        take = biovid_take(world, person, int(clip.key[0] == "PA4"), int(clip.key[1]), fps)
    else:
        take = stressid_take(world, person, str(clip.key[0]), fps)
    return replace(take, name=clip.recording)


def split_of(index: int, n_people: int) -> str:
    """Official-like split of BAH, disjoint in people: the ten targets are tested, a fifth of the
    rest validates.
    """
    if n_people >= _SMALLEST_WITH_TARGETS:
        return "test" if index < 10 else ("val" if (index - 10) % 5 == 1 else "train")
    if n_people < 3:
        return "train"
    n_test = max(1, round(n_people / 4))
    return "test" if index < n_test else ("val" if index == n_test else "train")


def frame_runs(segments: tuple[Noted, ...], times_s: np.ndarray) -> list[tuple[int, int]]:
    """First and last frame of each annotated segment that covers a frame."""
    found = []
    for s in segments:
        first = int(np.searchsorted(times_s, s.start_s - 1e-9))
        last = int(np.searchsorted(times_s, s.end_s - 1e-9)) - 1
        if last >= first:
            found.append((first, last))
    return found


def stamp(time_s: float) -> str:
    """``HH:MM:SS.mmm``."""
    ms = math.floor(time_s * 1000 + 0.5)
    return f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d}.{ms % 1000:03d}"
