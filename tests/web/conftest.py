"""A Chromium with a film as its camera, and the built packages of ``web``."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from filelock import FileLock

from patience import HANG_S
from web_line import write_fake_film, write_fake_sound

if TYPE_CHECKING:
    from playwright.sync_api import Browser

WEB = Path(__file__).parents[2] / "web"


@pytest.fixture(scope="session")
def web() -> Path:
    """The folder ``web`` with its packages built from this tree."""
    if shutil.which("npm") is None:
        pytest.skip("needs Node (Debian: apt-get install nodejs npm), then `make web`")
    if not (WEB / "node_modules" / "vite").is_dir():
        pytest.skip("needs the packages of web/: `make web`")
    # Two processes of tests share the folder: one builds, and only what is older than its sources.
    with FileLock(WEB / "node_modules" / ".build.lock"):
        if not is_current(WEB):
            built = subprocess.run(
                ["npm", "run", "build"], cwd=WEB, capture_output=True, text=True, timeout=HANG_S
            )
            assert built.returncode == 0, built.stdout + built.stderr
    return WEB


def is_current(web: Path) -> bool:
    """Whether what was built is newer than all that it was built from."""
    pages = ("participant", "researcher", "coder", "client")
    built = [web / "dist" / name / "index.html" for name in pages]
    built.append(web / "recorder" / "dist" / "index.d.ts")
    if not all(path.is_file() for path in built):
        return False
    folders = [web / name / "src" for name in ("recorder", *pages)]
    sources = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    settings = [*web.glob("*.json"), *web.glob("*/*.json"), *web.glob("*/*.ts")]
    sources += web.glob("*.ts")  # what several pages share
    sources += [*settings, *(web / name / "index.html" for name in pages)]
    oldest_built = min(path.stat().st_mtime for path in built)
    return max(path.stat().st_mtime for path in sources) < oldest_built


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("needs Debian's chromium")
    folder = tmp_path_factory.mktemp("devices")
    write_fake_film(folder / "camera.mjpeg")
    write_fake_sound(folder / "microphone.wav")
    arguments = [
        "--no-sandbox",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={folder / 'camera.mjpeg'}",
        f"--use-file-for-fake-audio-capture={folder / 'microphone.wav'}",
        "--autoplay-policy=no-user-gesture-required",
    ]
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=program, args=arguments)
        yield browser
        browser.close()
