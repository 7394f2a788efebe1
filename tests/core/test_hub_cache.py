"""The hub's cache is found as the hub's own client finds it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from twomind.core.hub_cache import hub_cache, snapshot, snapshots

_NAMES = ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME")


@pytest.mark.parametrize("given", [(), *((name,) for name in _NAMES), _NAMES, _NAMES[1:]])
def test_the_folder_is_that_of_the_client(
    given: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("huggingface_hub")
    for name in _NAMES:
        monkeypatch.delenv(name, raising=False)
    for name in given:
        monkeypatch.setenv(name, str(tmp_path / name))
    code = "from huggingface_hub.constants import HF_HUB_CACHE; print(HF_HUB_CACHE)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert hub_cache() == Path(done.stdout.strip())


def test_what_was_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    assert snapshots() == {}
    assert snapshot("its/model") is None
    place = tmp_path / "models--its--model"
    for commit in ("old", "new"):
        (place / "snapshots" / commit).mkdir(parents=True)
    assert snapshot("its/model") is None
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text("old\n", encoding="utf-8")
    assert snapshot("its/model") == place / "snapshots" / "old"
    assert list(snapshots()) == ["its/model"]
