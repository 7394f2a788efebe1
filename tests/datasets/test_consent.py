"""Who refused is found around a film, without the readers of the data sets where a known file says
it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from twomind.datasets import consent, load_dataset
from twomind.datasets.consent import refused
from twomind.datasets.own import Own

LOOK = """
import json, sys
from pathlib import Path
from twomind.datasets.consent import refused
said = [refused(Path(film), "nobody") for film in sys.argv[1:]]
readers = {"bah", "biovid", "own", "stressid", "unbc"}
loaded = readers & {name.rsplit(".", 1)[-1] for name in sys.modules if "twomind.datasets." in name}
print(json.dumps([said, sorted(loaded), "twomind_synth" in sys.modules]))
"""


def test_known_files_are_read_without_any_reader(tmp_path: Path) -> None:
    bah = load_dataset("bah").fake(tmp_path / "bah") / "data" / "Videos"
    own = Own.fake(tmp_path / "own")
    stressid = load_dataset("stressid").fake(tmp_path / "stressid")
    table = "subject,consent_publication\naaa1,no\nbbb2,yes\n"
    (stressid / "participants.csv").write_text(table)
    alone = tmp_path / "alone.mp4"
    films = {
        next((bah / "90022").rglob("*.mp4")): True,
        next((bah / "90021").rglob("*.mp4")): False,
        own / "bo" / "bo answer 1.mp4": True,
        own / "ada" / "ada answer 1.mp4": False,
        stressid / "Videos" / "aaa1" / "aaa1_Math.mp4": True,
        stressid / "Videos" / "bbb2" / "bbb2_Math.mp4": False,
        alone: False,
    }
    command = [sys.executable, "-c", LOOK, *map(str, films)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [list(films.values()), [], False]


def _study(root: Path, agreed: str) -> Path:
    """An own study whose films are numbered: only its table says whose they are."""
    Own.fake(root)
    rows = ["path,subject"]
    for number, person in enumerate(("ada", "bo")):
        film = root / person / f"{person} answer 1.mp4"
        film.rename(root / f"film {number}.mp4")
        rows.append(f"film {number}.mp4,{person}")
    (root / "recordings.csv").write_text("\n".join(rows) + "\n")
    (root / "people.csv").write_text(agreed)
    return root


def test_the_list_of_the_data_set_says_whose_film_it_is(tmp_path: Path) -> None:
    root = _study(tmp_path / "own", "subject,consent_publication\nada,yes\nbo,no\n")
    assert not refused(root / "film 0.mp4", "nobody")
    assert refused(root / "film 1.mp4", "nobody")
    assert not refused(root / "another film.mp4", "nobody")


def test_the_nearest_folder_that_says_something_of_the_person_decides(tmp_path: Path) -> None:
    outer = "subject,consent_publication\nada,no\nbo,no\n"
    inner = "subject,consent_publication\nada,yes\n"
    (tmp_path / "people.csv").write_text(outer)
    (tmp_path / "visit").mkdir()
    (tmp_path / "visit" / "people.csv").write_text(inner)
    assert not refused(tmp_path / "visit" / "ada_1.mp4", "x")
    assert refused(tmp_path / "visit" / "bo_1.mp4", "x")
    assert refused(tmp_path / "ada_1.mp4", "x")


@pytest.mark.parametrize("text", ["name,phone\nbo,1\n", "", "\xff\xfe\x00"])
def test_a_file_of_that_name_that_is_none_states_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "people.csv").write_bytes(text.encode("latin-1"))
    assert not refused(tmp_path / "bo" / "film.mp4", "bo")


_NO = "subject,consent_publication\nbo,no\n"
#: Tables with a refusal that are written otherwise than the manual has it, and what is known then.
_OTHERWISE = {
    "semicolons": (_NO.replace(",", ";").encode(), "unreadable"),
    "tabs": (_NO.replace(",", "\t").encode(), "unreadable"),
    "UTF-16": (_NO.encode("utf-16"), "unreadable"),
    "Latin-1": ((_NO + "rené,no\n").encode("latin-1"), "unreadable"),
    "capitals above": (_NO.replace("s", "S").encode(), "unreadable"),
    "twice, with two consents": ((_NO + "bo,yes\n").encode(), "unreadable"),
    "lines of a Mac": (_NO.replace("\n", "\r").encode(), "no"),
    "a mark before it": (b"\xef\xbb\xbf" + _NO.encode(), "no"),
    "blanks": (b"subject, consent_publication\n bo , no \n", "no"),
    "a name in capitals": (_NO.replace("bo", "BO").encode(), "no"),
    "a yes of another name": (b"subject,consent_publication\nBO,yes\n", "unknown"),
}


@pytest.mark.parametrize("kind", _OTHERWISE)
def test_a_refusal_counts_however_its_table_is_written(kind: str, tmp_path: Path) -> None:
    content, expected = _OTHERWISE[kind]
    (tmp_path / "people.csv").write_bytes(content)
    assert consent.publication(tmp_path / "bo_1.mp4", "bo") == expected


def test_a_table_of_a_data_set_that_cannot_be_read_is_no_yes(tmp_path: Path) -> None:
    root = _study(tmp_path / "own", "name,phone\nbo,1\n")
    assert refused(root / "film 0.mp4", "ada")


def test_a_folder_of_many_films_is_gone_through_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "films"
    folder.mkdir()
    looked: list[Path] = []
    scandir = os.scandir
    monkeypatch.setattr(consent.os, "scandir", lambda path: looked.append(path) or scandir(path))
    os.utime(folder, ns=(10**18, 10**18))
    for number in range(5):
        film = folder / f"ana_{number}.mp4"
        assert consent.publication(film, "ana") is consent.Consent.UNKNOWN
    assert looked.count(folder) == 1
    # What is stated later is seen, however soon.
    table = "subject,consent_publication\nana,no\n"
    (folder / "participants.csv").write_text(table)
    assert consent.publication(folder / "ana_1.mp4", "ana") is consent.Consent.NO
    (folder / "participants.csv").unlink()
    (folder / "other").touch()
    assert consent.publication(folder / "ana_1.mp4", "ana") is consent.Consent.UNKNOWN
    (folder / "participants.csv").write_text(table)
    os.utime(folder, ns=(10**18 + 1, 10**18 + 1))
    assert consent.publication(folder / "ana_1.mp4", "ana") is consent.Consent.NO
