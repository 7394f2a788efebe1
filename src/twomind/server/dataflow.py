"""The data-flow sheet for an ethics board: what is stored where, how long, who sees it, how it is
erased. Written from ``study.toml``, so that it says what the server does; in each language of the
study that a template is there for, and else in English.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from string import Template

from twomind.core.files import write_text
from twomind.core.typography import typeset
from twomind.server.study import Study

FILE = "data-flow.md"
_DEFAULT_LANGUAGE = "en"
#: Pieces of sentences that depend on the study: language → name → text.
_TEXTS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "needed": "needed to take part",
        "free": "free",
        "colon": ":",
        "team": "researchers who have signed in; the participant",
        "erased": "key destroyed, then deleted, on withdrawal or when the time is over",
        "sealed": "{database}, encrypted with the participant's key",
        "off": " (switched off in this study)",
        "with_words": ": quality of picture and sound, and {model}; words are put into writing there",
        "without_words": (
            ": quality of picture and sound, and {model}; words are not put into writing"
        ),
        "model": "the model {name!r}",
        "no_model": "no model",
        "some_days": "; within {days} days they may change their mind",
        "at_once": "; it takes effect at once",
        "outside": "; coders who are not of the team see only who agreed to: {needed}",
        "encrypted_way": " On the way they are encrypted (https).",
        "open_way": " The address is not https yet: it has to be before anybody takes part.",
    },
    "fr": {
        "needed": "nécessaire pour participer",
        "free": "libre",
        "colon": " :",
        "team": "l'équipe de recherche, connectée ; la personne elle-même",
        "erased": "clé détruite, puis effacé, au retrait ou à la fin de la durée",
        "sealed": "{database}, chiffré avec la clé de la personne",
        "off": " (désactivé dans cette étude)",
        "with_words": (
            " : qualité de l'image et du son, et {model} ; les paroles y sont mises par écrit"
        ),
        "without_words": (
            " : qualité de l'image et du son, et {model} ; les paroles ne sont pas mises par écrit"
        ),
        "model": "le modèle {name!r}",
        "no_model": "aucun modèle",
        "some_days": " ; pendant {days} jours elle peut changer d'avis",
        "at_once": " ; l'effet est immédiat",
        "outside": (
            " ; les codeurs hors de l'équipe ne voient que les personnes qui ont accepté : {needed}"
        ),
        "encrypted_way": " En chemin ils sont chiffrés (https).",
        "open_way": " L'adresse n'est pas encore en https : elle doit l'être avant toute participation.",
    },
}


def languages(study: Study) -> tuple[str, ...]:
    """In which languages there is a sheet for a study."""
    known = tuple(language for language in study.languages if language in _TEXTS)
    return known or (_DEFAULT_LANGUAGE,)


def file_name(study: Study, language: str) -> str:
    """``data-flow.md`` for the first language, ``data-flow.fr.md`` for another."""
    if language == languages(study)[0]:
        return FILE
    stem, _, ending = FILE.rpartition(".")
    return f"{stem}.{language}.{ending}"


def write_sheets(study: Study, folder: Path) -> list[Path]:
    """Write the sheet in each language into the study's folder.

    Args:
        study: What is asked and kept.
        folder: Where the study lies.
    """
    written = []
    for language in languages(study):
        path = folder / file_name(study, language)
        written.append(write_text(path, sheet(study, folder.resolve(), language)))
    return written


def sheet(study: Study, folder: Path, language: str = _DEFAULT_LANGUAGE) -> str:
    """The sheet, in Markdown.

    Args:
        study: What is asked and kept.
        folder: Where the study lies.
        language: One of :func:`languages`.
    """
    place = files("twomind.server") / "templates" / f"data-flow.{language}.md"
    template = Template(place.read_text(encoding="utf-8"))
    texts = _TEXTS[language]
    spoken = language if language in study.languages else study.languages[0]
    database = study.server.database.partition("@")[2] or f"{folder.name}/data/study.db"
    retention = study.retention
    values = {
        "id": study.id,
        "version": study.consent.version,
        "contact": study.contact[spoken].strip(),
        "items": _items(study, spoken, texts),
        "people": f"{folder.name}/data/people",
        "database": database,
        "sealed": texts["sealed"].format(database=database),
        "keys": study.server.keys,
        "url": study.server.public_url,
        "team": texts["team"],
        "erased": texts["erased"],
        "media_days": retention.media_days,
        "partial_days": retention.partial_days,
        "link_days": study.recruiting.link_days,
        "measuring": _measuring(study, texts),
        "outside": _outside(study, texts),
        "thoughts": _second_thoughts(retention.second_thoughts_days, texts),
        "https": texts["encrypted_way" if study.is_https else "open_way"],
    }
    return typeset(template.substitute(values), language)


def _items(study: Study, language: str, texts: Mapping[str, str]) -> str:
    lines = []
    for item in study.consent.items:
        kind = texts["needed" if item.required else "free"]
        lines.append(f"* **{item.id}** ({kind}){texts['colon']} {item.text[language]}")
    return "\n".join(lines)


def _measuring(study: Study, texts: Mapping[str, str]) -> str:
    wish = study.measuring
    if not wish.enabled:
        return texts["off"]
    model = texts["model"].format(name=wish.model) if wish.model else texts["no_model"]
    return texts["with_words" if wish.speech_model else "without_words"].format(model=model)


def _second_thoughts(days: int, texts: Mapping[str, str]) -> str:
    return texts["some_days"].format(days=days) if days else texts["at_once"]


def _outside(study: Study, texts: Mapping[str, str]) -> str:
    """What is needed of somebody who is shown to coders who are not of the team."""
    needed = ", ".join(study.coding.outside_needs)
    return texts["outside"].format(needed=needed) if needed else ""
