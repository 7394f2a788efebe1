"""Every command that the manual shows is one, and every verb is in the manual."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from manual_commands import ROOT, Shown, commands, pages
from twomind.cli.docs_reference import verbs
from twomind.cli.main import main
from twomind.cli.settings_options import Command, schema_at

VERBS = dict(verbs(main))
COMMANDS = list(commands())
#: What stands for a word that the reader chooses.
_PLACE = re.compile(r"[A-Z…|.<>\[\]]")


def _asked(shown: Shown) -> tuple[str, list[str]]:
    """The verb of a command with its groups, and the words after it."""
    name, words = "twomind", list(shown.words)
    while isinstance(VERBS[name], click.Group) and words and f"{name} {words[0]}" in VERBS:
        name = f"{name} {words.pop(0)}"
    return name, words


def _faults(shown: Shown) -> Iterator[str]:
    name, words = _asked(shown)
    verb = VERBS[name]
    if isinstance(verb, click.Group) and words and not words[0].startswith("-"):
        if _PLACE.search(words[0]):
            return
        # `prevalence FILE` is `prevalence estimate FILE`.
        verb = VERBS.get(f"{name} estimate", verb)
        if isinstance(verb, click.Group):
            yield f"{name} has no verb {words[0]!r}"
            return
    known = {option for one in verb.params for option in (*one.opts, *one.secondary_opts)}
    known |= {"--help", "-h", "--version"}
    for k, word in enumerate(words):
        option, _, value = word.partition("=")
        if word.startswith("--") and option not in known and not _PLACE.search(option):
            yield f"{name} has no option {option}"
        if option == "--set":
            yield from _unknown_key(verb, value or " ".join(words[k + 1 : k + 2]))


def _unknown_key(verb: click.Command, given: str) -> Iterator[str]:
    key, stated, _ = given.partition("=")
    if not isinstance(verb, Command) or not stated or _PLACE.search(key):
        return
    schema = schema_at(verb.schema)
    open_ended = key.startswith(("adapt.", "method."))  # settings of a method that is named beside
    if key not in schema.keys and key not in schema.short and not open_ended:
        yield f"{verb.name} has no setting {key}"


def test_commands_of_the_manual_are_there_with_their_options() -> None:
    assert len(COMMANDS) > 200
    faults = [f"{shown}: {fault}" for shown in COMMANDS for fault in _faults(shown)]
    assert not faults, "\n".join(faults)


def test_every_verb_is_in_the_manual() -> None:
    shown = {_asked(one)[0] for one in COMMANDS}
    leaves = {name for name, verb in VERBS.items() if not isinstance(verb, click.Group)}
    # The default of its group, which is shown without it.
    assert leaves - shown <= {"twomind prevalence estimate"}


def test_the_reference_shows_every_verb_with_its_options() -> None:
    page = _told("commands")
    for name, verb in VERBS.items():
        part = page.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
        assert part.lstrip().startswith(f"Usage: {name}"), name
        for one in verb.params:
            if isinstance(one, click.Option) and not one.hidden:
                assert one.opts[0] in part, f"{name} {one.opts[0]}"


def _told(page: str) -> str:
    done = CliRunner().invoke(main, ["docs", page])
    assert done.exit_code == 0, f"{page}: {done.output}"
    return done.output


def test_every_page_is_shown_under_its_name_and_under_its_place() -> None:
    listing = CliRunner().invoke(main, ["docs"]).output.splitlines()[1:]
    names = [line.split()[0] for line in listing]
    paths = sorted((ROOT / "docs").rglob("*.md"))
    assert len(names) == len(set(names)) == len(paths)
    addresses = {_told(name).partition("\n")[0] for name in names}
    assert len(addresses) == len(paths)
    for path in paths:
        place = path.relative_to(ROOT / "docs").as_posix()
        shown = _told(place)
        assert shown.partition("\n")[0].endswith(f"/{place}")
        assert "\n::: " not in shown, f"{place}: its reference is not written out"


def _naming(folder: Path) -> Iterator[tuple[Path, str]]:
    for path in folder.rglob("*"):
        if (
            path.suffix in (".py", ".toml", ".html", ".ts", ".js")
            and "node_modules" not in path.parts
        ):
            text = path.read_text(encoding="utf-8", errors="ignore")
            for name in re.findall(r"twomind docs ([a-z][\w/-]*)", text):
                yield path, name


def test_every_page_that_a_message_or_a_help_names_is_there() -> None:
    places = [ROOT / "src", ROOT / "packages", ROOT / "web"]
    named = [found for place in places for found in _naming(place)]
    named += [(path, name) for path in pages() for name in _named_on(path)]
    assert len(named) > 8
    for path, name in named:
        done = CliRunner().invoke(main, ["docs", name])
        assert done.exit_code == 0, f"{path.relative_to(ROOT)} names {name}: {done.output}"


def _named_on(path: Path) -> list[str]:
    return re.findall(r"`twomind docs ([a-z][\w/-]*)`", path.read_text(encoding="utf-8"))


def test_a_name_of_two_pages_is_asked_back() -> None:
    done = CliRunner().invoke(main, ["docs", "release"])
    assert done.exit_code == 3
    assert "how-to/release, study/release" in done.output


@pytest.mark.parametrize("name", ["types", "contracts", "reference/python"])
def test_a_page_of_names_tells_how_each_is_called(name: str) -> None:
    shown = _told(name)
    assert shown.count("\n### twomind.") >= 9
    assert "\nArgs:\n" in shown


def test_settings_named_anywhere_in_the_manual_are_settings_of_a_verb() -> None:
    """Those of ``reproduce`` change a recipe; a recipe knows its keys itself."""
    schemas = [schema_at(verb.schema) for verb in VERBS.values() if isinstance(verb, Command)]
    known = {key for schema in schemas for key in (*schema.keys, *schema.short)}
    named = [
        (path, key)
        for path in pages()
        for key in re.findall(r"--set ([a-z][\w.-]*)=[^V]", path.read_text(encoding="utf-8"))
        if path.name != "reproduce.md"
    ]
    assert len(named) > 60
    unknown = [
        f"{path.name}: {key}"
        for path, key in named
        if key not in known and not key.startswith("adapt.")
    ]
    assert not unknown, "\n".join(unknown)
