"""The annotation files of a synthetic study in the three real layouts, made from the truth files of its
films.

Formats: the project's notes on BAH (1.2), on CLIP-AU (2.1, 2.2) and on DSFDA; what the real loaders
read.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from twomind.core.store import write_text
from twomind_synth.csv_text import table
from twomind_synth.study_layout import SPLITS, TARGETS, Clip, frame_runs, split_of, stamp
from twomind_synth.study_take import Noted
from twomind_synth.study_world import PAIR_NAMES
from twomind_synth.world import stream

#: BioVid's frames as laboratories use them: every 40 ms from 2.0 s (excluded) to 5.0 s of the clip.
BIOVID_MS = range(2040, 5001, 40)
#: Shortest run of frames in the public segment files.
_SHORTEST_RUN = 16
#: The release names of cues, where a drawn cue has a shorter name here.
CUE_NAMES = {
    **{
        "filler_sound": "filler sound",
        "filler_word": "filler word",
        "no_motivation": "no motivation",
    },
    **{
        "gaze_away": "gaze",
        "brow_raise": "eyebrow",
        "brow_lower": "frown",
        "eyes_closing": "eyes closing",
    },
    **{
        "lip_press": "lip press",
        "eye_roll": "eye roll",
        "head_shake": "head shake",
        "look_away": "look away",
    },
    **{"quiet": "volume", "hedge": "hedging", "repeat": "repetition"},
}
CERTAINTY = {"low": 1, "medium": 2, "high": 3}

Truth = Mapping[str, Any]


def write_bah(
    root: Path, clips: Sequence[Clip], truths: Sequence[Truth], seed: int, n_people: int, every: int
) -> None:
    """Splits, frame splits, segment files, annotations, transcripts, metadata, video list, class
    map.

    ``every``: only every so many frames has a crop; ``split-frames`` lists those (0: no crops, all
    frames).
    """
    lines: dict[str, list[str]] = {s: [] for s in SPLITS}
    frames: dict[str, list[str]] = {s: [] for s in SPLITS}
    runs: dict[str, list[tuple[object, ...]]] = {s: [] for s in SPLITS}
    videos, entries = [], {}
    for clip, truth in zip(clips, truths, strict=True):
        split = split_of(clip.index, n_people)
        text = transcript_text(truth)
        times_s = np.array(truth["frames"]["time_s"])
        segments = tuple(Noted(**s) for s in truth["annotated"])
        labels = np.zeros(len(times_s), int)
        spans = frame_runs(segments, times_s)
        for first, last in spans:
            labels[first : last + 1] = 1
        lines[split].append(f"{clip.media},{truth['noted']},{text}")
        names = [f"{clip.media}/frame-{i}.jpg" for i in range(len(times_s))]
        frames[split] += [
            f"{n},{y}" for n, y in list(zip(names, labels.tolist(), strict=True))[:: every or 1]
        ]
        runs[split] += _runs(clip.media, labels)
        entries[clip.media] = _entry(
            truth, segments, spans, text, list(zip(names, labels.tolist(), strict=True))
        )
        transcription = root / "transcription" / clip.media / f"{Path(clip.media).stem}.yml"
        write_text(transcription, transcript_yaml(truth))
        videos.append(
            (
                clip.media,
                split,
                clip.subject,
                clip.key[0],
                truth["noted"],
                truth["duration_s"],
                len(times_s),
            )
        )
    for split in SPLITS:
        write_text(root / "split" / f"{split}.txt", "".join(f"{line}\n" for line in lines[split]))
        write_text(
            root / "split-frames" / f"{split}.txt", "".join(f"{line}\n" for line in frames[split])
        )
        header = ("video", "segment_id", "label", "num_frames", "start_frame", "end_frame")
        if split != "test":
            write_text(root / f"bah_source_sub_{split}_labels.csv", table(header, runs[split]))
    write_text(root / "video_annotation_transcript.yaml", _yaml(entries))
    columns = ("video", "split", "participant", "question", "global_ah", "duration_s", "n_frames")
    write_text(root / "bah-video.csv", table(columns, videos))
    write_text(root / "class_map.yaml", _yaml({"No A-H": 0, "With A-H": 1}))
    people = {clip.subject: _metadata(seed, clip.index) for clip in clips}
    write_text(root / "meta_data.yml", _yaml(people))


def _yaml(data: Any) -> str:
    """The plain dumper writes Python's tuples under their own tag, as the release does."""
    import yaml

    return str(
        yaml.dump(
            data,
            Dumper=getattr(yaml, "CDumper", yaml.Dumper),
            sort_keys=False,
            allow_unicode=True,
            width=200,
        )
    )


def transcript_text(truth: Truth) -> str:
    """The transcript as the recogniser wrote it, on one line."""
    return " ".join(truth["words"][i]["text"] for i in truth["transcribed"])


def transcript_yaml(truth: Truth) -> str:
    """``{text, chunks: [{language, text, timestamp: (start, end)}]}``: a chunk per clause, each up
    to the next.
    """
    words = [truth["words"][i] for i in truth["transcribed"]]
    chunks: list[dict[str, Any]] = []
    held: list[dict[str, Any]] = []
    for i, word in enumerate(words):
        held.append(word)
        if word["text"].endswith(".") or i + 1 == len(words):
            end_s = words[i + 1]["start_s"] if i + 1 < len(words) else word["end_s"]
            times = (float(held[0]["start_s"]), float(end_s))
            chunks.append(
                {
                    "language": "english",
                    "text": " " + " ".join(w["text"] for w in held),
                    "timestamp": times,
                }
            )
            held = []
    return _yaml({"text": " " + " ".join(w["text"] for w in words), "chunks": chunks})


def _entry(
    truth: Truth,
    segments: tuple[Noted, ...],
    spans: list[tuple[int, int]],
    text: str,
    frames: list[tuple[str, int]],
) -> dict[str, Any]:
    cues = []
    for noted in segments:
        shown = truth["segments"][noted.true] if noted.true >= 0 else {"cues": {}, "conflict": []}
        names = {
            m: [CUE_NAMES.get(c, c) for c in shown["cues"].get(m, [])]
            for m in ("audio", "body", "facial", "language")
        }
        pair = tuple(shown["conflict"])
        cues.append({**names, "inconsistency": [PAIR_NAMES[pair]] if pair else []})
    return {
        "global_ah": truth["noted"],
        "time_detailed_ah": [[stamp(s.start_s), stamp(s.end_s)] for s in segments],
        "fr_detailed_ah": [list(span) for span in spans],
        "certainty_ah": [CERTAINTY[s.certainty] for s in segments],
        "all_cues": cues,
        "frame_annotation": frames,
        "transcript": text,
    }


def _runs(media: str, labels: np.ndarray) -> list[tuple[object, ...]]:
    """Rows of the public segment files: runs of one label; those under 16 frames are left out,
    their number is not.
    """
    edges = [0, *(np.flatnonzero(np.diff(labels)) + 1).tolist(), len(labels)]
    rows: list[tuple[object, ...]] = []
    for number, (first, stop) in enumerate(itertools.pairwise(edges)):
        if stop - first >= _SHORTEST_RUN:
            rows.append((media, number, int(labels[first]), stop - first, first, stop - 1))
    return rows


def _metadata(seed: int, index: int) -> dict[str, Any]:
    """Made-up data of a synthetic participant with the shares of the real set; one in five refuses
    publication.
    """
    rng = stream(seed, "study", "metadata", index)

    def pick(shares: dict[str, float]) -> str:
        p = np.array(list(shares.values()))
        return str(rng.choice(list(shares), p=p / p.sum()))

    ethnicity = pick({"White": 54.0, "Asian": 21.0, "Mixed": 10.7, "Black": 9.7, "Other": 3.7})
    ages = {"18-24": 20.7, "25-34": 37.7, "35-44": 24.3, "45-54": 10.0, "55-64": 6.0, "65-74": 1.3}
    low, high = (int(v) for v in pick(ages).split("-"))
    return {
        "age": int(rng.integers(low, high + 1)),
        "birth country": "drawn",
        "Canadian province": pick(
            {"BC": 25.7, "AB": 19.7, "ON": 17.3, "QC": 15.0, "MB": 6, "NS": 5, "NB": 4.3}
        ),
        "ethnicity": f"{ethnicity} (drawn)",
        "simplified ethnicity": ethnicity,
        "sex": pick({"Female": 52.0, "Male": 47.3}),
        "student status": pick({"Yes": 27.3, "No": 67.0}),
        "consent for publication": "No" if rng.random() < 0.203 else "Yes",
        "consent for challenges": "No" if rng.random() < 0.023 else "Yes",
    }


def write_biovid(base: Path, clips: Sequence[Clip], truths: Sequence[Truth], every: int) -> None:
    """``samples.csv`` of the release and the laboratories' frame lists, one per person."""
    people = sorted({c.subject for c in clips})
    rows = []
    lists: dict[str, list[str]] = {p: [] for p in people}
    for clip, truth in zip(clips, truths, strict=True):
        stem = Path(clip.media).stem
        class_id = {"BL1": 0, "PA4": 4}[str(clip.key[0])]
        rows.append(
            (people.index(clip.subject) + 1, clip.subject, class_id, clip.key[0], clip.key[1], stem)
        )
        end_ms = 1000 * truth["duration_s"]
        lists[clip.subject] += [
            f"{clip.subject}/{stem}/image{ms}.jpg {truth['noted']}"
            for ms in list(BIOVID_MS)[:: every or 1]
            if ms < end_ms
        ]
    header = ("subject_id", "subject_name", "class_id", "class_name", "sample_id", "sample_name")
    write_text(base / "samples.csv", table(header, rows).replace(",", "\t"))
    _write_lists(base, lists, "biovid")


def write_stressid(base: Path, clips: Sequence[Clip], truths: Sequence[Truth]) -> None:
    """``labels.csv`` and the frame lists: one frame a second, numbered in steps of five."""
    rows = []
    lists: dict[str, list[str]] = {c.subject: [] for c in clips}
    for clip, truth in zip(clips, truths, strict=True):
        stem = Path(clip.media).stem
        rows.append((stem, truth["noted"], 2 * truth["noted"]))
        seconds = range(int(np.ceil(truth["duration_s"])))
        lists[clip.subject] += [
            f"{clip.subject}/{stem}/image_{5 * s}.jpg {truth['noted']}" for s in seconds
        ]
    write_text(base / "labels.csv", table(("subject/task", "binary-stress", "affect3-class"), rows))
    _write_lists(base, lists, "stressid")


def _write_lists(base: Path, lists: dict[str, list[str]], layout: str) -> None:
    for person, lines in lists.items():
        text = "".join(f"{line}\n" for line in lines)
        write_text(base / "files" / f"{person}.txt", text)
        if person in TARGETS[layout]:
            k = TARGETS[layout].index(person) + 1
            write_text(base / "WeightFiles" / f"{k}-{person}" / "files" / f"{person}.txt", text)


def crop_frames(clip: Clip, truth: Truth, every: int) -> list[tuple[int, str]]:
    """``(frame of the film, path of its crop in the layout, relative to the clip's base)`` of every
    crop to write.
    """
    times_s = np.array(truth["frames"]["time_s"])
    stem = Path(clip.media).stem
    if clip.layout == "bah":
        return [
            (i, f"cropped-aligned-faces/{clip.media}/frame-{i}.jpg")
            for i in range(0, len(times_s), every)
        ]
    if clip.layout == "biovid":
        wanted = [
            (ms, f"sub_red_classes_img/{clip.subject}/{stem}/image{ms}.jpg")
            for ms in list(BIOVID_MS)[::every]
        ]
        return [
            (int(np.argmin(np.abs(times_s - ms / 1000))), name)
            for ms, name in wanted
            if ms < 1000 * truth["duration_s"]
        ]
    seconds = range(int(np.ceil(truth["duration_s"])))
    names = [f"sub_images/{clip.subject}/{stem}/image_{5 * s}.jpg" for s in seconds]
    return [
        (int(np.argmin(np.abs(times_s - s))), name) for s, name in zip(seconds, names, strict=True)
    ]


def read_truth(path: Path) -> dict[str, Any]:
    """A truth file."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found
