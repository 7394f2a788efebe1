"""What attacks are made of: names, texts and files that want something else than to be read. Add a
line to a table, and every test that walks the table tries it.
"""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np

WORDS = "well I would maybe try, but I am not sure"

#: Ids and names of people that no gate may let pass.
BAD_NAMES = (
    "../../x",
    "..",
    ".",
    ".hidden",
    "a/b",
    "a\\b",
    "/etc/x",
    "C:x",
    "a\x1b[2Jb",
    "two\nlines",
    "\u202egnp.exe",
    "CON",
    "nul.txt",
    "LPT1",
    "ends.",
    " begins",
    "a*",
    "n" * 300,
    "é" * 150,
)

#: Names of a recording without its ending, as the file system takes them. Each is worked.
FILE_STEMS = (
    b"..",
    b".",
    b".hidden",
    b"CON",
    b"nul.old",
    b"report.html",
    b"answers.csv",
    b"ledger.jsonl",
    b"=cmd",
    b"two\nlines",
    b"caf\xe9",
    "café".encode(),
    "cafe\u0301".encode(),
    b"CAP",
    b"cap",
    "é".encode() * 120,
    b"n" * 240,
    # With its ending, as many bytes as a name may have: any longer ending is one too many.
    b"o" * 251,
    b"<script>alert(1)",
)

#: Texts that a spreadsheet would run.
FORMULAS = (
    "=1+1",
    "+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "\uff1d1+1",
    '=HYPERLINK("http://x.invalid","y")',
)

#: Texts that a browser would run.
SCRIPTS = (
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "--><svg/onload=alert(1)>",
    "javascript:alert(1)",
)

#: Texts that grow when they are read: name of the file, and what is in it.
BOMBS = {
    "deep.json": "[" * 100_000,
    "deep_object.json": '{"words":' * 50_000,
    "digits.json": '{"words": [{"text": "a", "start": ' + "9" * 10_000 + "}]}",
    "aliases.yaml": "a: &a [x,x,x,x,x,x,x,x,x]\n"
    + "".join(
        f"{b}: &{b} [{','.join(['*' + a] * 9)}]\n"
        for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    ),
    "deep.yaml": "[" * 50_000,
    "base_60.yaml": f"chunks: [{{text: a, timestamp: [0, 1{':59' * 300_000}]}}]",
    "base_60_float.yaml": f"chunks: [{{text: a, timestamp: [0, 1{':59' * 300_000}.5]}}]",
    "deep.toml": "a = " + "[" * 50_000,
    "dotted.toml": ".".join(["a"] * 30_000) + " = 1",
    "table.toml": "[" + ".".join(['"a"'] * 30_000) + "]",
    "within.toml": f"a = {{ {'.'.join(['a'] * 30_000)} = 1 }}",
    "entities.eaf": '<?xml version="1.0"?><!DOCTYPE x ['
    + '<!ENTITY a "'
    + "x" * 1000
    + '">'
    + "".join(f'<!ENTITY {b} "{f"&{a};" * 100}">' for a, b in zip("abcdef", "bcdefg", strict=True))
    + "]><ANNOTATION_DOCUMENT>&g;</ANNOTATION_DOCUMENT>",
    "outside.eaf": '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
    "<ANNOTATION_DOCUMENT>&e;</ANNOTATION_DOCUMENT>",
    "field.csv": "path,id\n" + "x" * 300_000 + ",y\n",
}


def sound(path: Path, seed: int = 0, seconds: float = 0.6) -> Path:
    """Some noise."""
    values = np.random.default_rng(seed).integers(-900, 900, int(16000 * seconds), np.int16)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(values.tobytes())
    return path


def answer(path: Path, seed: int = 0, words: str = WORDS) -> Path:
    """A recording with its transcript beside it, whose words can be spoken in its time."""
    sound(path, seed, seconds=2.1)
    text = f"1\n00:00:00,100 --> 00:00:02,000\n{words}\n"
    path.with_suffix(".srt").write_text(text, encoding="utf-8")
    return path


def snapshot(folder: Path) -> dict[str, bytes]:
    """Everything below a folder, by name."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}
