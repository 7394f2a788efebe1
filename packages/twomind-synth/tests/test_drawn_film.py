"""Films of synthetic people: what the files show and sound like is what the truth file says; drawing
can be resumed.
"""

from __future__ import annotations

import csv
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("cv2", reason="drawing needs the extra 'face'")

from twomind.core.errors import BadInput
from twomind_synth import behaviour, film
from twomind_synth.film import TAG, FilmSettings, film_answer
from twomind_synth.people import draw_people
from twomind_synth.script import write_answer
from twomind_synth.voice import speak
from twomind_synth.world import World, person_factors, stream

SIZE = (256, 192)
pytestmark = pytest.mark.slow  # films are made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("people")
    draw_people(out, seed=5, questions=(4, 1), size=SIZE, voice="builtin", workers=1)
    return out


@pytest.fixture(scope="module")
def media(folder: Path) -> Path:
    return next(folder.glob("*/*_Question_4.mp4"))


@pytest.fixture(scope="module")
def truth(media: Path) -> dict[str, Any]:
    return json.loads(media.with_suffix(".truth.json").read_text())


def decode(path: Path) -> tuple[np.ndarray, np.ndarray, int, float, dict[str, str]]:
    """Frame times, samples, sample rate, time of the first sample, and the container's tags."""
    import av

    times, pieces, first = [], [], None
    with av.open(str(path)) as container:
        tags = dict(container.metadata)
        rate_hz = container.streams.audio[0].rate
        for frame in container.decode(video=0, audio=0):
            assert frame.pts is not None
            if isinstance(frame, av.VideoFrame):
                times.append(float(frame.pts * frame.time_base))
            else:
                first = float(frame.pts * frame.time_base) if first is None else first
                pieces.append(frame.to_ndarray()[0])
    assert first is not None
    return np.array(times), np.concatenate(pieces), rate_hz, first, tags


def test_the_container_says_that_the_person_is_drawn(media: Path) -> None:
    assert decode(media)[4]["comment"] == TAG == "twomind drawn person"


def test_every_frame_has_its_row_of_truth_at_its_own_time(
    media: Path, truth: dict[str, Any]
) -> None:
    times = decode(media)[0]
    np.testing.assert_allclose(times, truth["frames"]["time_s"], atol=1e-6)
    assert times[-1] + 1 / 25 >= truth["duration_s"] - 1e-9
    assert {len(column) for column in truth["frames"].values()} == {len(times)}


def test_decoded_sound_is_loud_in_words_and_silent_between(
    media: Path, truth: dict[str, Any]
) -> None:
    _, sound, rate_hz, first_s, _ = decode(media)

    def level_db(start_s: float, end_s: float) -> float:
        piece = sound[round((start_s - first_s) * rate_hz) : round((end_s - first_s) * rate_hz)]
        return 10 * np.log10(np.mean(piece.astype(float) ** 2) + 1e-12)

    for word in truth["words"]:
        assert level_db(word["start_s"], word["start_s"] + 0.02) > -52, word
        assert level_db(word["end_s"] - 0.02, word["end_s"]) > -52, word
    assert truth["pauses"]
    for start, end in truth["pauses"]:
        if not any(start <= a < end for a, _ in truth["breaths"]):
            assert level_db(start + 0.015, end - 0.015) < -58


def test_pitch_survives_the_codec(media: Path, truth: dict[str, Any]) -> None:
    _, sound, rate_hz, first_s, _ = decode(media)
    f0 = np.array([np.nan if v is None else v for v in truth["f0"]["hz"]])
    errors = []
    for i in range(0, len(f0) - 7, 4):
        window = f0[i : i + 7]
        if np.isfinite(window).all() and window.max() / window.min() < 1.03:
            at = round((i / 100 - first_s) * rate_hz)
            piece = sound[at : at + rate_hz * 6 // 100].astype(float)
            # The best lag near the stated period: here the codec is on trial, not the octave (see
            # test_drawn_voice).
            lags = np.arange(
                int(rate_hz / (window.mean() * 1.25)), int(rate_hz / (window.mean() * 0.8))
            )
            r = [np.dot(piece[:-k], piece[k:]) / (len(piece) - k) for k in lags]
            errors.append(rate_hz / lags[int(np.argmax(r))] / window.mean() - 1)
    assert len(errors) > 30
    assert np.mean(np.abs(errors) < 0.02) > 0.95


def test_subtitles_carry_every_word_to_the_millisecond(media: Path, truth: dict[str, Any]) -> None:
    import pysubs2

    cues = pysubs2.load(str(media.with_suffix(".srt")))
    assert [(c.start, c.end, c.text) for c in cues] == [
        (round(w["start_s"] * 1000), round(w["end_s"] * 1000), w["text"]) for w in truth["words"]
    ]


def test_blinks_are_the_runs_of_closed_eyes(truth: dict[str, Any]) -> None:
    frames = truth["frames"]
    shut = np.array(frames["AU43"]) >= 0.5
    assert list(shut) == [bool(v) for v in frames["closed"]]
    runs = behaviour.runs(shut, np.array(frames["time_s"]))
    assert [list(run) for run in runs] == truth["blinks"]
    assert len(runs) >= 2
    for start, end in runs:
        assert 0.1 <= end - start + 0.04 <= 0.3
    for (_, end), (start, _) in itertools.pairwise(runs):
        assert start - end - 0.04 > 0.3


def test_movements_reach_their_height_and_lips_press_only_in_silence() -> None:
    kinds = set()
    for index in range(25):
        person = person_factors(1, index)
        answer = write_answer(World(ah_rate=(1.0,) * 7, n_cues=4.0), person, 4)
        speech = speak(answer.tokens, person, stream(1, "v", index), "builtin")
        times = np.arange(0, speech.duration_s, 0.04)
        moves = behaviour.behave(World(), person, answer, speech, times, stream(1, "b", index))
        spans = behaviour.segment_spans(answer, speech)
        shut = np.array([state.blink for state in moves.states]) >= 0.5
        assert behaviour.runs(shut, times) == moves.blinks
        for m in moves.movements:
            kinds.add((m.kind, m.cause))
            apex = m.start_s + m.onset_s + m.hold_s / 2
            assert m.level(np.array([m.start_s, apex, m.end_s])) == pytest.approx(
                [0, 1, 0], abs=1e-6
            )
            if m.kind in ("lip_press", "mouth"):
                assert any(a - 1e-3 <= m.start_s and m.end_s <= b + 1e-3 for a, b in speech.pauses)
            elif m.cause == "ah":
                assert any(a - 0.01 <= m.start_s <= b for a, b in spans)
            if m.kind == "brow_raise":
                state = moves.states[int(np.argmin(np.abs(times - apex)))]
                assert state.aus["AU01"] == pytest.approx(min(0.85 * m.amplitude, 1), abs=0.35)
    assert {kind for kind, cause in kinds if cause == "ah"} == set(behaviour.SHAPES)
    assert len({kind for kind, cause in kinds if cause == "habit"}) >= 8


def test_mouth_opens_in_words_and_rests_in_long_pauses(truth: dict[str, Any]) -> None:
    times, opening = np.array(truth["frames"]["time_s"]), np.array(truth["frames"]["mouth_open"])
    speaking = np.zeros(len(times), bool)
    for word in truth["words"]:
        speaking |= (times >= word["start_s"]) & (times < word["end_s"])
    assert opening[speaking].mean() > 0.15
    for start, end in truth["pauses"]:
        if end - start > 0.4:
            assert opening[(times > start + 0.12) & (times < end - 0.12)].max(initial=0) < 0.02


def test_the_picture_follows_the_truth(media: Path, truth: dict[str, Any]) -> None:
    """Between frames in which the drawn state hardly moves the picture hardly changes, and the
    other way round.
    """
    import av

    pictures = [
        frame.to_ndarray(format="gray").astype(float)
        for frame in av.open(str(media)).decode(video=0)
    ]
    change = np.array([np.abs(b - a).mean() for a, b in itertools.pairwise(pictures)])
    names = ("yaw", "pitch", "roll", "x_cm", "z_cm")
    motion = sum(np.abs(np.diff(np.array(truth["frames"][name]))) for name in names)
    assert np.corrcoef(change, motion)[0, 1] > 0.6


def test_labels_are_kept_out_of_the_manifest(
    folder: Path, media: Path, truth: dict[str, Any]
) -> None:
    rows = list(csv.DictReader((folder / "answers.csv").open()))
    assert list(rows[0]) == ["path", "subject", "question", "transcript"]
    assert [row["question"] for row in rows] == ["1", "4"]
    for row in rows:
        assert (folder / row["path"]).is_file()
        assert (folder / row["transcript"]).is_file()
    labels = {row["path"]: row for row in csv.DictReader((folder / "labels.csv").open())}
    mine = labels[media.relative_to(folder).as_posix()]
    assert int(mine["label"]) == truth["label"]
    spans = [f"{s['start_s']:.3f}-{s['end_s']:.3f}" for s in truth["segments"]]
    assert mine["segments_s"] == ";".join(spans)


def redrawn(monkeypatch: pytest.MonkeyPatch, out: Path, **settings: Any) -> list[int]:
    """Questions that a further call of ``draw_people`` draws."""
    drawn = []
    real = film._make

    def counting(*args: Any) -> dict[str, Any]:
        drawn.append(args[5])
        return real(*args)

    with monkeypatch.context() as patch:
        patch.setattr(film, "_make", counting)
        draw_people(
            out, 1, 9, 1, questions=(1, 6), size=(160, 128), fps=5, voice="builtin", **settings
        )
    return drawn


@pytest.mark.slow
def test_drawing_resumes_and_repairs_only_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert redrawn(monkeypatch, tmp_path) == [1, 6]
    before = {path: path.read_bytes() for path in tmp_path.glob("**/*") if path.is_file()}
    assert redrawn(monkeypatch, tmp_path) == []

    one, six = sorted(tmp_path.glob("*/*.mp4"))
    one.unlink()
    assert redrawn(monkeypatch, tmp_path) == [1]
    six.write_bytes(six.read_bytes()[:-500])
    assert redrawn(monkeypatch, tmp_path) == [6]
    six.with_suffix(".srt").write_text("edited")
    assert redrawn(monkeypatch, tmp_path) == [6]
    one.with_suffix(".truth.json").write_text('{"settings_hash": ')
    assert redrawn(monkeypatch, tmp_path) == [1]
    # What was drawn again is what had been there: bytes of film, words and truth.
    assert {path: path.read_bytes() for path in tmp_path.glob("**/*") if path.is_file()} == before

    assert redrawn(monkeypatch, tmp_path, world=World(strength=0.5)) == [1, 6]


@pytest.mark.slow
def test_a_person_does_not_depend_on_how_many_there_are(tmp_path: Path) -> None:
    settings = {"seed": 2, "questions": (1,), "size": (160, 128), "fps": 5, "voice": "builtin"}
    draw_people(tmp_path / "two", 2, workers=2, **settings)
    film_two = film_answer(tmp_path / "one", World(), 2, 1, 1, FilmSettings(160, 128, 5, "builtin"))
    same = tmp_path / "two" / film_two.subject / film_two.media.name
    assert same.read_bytes() == film_two.media.read_bytes()
    assert len(list(csv.DictReader((tmp_path / "two" / "answers.csv").open()))) == 2


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"n_people": 0}, "n_people"),
        ({"questions": (8,)}, "questions"),
        ({"size": (641, 480)}, "even"),
        ({"fps": 0}, "fps"),
        ({"voice": "choir"}, "voice"),
    ],
)
def test_bad_settings_are_refused_before_writing(
    tmp_path: Path, settings: dict[str, Any], said: str
) -> None:
    with pytest.raises(BadInput, match=said):
        draw_people(tmp_path / "out", **settings)
    assert not (tmp_path / "out").exists()
