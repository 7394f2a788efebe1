"""A synthetic study ready for methods: features without drawing, or films with aligned crops and
measured features.

Labels come beside the features, never in them: :class:`ClipTruth`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from twomind.core.errors import BadInput
from twomind.core.store import write_text
from twomind.features.face.align import TEMPLATES, similarity
from twomind.types import Features, Recording, Track
from twomind_synth.studies.measured import measured
from twomind_synth.study import ClipJob, StudyPlan, film_clip
from twomind_synth.study_files import crop_frames, read_truth
from twomind_synth.study_layout import Clip, clips_of, person_of, split_of, take_of
from twomind_synth.study_people import factors_plain
from twomind_synth.study_take import Take
from twomind_synth.study_world import StudyWorld

#: Crops besides those of the layout: template and side in px.
MORE_CROPS = (("arcface", 112), ("mesh", 112), ("mesh", 256))
#: What the layout's own crops are: the release form of BAH, and the same geometry for the other
#: two.
LAYOUT_CROP = ("arcface", 256)


@dataclass(frozen=True)
class ClipTruth:
    """Everything about one clip that no method may see before it is judged.

    ``label`` is what the annotation says, ``true_label`` what was drawn; ``segments`` are the
    annotated A/H spans (s), ``spans`` the true ones, ``conflict`` and ``within`` go with ``spans``.
    """

    recording: str
    subject: str
    visit: int
    task: str
    split: str
    label: int
    true_label: int
    segments: tuple[tuple[float, float], ...] = ()
    spans: tuple[tuple[float, float], ...] = ()
    cues: tuple[dict[str, tuple[str, ...]], ...] = ()
    conflict: tuple[tuple[str, ...], ...] = ()
    within: tuple[str, ...] = ()

    def at(self, start_s: float, end_s: float) -> int:
        """Annotated label of a window: whether at least half of it lies in an A/H segment."""
        inside = sum(max(0.0, min(b, end_s) - max(a, start_s)) for a, b in self.segments)
        return int(inside >= 0.5 * (end_s - start_s))


@dataclass(frozen=True)
class StudyFeatures:
    """A study: ``features`` and ``truths`` in the same order, ``people`` by subject (the factors,
    ground truth).
    """

    layout: str
    seed: int
    world: StudyWorld
    features: tuple[Features, ...]
    truths: tuple[ClipTruth, ...]
    people: dict[str, Any]


def study_features(
    layout: str = "bah",
    n_people: int = 24,
    seed: int = 0,
    world: StudyWorld | None = None,
    hop_s: float | None = None,
    visits: int = 1,
) -> StudyFeatures:
    """A whole study as features, without a picture: the same people and clips that ``twomind
    people`` would film.

    Tracks ``face``, ``face_relative``, ``voice`` (where there is sound) and ``words`` (bah) as
    ``describe`` gives them; ``hop_s`` puts all on one grid. The same arguments give the same bytes.

    Raises:
        BadInput: a setting cannot be used.
    """
    world = world or StudyWorld()
    people = {}
    features, truths = [], []
    for clip in clips_of(layout, n_people, seed, world, visits):
        key = (clip.subject, clip.visit)
        if key not in people:
            people[key] = person_of(clip, world, seed)
        take = take_of(clip, world, seed, person=people[key])
        features.append(measured(world, take, clip.recording, hop_s))
        truths.append(truth_of(clip, take, n_people))
    return StudyFeatures(
        layout, seed, world, tuple(features), tuple(truths), factors_plain(list(people.values()))
    )


def truth_of(clip: Clip, take: Take, n_people: int) -> ClipTruth:
    """The labels of one clip."""
    segments = take.answer.segments if take.answer else ()
    return ClipTruth(
        recording=clip.recording,
        subject=clip.subject,
        visit=clip.visit,
        task=take.task,
        split=split_of(clip.index, n_people) if clip.layout == "bah" else "",
        label=take.noted,
        true_label=take.label,
        segments=tuple((s.start_s, s.end_s) for s in take.segments),
        spans=take.spans,
        cues=tuple(dict(s.cues) for s in segments),
        conflict=tuple(s.conflict for s in segments),
        within=tuple(s.within for s in segments),
    )


def shuffle_modalities(
    windows: Sequence[Features],
    labels: Sequence[int],
    modalities: Sequence[str] = ("face", "face_relative"),
    seed: int = 0,
) -> tuple[Features, ...]:
    """A negative control: each window gets ``modalities`` of a window of another person with the
    same label.

    What each modality shows by itself stays as informative as it was; what only their comparison
    shows is gone. Times are moved to the window's own start; rows beyond its end are cut.

    Raises:
        BadInput: some label occurs in one person only.
    """
    rng = np.random.default_rng(seed)
    by_label: dict[int, list[int]] = {}
    for i, y in enumerate(labels):
        by_label.setdefault(int(y), []).append(i)
    out = []
    for i, window in enumerate(windows):
        others = [j for j in by_label[int(labels[i])] if windows[j].subject != window.subject]
        if not others:
            raise BadInput(
                f"label {labels[i]}: expected windows of at least two people, got {window.subject} "
                "alone"
            )
        other = windows[others[int(rng.integers(len(others)))]]
        shift_s = window.span_s[0] - other.span_s[0]
        tracks: dict[str, Track] = dict(window.tracks)
        for name in modalities:
            if name in other.tracks:
                moved = other.tracks[name]
                moved = replace(moved, times_s=moved.times_s + shift_s)
                tracks[name] = moved.between(*window.span_s)
            else:
                tracks.pop(name, None)
        out.append(replace(window, tracks=tracks))
    return tuple(out)


# --- films
# -------------------------------------------------------------------------------------------------------


def film_and_crop(job: ClipJob) -> bool:
    """Film one clip, then cut its crops from the decoded film (the layout's own ones); complete
    ones are kept.
    """
    drawn = film_clip(job)
    if job.plan.crop_every:
        write_crops(job.plan, job.clip)
    return drawn


def film_crop_more(job: ClipJob) -> bool:
    """As :func:`film_and_crop`, and also crops of the other sizes and geometries under
    ``crops/``.
    """
    drawn = film_clip(job)
    if job.plan.crop_every:
        write_crops(job.plan, job.clip, more=True)
    return drawn


def write_crops(plan: StudyPlan, clip: Clip, more: bool = False) -> int:
    """Aligned crops of one film, by the drawing's own eyes, nose and mouth; returns how many
    pictures were written.

    The layout's own are ``arcface`` at 256 px. ``more`` adds 112 px and the MediaPipe geometry
    (``mesh``) at both sizes under ``crops/<template>-<px>/``, with the same paths below. Needs
    OpenCV and PyAV.
    """
    import av
    import cv2

    truth = read_truth(plan.out / clip.truth)
    wanted = crop_frames(clip, truth, plan.crop_every)
    base = plan.out / clip.base
    kinds = [(LAYOUT_CROP, base)] + (
        [(k, base / "crops" / f"{k[0]}-{k[1]}") for k in MORE_CROPS] if more else []
    )
    marker = plan.out / "truth" / f"{clip.media}.crops.json"
    state = {"film": truth["media_sha256"], "every": plan.crop_every, "more": more}
    if _done(marker, state) and all((where / wanted[-1][1]).exists() for _, where in kinds):
        return 0
    by_frame: dict[int, list[str]] = {}
    for number, name in wanted:
        by_frame.setdefault(number, []).append(name)
    written = 0
    with av.open(str(plan.out / clip.media)) as container:
        for i, frame in enumerate(container.decode(video=0)):
            if i not in by_frame:
                continue
            rgb = frame.to_ndarray(format="rgb24")
            for (template, side_px), where in kinds:
                anchors = np.array(truth["anchors"][template][i])
                matrix = similarity(anchors, TEMPLATES[template] * (side_px / 112))
                crop = cv2.warpAffine(rgb, matrix, (side_px, side_px), flags=cv2.INTER_LINEAR)
                coded = cv2.imencode(".jpg", crop[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])[
                    1
                ].tobytes()
                for name in by_frame[i]:
                    path = where / name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(coded)
                    written += 1
    write_text(marker, json.dumps(state) + "\n")
    return written


def _done(marker: Path, state: dict[str, Any]) -> bool:
    try:
        found = json.loads(marker.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(found == state)


def describe_study(
    plan: StudyPlan, workers: int = 1, store: Any = None, progress: Any = None
) -> list[dict[str, Any]]:
    """Measure every film of a synthetic study with the real chain, into the store; later steps never
    decode.

    Returns one row per clip: recording, seconds of film, rows measured.

    Raises:
        Partial: some films could not be measured.
    """
    from functools import partial

    from twomind.core import engine
    from twomind.core.errors import Partial

    jobs = [ClipJob(plan, clip) for clip in plan.clips()]
    rows, failures = [], []
    root = None if store is None else store.root
    for done, outcome in enumerate(
        engine.run(partial(_describe_clip, root=root), jobs, workers), start=1
    ):
        if outcome.result is not None:
            rows.append(outcome.result)
        else:
            failures.append(f"{outcome.item.clip.recording}: {outcome.error}")
        if progress:
            progress("measuring the study", done, len(jobs))
    if failures:
        raise Partial(
            f"{len(failures)} of {len(jobs)} films could not be measured: {'; '.join(failures[:5])}"
        )
    return sorted(rows, key=lambda row: str(row["recording"]))


def recording_of(plan: StudyPlan, clip: Clip) -> Recording:
    """A film of the study as a recording, with the words of its transcript."""
    from twomind.transcripts.words import read_words

    words = None
    if clip.layout == "bah":
        path = plan.out / "transcription" / clip.media / f"{Path(clip.media).stem}.yml"
        duration_s = float(read_truth(plan.out / clip.truth)["duration_s"])
        words = read_words(path, duration_s)
    return Recording(
        id=clip.recording,
        subject=clip.subject,
        media=plan.out / clip.media,
        question=str(clip.key[0]) if clip.layout == "bah" else None,
        words=words.words if words else None,
        words_source=words.source if words else "",
        drawn=True,
    )


def _describe_clip(job: ClipJob, root: Path | None) -> dict[str, Any]:
    from twomind.core.store import Store
    from twomind.features.describe import describe

    found = describe(recording_of(job.plan, job.clip), store=Store(root) if root else None)
    face = found.features.tracks.get("face")
    return {
        "recording": job.clip.recording,
        "duration_s": found.recording.duration_s,
        "face_rows": 0 if face is None else int(face.valid.sum()),
        "notes": dict(found.features.notes),
    }


def fingerprint(study: StudyFeatures) -> str:
    """SHA-256 over every byte of every track and word: equal studies have equal fingerprints."""
    import hashlib

    digest = hashlib.sha256()
    for x in study.features:
        digest.update(f"{x.recording}|{x.subject}|{x.span_s}".encode())
        for name in sorted(x.tracks):
            track = x.tracks[name]
            for part in (track.values, track.times_s, track.valid):
                digest.update(np.ascontiguousarray(part).tobytes())
        digest.update(repr(x.words).encode())
    return digest.hexdigest()


__all__ = [
    "ClipTruth",
    "StudyFeatures",
    "describe_study",
    "film_and_crop",
    "film_crop_more",
    "fingerprint",
    "recording_of",
    "shuffle_modalities",
    "study_features",
    "truth_of",
    "write_crops",
]
