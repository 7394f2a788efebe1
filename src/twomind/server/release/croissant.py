"""The data set in the words of Croissant (mlcommons.org/croissant), for catalogues and loaders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twomind.core.files import content_hash
from twomind.server.release.card import LICENCE, Told
from twomind.server.release.lists import COLUMNS, TABLE

FILE = "croissant.json"
_TABLE_ID = "answers-table"
_NUMBERS = {"label": "sc:Integer", "question": "sc:Integer", "duration_s": "sc:Float"}
_NUMBERS |= {"frames": "sc:Integer", "crops": "sc:Integer"}
_LISTS = (
    ("annotations", "data/video_annotation_transcript.yaml", "application/yaml"),
    ("metadata", "data/meta_data.yml", "application/yaml"),
    ("licence", LICENCE, "text/plain"),
)
_SETS = (
    ("films-webm", "data/Videos/**/*.webm", "video/webm", "Films of browsers that write WebM."),
    ("films-mp4", "data/Videos/**/*.mp4", "video/mp4", "Films of browsers that write MP4."),
    ("crops", "data/cropped-aligned-faces/**/*.jpg", "image/jpeg", "Aligned faces by frame."),
    ("transcripts", "data/transcription/**/*.yml", "application/yaml", "Words with times."),
    ("elan", "data/elan/**/*.eaf", "application/xml", "Marks for ELAN."),
)


def described(told: Told, folder: Path) -> dict[str, Any]:
    """The description as JSON-LD.

    Args:
        told: What the release says of itself.
        folder: Of the release, with its lists.
    """
    said = told.said
    found: dict[str, Any] = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "name": told.name,
        "description": told.description,
        "conformsTo": [
            "http://mlcommons.org/croissant/1.0",
            "http://mlcommons.org/croissant/RAI/1.0",
        ],
        "version": told.release.version,
        "datePublished": told.release.at[:10],
        "license": said.licence_url or told.licence_name,
        "inLanguage": list(told.study.languages),
        "isAccessibleForFree": False,
        "keywords": ["ambivalence", "hesitancy", "video", "affective computing"],
        "creator": [{"@type": "sc:Person", "name": name} for name in _creators(told)],
        "citeAs": said.citation or f"{told.name}, version {told.release.version}",
        "url": said.url or f"urn:twomind:{told.study.id}:{told.release.version}",
        **_responsible(told),
        "distribution": _distribution(folder),
        "recordSet": [_records()],
    }
    return found


def _creators(told: Told) -> list[str]:
    return list(told.said.creators) or [told.contact]


def _responsible(told: Told) -> dict[str, Any]:
    """Croissant's vocabulary of responsible use."""
    items = ", ".join(told.release.items)
    return {
        "rai:dataCollection": (
            "People recorded themselves in a browser after having agreed to a stored text; each "
            "answers the prompts that README.md lists."
        ),
        "rai:dataAnnotationProtocol": (
            "Coders marked segments and cues of each film without seeing the marks of others or of "
            "a model; README.md counts how they were settled."
        ),
        "rai:personalSensitiveInformation": [
            "faces", "voices", "what people said", "answers to a form about the person"
        ],
        "rai:dataUseCases": ["recognition of ambivalence and hesitancy, for research only"],
        "rai:dataLimitations": [
            "labels are what coders saw, not what a person felt",
            "people were recruited for one study",
        ],
        "rai:dataReleaseMaintenancePlan": (
            f"Everybody said yes to: {items}. Who withdraws is left out of later versions, and "
            "holders of earlier ones are told to delete what is theirs (CHANGES.md)."
        ),
    }  # fmt: skip


def _distribution(folder: Path) -> list[dict[str, Any]]:
    table = f"data/{TABLE}"
    objects = [_object(folder, _TABLE_ID, table, "text/csv")]
    objects += [_object(folder, name, path, kind) for name, path, kind in _LISTS]
    for name, pattern, kind, text in _SETS:
        if any(folder.glob(pattern)):
            objects.append(_set(name, pattern, kind, text))
    return objects


def _object(folder: Path, name: str, path: str, kind: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "contentUrl": path,
        "contentSize": f"{(folder / path).stat().st_size} B",
        "encodingFormat": kind,
        "sha256": content_hash(folder / path),
    }


def _set(name: str, pattern: str, kind: str, text: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": name,
        "name": name,
        "description": text,
        "encodingFormat": kind,
        "includes": pattern,
    }


def _records() -> dict[str, Any]:
    """One record per answer, from the table."""
    fields = [_field(column, text) for column, text in COLUMNS.items()]
    return {
        "@type": "cr:RecordSet",
        "@id": "answers",
        "name": "answers",
        "description": "One record per answer.",
        "key": {"@id": "answers/video"},
        "field": fields,
    }


def _field(column: str, text: str) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"answers/{column}",
        "name": column,
        "description": text,
        "dataType": _NUMBERS.get(column, "sc:Text"),
        "source": {"fileObject": {"@id": _TABLE_ID}, "extract": {"column": column}},
    }


_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
