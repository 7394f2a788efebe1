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
from twomind.datasets.surroundings import listed, table_around

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


H = "subject,consent_publication\n"
#: Files around a film, the film and its person; and what is known.
_AROUND = {
    "two tables": ({"people.csv": f"{H}ada,no\n", "participants.csv": f"{H}ada,yes\n"}, "f1", "no"),
    "a table and BAH's file": (
        {"people.csv": f"{H}ada,no\n", "meta_data.yml": "ada: {consent for publication: Yes}\n"},
        "f1",
        "no",
    ),
    "another person's folder": ({"people.csv": f"{H}bo,yes\n"}, "bo/f1", "unknown"),
    "another person's name": ({"people.csv": f"{H}bo,yes\n"}, "bo_1", "unknown"),
    "both agreed": ({"people.csv": f"{H}bo,yes\nada,yes\n"}, "bo/f1", "yes"),
    "the other refused": ({"people.csv": f"{H}bo,no\nada,yes\n"}, "bo/f1", "no"),
    "a quote that is not closed": ({"people.csv": f'{H}"bo,yes\nada,no\n'}, "bo_1", "unreadable"),
    "another column": ({"people.csv": "subject,Consent_Publication\nada,no\n"}, "f1", "unreadable"),
    "consent": ({"people.csv": "subject,consent\nada,no\n"}, "f1", "unreadable"),
    "two columns": (
        {"people.csv": "subject,consent_publication,Consent Publication\nada,yes,no\n"},
        "f1",
        "unreadable",
    ),
    "other consents": (
        {"people.csv": "subject,consent_recording,consent_publication\nada,no,yes\n"},
        "f1",
        "yes",
    ),
    "a file in capitals": ({"People.CSV": f"{H}ada,no\n"}, "f1", "no"),
    "tabs": ({"people.tsv": f"{H}ada,no\n".replace(",", "\t")}, "f1", "unreadable"),
    "a table of consent": ({"consent.csv": f"{H}ada,no\n"}, "f1", "unreadable"),
    "a table of consent beside another": (
        {"people.csv": f"{H}ada,yes\n", "Consents.csv": "who,consent\nada,withdrawn\n"},
        "f1",
        "unreadable",
    ),
    "a table of other things": (
        {"people.csv": f"{H}ada,yes\n", "subjects.csv": "who,consent_day\nada,monday\n"},
        "f1",
        "yes",
    ),
    "a form": ({"consent form.pdf": "consent", "people.csv": f"{H}ada,yes\n"}, "f1", "yes"),
    "a folder": ({"people.csv/x": ""}, "f1", "unreadable"),
    "blanks within": ({"people.csv": f"{H} a\u200bda ,no\n"}, "f1", "no"),
}


@pytest.mark.parametrize("kind", _AROUND)
def test_what_is_stated_around_a_film_of_ada(kind: str, tmp_path: Path) -> None:
    files, film, expected = _AROUND[kind]
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    path = tmp_path / f"{film}.mp4"
    path.parent.mkdir(exist_ok=True)
    path.touch()
    (tmp_path / "recordings.csv").write_text(f"path,subject\n{film}.mp4,ada\n")
    for subject in ("ada", path.stem, "x"):
        wanted = "unknown" if (subject, expected) == ("x", "yes") else expected
        assert consent.publication(path, subject) == wanted


def test_accents_of_a_name_and_of_a_path_are_written_in_two_ways(tmp_path: Path) -> None:
    composed, apart = "José", "Jose\u0301"
    (tmp_path / "people.csv").write_text(f"{H}ada,yes\n{apart},no\n")
    (tmp_path / "recordings.csv").write_text(
        f"path,subject\nada_1.mp4,{composed}\nsub\\{composed}.mp4,bo\nSub/F3.MP4,cy\n"
    )
    (tmp_path / "sub").mkdir()
    films = (tmp_path / "ada_1.mp4", tmp_path / "sub" / f"{apart}.mp4", tmp_path / "sub" / "f3.mp4")
    for film in films:
        film.touch()
    assert consent.publication(films[0], "x") == "no"
    rows = listed(tmp_path / "recordings.csv")
    assert [rows[film].subject for film in films] == [composed, "bo", "cy"]


def test_around_a_link_and_around_what_it_leads_to(tmp_path: Path) -> None:
    """As films on a shared disk or of git-annex lie."""
    store = tmp_path / "store" / "a" / "b" / "c" / "d" / "e" / "f" / "g"
    store.mkdir(parents=True)
    (store / "bo_1.mp4").touch()
    study = tmp_path / "study"
    (study / "films").mkdir(parents=True)
    (study / "films" / "f1.mp4").symlink_to(store / "bo_1.mp4")
    (study / "recordings.csv").write_text("path,subject\nfilms/f1.mp4,ada\n")
    people = study / "people.csv"
    film = study / "films" / "f1.mp4"
    assert table_around(film) == study / "recordings.csv"
    for stated, expected in (("ada,yes", "yes"), ("ada,no", "no"), ("bo,yes", "unknown")):
        people.write_text(f"{H}{stated}\n")
        assert consent.publication(film, "f1") == expected
    # Elsewhere somebody of the file's name agreed, or refused.
    people.write_text(f"{H}ada,no\n")
    (store / "people.csv").write_text(f"{H}bo,yes\n")
    assert consent.publication(film, "f1") == "no"
    people.write_text(f"{H}ada,yes\n")
    (store / "people.csv").write_text(f"{H}bo,no\n")
    assert consent.publication(film, "f1") == "no"


def test_an_outer_table_says_whose_film_it_is_where_the_inner_one_does_not(tmp_path: Path) -> None:
    (tmp_path / "ada").mkdir()
    film = tmp_path / "ada" / "ada_1.mp4"
    film.touch()
    (tmp_path / "people.csv").write_text(f"{H}ada,yes\n")
    (tmp_path / "recordings.csv").write_text("path,subject\nada/ada_1.mp4,bo\n")
    (tmp_path / "ada" / "recordings.csv").write_text("path,subject\n")
    assert consent.publication(film, "ada_1") == "unknown"
    (tmp_path / "people.csv").write_text(f"{H}ada,yes\nbo,no\n")
    assert consent.publication(film, "ada_1") == "no"


def test_a_row_that_leads_nowhere_may_be_meant_for_a_film(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text(f"{H}ada,yes\nbo,no\n")
    (tmp_path / "recordings.csv").write_text("path,subject\nrenamed.mp4,bo\n")
    (tmp_path / "ada_1.mp4").touch()
    assert consent.publication(tmp_path / "ada_1.mp4", "ada_1") == "unknown"
    (tmp_path / "renamed.mp4").touch()
    assert consent.publication(tmp_path / "ada_1.mp4", "ada_1") == "yes"


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
