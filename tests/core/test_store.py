"""What is stored is whole or absent, and reads back as it was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from twomind.core.errors import BadInput
from twomind.core.spool import Spool
from twomind.core.store import (
    Ledger,
    Store,
    content_hash,
    read_arrays,
    replacing,
    settings_hash,
    write_arrays,
)


def awkward_arrays() -> dict[str, np.ndarray]:
    base = np.arange(24, dtype=np.float32).reshape(4, 6)
    return {
        "fortran": np.asfortranarray(base),
        "strided": base[:, ::2],
        "reversed": base[::-1],
        "transposed": base.T,
        "empty": np.empty((0, 3), np.float32),
        "bool": base[:, 0] > 5,
    }


def test_strided_and_fortran_arrays_come_back_with_their_values(tmp_path: Path) -> None:
    arrays = awkward_arrays()
    got, meta = read_arrays(
        write_arrays(tmp_path / "a.safetensors", arrays, {"unit": "px", "x": [1, None]})
    )
    assert meta == {"unit": "px", "x": [1, None]}
    assert set(got) == set(arrays)
    for name, value in arrays.items():
        np.testing.assert_array_equal(got[name], value)
        assert got[name].dtype == value.dtype


def test_only_contiguous_arrays_reach_the_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import safetensors.numpy

    seen = []
    real = safetensors.numpy.save_file
    monkeypatch.setattr(
        safetensors.numpy, "save_file", lambda a, *r: (seen.extend(a.values()), real(a, *r))
    )
    write_arrays(tmp_path / "a.safetensors", awkward_arrays())
    assert seen
    assert all(a.flags.c_contiguous for a in seen)


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def write_and_fail() -> None:
        with replacing(path) as temporary:
            temporary.write_text("half of the new")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_and_fail()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_damaged_entry_counts_as_absent(tmp_path: Path) -> None:
    store = Store(tmp_path)
    key = store.key("abc", {"hop": 1})
    path = store.put("face", key, {"x": np.arange(1000.0)}, {})
    assert store.get("face", key) is not None
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert store.get("face", key) is None
    with pytest.raises(BadInput, match="cannot be read"):
        read_arrays(path)


def test_another_setting_or_other_bytes_are_another_key(tmp_path: Path) -> None:
    store = Store(tmp_path)
    keys = {
        store.key("abc", {"hop": 1}),
        store.key("abc", {"hop": 2}),
        store.key("abd", {"hop": 1}),
    }
    assert len(keys) == 3
    assert settings_hash({"a": 1, "b": 2}) == settings_hash({"b": 2, "a": 1})


def test_content_counts_and_the_name_does_not(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"same")
    (tmp_path / "b").write_bytes(b"same")
    (tmp_path / "c").write_bytes(b"other")
    assert (
        content_hash(tmp_path / "a") == content_hash(tmp_path / "b") != content_hash(tmp_path / "c")
    )


def test_ledger_survives_a_line_cut_in_half(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.jsonl")
    ledger.append("one", state="done")
    with open(ledger.path, "ab") as file:
        file.write(b'{"item": "two", "sta')
    ledger.append("three", state="failed")
    assert [e["item"] for e in ledger.entries()] == ["one", "three"]
    ledger.append("one", state="failed")
    assert ledger.latest()["one"]["state"] == "failed"


def test_kill_9_at_random_points_never_leaves_half_an_entry(tmp_path: Path) -> None:
    code = textwrap.dedent(
        """
        import sys, numpy as np
        from pathlib import Path
        from twomind.core.store import write_arrays
        i = 0
        while True:
            write_arrays(Path(sys.argv[1]), {"x": np.full(300_000, i, np.float64)}, {"i": i})
            print(i, flush=True)
            i += 1
        """
    )
    path = tmp_path / "entry.safetensors"
    for wait_s in (0.0, 0.01, 0.03):
        process = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(wait_s)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        arrays, meta = read_arrays(path)
        assert (arrays["x"] == meta["i"]).all()


@pytest.mark.parametrize("chunks", [[5], [1, 1, 1, 1, 1], [2, 3], [0, 5]])
def test_spool_gives_back_all_rows_in_order(chunks: list[int]) -> None:
    rows = np.arange(10, dtype=np.float32).reshape(5, 2)
    spool = Spool((2,), buffer_rows=2)
    start = 0
    for n in chunks:
        spool.append(rows[start : start + n])
        start += n
    np.testing.assert_array_equal(spool.read(), rows)
    assert len(spool) == 5
    spool.close()


def test_an_empty_spool_is_empty() -> None:
    assert Spool((3,)).read().shape == (0, 3)
