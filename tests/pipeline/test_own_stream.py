"""Values relative to the person's own stream: an explicit order, a warm-up, a history that counts."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from twomind.cli.main import main
from twomind.core.errors import BadInput
from twomind.features.own_stream import N_WARM_UP, less_earlier
from twomind.pipeline.jobs import Job, Options, fingerprint, stream_before
from twomind.types import Track


def track(value: float, n: int = 4) -> Track:
    values = np.stack([np.full(n, value), np.full(n, 0.5)], axis=1)
    valid = np.array([True] * (n - 1) + [False])
    values[-1] = 1000.0
    return Track(values, np.arange(n) / 10, valid, ("pitch", "speech"), ("Hz", "0/1"))


def test_rows_are_less_the_median_of_the_recordings_before() -> None:
    earlier = [track(value) for value in (1.0, 2.0, 9.0, 4.0, 3.0)]
    found = less_earlier(track(10.0), earlier, ("speech",))
    assert found.column("pitch")[0] == 10.0 - 3.0
    assert found.column("speech")[0] == 0.5
    assert found.valid.tolist() == [True, True, True, False]


def test_in_the_warm_up_no_row_is_valid() -> None:
    found = less_earlier(track(10.0), [track(1.0)] * (N_WARM_UP - 1), ())
    assert not found.valid.any()
    assert found.reasons[1] == "warm-up: 4 of 5 recordings of the person come before"


def test_a_measure_that_was_seldom_known_has_no_value() -> None:
    other = Track(np.ones((4, 1)), np.arange(4.0), np.ones(4, bool), ("speech",), ("0/1",))
    found = less_earlier(track(10.0), [track(1.0)] * 4 + [other], ())
    assert np.isnan(found.column("pitch")).all()
    assert found.column("speech")[0] == 0.5 - 0.5


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    rows = ["path,subject"]
    for name, subject in (("a", "P1"), ("x", "P2"), ("b", "P1"), ("c", "P1")):
        (tmp_path / f"{name}.wav").write_text(name)
        rows.append(f"{name}.wav,{subject}")
    stream = tmp_path / "stream.csv"
    stream.write_text("\n".join(rows))
    return stream


def _job(listed: Path, name: str, subject: str) -> Job:
    return Job(listed.parent / f"{name}.wav", name, subject)


def test_the_order_is_the_list_s_and_others_do_not_count(listed: Path) -> None:
    before = stream_before(_job(listed, "c", "P1"), listed)
    assert [path.name for path in before] == ["a.wav", "b.wav"]
    assert stream_before(_job(listed, "x", "P2"), listed) == ()
    with pytest.raises(BadInput, match="0 times"):
        stream_before(_job(listed, "x", "P1"), listed)
    listed.write_text("path\na.wav\nc.wav\na.wav\n")
    with pytest.raises(BadInput, match="2 times"):
        stream_before(_job(listed, "a", "P1"), listed)


def test_the_history_is_part_of_what_a_result_depends_on(listed: Path) -> None:
    job = _job(listed, "c", "P1")
    with_stream = Options(model=None, stream=listed)
    first = fingerprint(job, with_stream)
    assert first != fingerprint(job, Options(model=None))
    (listed.parent / "x.wav").write_text("another person's recording")
    assert fingerprint(job, with_stream) == first
    (listed.parent / "b.wav").write_text("another recording of the person")
    assert fingerprint(job, with_stream) != first


def test_the_third_column_is_there_where_it_was_asked_for(shared: Path, tmp_path: Path) -> None:
    folder = shared / "data" / "emodb" / "wav"
    if not folder.is_dir():
        pytest.skip("no voices here")
    clips = sorted(folder.glob("03*.flac"))[: N_WARM_UP + 1]
    stream = tmp_path / "stream.csv"
    stream.write_text("\n".join(["path", *map(str, clips)]))
    arguments = [
        str(clips[0]),
        str(clips[-1]),
        "--person",
        "P3",
        "--store",
        str(tmp_path / "store"),
    ]
    out = tmp_path / "out"
    more = ["--out", str(out), "--set", f"stream={stream}", "--workers", "1"]
    done = CliRunner().invoke(main, ["describe", *arguments, *more])
    assert done.exit_code == 0, done.output

    def rows(clip: Path) -> list[dict[str, str]]:
        with open(out / clip.stem / "measures.csv", encoding="utf-8", newline="") as file:
            return [row for row in csv.DictReader(file) if row["measure"] == "pitch"]

    first, last = rows(clips[0]), rows(clips[-1])
    assert {row["relative_stream"] for row in first} == {""}
    assert {row["stream_reason"] for row in first} == {
        "warm-up: 0 of 5 recordings of the person come before"
    }
    differences = set()
    for row in last:
        if row["value"]:
            difference = float(row["value"]) - float(row["relative_stream"])
            differences.add(round(difference, 1))
    assert len(differences) <= 2, "one median for the whole recording, to the digits written"
    plain = CliRunner().invoke(main, ["describe", *arguments, "--out", str(tmp_path / "plain")])
    assert plain.exit_code == 0
    head = (tmp_path / "plain" / clips[0].stem / "measures.csv").read_text().partition("\n")[0]
    assert "stream" not in head
