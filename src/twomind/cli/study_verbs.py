"""``twomind study`` and ``twomind serve``: a study of one's own on a machine of one's own."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import click

from twomind.cli.verb import PATH, Common, print_json, say, taking, tell, verb
from twomind.core.errors import BadInput, MissingExtra

_NEEDED = (
    "alembic", "argon2", "cryptography", "fastapi", "itsdangerous", "sqlalchemy", "uvicorn",
    "websockets",
)  # fmt: skip

#: Who did it, in the audit log.
_ACTOR = "at the command line"


def need_server() -> None:
    """Say what to install where the extra ``server`` is absent.

    Raises:
        MissingExtra: It is absent.
    """
    absent = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if absent:
        raise MissingExtra("server", "a study")


@click.group("study")
def study_group() -> None:
    """A study of one's own: write one, look at it, keep it."""


@study_group.command("new")
@click.argument("folder", type=PATH)
@click.option("--keys", type=PATH, help="Folder for the keys of participants, outside FOLDER.")
@verb
def study_new(folder: Path, keys: Path | None, as_json: bool, offline: bool) -> int:
    """Write a study's file (seven prompts, consent in English and French) and a data-flow sheet."""
    need_server()
    from twomind.server.making import new_study

    study = new_study(folder, keys)
    for remark in study.remarks():
        say(remark)
    if as_json:
        print_json({"id": study.id, "folder": str(folder), "remarks": study.remarks()})
    else:
        tell(
            f"{folder}: study.toml, and a data-flow sheet for the ethics board in each language. "
            f"Read every text, then: twomind serve {folder}"
        )
    return 0


@study_group.command("sheet")
@click.argument("folder", type=PATH)
@verb
def study_sheet(folder: Path, as_json: bool, offline: bool) -> int:
    """Write the data-flow sheets for the ethics board again, from the study's file."""
    need_server()
    from twomind.server import dataflow
    from twomind.server.study import load_study

    paths = dataflow.write_sheets(load_study(folder), folder)
    if as_json:
        print_json({"sheet": str(paths[0]), "sheets": [str(path) for path in paths]})
    else:
        for path in paths:
            tell(str(path))
    return 0


@dataclass(frozen=True, kw_only=True)
class _Invited(Common):
    folder: Path
    names: tuple[str, ...]
    panel: str
    test: bool


@study_group.command("invite")
@click.argument("folder", type=PATH)
@click.argument("names", nargs=-1)
@click.option("--panel", default="", help="Label of one link for many people of a panel.")
@click.option("--test", is_flag=True, help="A link to try the study; nothing of it counts.")
@verb
@taking(_Invited)
def study_invite(asked: _Invited) -> int:
    """Print links: one for each of NAMES, one for a panel, or one to try the study."""
    need_server()
    from twomind.server import recruiting
    from twomind.server.place import open_place

    if not (asked.names or asked.panel or asked.test):
        raise BadInput("whom to invite: give NAMES, --panel LABEL or --test")
    place = open_place(asked.folder)
    links = recruiting.invite(place, _ACTOR, asked.names)
    if asked.panel:
        links.append({"name": asked.panel, **recruiting.panel(place, _ACTOR, asked.panel)})
    if asked.test:
        links.append({"name": "test", **recruiting.test_participant(place, _ACTOR)})
    if asked.as_json:
        print_json({"links": links})
    else:
        for one in links:
            tell(f"{one['name']}  {one['link']}")
    return 0


@study_group.command("people")
@click.argument("folder", type=PATH)
@verb
def study_people(folder: Path, as_json: bool, offline: bool) -> int:
    """Who is where; test participants stand apart and are not counted."""
    need_server()
    from twomind.server import recruiting
    from twomind.server.place import open_place

    told = recruiting.overview(open_place(folder))
    if as_json:
        print_json(told)
        return 0
    for person in told["people"] + told["tests"]:
        items = ", ".join(f"{name} {state}" for name, state in person["items"].items())
        kind = "test" if person["kind"] == "test" else person["external_id"]
        tell(f"{person['id']}  {kind}  {person['state']}  {items}")
    quota = "" if told["quota"] is None else f" of {told['quota']}"
    tell(f"{told['counted']}{quota} count")
    return 0


@study_group.command("password")
@click.argument("folder", type=PATH)
@click.argument("name")
@verb
def study_password(folder: Path, name: str, as_json: bool, offline: bool) -> int:
    """Let NAME sign in as a researcher, or give them another password; it is asked for."""
    need_server()
    from twomind.server import access
    from twomind.server.place import open_place

    place = open_place(folder)
    password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    access.set_password(place, name, password)
    if as_json:
        print_json({"name": name})
    else:
        tell(f"{name} can sign in.")
    return 0


@study_group.command("rotate-key")
@click.argument("folder", type=PATH)
@verb
def study_rotate_key(folder: Path, as_json: bool, offline: bool) -> int:
    """Wrap the keys of all participants with a new main key; the old one is gone afterwards.

    Stop the server first.
    """
    need_server()
    from twomind.server.keeping import rotate_key

    wrapped = rotate_key(folder, say)
    if as_json:
        print_json({"wrapped": wrapped})
    else:
        tell(f"{wrapped} keys of participants are wrapped with a new main key.")
    return 0


@study_group.command("backup")
@click.argument("folder", type=PATH)
@click.argument("file", type=PATH)
@verb
def study_backup(folder: Path, file: Path, as_json: bool, offline: bool) -> int:
    """Write FILE.tar: everything of the study but the keys, also while the server runs."""
    need_server()
    from twomind.server.keeping import backup

    made = backup(folder, file)
    _tell_kept(made.files, made.size, file, as_json)
    return 0


@study_group.command("restore")
@click.argument("file", type=PATH)
@click.argument("folder", type=PATH)
@verb
def study_restore(file: Path, folder: Path, as_json: bool, offline: bool) -> int:
    """Make a new FOLDER from a backup. Whoever withdrew since has no key, and is erased again."""
    need_server()
    from twomind.server.keeping import restore

    made = restore(file, folder)
    _tell_kept(made.files, made.size, folder, as_json)
    return 0


def _tell_kept(files: int, size: int, place: Path, as_json: bool) -> None:
    if as_json:
        print_json({"files": files, "bytes": size, "place": str(place)})
    else:
        tell(f"{place}: {files} files, {size} bytes")


@dataclass(frozen=True, kw_only=True)
class _Served(Common):
    folder: Path
    host: str
    port: int
    certificate: Path | None
    key: Path | None
    proxy: str
    live: bool
    new_token: bool


@click.command("serve")
@click.argument("folder", type=PATH)
@click.option(
    "--host", default="127.0.0.1", help="Address to listen at [default: this machine only]."
)
@click.option("--port", default=0, help="Port [default: that of server.public_url].")
@click.option("--certificate", type=PATH, help="Certificate for https, without a proxy.")
@click.option("--key", type=PATH, help="Key of the certificate.")
@click.option("--proxy", default="", help="Address of a proxy whose X-Forwarded-For is believed.")
@click.option("--live", is_flag=True, help="Serve the live service in FOLDER, and no study.")
@click.option("--new-token", is_flag=True, help="With --live: print one more token, and end.")
@verb
@taking(_Served)
def serve_verb(asked: _Served) -> int:
    """Serve the study in FOLDER until Ctrl-C; prints the researcher's address."""
    need_server()
    from twomind.server.listening import Address

    address = Address(asked.host, asked.port, asked.certificate, asked.key, asked.proxy)
    if asked.new_token and not asked.live:
        raise BadInput("--new-token belongs to --live")
    if asked.new_token:
        from twomind.server.live_place import open_live

        tell(open_live(asked.folder).new_token())
    elif asked.live:
        from twomind.server.live_app import serve_live

        serve_live(asked.folder, address, tell)
    else:
        from twomind.server.serving import serve

        serve(asked.folder, address, tell)
    return 0
