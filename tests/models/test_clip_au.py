"""CLIP-AU: clips by time, the recogniser, its training, import of original checkpoints, and names
that are earned.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
import torch

from twomind.adaptation.methods.clip_autt import toy_model
from twomind.core.errors import BadInput, MissingWeights
from twomind.models.clip_au import parts
from twomind.models.clip_au.clips import ClipSettings, clips_of
from twomind.models.clip_au.names_check import CheckSettings, check_names, figure
from twomind.models.clip_au.phrases import PHRASES, read_phrases, released_phrases
from twomind.models.clip_au.recogniser import ClipAu, new_model
from twomind.training.clip_au import (
    TrainSettings,
    rates,
    split_people,
    train,
    training_clip,
    validate,
)
from twomind.training.clip_au_import import import_checkpoint
from twomind.types import Example, Features, Status, Task, Track, Trainable

DIM = 16


def track(values: np.ndarray, hop_s: float = 0.08, valid: np.ndarray | None = None) -> Track:
    n = len(values)
    return Track(
        np.asarray(values, np.float32),
        hop_s * np.arange(n),
        np.ones(n, bool) if valid is None else valid,
    )


def window(
    values: np.ndarray, subject: str = "anna", recording: str = "r", **more: object
) -> Features:
    own = {"embedding": track(values)}
    return Features(recording, subject, own, (0.0, 0.08 * len(values)), drawn=True, **more)  # type: ignore[arg-type]


def noise(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, DIM)).astype(np.float32)


def test_phrases() -> None:
    assert len(PHRASES) == 46
    assert all(len(p.facs) == 1 for p in PHRASES)
    assert len({p.text for p in PHRASES}) == 46
    assert PHRASES[9].name.startswith("AU12 ")
    released = released_phrases()
    assert len(released) == 46
    assert released[45].facs == (39, 19)
    assert released[45].text == "nostrils_narrowedtongue_shown"
    assert released[0].text == "inner_eyebrows_raised"
    (own,) = read_phrases(["12\ta smile"])
    assert (own.facs, own.text, own.measure) == ((12,), "a smile", "AU12")
    with pytest.raises(BadInput, match="line 2"):
        read_phrases(["12\ta smile", "smile"])


def test_clips_are_in_order_without_wrapping() -> None:
    settings = ClipSettings(n_frames=5, hop_s=0.08, n_clips=3)
    clips = clips_of(track(noise(40)), settings)
    assert len(clips) == 3
    for rows in clips:
        assert np.array_equal(np.diff(rows), [1, 1, 1, 1])
    assert clips[0][0] == 0
    assert clips[-1][-1] == 39
    (short,) = clips_of(track(noise(3)), settings)
    assert short.tolist() == [0, 1, 2]
    starts = {
        int(clips_of(track(noise(40)), settings, np.random.default_rng(s))[0][0]) for s in range(40)
    }
    assert min(starts) <= 4
    assert max(starts) >= 31
    assert all(0 <= s <= 35 for s in starts)


def test_clips_follow_the_clock_not_the_row_number() -> None:
    """Rows at 25/s give every second one; a hole leaves rows out and shifts nothing."""
    settings = ClipSettings(n_frames=5, hop_s=0.08, n_clips=1)
    valid = np.ones(9, bool)
    assert clips_of(track(noise(9), 0.04, valid), settings)[0].tolist() == [0, 2, 4, 6, 8]
    valid[3:6] = False
    assert clips_of(track(noise(9), 0.04, valid), settings)[0].tolist() == [0, 2, 6, 8]
    assert clips_of(track(noise(9), valid=np.zeros(9, bool)), settings) == []


def test_it_is_a_trainable_recogniser() -> None:
    model = toy_model()
    assert isinstance(model, Trainable)
    xs = [window(noise(n, n)) for n in (4, 20, 60)]
    z, logits = model.run(xs)
    weight, bias = model.head()
    torch.testing.assert_close(z @ weight.T + bias, logits)
    for k, x in enumerate(xs):
        np.testing.assert_allclose(model.predict(x).logits, logits[k].detach().numpy(), atol=1e-6)
    moved = {"temporal.bias": model.weights["temporal.bias"] + 1}
    assert not torch.allclose(model.run(xs, moved)[1], logits)
    torch.testing.assert_close(model.run(xs)[1], logits, rtol=0, atol=0)


def test_a_window_is_the_mean_of_its_clips() -> None:
    model = replace(toy_model(), clips=ClipSettings(n_frames=5, hop_s=0.08, n_clips=3))
    values = noise(40)
    rows = [values[r] for r in clips_of(track(values), model.clips)]
    one = replace(model, clips=ClipSettings(n_frames=5, n_clips=1))
    each = torch.stack([one.run([window(r)])[1][0] for r in rows])
    torch.testing.assert_close(model.run([window(values)])[1][0], each.mean(dim=0))


def test_padding_is_not_there() -> None:
    w, x = toy_model().weights, torch.from_numpy(noise(12))[None]
    together = parts.clip_rows(
        w, torch.cat([x, torch.cat([x[:, :5], torch.zeros(1, 7, DIM)], 1)]), torch.tensor([12, 5])
    )
    torch.testing.assert_close(together[1], parts.clip_rows(w, x[:, :5])[0])


def test_what_cannot_be_measured_says_so() -> None:
    model = toy_model()
    real = replace(window(noise(9)), drawn=False)
    assert model.predict(real).status is Status.NOT_MEASURED
    assert "synthetic people only" in model.predict(real).reason
    assert replace(model, allow_real=True).predict(real).status is Status.OK
    gone = Features("r", "p", {}, (0, 1), notes={"embedding": "no face"}, drawn=True)
    assert model.predict(gone).reason == "no face"
    with pytest.raises(ValueError, match="expected rows"):
        model.predict(window(np.zeros((5, 8))))


def test_saved_and_loaded(tmp_path: Path) -> None:
    model = replace(toy_model(), card={"made": "here"})
    model.save(tmp_path)
    card = json.loads((tmp_path / "card.json").read_text("utf-8"))
    assert (card["recogniser"], card["made"]) == ("clip-au", "here")
    assert card["population"] == "synthetic people only"
    again = ClipAu.load(tmp_path)
    assert ClipAu.load(tmp_path / "card.json").phrases == again.phrases
    x = window(noise(30))
    np.testing.assert_array_equal(again.predict(x).probs, model.predict(x).probs)
    assert (again.phrases, again.clips, again.card) == (
        model.phrases,
        model.clips,
        {"made": "here"},
    )
    with pytest.raises(BadInput, match="clip_au"):
        ClipAu.load(tmp_path / "nowhere")


def study(n_people: int = 6, n_each: int = 6, seed: int = 0) -> list[Example]:
    """Class 1 moves along one direction of the embedding; three of four windows are class 0; people
    differ at rest.
    """
    rng = np.random.default_rng(seed)
    direction = rng.normal(size=DIM)
    found = []
    for person in range(n_people):
        rest = rng.normal(size=DIM)
        for k in range(n_each):
            y = int(k % 3 == 2)
            values = rest + 0.5 * rng.normal(size=(30, DIM)) + 2.0 * y * direction
            found.append(Example(window(values, f"p{person}", f"p{person}-{k}"), y))
    return found


def test_training_learns_and_is_repeatable() -> None:
    model = toy_model()
    settings = TrainSettings(epochs=12, seed=1)
    trained = train(model, study(), settings)
    held = study(seed=0)
    assert validate(trained, held)[2] > 0.85 > validate(model, held)[2]
    card = trained.card["training"]
    assert card["n_people"] + card["n_people_validation"] == 6
    assert len(card["history"]) == 12
    again = train(model, study(), settings)
    assert all(torch.equal(again.weights[k], trained.weights[k]) for k in trained.weights)
    assert torch.equal(trained.weights["phrases.features"], model.weights["phrases.features"])


def test_the_kept_epoch_is_the_best_in_validation() -> None:
    trained = train(toy_model(), study(), TrainSettings(epochs=8, seed=3))
    card = trained.card["training"]
    scores = [(row["validation"][2], -row["validation"][3]) for row in card["history"]]
    assert card["epoch"] == max(range(8), key=lambda k: scores[k])


def test_no_person_on_both_sides() -> None:
    examples = study()
    a, b = split_people(examples, 0.3, 0)
    assert {e.x.subject for e in a} | {e.x.subject for e in b} == {e.x.subject for e in examples}
    assert not {e.x.subject for e in a} & {e.x.subject for e in b}
    with pytest.raises(BadInput, match="in training and validation"):
        train(toy_model(), examples, validation=examples[:3])
    with pytest.raises(BadInput, match="two people"):
        train(toy_model(), study(n_people=1))
    with pytest.raises(BadInput, match="two classes"):
        train(toy_model(), [replace(e, y=0) for e in examples])


def test_rare_classes_are_heard() -> None:
    """With one window in nine of class 1 and one epoch, weighting moves answers towards it."""
    examples = [e for k, e in enumerate(study(n_each=9)) if e.y == 0 or k % 9 == 8]
    plain, weighted = (
        train(
            toy_model(),
            examples,
            TrainSettings(epochs=2, class_weights=c),
            validation=study(seed=5)[:0],
        )
        for c in (False, True)
    )
    share = [
        float(torch.softmax(m.run([e.x for e in examples])[1], -1)[:, 1].mean().detach())
        for m in (plain, weighted)
    ]
    assert share[1] > share[0] + 0.05


def test_released_crops_wrap_around() -> None:
    model = replace(toy_model(), clips=ClipSettings(n_frames=5))
    x = window(np.arange(8)[:, None] * np.ones((8, DIM)))
    wrapped, rng = False, np.random.default_rng(0)
    for _ in range(20):
        rows = training_clip(model, x, TrainSettings.released(), rng)[:, 0]
        wrapped |= bool(np.any(np.diff(rows) < 0))
        plain = training_clip(model, x, TrainSettings(), rng)[:, 0]
        assert np.all(np.diff(plain) > 0)
    assert wrapped


def test_rates() -> None:
    assert rates(np.array([0, 0, 0, 1]), np.array([0, 0, 0, 0]), 2) == (
        0.75,
        0.5,
        pytest.approx(3 / 7),
    )


def test_what_the_encoder_says_of_the_phrases(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    from clip_files import make_tiny_clip
    from twomind.encoders.clip import load_clip

    encoder = load_clip(make_tiny_clip(tmp_path / "clip"), runtime="torch")
    model = new_model(encoder, Task("t", ("no", "yes")))
    assert model.weights["phrases.features"].shape == (46, 24)
    assert model.track == "clip"
    assert not model.drawn
    model.save(tmp_path / "model")
    bare = ClipAu.load(tmp_path / "model")
    assert torch.equal(bare.phrase_text().ids, model.phrase_text().ids)  # opened by name
    make_tiny_clip(tmp_path / "clip", seed=1)
    from twomind.models.clip_au.recogniser import _encoder

    _encoder.cache_clear()
    with pytest.raises(MissingWeights, match="this model was trained on"):
        bare.phrase_text()


@pytest.fixture
def checkpoint() -> dict[str, dict[str, torch.Tensor]]:
    """The layout that the original code saves, for a joint space of 24 dimensions."""
    w = parts.new_weights(46, 24, 2, seed=7)
    found: dict[str, dict[str, torch.Tensor]] = {"temporal_proj": {"weight": torch.zeros(24, 48)}}
    for name, value in w.items():
        module, _, rest = name.partition(".")
        found.setdefault(module, {})[rest] = value
    return found


def test_an_original_checkpoint_is_imported(
    checkpoint: dict[str, dict[str, torch.Tensor]], tmp_path: Path
) -> None:
    pytest.importorskip("transformers")
    from clip_files import make_tiny_clip
    from twomind.encoders.clip import load_clip

    encoder = load_clip(make_tiny_clip(tmp_path / "clip"), runtime="torch")
    path = tmp_path / "ep10.pth"
    torch.save(checkpoint, path)
    model = import_checkpoint(path, encoder)
    assert model.phrases == released_phrases()
    torch.testing.assert_close(model.weights["temporal.weight"], checkpoint["temporal"]["weight"])
    torch.testing.assert_close(
        model.weights["text_adapter.2.bias"], checkpoint["text_adapter"]["2.bias"]
    )
    assert "wording" in model.card["phrases"]
    torch.save(
        {**checkpoint, "au_classifier": {"0.weight": torch.zeros(2)}, "pos_embed": torch.zeros(1)},
        path,
    )
    import_checkpoint(path, encoder)
    for changed, message in (
        ({**checkpoint, "extra": {"weight": torch.zeros(2)}}, "unknown: extra"),
        ({k: v for k, v in checkpoint.items() if k != "temporal"}, r"missing: temporal\.weight"),
        (
            {**checkpoint, "temporal": {**checkpoint["temporal"], "bias": torch.zeros(3)}},
            "expected",
        ),
        ([1], "dict"),
    ):
        torch.save(changed, path)
        with pytest.raises(BadInput, match=message):
            import_checkpoint(path, encoder)


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path: Path) -> None:
    import pickle

    from twomind.training.clip_au_import import read_checkpoint

    class Run:
        def __reduce__(self):  # type: ignore[no-untyped-def]
            return (Path.touch, (tmp_path / "ran",))

    path = tmp_path / "bad.pth"
    path.write_bytes(pickle.dumps({"text_adapter": Run()}))
    with pytest.raises(BadInput, match="only weights"):
        read_checkpoint(path)
    torch.save({"text_adapter": Run()}, path)
    with pytest.raises(BadInput, match="only weights"):
        read_checkpoint(path)
    assert not (tmp_path / "ran").exists()


def faces(model: ClipAu, n_people: int = 6) -> list[Features]:
    """Windows whose face track moves AU01 with the first similarity, and AU04 at random."""
    found = []
    rng = np.random.default_rng(4)
    for person in range(n_people):
        for k in range(4):
            x = window(noise(60, 100 * person + k), f"p{person}", f"p{person}-{k}")
            times_s = x.tracks["embedding"].times_s
            au01 = np.zeros(60)
            for start_s, end_s, cosines in model.clip_cosines(x):
                au01[(times_s >= start_s) & (times_s <= end_s)] = 10 * cosines[0]
            values = np.stack([au01 + person, rng.normal(size=60)], axis=1)
            face = Track(values, times_s, np.ones(60, bool), ("AU01", "AU04"), ("iod", "iod"))
            found.append(replace(x, tracks={**x.tracks, "face": face}))
    return found


def test_a_name_is_shown_only_when_it_is_earned(tmp_path: Path) -> None:
    model = replace(toy_model(), clips=ClipSettings(n_frames=8, n_clips=4))
    xs = faces(model)
    assert model.predict(xs[0]).evidence == ()
    checked = check_names(model, xs)
    rows = {row["name"]: row for row in checked.card["aus"]["rows"]}
    assert rows[PHRASES[0].name]["earned"]
    assert rows[PHRASES[0].name]["r"] > 0.8
    assert rows[PHRASES[0].name]["best"] == "AU01"
    assert not rows[PHRASES[2].name]["earned"]  # AU04 moves at random
    assert not rows[PHRASES[1].name]["earned"]  # AU02 was not measured at all
    shown = checked.predict(xs[0]).evidence
    assert {e.name for e in shown} == {PHRASES[0].name}
    assert len(shown) == 4
    assert all(-1 <= e.value <= 1 and e.start_s < e.end_s for e in shown)
    few = check_names(model, xs, CheckSettings(min_people=7))
    assert few.earned() == ()
    svg = figure(checked, tmp_path / "aus.svg").read_text("utf-8")
    assert "says nothing about real faces" in svg
    assert svg.count("<rect") == 2
    with pytest.raises(BadInput, match="record"):
        figure(model, tmp_path / "none.svg")
    with pytest.raises(BadInput, match="tracks"):
        check_names(model, [window(noise(9))])
    checked.save(tmp_path)
    assert ClipAu.load(tmp_path).earned() == checked.earned()
