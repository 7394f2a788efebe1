"""Data sets of coded conversations are plug-ins: each keeps the contract on its own fake folder."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from twomind.core import registry
from twomind.core.errors import BadInput
from twomind.datasets.talk import CLASSES, Talk
from twomind.datasets.talk_files import read_talk, talk_sets
from twomind.datasets.talks.mibot import MIBOT

NAMES = registry.names("talk")


def test_the_built_in_ones_are_known() -> None:
    assert {"annomi", "mibot"} <= set(NAMES)
    assert "annomi" not in registry.names("datasets"), "no recordings lie in it"


@pytest.mark.parametrize("name", NAMES)
def test_a_set_reads_its_own_layout_and_no_other(name: str, tmp_path: Path) -> None:
    one = talk_sets()[name]
    assert (one.name, bool(one.licence), bool(one.looks_for)) == (name, True, True)
    assert not one.fits(tmp_path)
    root = one.fake(tmp_path / "a", seed=1)
    assert [other for other, known in talk_sets().items() if known.fits(root)] == [name]
    talk = read_talk(root)
    assert talk == read_talk(root)
    assert talk.licence == one.licence
    assert talk.problems == ()
    assert {turn.label for turn in talk.turns} == set(CLASSES)
    assert len({turn.group for turn in talk.turns}) >= 3
    assert all(0 <= turn.place <= 1 for turn in talk.turns)
    again = read_talk(one.fake(tmp_path / "b", seed=1))
    assert again.turns == talk.turns


def test_mibot_is_read_from_its_table_and_its_files_alike(tmp_path: Path) -> None:
    """The release has ``conversations.csv``; the repository has a JSON file for each person."""
    import csv
    import json

    root = MIBOT.fake(tmp_path / "table")
    from_table = read_talk(root)
    assert from_table.outcome == {"p1": 3.0, "p2": 4.0, "p3": 5.0}
    assert {turn.conversation for turn in from_table.turns} == set(from_table.outcome)
    files = tmp_path / "files"
    (files / "transcripts").mkdir(parents=True)
    (files / "data.csv").write_bytes((root / "data.csv").read_bytes())
    said: dict[str, list[dict[str, str]]] = {}
    with (root / "conversations.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            one = {"speaker": row["Speaker"], "text": row["Utterance"]}
            one["auto_misc_label"] = row["AutoMISCLabel"]
            said.setdefault(row["ParticipantID"], []).append(one)
    for person, utterances in said.items():
        entry = {"participant_id": person, "utterances": utterances}
        (files / "transcripts" / f"{person}.json").write_text(json.dumps(entry))
    assert read_talk(files) == from_table


def test_a_table_without_a_column_is_refused(tmp_path: Path) -> None:
    root = MIBOT.fake(tmp_path)
    table = root / "conversations.csv"
    table.write_text(table.read_text().replace("Utterance", "Text"))
    with pytest.raises(BadInput, match="missing: Utterance"):
        read_talk(root)


class Diary:
    """A set of somebody else, in a folder with a file ``diary``."""

    name = "diary"
    licence = "own"
    looks_for = "a file named diary"

    @staticmethod
    def fits(path: Path) -> bool:
        return (path / "diary").is_file()

    @staticmethod
    def read(path: Path) -> Talk:
        return Talk("diary", (), "nobody")


def test_other_packages_bring_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = SimpleNamespace(name="diary", load=lambda: Diary)
    real = registry.entry_points

    def with_diary(group: str) -> object:
        return [entry] if group == "twomind.talk" else real(group=group)

    monkeypatch.setattr(registry, "entry_points", with_diary)
    (tmp_path / "diary").write_text("")
    with pytest.raises(BadInput, match="no turn has a label"):
        read_talk(tmp_path)
    MIBOT.fake(tmp_path)
    with pytest.raises(BadInput, match="fits the layouts of diary, mibot"):
        read_talk(tmp_path)
    with pytest.raises(BadInput, match="a file named diary"):
        read_talk(_empty(tmp_path))


def _empty(folder: Path) -> Path:
    empty = folder / "empty"
    empty.mkdir()
    return empty
