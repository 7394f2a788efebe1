"""The steps of ``Containerfile``, run in a plain Debian folder: what a registry of base images is not
needed for.

    python -m tests.container [--folder /tmp/twomind-debian] [--stage service --stage worker]

Needs root, ``debootstrap`` and Debian's mirror. The base image's own part (Python in /usr/local) is the
Debian Python of the same version, in an environment of its own.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.container.steps import ROOT, Stage, read

SUITE = "bookworm"
MIRROR = "http://deb.debian.org/debian"
PACKAGES = "python3,python3-venv,ca-certificates"
#: How this machine reaches its package indexes, where it is set up for that: not part of the image.
OF_THIS_MACHINE = ("/etc/pip.conf", "/etc/xdg/pip", "/etc/ssl/certs", "/etc/resolv.conf", "/opt")
TRIED = {
    "worker": "twomind --version && twomind predict /tried --out /tmp/out --json > /tmp/told.json "
    "&& test -s /tmp/out/answer/summary.json",
    "service": "(twomind serve --live /srv/live --port 8100 & echo $! > /tmp/pid) && "
    "python3 /tried/health.py && kill $(cat /tmp/pid)",
}
HEALTH = """
import json, time, urllib.request
for _ in range(300):
    try:
        told = json.load(urllib.request.urlopen("http://127.0.0.1:8100/api/live/health"))
        break
    except OSError:
        time.sleep(0.2)
print(told)
assert told["takes_work"], told
"""


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, default=Path("/tmp/twomind-debian"))
    parser.add_argument("--stage", action="append", choices=sorted(TRIED))
    asked = parser.parse_args()
    if os.geteuid() or shutil.which("debootstrap") is None:
        print("not run: it needs root and debootstrap (Debian: apt-get install debootstrap)")
        return 0
    base = asked.folder / "plain"
    if not (base / "usr/bin/python3").exists():
        command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE]
        subprocess.run([*command, str(base), MIRROR], check=True)
    stages = read((ROOT / "Containerfile").read_text(encoding="utf-8"))
    for name in asked.stage or sorted(TRIED):
        with tempfile.TemporaryDirectory(dir=asked.folder) as place:
            root = Path(place) / "root"
            subprocess.run(["cp", "-a", str(base), str(root)], check=True)
            run(root, stages[name])
        print(f"{name}: all steps done, and it works", flush=True)
    return 0


def run(root: Path, stage: Stage) -> None:
    """A stage's steps, and then the program."""
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    for name in files.stdout.decode().split("\0"):
        if name and (ROOT / name).is_file():
            to = root / "src" / name
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, to)
    film = ROOT / "tests/fixtures/v0_1/media/clip-talking.mp4"
    (root / "tried").mkdir()
    shutil.copy(film, root / "tried/answer.mp4")
    (root / "tried/health.py").write_text(HEALTH)
    lines = ["set -e", "python3 -m venv /usr/local/env", "export PATH=/usr/local/env/bin:$PATH"]
    lines += [f"export {name}={value}" for name, value in stage.environment.items()]
    lines += ["cd /"]
    for step in stage.steps:
        lines += [f"echo '== {step.user}:' {_quoted(step.command)}", _as(step.user, step.command)]
    lines += [_as(stage.user, TRIED[stage.name])]
    script = root / "steps.sh"
    script.write_text("\n".join(lines) + "\n")
    within = ["mount -t proc proc {0}/proc", "mount --rbind /dev {0}/dev"]
    for name in filter(os.path.exists, OF_THIS_MACHINE):
        target = f"{{0}}{name}"
        kind = "mkdir -p" if Path(name).is_dir() else "touch"
        within += [f"{kind} {target}", f"mount --bind {name} {target}"]
    within += ["exec chroot {0} /bin/sh /steps.sh"]
    text = " && ".join(within).format(root)
    kept = {k: v for k, v in os.environ.items() if k.startswith(("PIP_", "SSL_", "HTTP"))}
    environment = {**kept, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
    command = ["unshare", "--mount", "--fork", "--pid", "--kill-child", "sh", "-c", text]
    subprocess.run(command, env=environment, check=True)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _as(user: str, command: str) -> str:
    if user == "root":
        return f"sh -c {_quoted(command)}"
    home = f"/home/{user}"
    own = f"cd {home} && HOME={home} sh -c {_quoted(command)}"
    return f"su -m {user} -c {_quoted(own)}"


if __name__ == "__main__":
    sys.exit(main())
