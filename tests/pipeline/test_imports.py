"""Every checkpoint that is imported is a model that verbs take: no import is a dead end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from tests.clip_files import make_tiny_clip  # noqa: E402

from twomind.adaptation import stream  # noqa: E402
from twomind.core.errors import BadInput  # noqa: E402
from twomind.models import load  # noqa: E402
from twomind.models.clip_au import parts  # noqa: E402
from twomind.models.sfda_pft import net as resnet  # noqa: E402
from twomind.pipeline import fixed_model  # noqa: E402
from twomind.pipeline.adapt import Adaptation, check, read_settings, summary_of  # noqa: E402
from twomind.pipeline.imports import import_weights  # noqa: E402
from twomind.training.published import Asked, read_prototypes  # noqa: E402
from twomind.types import Features, Given, Task, Track  # noqa: E402

TASK = Task("pain", ("neutral", "pain"), "clip")
PHRASES = ("1\tbrow up", "12\tlip up", "15\tlip down")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_clip(tmp_path_factory.mktemp("clip") / "tiny")


def _asked(clip: Path, **more: Any) -> Asked:
    return Asked("a test", "MIT", TASK, str(clip), **more)


def _save(path: Path, value: object) -> Path:
    torch.save(value, path)
    return path


def _rows(dim: int = 24, n: int = 6, seed: int = 0, recording: str = "r1") -> Features:
    values = np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)
    track = Track(values, np.arange(n) * 0.08, np.ones(n, bool))
    return Features(recording, "p", {"clip": track}, (0.0, n * 0.08))


def _pictures(px: int, n: int = 2, seed: int = 0, recording: str = "r1") -> Features:
    values = np.random.default_rng(seed).integers(0, 256, (n, px, px, 3)).astype(np.uint8)
    track = Track(values, np.arange(n) * 0.2, np.ones(n, bool))
    return Features(recording, "p", {"face_crop": track}, (0.0, n * 0.2))


def _works(folder: Path, x: Features, method: str = "", neutral: Features | None = None) -> Any:
    """The model answers by its folder, as `predict` and `score personalise` open it, and adapts."""
    model = fixed_model.opened(str(folder))
    answer = load(folder).predict(x)
    assert np.isfinite(answer.probs).all(), answer.reason
    if method:
        name, *pairs = method.split(":")
        how = Adaptation(name, read_settings(name, pairs))
        given = Given(neutral=None if neutral is None else (neutral,), summary=summary_of(model))
        check(model, how, given)
        (step,) = stream(model, how.adapter(), [x], given=given)
        assert np.isfinite(step.prediction.probs).all()
        return step.prediction
    return answer


def _clip_au(tmp_path: Path, clip: Path, dim: int = 24) -> Path:
    """CLIP-AU in the released layout, with modules that its computation never uses."""
    weights = parts.new_weights(len(PHRASES), dim, 2, seed=3)
    file: dict[str, dict[str, Any]] = {"temporal_proj": {"weight": torch.zeros(2, 2)}}
    for name, value in weights.items():
        module, _, rest = name.partition(".")
        file.setdefault(module, {})[rest] = value
    phrases = tmp_path / "phrases.txt"
    phrases.write_text("\n".join(PHRASES) + "\n", encoding="utf-8")
    path = _save(tmp_path / "au.pth", file)
    out = tmp_path / "clip-au"
    import_weights(path, "clip-au", _asked(clip, phrases=phrases), out)
    return out


def test_clip_au_and_a_persons_prompts_on_it(tmp_path: Path, clip: Path) -> None:
    out = _clip_au(tmp_path, clip)
    x = _rows()
    plain = _works(out, x, "clip-autt:mode=episodic")
    assert np.isfinite(plain.probs).all()
    ctx = 0.5 * torch.randn(len(PHRASES), 4, 32, generator=torch.Generator().manual_seed(1))
    path = _save(tmp_path / "ctx.pt", {"prompt_learner": {"ctx": ctx}})
    with pytest.raises(BadInput, match="--onto FOLDER"):
        import_weights(path, "clip-autt", _asked(clip), tmp_path / "no")
    person = tmp_path / "person"
    import_weights(path, "clip-autt", _asked(clip, onto=out), person)
    _works(person, x)
    # Its phrases are read from the prompts exactly as the method reads them.
    from twomind.adaptation.clip_autt_parts import released_prompts

    model = load(out)
    wanted = released_prompts(model.phrase_text()).rows(model.weights, ctx)
    torch.testing.assert_close(load(person).phrase_rows(), wanted)
    assert not torch.allclose(load(person).phrase_rows(), model.phrase_rows())
    narrow = _save(tmp_path / "narrow.pt", {"ctx": torch.zeros(2, 4, 32)})
    with pytest.raises(BadInput, match=r"ctx is \(2, 4, 32\)"):
        import_weights(narrow, "clip-autt", _asked(clip, onto=out), tmp_path / "no")
    flat = _save(tmp_path / "flat.pt", {"ctx": torch.zeros(4, 512)})
    with pytest.raises(BadInput, match=r"wanted \(phrases, tokens, width\)"):
        import_weights(flat, "clip-autt", _asked(clip, onto=out), tmp_path / "no")
    assert not (tmp_path / "no").exists()


def test_prototypes_on_clip_as_released_and_fine_tuned(tmp_path: Path, clip: Path) -> None:
    rng = torch.Generator().manual_seed(2)
    shared = torch.randn(3, 24, generator=rng)
    own = {"neutral": shared, "pain": torch.randn(2, 24, generator=rng)}
    other = {"neutral": shared, "pain": torch.randn(1, 24, generator=rng)}
    file = {"personalized": {"081014_w_27": own, "071309_w_21": other}, "meta": {"m": 3}}
    path = _save(tmp_path / "p.pt", file)
    found = import_weights(path, "tta-cap", _asked(clip), tmp_path / "zero")
    assert found["people"] == ["071309_w_21", "081014_w_27"]
    assert found["prototypes"] == 6  # each row once
    _works(tmp_path / "zero", _rows(), "tta-cap")
    import_weights(path, "tta-cap", _asked(clip, person="071309_w_21"), tmp_path / "one")
    summary = load(tmp_path / "one").source_summary()
    assert summary["prototype_class"].tolist() == [0, 0, 0, 1]
    with pytest.raises(BadInput, match="no prototypes of 'nobody'"):
        read_prototypes(path, TASK, "nobody")
    odd = _save(tmp_path / "q.pt", {"personalized": {"a": {"joy": torch.randn(3, 24)}}})
    with pytest.raises(BadInput, match="class 'joy'"):
        import_weights(odd, "tta-cap", _asked(clip), tmp_path / "no")
    wide = _save(tmp_path / "w.pt", {"personalized": {"a": {"pain": torch.randn(3, 9)}}})
    with pytest.raises(BadInput, match="prototypes of 9 dimensions"):
        import_weights(wide, "tta-cap", _asked(clip), tmp_path / "no")
    # A CLIP that was fine-tuned as a whole reads face crops, and the same prototypes go with it.
    from twomind.encoders.clip import open_towers

    towers = open_towers(str(clip))
    state = {**towers.image.weights, **towers.text.weights}
    moved = {name: value + 0.01 for name, value in state.items()}
    tuned = _save(tmp_path / "clip_ft_best.pt", {"state_dict": {**moved, "logit_scale": shared[0]}})
    import_weights(tuned, "tta-cap", _asked(clip, beside=(path,)), tmp_path / "whole")
    assert load(tmp_path / "whole").crop_px == 32
    _works(tmp_path / "whole", _pictures(32), "tta-cap")
    del moved["visual.proj"]
    cut = _save(tmp_path / "cut.pt", moved)
    with pytest.raises(BadInput, match=r"missing: visual\.proj"):
        import_weights(cut, "tta-cap", _asked(clip), tmp_path / "no")


def _pft_files(folder: Path) -> dict[str, Path]:
    rng = torch.Generator().manual_seed(4)

    def drawn(*shape: int) -> Any:
        return 0.05 * torch.randn(shape, generator=rng)

    network = {}
    for name, shape in resnet.shapes().items():
        network[name] = drawn(*shape).abs() + 0.5 if name.endswith("running_var") else drawn(*shape)
    bottleneck = {"bottleneck.weight": drawn(256, 512), "bottleneck.bias": drawn(256)}
    for name in ("weight", "bias", "running_mean"):
        bottleneck[f"bn.{name}"] = drawn(256)
    bottleneck["bn.running_var"] = drawn(256).abs() + 0.5
    bottleneck["bn.num_batches_tracked"] = torch.tensor(3)
    classifier = {"fc.weight_g": drawn(2, 1), "fc.weight_v": drawn(2, 256), "fc.bias": drawn(2)}
    translator = {}
    for k in (0, 2):
        translator[f"translator.net.{k}.weight"] = drawn(512, 512)
        translator[f"translator.net.{k}.bias"] = drawn(512)
    for name, value in network.items():
        translator[f"feature_extractor.{name}"] = value + 0.01
    files = {"F": network, "B": bottleneck, "C": classifier, "T": translator}
    return {name: _save(folder / f"{name}.pt", value) for name, value in files.items()}


def test_sfda_pft_whole_and_in_parts(tmp_path: Path, clip: Path) -> None:
    files = _pft_files(tmp_path)
    with pytest.raises(BadInput, match=r"the bottleneck \(source_B.pt\), the classifier"):
        import_weights(files["T"], "sfda-pft", _asked(clip), tmp_path / "no")
    asked = _asked(clip, beside=(files["F"], files["B"], files["C"]))
    import_weights(files["T"], "sfda-pft", asked, tmp_path / "pft")
    x, neutral = _pictures(96), _pictures(96, seed=1, recording="n")
    _works(tmp_path / "pft", x, "sfda-pft:variant=released:epochs=1", neutral)
    model = load(tmp_path / "pft")
    # The one linear layer is the three that were released.
    bottleneck, classifier = torch.load(files["B"]), torch.load(files["C"])
    z, logits = model.run([x])
    linear = torch.nn.functional.linear
    h = linear(z, bottleneck["bottleneck.weight"], bottleneck["bottleneck.bias"])
    h = torch.nn.functional.batch_norm(
        h, bottleneck["bn.running_mean"], bottleneck["bn.running_var"],
        bottleneck["bn.weight"], bottleneck["bn.bias"],
    )  # fmt: skip
    v = classifier["fc.weight_v"]
    weight = classifier["fc.weight_g"] * v / v.norm(dim=1, keepdim=True)
    torch.testing.assert_close(logits, linear(h, weight, classifier["fc.bias"]), atol=1e-4, rtol=0)
    broken = torch.load(files["T"])
    del broken["translator.net.2.bias"]
    part = _save(tmp_path / "part.pt", broken)
    with pytest.raises(BadInput, match=r"missing: layers\.2\.bias"):
        import_weights(part, "sfda-pft", asked, tmp_path / "no")


def test_dsfda_gets_prototypes_where_they_are_missing(tmp_path: Path) -> None:
    from twomind.models.dsfda import net
    from twomind.models.dsfda.recogniser import Dsfda

    size = net.SIZES["tiny"]
    model = Dsfda(TASK, net.new_weights(size, 2, 2, seed=1), size)
    model.save(tmp_path / "m")
    x = _pictures(size.px)
    with pytest.raises(BadInput, match="train dsfda --model"):
        _works(tmp_path / "m", x, "dsfda:epochs=1", x)
    maps = torch.rand(4, size.depth, net.MAP, net.MAP)
    made = replace(model, prototypes=maps, prototype_class=torch.tensor([0, 0, 1, 1]))
    made.save(tmp_path / "p")
    fixed_model.opened.cache_clear()
    _works(tmp_path / "p", x, "dsfda:epochs=1", x)
