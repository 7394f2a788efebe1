"""SHOT, NRC, MK-MMD, CORAL and confident pseudo-labels against numbers recorded from the released
programs.

Files are found by the prefix of their names in ``$TWOMIND_GOLDEN`` (default: ``shared/golden``
beside the repository). Cases within a file are found by the names of their arrays, so another file
of the same kind is read as well.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
import released_rules as released
import torch
from torch.nn import functional as F

from twomind.adaptation import divergences, neighbours

pytestmark = pytest.mark.parity
GIVEN = os.environ.get("TWOMIND_GOLDEN")
FOLDER = Path(GIVEN) if GIVEN else Path(__file__).parents[3] / "shared" / "golden"
KINDS = {
    "mmd": ("subject_msda", r"(.+)/src"),
    "acpl": ("subject_msda", r"(.*acpl.*)/sel_label"),
    "shot": ("sfda_baselines", r"(shot/.+)/pseudo"),
    "nrc": ("sfda_baselines", r"(nrc/.+)/idx_near"),
}


def cases(kind: str) -> list[Any]:
    """One case per array name that tells the kind, over all files of its prefix."""
    prefix, pattern = KINDS[kind]
    found = []
    for path in sorted(FOLDER.rglob(f"{prefix}*.npz")):
        with np.load(path) as file:
            names = [m.group(1) for name in file.files if (m := re.fullmatch(pattern, name))]
        found += [pytest.param(path, name, id=f"{path.stem}-{name}") for name in names]
    return found


def test_there_are_cases() -> None:
    if not GIVEN and not FOLDER.is_dir():
        pytest.skip(f"needs {FOLDER} (set TWOMIND_GOLDEN)")
    assert any(cases(kind) for kind in KINDS), (
        f"no recorded case of SHOT, NRC or subject-based MSDA under {FOLDER}"
    )


def read(path: Path, case: str) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Arrays and scalars of one case, by what follows its name."""
    with np.load(path) as file:
        arrays = {
            k.removeprefix(f"{case}/"): torch.from_numpy(file[k])
            for k in file.files
            if k.startswith(f"{case}/")
        }
    scalars = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["scalars"]
    return arrays, {
        k.removeprefix(f"{case}/"): v for k, v in scalars.items() if k.startswith(f"{case}/")
    }


def close(got: Any, wanted: Any, what: str, atol: float = 1e-6, rtol: float = 1e-4) -> None:
    values = got.detach().numpy() if isinstance(got, torch.Tensor) else np.asarray(got)
    np.testing.assert_allclose(
        values, np.asarray(wanted, float), atol=atol, rtol=rtol, err_msg=what
    )


def gradient(loss: Any, at: torch.Tensor) -> torch.Tensor:
    at = at.clone().requires_grad_(True)
    return torch.autograd.grad(loss(at), at)[0]


@pytest.mark.parametrize(("path", "case"), cases("mmd"))
def test_divergences(path: Path, case: str) -> None:
    g, wanted = read(path, case)
    x, y = g["src"], g["tgt"]
    both = torch.cat([x, y])
    fixed = divergences.Kernels(width=2.0)
    got = {
        "mk_mmd": divergences.mk_mmd(x, y),
        "linear_mmd": released.linear_mmd(x, y),
        "mk_mmd_fix_sigma2": divergences.mk_mmd(x, y, fixed),
        "coral_sqrt": released.coral(x, y, squared=False),
        "base_bandwidth": divergences.base_width(divergences.squared_distances(both)),
    }
    assert set(wanted) <= set(got), f"scalars that the test does not know: {set(wanted) - set(got)}"
    for name, value in wanted.items():
        close(got[name], value, name)
    if "kernel" in g:
        close(divergences.kernel(both), g["kernel"], "kernel", atol=1e-5)
    if "mk_mmd_grad_src" in g:
        close(
            gradient(lambda v: divergences.mk_mmd(v, y), x), g["mk_mmd_grad_src"], "mk_mmd_grad_src"
        )
    if "coral_grad_src" in g:
        grad = gradient(lambda v: released.coral(v, y, squared=False), x)
        close(grad, g["coral_grad_src"], "coral_grad_src", atol=1e-7)
    # the published square follows from the recorded norm
    close(released.coral(x, y), wanted["coral_sqrt"] ** 2 * 4 * x.shape[1] ** 2, "coral squared")


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("subject_msda*.npz")), ids=lambda p: p.stem)
def test_edges(path: Path) -> None:
    """Identical and constant inputs: the released numbers, and what is done instead of a nan."""
    scalars = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["scalars"]
    x, same = torch.randn(6, 4, generator=torch.Generator().manual_seed(0)), torch.ones(5, 3)
    if "mmd_identical" in scalars:
        close(divergences.mk_mmd(x, x), scalars["mmd_identical"], "identical")
    if scalars.get("mmd_all_equal_features") == "nan":
        assert torch.isnan(divergences.mk_mmd(same, same, divergences.Kernels(eps=0)))
        assert divergences.mk_mmd(same, same) == 0
    if scalars.get("coral_identical_grad_is_nan"):
        close(
            released.coral(x, x, squared=False),
            scalars["coral_identical_value"],
            "coral of identical rows",
        )
        assert torch.isnan(gradient(lambda v: released.coral(v, x, squared=False), x)).all()
        assert gradient(lambda v: released.coral(v, x), x).abs().max() == 0


@pytest.mark.parametrize(("path", "case"), cases("acpl"))
def test_confident_pseudo_labels(path: Path, case: str) -> None:
    g, _ = read(path, case)
    x, w = g["x"], g["W"]
    logits, flipped = x.flatten(1) @ w, x.flip(-1).flatten(1) @ w
    close(logits, g["logits"], "logits", atol=1e-5)
    close(flipped, g["logits_flip"], "logits of the flip", atol=1e-5)
    got = neighbours.confident_views(logits, flipped, 0.90)
    close(x[got.rows], g["sel_x"], "selected inputs", atol=0)
    close(got.confidence, g["sel_conf"], "confidence")
    np.testing.assert_array_equal(got.label, g["sel_label"])
    if "sel_gt" in g:
        np.testing.assert_array_equal(g["gt"][got.rows], g["sel_gt"])


@pytest.mark.parametrize(("path", "case"), cases("shot"))
def test_shot(path: Path, case: str) -> None:
    g, wanted = read(path, case)
    logits = g["feat"] @ g["W"]
    if "logits" in g:
        close(logits, g["logits"], "logits", atol=1e-5)
    probs = logits.softmax(-1)
    above = int(m.group(1)) if (m := re.search(r"_thr(\d+)", case)) else 0
    distance = "euclidean" if "_euclid" in case else "cosine"
    labels = neighbours.centroid_labels(g["feat"], probs, distance, above)
    np.testing.assert_array_equal(labels, g["pseudo"])
    n = probs.shape[1]
    got = {
        "entropy": neighbours.mean_entropy(logits),
        "marginal_entropy": neighbours.diversity(logits),
        "im_loss": neighbours.information(logits),
        "argmax_counts": torch.bincount(probs.argmax(1), minlength=n),
        "pseudo_counts": torch.bincount(labels, minlength=n),
    }
    for name, value in wanted.items():
        close(got[name], value, name)
    if "im_grad_logits" in g:
        close(
            gradient(neighbours.information, logits),
            g["im_grad_logits"],
            "im_grad_logits",
            atol=1e-7,
        )


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("sfda_baselines*.json")), ids=lambda p: p.stem)
def test_learning_rate(path: Path) -> None:
    wanted = json.loads(path.read_text(encoding="utf-8"))["scalars"].get(
        "shot/lr_decay_at_frac", {}
    )
    for done, value in wanted.items():
        close(neighbours.decayed(1.0, float(done)), value, f"decay at {done}", rtol=1e-9)


@pytest.mark.parametrize(("path", "case"), cases("nrc"))
def test_nrc(path: Path, case: str) -> None:
    g, wanted = read(path, case)
    where, logits = g["batch_idx"], g["batch_logits"]
    rows, bank, scores = (
        F.normalize(g["batch_feat"], dim=1),
        g["feat_bank"].clone(),
        g["score_bank"].clone(),
    )
    bank[where], scores[where] = rows, logits.softmax(-1)
    k, kk = g["idx_near_near"].shape[1:]
    found = neighbours.near(rows, where, bank, k, kk)
    np.testing.assert_array_equal(found.first, g["idx_near"])
    np.testing.assert_array_equal(found.second, g["idx_near_near"])
    match = neighbours.reciprocity(found, where)
    close(match, g["match"], "match", atol=0)
    # the VisDA script overwrites the weights in place; its recorded weights are the slip, not the
    # method
    weights = neighbours.affinities(found, where, released="visda" in case)
    close(weights, g["weight_1st"], "weight_1st")
    assert (g["weight_2nd"] == g["weight_2nd"].flatten()[0]).all()
    close(g["weight_2nd"].flatten()[0], 0.1, "weight_2nd")

    def loss(v: torch.Tensor) -> torch.Tensor:
        return neighbours.nrc(v, found, weights, scores)

    close(loss(logits), wanted["loss_dot_form"], "loss_dot_form")
    close(gradient(loss, logits), g["grad_logits"], "grad_logits")
    own = (scores * scores.log()).sum(-1)
    constant = ((weights * own[found.first]).sum(1) + 0.1 * own[found.second].sum((1, 2))).mean()
    close(constant, wanted["constant_bank_entropy_term"], "constant_bank_entropy_term")
    close(loss(logits) + constant, wanted["loss"], "loss")
    if "n_reciprocal" in wanted:
        assert int((match > 0).sum()) == wanted["n_reciprocal"]
    if "visda" in case and (match > 0).any():
        assert not torch.equal(neighbours.affinities(found, where), weights), (
            "as defined, reciprocity counts"
        )
