"""One cut of each kind while people record; ``python tests/web_cuts.py`` makes thirty."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="needs the extra 'server'")
pytest.importorskip("playwright.sync_api", reason="needs playwright")

from web_cuts import make_cuts, plan, told

pytestmark = pytest.mark.slow


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs Debian's chromium")
def test_one_cut_of_each_kind(web: Path, tmp_path: Path) -> None:
    results = make_cuts(tmp_path, plan(5, rooms=2, seconds=(6, 10), seed=1))
    print(told(results))
    assert len(results) == 5
    assert [result for result in results if result.problem] == []
