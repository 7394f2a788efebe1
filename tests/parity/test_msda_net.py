"""The released network of subject-based adaptation against recorded numbers (``tn/*`` of the
``subject_msda`` files).

Tolerance: 1e-4, the README's for forward passes and losses; features reach 76, so it is relative,
not absolute.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
import released_networks as net
import torch
from golden_dsfda import FOLDER, GIVEN, Fixture, files
from torch import Tensor

from twomind.adaptation import divergences

pytestmark = pytest.mark.parity
RELATIVE = 1e-4


def test_there_are_files() -> None:
    if not GIVEN and not FOLDER.is_dir():
        pytest.skip(f"needs {FOLDER} (set TWOMIND_GOLDEN)")
    assert any("tn/x_src" in Fixture(p.values[0]).arrays for p in files("subject_msda")), (
        f"no tn/* under {FOLDER}"
    )


def close(got: Tensor, wanted: Tensor, what: str) -> None:
    assert got.shape == wanted.shape, (
        f"{what}: expected shape {tuple(wanted.shape)}, got {tuple(got.shape)}"
    )
    np.testing.assert_allclose(got.numpy(), wanted.numpy(), rtol=RELATIVE, atol=1e-5, err_msg=what)


@pytest.mark.parametrize("path", files("subject_msda"))
def test_released_network(path: Path) -> None:
    g = Fixture(path)
    if "tn/x_src" not in g.arrays:
        pytest.skip("no network in this file")
    w = dict(g.weights("TransferNet"))
    source, target = g.tensor("tn/x_src"), g.tensor("tn/x_tgt")
    with torch.no_grad():
        z, maps = net.msda_extract(w, source)
        close(z, g.tensor("tn/features"), "features")
        close(net.msda_classify(w, z), g.tensor("tn/logits"), "logits")
        other, _ = net.msda_extract(w, target)
        g.near(divergences.mk_mmd(z, other), "tn/transfer_loss", RELATIVE)
    assert list(maps.shape) == g.scalar("tn/layer4_shape")
    trained = [v for name, v in w.items() if "running_" not in name]
    assert sum(v.numel() for v in trained) == g.scalar("tn/params_trainable")
    corner = maps[:, :, : net.POOL, : net.POOL].mean(dim=(2, 3))
    assert torch.allclose(z, corner, rtol=RELATIVE) == g.scalar("tn/pool_ignores_rows_cols_ge4")
    assert [name for name in g.unchecked() if name.startswith("tn/")] == []


@pytest.mark.parametrize("path", files("subject_msda"))
def test_it_is_no_ordinary_resnet(path: Path) -> None:
    """Without the three slips the same weights give other features: the release is reproduced, not
    a ResNet.
    """
    g = Fixture(path)
    if "tn/x_src" not in g.arrays:
        pytest.skip("no network in this file")
    base = {k.removeprefix("base_network."): v for k, v in g.weights("TransferNet")}
    with torch.no_grad():
        ordinary, maps = net.extract(base, g.tensor("tn/x_src"))
    assert maps[-1].shape[-1] == 4, (
        "with the pooling after the stem the last map of 100 pixels is 4 wide"
    )
    wanted = g.tensor("tn/features")
    assert float((ordinary - wanted).norm() / wanted.norm()) > 0.1
