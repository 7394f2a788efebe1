"""Checkpoints in the published layouts, made here: read by name and shape, refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from twomind.core.errors import BadInput  # noqa: E402
from twomind.models.dsfda import net  # noqa: E402
from twomind.models.dsfda.recogniser import Dsfda  # noqa: E402
from twomind.pipeline.imports import import_weights  # noqa: E402
from twomind.training import published  # noqa: E402
from twomind.training.clip_au_import import read_checkpoint  # noqa: E402

ASKED = published.Asked(source="a test", licence="MIT")
#: Released module → our part.
MODULES = {
    "enc_FR": "identity",
    "enc_ER": "expression",
    "fc_ER": "head",
    "dec": "decoder",
    "Dis_FR": "identity_critic",
    "Dis_ER": "expression_critic",
}


def _dsfda(n_people: int = 3, leave: tuple[str, ...] = ()) -> dict[str, Any]:
    """The full networks under names as the released program declares them."""
    weights = net.new_weights(net.FULL, 2, n_people, seed=5)
    found = {}
    for module, part in MODULES.items():
        if module in leave:
            continue
        own = net.of_parts(weights, part)
        for k, value in enumerate(own.values()):
            found[f"{module}.layer{k}.weight"] = value
    return found


def _save(path: Path, value: object) -> Path:
    torch.save(value, path)
    return path


def test_dsfda_by_order_and_shape(tmp_path: Path) -> None:
    tensors = _dsfda()
    path = _save(tmp_path / "a.pth", {"state_dict": {f"module.{k}": v for k, v in tensors.items()}})
    import_weights(path, "dsfda", ASKED, tmp_path / "out")
    model = Dsfda.load(tmp_path / "out")
    wanted = net.new_weights(net.FULL, 2, 3, seed=5)
    assert set(model.weights) == set(wanted)
    for name, value in wanted.items():
        assert torch.equal(model.weights[name], value), name
    card = json.loads((tmp_path / "out" / "card.json").read_text("utf-8"))
    assert card["licence"] == "MIT"
    assert "source: a test" in (tmp_path / "out" / "ORIGIN.txt").read_text("utf-8")


def test_critics_that_are_absent_are_drawn_and_the_card_says_so(tmp_path: Path) -> None:
    path = _save(tmp_path / "a.pth", _dsfda(leave=("Dis_FR", "Dis_ER")))
    found = import_weights(path, "dsfda", ASKED, tmp_path / "out")
    assert found["drawn_anew"] == ["Dis_FR", "Dis_ER"]
    assert "train dsfda --model" in str(found["prototypes"])


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ("drop", "missing: expression"),
        ("reshape", r"shapes: enc_ER\.layer0\.weight is \(1, 2\)"),
        ("add", r"unknown: head2\.weight"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, change: str, wanted: str) -> None:
    tensors = _dsfda()
    if change == "drop":
        last = [name for name in tensors if name.startswith("enc_ER")][-1]
        del tensors[last]
    elif change == "reshape":
        tensors["enc_ER.layer0.weight"] = torch.zeros(1, 2)
    else:
        tensors["head2.weight"] = torch.zeros(3)
    path = _save(tmp_path / "a.pth", tensors)
    with pytest.raises(BadInput, match=wanted):
        import_weights(path, "dsfda", ASKED, tmp_path / "out")
    assert not (tmp_path / "out").exists()


class _Harm:
    def __reduce__(self) -> tuple[Any, ...]:
        return (print, ("executed",))


def test_nothing_in_a_file_is_executed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = _save(tmp_path / "evil.pth", {"a": _Harm()})
    for kind in ("dsfda", "sfda-pft", "tta-cap", "clip-autt"):
        with pytest.raises(BadInput, match="holds only weights"):
            import_weights(path, kind, ASKED, tmp_path / "out")
    assert "executed" not in capsys.readouterr().out


#: Bytes that are no weights; as instructions of a pickle they fail in different ways.
NO_WEIGHTS = (b"", b"not a checkpoint", b"PK\x03\x04", b"hi\n", b"(.", b"0.", b"\x80\x04N.", b"]q")


@pytest.mark.parametrize("content", NO_WEIGHTS)
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_damaged_file_is_refused(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"broken{suffix}"
    path.write_bytes(content)
    for kind in ("dsfda", "bah-fusion", "vggish", "tta-cap"):
        with pytest.raises(BadInput, match=f"broken{suffix}: expected a "):
            import_weights(path, kind, ASKED, tmp_path / "out")


@pytest.mark.parametrize("content", NO_WEIGHTS)
def test_a_damaged_file_is_no_clip_au(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.pth"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=r"broken\.pth: expected a "):
        read_checkpoint(path)


def test_a_model_that_is_a_checkpoint_is_pointed_to_the_importer(tmp_path: Path) -> None:
    from twomind.models import load

    path = _save(tmp_path / "theirs.pth", {"a": torch.zeros(1)})
    with pytest.raises(BadInput, match="weights import"):
        load(str(path))
