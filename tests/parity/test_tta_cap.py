"""TTA-CaP, its prototype builder and TDA against numbers recorded from the released programs.

Files are found by the prefix of their names in ``$TWOMIND_GOLDEN`` (default: ``shared/golden``
beside the repository). Everything runs through the method's own code: stepped with :func:`stream`,
and as a whole with ``evaluate``.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
import released_rules as released
import torch

from twomind.adaptation import load_method, pool, prototypes, stream, tta_cap
from twomind.adaptation.losses import entropy, unit
from twomind.models.embedding import EmbeddingRecogniser
from twomind.types import Features, Given, Task, Track

pytestmark = pytest.mark.parity
GIVEN = os.environ.get("TWOMIND_GOLDEN")
FOLDER = Path(GIVEN) if GIVEN else Path(__file__).parents[3] / "shared" / "golden"


def files(*prefixes: str) -> list[Any]:
    found = sorted(p for prefix in prefixes for p in FOLDER.rglob(f"{prefix}*.npz"))
    return [pytest.param(p, id=p.stem) for p in found]


def test_there_are_files() -> None:
    if not GIVEN and not FOLDER.is_dir():
        pytest.skip(f"needs {FOLDER} (set TWOMIND_GOLDEN)")
    assert files("r1_", "r2_", "build_r1_", "build_r2_", "tda_"), (
        f"no recorded TTA-CaP or TDA file under {FOLDER}"
    )


def read(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    with np.load(path) as file:
        arrays = {k: file[k] for k in file.files}
    return arrays, json.loads(str(arrays["hp_json"]))


def model_of(g: dict[str, np.ndarray]) -> EmbeddingRecogniser:
    names = tuple(f"class{c}" for c in range(len(g["text"])))
    return EmbeddingRecogniser(
        Task("golden", names, "frame"),
        {"head.weight": torch.from_numpy(100 * g["text"])},
        unit=True,
    )


def windows_of(g: dict[str, np.ndarray]) -> list[Features]:
    found = []
    subject = g.get("subject", np.zeros(len(g["in_emb"]), int))
    video = g.get("video", np.zeros(len(g["in_emb"]), int))
    for t, z in enumerate(g["in_emb"]):
        track = Track(z[None], np.array([float(t)]), np.ones(1, bool))
        person = f"s{subject[t]}"
        found.append(
            Features(
                f"{person}-v{video[t]}",
                person,
                {"embedding": track},
                (float(t), t + 1.0),
                drawn=True,
            )
        )
    return found


SAME = {
    "window": "window",
    "proto_topk": "proto_top_k",
    "cache_topk": "top_k",
    "lambda_src": "lam_src",
}
SAME |= {
    "lambda_pos": "lam_pos",
    "lambda_neg": "lam_neg",
    "gates": "gates",
    "proto_missing": "missing",
}
SAME |= {"fusion_space": "fusion_space"}
R1 = SAME | {
    "tau_H_pos": "tau_pos",
    "tau_H_neg": "tau_neg",
    "tau_delta": "tau_margin",
    "L_pos": "n_pos",
}
R1 |= {"L_neg": "n_neg", "beta": "beta", "proto_gamma": "gamma"}
R2 = SAME | {
    "tau_entropy_positive": "tau_pos",
    "tau_entropy_negative": "tau_neg",
    "cache_beta": "beta",
}
R2 |= {
    "tau_prototype_margin": "tau_margin",
    "positive_capacity": "n_pos",
    "negative_capacity": "n_neg",
}
R2 |= {
    "weighting_strategy": "weighting",
    "agreement_mode": "agreement",
    "attention_temperature": "temperature",
}


def method_of(name: str, hp: dict[str, Any]) -> tta_cap.TTACap:
    names = R1 if name.startswith("r1_") else R2
    unknown = set(hp) - set(names) - {"default_subject", "use_proto_fusion"}
    assert not unknown, f"hyper-parameters that the test does not know: {unknown}"
    settings = {names[k]: v for k, v in hp.items() if k in names}
    if hp.get("use_proto_fusion") is False:
        settings["source_term"] = "none"
    preset = "tta-cap-v1" if name.startswith("r1_") else "tta-cap-wacv"
    return load_method(preset, select="all", **settings)  # type: ignore[return-value]


def bank_of(g: dict[str, np.ndarray], subject: str) -> Given:
    own = np.array([f"s{s}" == subject for s in g["bank_subject"]], bool)
    return Given(
        summary={"prototypes": g["bank_emb"][own], "prototype_class": g["bank_class"][own]}
    )


def scopes(method: tta_cap.TTACap, g: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Frames of each stretch between two resets, in stream order."""
    key = g["subject"] * 100_000 + (g["video"] if method.reset_scope == "video" else 0)
    return [np.flatnonzero(key == k) for k in dict.fromkeys(key.tolist())]


def check_arrays(
    name: str, method: tta_cap.TTACap, g: dict[str, np.ndarray], where: np.ndarray, w: tta_cap.Whole
) -> None:
    """Everything recorded for the frames ``where`` against one evaluated stretch."""
    look, gate = w.look, tta_cap.gates(method, w.look)
    for key, value in {"z": look.z, "probs": look.probs, "entropy": look.entropy}.items():
        atol = (
            1e-6 if key == "z" else 1e-5
        )  # what 1e-5 on logits of scale 100 (float32) leaves of them
        np.testing.assert_allclose(value, g[key][where], atol=atol, err_msg=key)
    np.testing.assert_allclose(look.logits, g["base_logits"][where], atol=1e-4)
    there = (
        look.proto_class >= 0
    )  # without any prototype the scores are not used; the programs recorded zeros
    np.testing.assert_allclose(
        look.scores[there], g["proto_scores"][where][there], atol=1e-6, rtol=1e-6
    )
    exact = {
        "pred": look.pred,
        "majority": w.majority,
        "temporal_pass": w.majority == look.pred,
        "entropy_confident": gate["confident"],
        "entropy_ambiguous": gate["ambiguous"],
        "proto_class": look.proto_class,
        "action": w.positive + 2 * w.negative,
    }
    if name.startswith("r1_"):
        exact |= {"proto_ok": gate["agree"], "margin_ok": gate["margin"]}
    else:
        exact |= {"prototype_pass": gate["agree"], "least_likely": look.neg_class}
    gate_of = {
        "temporal_pass": "temp",
        "entropy_confident": "entropy",
        "entropy_ambiguous": "entropy",
    }
    gate_of |= {"proto_ok": "proto", "margin_ok": "proto", "prototype_pass": "proto"}
    for key, value in exact.items():
        if gate_of.get(key, "") not in ("", *method.gates.split(",")) and g[key][where].all():
            continue  # a gate that is not in use may be recorded as open
        np.testing.assert_array_equal(value.astype(int), g[key][where], err_msg=key)
    np.testing.assert_allclose(
        look.margin[there], g["proto_margin"][where][there], atol=1e-6, rtol=1e-6
    )
    np.testing.assert_allclose(w.fused.logits, g["final_logits"][where], atol=1e-4, rtol=1e-6)
    for sign, held in zip(("pos", "neg"), w.at, strict=True):
        np.testing.assert_array_equal(
            np.where(held >= 0, where[held], -1), g[f"{sign}_frame_idx"][where]
        )
        keys = np.where(held >= 0, look.entropy[held], np.nan)
        np.testing.assert_allclose(keys, g[f"{sign}_entropy"][where], atol=1e-5)
    long = {"pos": "positive", "neg": "negative", "src": "source"}
    for short, part in long.items():
        recorded = g[f"z_{short}"][where]
        if part in w.fused.parts:
            np.testing.assert_allclose(
                w.fused.parts[part], recorded, atol=1e-6, err_msg=f"z_{short}"
            )
        if part in w.fused.label_scores:
            np.testing.assert_allclose(
                w.fused.label_scores[part], g[f"{short}_label_scores"][where], atol=1e-6
            )
    if w.fused.fused is not None:
        # the recorded confidences lie 2e-6 from their value in double precision, and weigh the
        # parts
        atol = 1e-6 if method.weighting == "equal" else 5e-6
        np.testing.assert_allclose(w.fused.fused, g["z_fused"][where], atol=atol)
    if "w_target" in g and w.fused.weights:
        for part, value in w.fused.weights.items():
            np.testing.assert_allclose(value, g[f"w_{part}"][where], atol=1e-5, err_msg=f"w_{part}")


@pytest.mark.parametrize("path", files("r1_", "r2_"))
def test_run(path: Path) -> None:
    g, hp = read(path)
    method, model, windows = method_of(path.stem, hp), model_of(g), windows_of(g)
    steps = list(stream(model, method, windows, given=lambda s: bank_of(g, s)))
    logits = np.stack([np.asarray(s.prediction.logits) for s in steps])
    np.testing.assert_allclose(logits, g["final_logits"], atol=1e-4, rtol=1e-6)

    offset = np.array([np.flatnonzero(g["subject"] == s)[0] for s in g["subject"]])[:, None, None]
    for sign, key in (("pos", "positive"), ("neg", "negative")):
        held = {k: np.stack([s.state[key][k] for s in steps]) for k in ("at", "entropy", "z")}
        used, frame = held["at"] >= 0, held["at"] + offset
        np.testing.assert_array_equal(np.where(used, frame, -1), g[f"{sign}_frame_idx"])
        np.testing.assert_allclose(held["entropy"], g[f"{sign}_entropy"], atol=1e-5)
        np.testing.assert_allclose(held["z"][used], g["z"][frame[used]], atol=1e-6)

    head = tuple(a.numpy() for a in model.head())
    passed = np.zeros((len(windows), 3), bool)
    for where in scopes(method, g):
        summary = bank_of(g, f"s{g['subject'][where[0]]}").summary
        assert summary is not None
        bank = tta_cap.Bank.of(
            summary["prototypes"], summary["prototype_class"], len(g["text"]), g["in_emb"].shape[1]
        )
        with torch.no_grad():
            z, base = (a.numpy() for a in model.run([windows[t] for t in where]))
        whole = tta_cap.evaluate(method, z, base, bank, head)
        check_arrays(path.stem, method, g, where, whole)
        gate = tta_cap.gates(method, whole.look)
        temporal, below = whole.majority == whole.look.pred, gate["confident"] | gate["ambiguous"]
        passed[where] = np.stack([temporal, below, gate["agree"]], axis=1)
    if "gate_pass_rates" in g and set(method.gates.split(",")) == {"temp", "entropy", "proto"}:
        rates = [*passed.mean(axis=0), passed.all(axis=1).mean()]
        np.testing.assert_allclose(100 * np.array(rates), g["gate_pass_rates"], atol=1e-3)

    answers = pool(steps)
    for row, mean in zip(g["video_table"], g["video_logits_avg"], strict=True):
        answer = answers[f"s{row[0]}-v{row[1]}"]
        np.testing.assert_allclose(np.asarray(answer.logits), mean, atol=1e-4, rtol=1e-6)
        assert int(answer.probs.argmax()) == row[4]
    check_scores(g)


def check_scores(g: dict[str, np.ndarray]) -> None:
    """The recorded tables follow from the recorded answers, in percent: a class that is absent
    counts 0.
    """
    subject, _, _, y, p = g["video_table"].T

    def row(keep: np.ndarray) -> list[float]:
        a, b, n = y[keep], p[keep], len(g["text"])
        recall = [float((b[a == c] == c).mean()) if (a == c).any() else 0.0 for c in range(n)]
        f1 = [
            2 * ((a == c) & (b == c)).sum() / max(1, (a == c).sum() + (b == c).sum())
            for c in range(n)
        ]
        uar = [100 * float(np.mean(recall))] if len(g["overall"]) == 3 else []
        return [100 * float((a == b).mean()), *uar, 100 * float(np.mean(f1))]

    np.testing.assert_allclose(row(np.ones(len(y), bool)), g["overall"], atol=1e-3)
    for recorded in g["per_subject"]:
        np.testing.assert_allclose(row(subject == recorded[0]), recorded[2:], atol=1e-3)


@pytest.mark.parametrize("path", files("tda_"))
def test_tda(path: Path) -> None:
    g, hp = read(path)
    settings: dict[str, Any] = {"entropy_unit": "released"}
    for sign, short in (("positive", "pos"), ("negative", "neg")):
        part = hp[sign]
        settings |= {f"n_{short}": part["shot_capacity"], f"beta_{short}": part["beta"]}
        settings[f"alpha_{short}"] = part["alpha"] if part["enabled"] else 0.0
    for name, short in (("entropy_threshold", "entropy"), ("mask_threshold", "mask")):
        settings |= {
            f"{short}_low": hp["negative"][name]["lower"],
            f"{short}_high": hp["negative"][name]["upper"],
        }
    model, windows = model_of(g), windows_of(g)
    steps = list(
        stream(model, load_method("tda", **settings), windows, given=Given(), reset="never")
    )
    logits = np.stack([np.asarray(s.prediction.logits) for s in steps])
    np.testing.assert_allclose(logits, g["final_logits"], atol=1e-4)
    with torch.no_grad():
        _, base = model.run(windows)
    probs = base.softmax(-1).numpy()
    h = entropy(probs)
    np.testing.assert_allclose(h, g["entropy"], atol=1e-5)
    np.testing.assert_allclose(h / np.log2(len(g["text"])), g["prop_entropy"], atol=1e-5)
    np.testing.assert_array_equal(probs.argmax(axis=1), g["pred"])
    for sign, key in (("pos", "positive"), ("neg", "negative")):
        at = np.stack([s.state[key]["at"] for s in steps])
        enabled = hp[key]["enabled"]
        np.testing.assert_array_equal(
            at if enabled else np.full_like(at, -1), g[f"{sign}_frame_idx"]
        )
    np.testing.assert_allclose(
        100 * (logits.argmax(axis=1) == g["label"]).mean(), g["acc"], atol=1e-3
    )


def people_of(g: dict[str, np.ndarray], side: str, name: str) -> dict[str, np.ndarray]:
    """Rows of ``features`` of one person per class, in input order."""
    paths = [str(p).split("/") for p in g["path"]]
    classes = sorted({p[2] for p in paths})
    return {
        c: np.array([i for i, p in enumerate(paths) if p[:3] == [side, name, c]], int)
        for c in classes
    }


@pytest.mark.parametrize("path", files("build_r1_", "build_r2_"))
def test_builder(path: Path) -> None:
    g, hp = read(path)
    released_2 = path.stem.startswith("build_r2_")
    search = prototypes.Search(
        min_samples=tuple(hp["min_samples"]),
        quantiles=tuple(hp["quantiles"]),
        bootstraps=hp["bootstraps"],
        fraction=hp.get("bootstrap_fraction", 0.8),
        stability_weight=hp["stability_weight"] if released_2 else hp["alpha"],
        max_noise_rate=hp.get("max_noise_rate", 1.0),
        min_eps=1e-8 if released_2 else 1e-6,
    )
    names = [str(s) for s in g["source_subjects"]]
    rows, subject, classes, stats, used = [], [], [], [], []
    for s, name in enumerate(names):
        own = people_of(g, "src", name)
        medoids = {}
        for c, index in enumerate(own.values()):
            built = prototypes.build(g["features"][index], hp["seed"], search)
            medoids[c] = index[built.rows]
            rows += medoids[c].tolist()
            subject += [s] * len(medoids[c])
            classes += [c] * len(medoids[c])
            if released_2:
                check_clustering(g, s * len(own) + c, built, g["features"][index], search)
        # v1 describes a person by the neutral medoids, v2 by all frames
        index = np.concatenate(list(own.values())) if released_2 else medoids[0]
        if len(index):
            used.append(s)
            stats.append(prototypes.gaussian(unit(g["features"][index]), hp["shrink_lam"]))
        if released_2:
            assert len(index) == g["src_n"][s]
            np.testing.assert_allclose(stats[-1][0], g["src_mean"][s], atol=1e-6)
            np.testing.assert_allclose(stats[-1][1], g["src_var"][s], atol=1e-6)
    np.testing.assert_array_equal(rows, g["src_proto_row"])
    np.testing.assert_array_equal(subject, g["src_proto_subject"])
    np.testing.assert_array_equal(classes, g["src_proto_class"])
    np.testing.assert_allclose(unit(g["features"][rows]), unit(g["src_proto"]), atol=1e-6)

    for t, name in enumerate(g["target_subjects"]):
        own = people_of(g, "tgt", str(name))
        index = np.concatenate(list(own.values())) if released_2 else next(iter(own.values()))
        z = unit(g["features"][index])
        mean, variance = prototypes.gaussian(z, hp["shrink_lam"])
        far = prototypes.wasserstein2(
            mean, variance, *(np.stack(x) for x in zip(*stats, strict=True))
        )
        nearest = np.array(used)[np.argsort(far, kind="stable")[: hp["top_m"]]]
        if released_2:
            np.testing.assert_allclose(mean, g["tgt_mean"][t], atol=1e-6)
            np.testing.assert_allclose(variance, g["tgt_var"][t], atol=1e-6)
            np.testing.assert_allclose(far, g["distance"][t], atol=1e-6)
        np.testing.assert_array_equal(nearest, g["selected"][t])
        chosen = prototypes.personal(np.array(subject), np.array(classes), nearest)
        kept = unit(g["features"][np.array(rows)[chosen]])
        per_class = hp.get("cap_per_class", hp.get("cap_K", 0))
        chosen = chosen[released.cap(kept, np.array(classes)[chosen], mean, per_class)]
        mine = g["pers_target"] == t
        np.testing.assert_array_equal(np.array(rows)[chosen], g["pers_row"][mine])
        np.testing.assert_array_equal(np.array(classes)[chosen], g["pers_class"][mine])
        np.testing.assert_allclose(
            unit(g["features"][np.array(rows)[chosen]]), g["pers_proto"][mine], atol=1e-6
        )


def check_clustering(
    g: dict[str, np.ndarray],
    row: int,
    built: prototypes.Prototypes,
    features: np.ndarray,
    search: prototypes.Search,
) -> None:
    """The recorded winner of one person and class, clustered again by our code.

    The bootstraps' random draws come from a seed whose text the notes do not give, so the recorded
    stability is reached by its bounds, and our own winner may differ where two settings tie; the
    medoids may not (they are compared exactly by the caller).
    """
    eps, min_samples, score, validity, steady, noise, clusters, fallback = g["dbscan"][row]
    if np.isnan(eps):
        assert built.fallback
        assert len(features) == 0 or fallback == 1
        return
    assert not built.fallback
    assert fallback == 0
    distance = prototypes.distances(unit(features))
    grid = np.quantile(np.sort(distance, axis=1)[:, int(min_samples) - 1], search.quantiles)
    ours = float(grid[np.abs(grid - eps).argmin()])
    np.testing.assert_allclose(ours, eps, atol=1e-6)
    labels = prototypes.cluster(distance, ours, int(min_samples))
    assert labels.max() + 1 == clusters
    np.testing.assert_allclose((labels < 0).mean(), noise, atol=1e-9)
    np.testing.assert_allclose((1 - noise) * np.log(1 + clusters), validity, atol=1e-9)
    np.testing.assert_allclose(validity + search.stability_weight * steady, score, atol=1e-9)
    np.testing.assert_allclose(
        prototypes.stability(distance, ours, int(min_samples), 0, search), steady, atol=0.15
    )
