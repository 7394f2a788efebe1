"""CLIP-AU and CLIP-AUTT against numbers that the authors' own code gave (tolerances: the README of
the golden folder).

Fixtures are found by the beginning of their names in ``$TWOMIND_GOLDEN``, so a new one of a known
kind is checked without an edit. Trajectories are walked twice: from each recorded context, where an
update is compared tightly, and freely from the start. An update of AdamW without history is a sign:
where the gradient is as small as its own rounding error, either sign is right, and only there may a
context differ by a whole step.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
import golden_clip as golden
import released_rules as released
import torch
from golden_clip import Arrays, close, files, tensor
from released_chunks import released_chunks
from torch import Tensor
from torch.nn import functional as F

from twomind.adaptation import clip_autt_parts as autt
from twomind.adaptation.methods.clip_autt import answer, windows_of
from twomind.encoders.clip_towers import encode_ids, text_features
from twomind.models.clip_au import parts
from twomind.models.clip_au.clips import released_rows
from twomind.training.clip_au import TrainSettings, leaves, rates, training_step

pytestmark = pytest.mark.parity

KINDS = (
    *(
        "clip_au_forward*.npz",
        "clip_au_train*.npz",
        "autt_step0*.npz",
        "autt_traj*.npz",
        "autt_class_prompts*.npz",
    ),
    *("authors_loop*.npz", "clip_sampling*.json", "bah_chunking*.json"),
)
FEATURES, LOGITS, LOSS, GRADIENT, CONTEXT = 1e-5, 1e-5, 1e-5, 1e-4, 5e-5
FREE_LOGITS, FREE_SHARE = (
    5e-5,
    1e-3,
)  # of a walk that nothing corrects; share of coordinates beyond CONTEXT
N_WINDOW = 16


def of_kind(pattern: str) -> pytest.MarkDecorator:
    """One test per fixture of a kind."""
    return pytest.mark.parametrize("path", files(pattern), ids=lambda p: p.name)


def test_there_is_something_to_check() -> None:
    if not any(files(kind) for kind in KINDS):
        where = os.environ.get("TWOMIND_GOLDEN")
        if where:
            pytest.fail(f"{where}: expected fixtures such as {KINDS[0]}, and there is none")
        pytest.skip("no golden numbers beside the repository (set TWOMIND_GOLDEN)")


@of_kind("clip_au_forward*.npz")
def test_clip_au_forward(path: Path) -> None:
    found, model, x = Arrays(path), golden.model(), golden.frames()
    w, text = model.weights, model.text
    assert text is not None
    with torch.no_grad():
        close(x, found["frame_features"], FEATURES, "frame_features")
        close(w["phrases.features"], found["au_text"], FEATURES, "au_text")
        whole = text_features(
            text.tower, autt.embed_tokens(text.tower, text.ids), text.read_at, truncate=False
        )
        close(whole, found["au_text"], FEATURES, "au_text from all tokens")
        close(
            parts.adapt_text(w, w["phrases.features"]),
            found["au_text_adapted"],
            FEATURES,
            "au_text_adapted",
        )
        phrases = model.phrase_rows()
        close(phrases, found["au_text_adapted_norm"], FEATURES, "au_text_adapted_norm")
        close(parts.convolve(w, x), found["conv_out"], FEATURES, "conv_out")
        close(parts.pooled(w, x), found["visual_embed"], FEATURES, "visual_embed")
        rows = parts.clip_rows(w, x)
        close(rows, found["visual_embed_norm"], FEATURES, "visual_embed_norm")
        sims = parts.similarities(rows, phrases)
        close(sims, found["au_sim"], FEATURES, "au_sim")
        logits = parts.classify(w, sims)
        close(logits, found["logits"], LOGITS, "logits")
        close(logits.softmax(-1), found["probs"], LOGITS, "probs")
        close(parts.entropy(logits), found["entropy"], LOGITS, "entropy")
        close(
            F.cross_entropy(logits, tensor("labels")),
            found["cross_entropy_vs_labels"],
            LOSS,
            "cross_entropy_vs_labels",
        )
        for name in [
            n.removeprefix("class_text_") for n in found.names() if n.startswith("class_text_")
        ]:
            sentences = encode_ids(text.tower, tensor(f"cls_tokens_{name}"))
            close(sentences, found[f"class_text_{name}"], FEATURES, name)
            fused = released.fuse_class_prompts(logits, rows, sentences)
            close(fused, found[f"logits_with_class_prompts_{name}"], LOGITS, f"{name}, fused")
        for name in [n for n in found.names() if n.startswith("logits_T")]:
            short = parts.clip_rows(w, x[:, : int(name.removeprefix("logits_T"))])
            close(parts.classify(w, parts.similarities(short, phrases)), found[name], LOGITS, name)
    assert not found.unchecked()


@of_kind("clip_au_forward*.npz")
def test_the_recogniser_is_this_computation(path: Path) -> None:
    """What ``ClipAu.run`` gives for windows of the same frames, through tracks and clips
    by time.
    """
    from dataclasses import replace as change

    from twomind.models.clip_au.clips import ClipSettings
    from twomind.types import Features, Track

    n = golden.frames().shape[1]
    clips = ClipSettings(n_frames=n, hop_s=0.08)
    times_s = 0.08 * np.arange(n)
    tracks = [Track(clip.numpy(), times_s, np.ones(n, bool)) for clip in golden.frames()]
    xs = [Features(f"r{k}", "p", {"clip": t}, (0.0, 2.0)) for k, t in enumerate(tracks)]
    with torch.no_grad():
        _, logits = change(golden.model(), clips=clips).run(xs)
    close(logits, Arrays(path)["logits"], LOGITS, "logits")


@of_kind("clip_au_train*.npz")
def test_clip_au_training(path: Path) -> None:
    found, model, x = Arrays(path), golden.model(), golden.frames()
    settings = TrainSettings.released()
    w, optimiser = leaves(model.weights, settings)
    lengths, y = torch.full((len(x),), x.shape[1]), tensor("labels")
    weakest: dict[str, np.ndarray] = {}
    for step in range(len(found["losses"])):
        loss, logits = training_step(w, optimiser, x, lengths, y)
        close(logits, found[f"logits_step{step}"], LOGITS, f"logits_step{step}")
        assert abs(loss - found["losses"][step]) < LOSS
        for name in parts.TRAINED:
            size = np.abs(w[name].grad.numpy())  # type: ignore[union-attr]
            weakest[name] = np.minimum(weakest.get(name, size), size)
        if step == 0:
            for name in parts.TRAINED:
                wanted, got = found[f"grad0.{name}"], w[name].grad
                assert got is not None
                close(got, wanted, GRADIENT * float(np.abs(wanted).max()), f"grad0.{name}")
    for name in parts.TRAINED:
        _close_context(
            w[name].detach(), found[f"after3.{name}"], weakest[name], 3e-3, f"after3.{name}"
        )
    rows = parts.clip_rows(w, x)
    after = parts.classify(w, parts.similarities(rows, parts.phrase_rows(w, w["phrases.features"])))
    close(after, found["logits_after3"], FREE_LOGITS, "logits_after3")
    assert not found.unchecked()


def _start() -> Tensor:
    return golden.weights()["au_ctx_init"]


def _windows(frames: Tensor, k: int) -> list[Tensor]:
    w = golden.model().weights
    return windows_of(w, frames, torch.full((len(frames),), frames.shape[1]), k)


@of_kind("autt_step0*.npz")
def test_autt_first_step(path: Path) -> None:
    found, model, x = Arrays(path), golden.model(), golden.frames()
    w, text, context = model.weights, model.text, _start()
    assert text is not None
    with torch.no_grad():
        whole = autt.released_prompts(text, full=True)
        close(whole.embeddings(context), found["prompts"], FEATURES, "prompts")
        prompts = autt.released_prompts(text)
        assert prompts.base.shape[1] < whole.base.shape[1] / 4
        features = prompts.features(context)
        close(features, found["au_features_raw"], FEATURES, "au_features_raw")
        close(parts.unit(features), found["au_features_norm"], FEATURES, "au_features_norm")
        close(
            parts.adapt_text(w, parts.unit(features)), found["au_adapted"], FEATURES, "au_adapted"
        )
        phrases = prompts.rows(w, context)
        close(phrases, found["au_adapted_norm"], FEATURES, "au_adapted_norm")
        rows = torch.stack(_windows(x, N_WINDOW))
        close(rows, found["window_visual_embed_norm"], FEATURES, "window_visual_embed_norm")
        flat = parts.classify(w, parts.similarities(rows, phrases, autt.RELEASED.select_scale))
        close(flat, found["window_logits_no_temp"], LOGITS, "window_logits_no_temp")
        start, entropies = autt.choose(w, _windows(x, N_WINDOW), phrases, autt.RELEASED)
        close(torch.stack(entropies), found["window_entropy"], LOGITS, "window_entropy")
        frames = start[:, None] + torch.arange(N_WINDOW)
        assert np.array_equal(frames, found["selected_frames"])
        for name in [n for n in found.names() if n.startswith("selected_frames_K")]:
            k = int(name.removeprefix("selected_frames_K"))
            start, _ = autt.choose(w, _windows(x, k), phrases, autt.RELEASED)
            assert np.array_equal(start[:, None] + torch.arange(k), found[name]), name
        single = released.frame_entropies(w, x, phrases)
        close(single, found["alt_per_frame_entropy"], LOGITS, "alt_per_frame_entropy")
        for name in [n for n in found.names() if re.match(r"alt_(consec|topk)", n)]:
            rule = released.calmest_window if "consec" in name else released.calmest_frames
            assert np.array_equal(rule(single, int(name.rpartition("_K")[2])), found[name]), name
    assert not found.unchecked()


def _runs() -> list[tuple[Path, str]]:
    found = []
    for path in files("autt_traj*.npz"):
        with np.load(path) as arrays:
            names = list(dict.fromkeys(name.rpartition(".")[0] for name in arrays.files))
        found += [(path, name) for name in names]
    return found


def _batches(kind: str, n_updates: int) -> list[list[int]]:
    """The clips of each update."""
    everyone = list(range(len(golden.frames())))
    if kind == "batch":
        return [everyone] * n_updates
    return [[everyone[s % len(everyone)]] for s in range(n_updates)]


def _close_context(
    got: Tensor, wanted: np.ndarray, gradient: np.ndarray, rate: float, what: str
) -> None:
    """Within tolerance wherever the gradient is larger than its rounding error; elsewhere within a
    whole step.
    """
    off = np.abs(got.numpy() - wanted)
    unsure = (gradient != 0) & (np.abs(gradient) < 1e-5 * np.abs(gradient).max())
    assert unsure.mean() < 0.05, f"{what}: the gradient is nearly all rounding error"
    assert off[~unsure].max() < CONTEXT, f"{what}: off by {off[~unsure].max():.1e}"
    assert off.max() < 2.1 * rate + CONTEXT, f"{what}: off by {off.max():.1e}, more than a step"


@pytest.mark.parametrize(
    ("path", "name"), _runs(), ids=lambda v: v if isinstance(v, str) else v.stem
)
def test_autt_trajectory(path: Path, name: str) -> None:
    match = re.fullmatch(
        r"(?:lr(?P<rate>[\de.-]+)_)?(?:(?P<kind>batch|single)_(?P<how>rebuild|persist|continual)|"
        r"episodic(?P<steps>\d+))(?:_(?P<select>nosel|K\d+))?",
        name,
    )
    assert match, f"{path}: no rule for a trajectory named {name!r}"
    found, w = Arrays(path), golden.model().weights
    rate = float(match["rate"] or 1e-3)
    select = match["select"] or f"K{N_WINDOW}"
    k = golden.frames().shape[1] if select == "nosel" else int(select.removeprefix("K"))
    rule = replace(autt.RELEASED, learning_rate=rate)
    windows = _windows(golden.frames(), k)
    text = golden.model().text
    assert text is not None
    prompts = autt.released_prompts(text)
    if match["steps"]:
        _check_episodes(found, name, windows, prompts, rule, int(match["steps"]))
    else:
        batches = _batches(match["kind"], len(found[f"{name}.loss"]))
        batched = [[windows[i] for i in batch] for batch in batches]
        _check_updates(
            found, name, batched, prompts, rule, match["how"] == "persist", select == "nosel"
        )
        _check_free_walk(found, name, batched, prompts, rule, match["how"] == "persist")
    assert w is golden.model().weights
    assert not found.unchecked(f"{name}.")


def _check_updates(
    found: Arrays,
    name: str,
    batches: Sequence[Sequence[Tensor]],
    prompts: autt.Prompts,
    rule: autt.Rule,
    persist: bool,
    whole: bool,
) -> None:
    """Each update from the recorded context before it."""
    w, moments, gradients = golden.model().weights, None, []
    for s, windows in enumerate(batches):
        context = torch.from_numpy(found[f"{name}.ctx"][s - 1]) if s else _start()
        done = autt.update(w, prompts, context, windows, rule, moments)
        moments = done.moments if persist else None
        at = f"{name}, update {s}"
        close(done.logits, found[f"{name}.logits"][s], LOGITS, f"{at}: logits")
        close(done.sims, found[f"{name}.au_sim"][s], LOGITS, f"{at}: au_sim")
        close(done.entropy, found[f"{name}.entropy"][s], LOGITS, f"{at}: entropy")
        assert abs(done.loss - found[f"{name}.loss"][s]) < LOSS, f"{at}: loss"
        starts, spread = found[f"{name}.start"][s], found[f"{name}.window_entropy"][s]
        if not whole:
            close(torch.stack(done.window_entropy), spread, LOGITS, f"{at}: window_entropy")
            _same_windows(done.start, starts, spread, at)
        else:
            assert starts.size == spread.size == 0
        if f"{name}.grad{s}" in found:
            wanted = found[f"{name}.grad{s}"]
            close(done.gradient, wanted, GRADIENT * float(np.abs(wanted).max()), f"{at}: gradient")
        gradients.append(done.gradient.abs().numpy())
        # Moments remember a rounding error of an earlier gradient.
        weakest = np.min(gradients, axis=0) if persist else gradients[-1]
        _close_context(
            done.context, found[f"{name}.ctx"][s], weakest, rule.learning_rate, f"{at}: ctx"
        )


def _same_windows(got: Tensor, wanted: np.ndarray, spread: np.ndarray, at: str) -> None:
    """The same windows, exactly, where the best is better than the second by more than 1e-5."""
    two = np.sort(spread, axis=-1)[:, :2]
    clear = two[:, 1] - two[:, 0] > 1e-5 if two.shape[1] > 1 else np.ones(len(two), bool)
    assert np.array_equal(got.numpy()[clear], wanted[clear]), f"{at}: start"


def _check_free_walk(
    found: Arrays,
    name: str,
    batches: Sequence[Sequence[Tensor]],
    prompts: autt.Prompts,
    rule: autt.Rule,
    persist: bool,
) -> None:
    """The whole trajectory from the start, through the released procedure where it is that one."""
    w, start = golden.model().weights, _start()
    if persist:
        walked, context, moments = [], start, None
        for windows in batches:
            walked.append(autt.update(w, prompts, context, windows, rule, moments))
            context, moments = walked[-1].context, walked[-1].moments
    else:
        walked = list(autt.passes(w, prompts, start, [batches], rule))
    for s, done in enumerate(walked):
        close(
            done.logits,
            found[f"{name}.logits"][s],
            FREE_LOGITS,
            f"{name}, freely, update {s}: logits",
        )
    off = np.abs(walked[-1].context.numpy() - found[f"{name}.ctx"][-1])
    assert (off > CONTEXT).mean() < FREE_SHARE, f"{name}, freely: ctx"


def _check_episodes(
    found: Arrays,
    name: str,
    windows: Sequence[Tensor],
    prompts: autt.Prompts,
    rule: autt.Rule,
    steps: int,
) -> None:
    """The context starts anew for every clip; one optimiser per clip; the answer is given with the
    tuned context.
    """
    w = golden.model().weights
    for clip, rows in enumerate(windows):
        context, moments = _start(), None
        for s in range(steps):
            done = autt.update(w, prompts, context, [rows], rule, moments)
            context, moments = done.context, done.moments
            at = f"{name}, clip {clip}, update {s}"
            close(
                done.logits[0],
                found[f"{name}.logits"][clip, s].reshape(-1),
                FREE_LOGITS,
                f"{at}: logits",
            )
            assert (
                abs(done.loss - float(found[f"{name}.loss"][clip, s].reshape(()))) < FREE_LOGITS
            ), f"{at}: loss"
            got = int(done.start[0])
            best = np.sort(done.window_entropy[0].numpy())[:2]
            if best[-1] - best[0] > 1e-5:
                assert got == int(found[f"{name}.start"][clip, s].reshape(())), f"{at}: start"
        off = np.abs(context.numpy() - found[f"{name}.ctx"][clip])
        assert (off > CONTEXT).mean() < FREE_SHARE, f"{name}, clip {clip}: ctx"
        final = answer(w, prompts, context, [rows], rule)
        close(
            final[0],
            found[f"{name}.final_logits"][clip].reshape(-1),
            FREE_LOGITS,
            f"{name}, clip {clip}: final",
        )
        phrases = prompts.rows(w, context)
        start, spread = autt.choose(w, [rows], phrases, rule)
        best = np.sort(spread[0].numpy())[:2]
        if best[-1] - best[0] > 1e-5:
            assert int(start[0]) == int(found[f"{name}.final_start"][clip]), (
                f"{name}, clip {clip}: final_start"
            )


@of_kind("autt_class_prompts*.npz")
def test_class_prompts(path: Path) -> None:
    found, model = Arrays(path), golden.model()
    w, text = model.weights, model.text
    assert text is not None
    context = torch.from_numpy(found["class_prompt_learner_ctx"])
    ids = tensor("class_prompt_learner_tokens_biovid")
    with torch.no_grad():
        sentences, read_at = released.released_class_prompts(text.tower, ids, context)
        close(sentences, found["class_prompt_embeddings"], FEATURES, "class_prompt_embeddings")
        features = text_features(text.tower, sentences, read_at)
        close(parts.unit(features), found["class_text_from_prompt_learner"], FEATURES, "class_text")
        prompts, windows = autt.released_prompts(text), _windows(golden.frames(), N_WINDOW)
        start, _ = autt.choose(w, windows, prompts.rows(w, _start()), autt.RELEASED)
        logits = answer(w, prompts, _start(), windows, autt.RELEASED)
        fused = released.fuse_class_prompts(logits, autt.selected(windows, start), features)
        close(fused, found["logits"], LOGITS, "logits")
    assert not found.unchecked()


def _subject_frames(found: Arrays, subject: str, default: Tensor) -> Tensor:
    """The clips of one subject: those the fixture carries, or the golden ones in the order that its
    README names.
    """
    name = f"{subject}.videos"
    if name in found and found[name].ndim >= 5:
        video = torch.from_numpy(found[name].astype(np.float32)).reshape(
            -1, *found[name].shape[-4:]
        )
        with torch.no_grad():
            rows = golden.image_features(golden.towers()[0], video.flatten(0, 1))
        return rows.view(*video.shape[:2], -1)[: len(default)]  # recorded per pass: the first one
    if name in found:
        assert len(found[name])
    return default


@of_kind("authors_loop*.npz")
def test_authors_loop(path: Path) -> None:
    """Their own adaptation function: several passes, no reset between people, and the epoch kept by
    target labels.
    """
    found = Arrays(path)
    x, labels = golden.frames(), inputs_labels()
    subjects = {
        "subject1": (_subject_frames(found, "subject1", x), 2),
        "subject2": (_subject_frames(found, "subject2", x.flip(1)), len(x)),
    }
    context = _start()
    for subject, (frames, size) in subjects.items():
        if not any(name.startswith(f"{subject}.") for name in found.names()):
            continue
        context = _check_subject(found, subject, frames, size, context, labels)
    if "evaluate.acc_uar_f1" in found:
        with torch.no_grad():
            w = golden.model().weights
            logits = parts.classify(
                w, parts.similarities(parts.clip_rows(w, x), golden.model().phrase_rows())
            )
        close(
            100 * np.array(rates(labels, logits.argmax(-1).numpy(), 2)),
            found["evaluate.acc_uar_f1"],
            0.01,
            "rates",
        )
    assert not found.unchecked()


def inputs_labels() -> np.ndarray:
    return golden.inputs()["labels"]


def _check_subject(
    found: Arrays, subject: str, frames: Tensor, size: int, context: Tensor, labels: np.ndarray
) -> Tensor:
    """Every forward of one subject from its recorded context; the context that a caller with labels
    would keep.
    """
    w, text = golden.model().weights, golden.model().text
    assert text is not None
    prompts, rule = autt.released_prompts(text), replace(autt.RELEASED, learning_rate=1e-4)
    windows = _windows(frames, N_WINDOW)
    before = found[f"{subject}.ctx_before_each_forward"]
    parts_ = [list(range(at, at + size)) for at in range(0, len(windows), size)]
    close(
        torch.from_numpy(before[0]),
        context.numpy(),
        CONTEXT,
        f"{subject}: the context it starts from",
    )
    losses, said, ends = [], np.zeros((len(before), size), int), []
    for f in range(len(before)):
        batch = parts_[f % len(parts_)]
        done = next(
            autt.passes(
                w, prompts, torch.from_numpy(before[f]), [[[windows[i] for i in batch]]], rule
            )
        )
        close(
            done.logits, found[f"{subject}.logits_{f}"], LOGITS, f"{subject}, forward {f}: logits"
        )
        if f + 1 < len(before):
            _close_context(
                done.context,
                before[f + 1],
                done.gradient.numpy(),
                1e-4,
                f"{subject}, forward {f}: ctx",
            )
        losses.append(done.loss)
        said[f] = done.logits.argmax(-1).numpy()
        ends.append(torch.from_numpy(before[f + 1]) if f + 1 < len(before) else done.context)
    n = len(parts_)
    kept, best = None, (-1.0, -1.0)
    printed = f"{subject}.epoch_metrics_loss_war_uar_f1"
    for epoch in range(len(before) // n):
        at = slice(epoch * n, epoch * n + n)
        war, uar, f1 = rates(labels, said[at].ravel(), 2)
        if printed in found:
            wanted = found[printed][epoch]
            scale = 100.0 if wanted[1:].max() > 1.5 else 1.0
            close(
                np.array([np.mean(losses[at])]), wanted[:1], 2e-4, f"{subject}, epoch {epoch}: loss"
            )
            close(
                scale * np.array([war, uar, f1]),
                wanted[1:],
                1e-4 * scale,
                f"{subject}, epoch {epoch}: rates",
            )
        if war > best[0] or f1 > best[1]:
            kept, best = ends[epoch * n + n - 1], (max(war, best[0]), max(f1, best[1]))
    assert kept is not None
    if f"{subject}.returned_ctx" in found:
        returned = found[f"{subject}.returned_ctx"]
        off = np.abs(kept.numpy() - returned)
        assert (off > CONTEXT).mean() < FREE_SHARE, (
            f"{subject}: returned_ctx is not the one of the best epoch"
        )
        return torch.from_numpy(returned)
    return kept


@of_kind("clip_sampling*.json")
def test_released_sampling(path: Path) -> None:
    cases = json.loads(path.read_text(encoding="utf-8"))
    assert cases
    for case in cases:
        got = released_rows(case["n_frames"], case["stride"], case["seq_len"], case["start"])
        assert got == case["indices"], case


@of_kind("bah_chunking*.json")
def test_released_chunking(path: Path) -> None:
    cases = json.loads(path.read_text(encoding="utf-8"))
    assert cases
    for case in cases:
        assert released_chunks(case["num_frames"], case["start_frame"]) == case["chunks"], case[
            "num_frames"
        ]
