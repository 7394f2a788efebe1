"""The summary of source people that lies beside a CLIP-AU's weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from twomind.adaptation import check
from twomind.adaptation.clip_au_summary import write_summary
from twomind.adaptation.methods.clip_autt import toy_model
from twomind.core.errors import BadInput
from twomind.core.store import read_arrays
from twomind.types import Example


def source() -> list[Example]:
    return list(check.toy(n_windows=6).given("anna").source or ())


def unseen(example: Example) -> Example:
    """The same window without a face."""
    return replace(example, x=replace(example.x, tracks={}, notes={"embedding": "no face"}))


def test_windows_that_cannot_be_measured_are_left_out_and_the_others_all_count(
    tmp_path: Path,
) -> None:
    model, examples = toy_model(), source()
    gap = 4  # in the first person's windows, with more of them and other people behind
    with_gap = [unseen(e) if n == gap else e for n, e in enumerate(examples)]
    without = [e for n, e in enumerate(examples) if n != gap]
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    got, meta = read_arrays(write_summary(model, with_gap, tmp_path / "a"))
    wanted, _ = read_arrays(write_summary(model, without, tmp_path / "b"))
    assert (meta["n_people"], meta["n_windows"]) == (3, len(examples) - 1)
    assert got.keys() == wanted.keys()
    for name, values in wanted.items():
        np.testing.assert_array_equal(got[name], values, err_msg=name)


def test_without_a_window_that_can_be_measured_there_is_no_summary(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="at least one source window"):
        write_summary(toy_model(), [unseen(e) for e in source()], tmp_path)
