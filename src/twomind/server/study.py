"""``study.toml``: what a study asks, of whom, in which words, and how long it keeps what it gets.

Every text stands in every language of the study; what is wrong is told with the place in the file.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from twomind.core import names
from twomind.core.errors import BadInput
from twomind.core.files import refuse_unreadable
from twomind.transcripts.language import is_measured

FILE = "study.toml"
#: What the answer to a prompt is meant to be like; never sent to a participant.
Response = Literal[
    "neutral", "positive", "negative", "ambivalent", "willing", "resistant", "hesitant", "other"
]
#: Without a yes to these nothing may be recorded.
ALWAYS_REQUIRED = ("processing", "storage")
#: How a text begins that a template leaves to the researcher.
_UNWRITTEN = "[["
_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")

Texts = dict[str, str]
Id = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]
Days = Annotated[int, Field(ge=0, le=36500)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ConsentItem(_Part):
    """One thing to say yes or no to."""

    id: Id
    required: bool
    text: Texts


class Consent(_Part):
    """What people agree to. Whoever changes a word raises ``version``."""

    version: int = Field(ge=1)
    text: Texts
    items: tuple[ConsentItem, ...]

    def shown(self, language: str) -> str:
        """All that a participant reads, in one language: what is hashed and kept."""
        items = [[item.id, item.required, item.text[language]] for item in self.items]
        whole = {
            "version": self.version,
            "language": language,
            "text": self.text[language],
            "items": items,
        }
        return json.dumps(whole, ensure_ascii=False, sort_keys=True, indent=1)

    def sha256(self, language: str) -> str:
        """The hash of :meth:`shown`, in hex."""
        return hashlib.sha256(self.shown(language).encode()).hexdigest()

    def required(self) -> frozenset[str]:
        """Ids of the items without which nothing may be recorded."""
        return frozenset(item.id for item in self.items if item.required)


class Checks(_Part):
    """Limits of the device check on the page. Light is a mean of 0 to 255, level in dB of full."""

    min_light: float = Field(default=40, ge=0, le=255)
    max_light: float = Field(default=225, ge=0, le=255)
    min_level_db: float = Field(default=-45, ge=-120, le=0)
    face: bool = True
    count_to: int = Field(default=10, ge=1, le=30)


class Prompt(_Part):
    """One thing to answer before the camera. Times in seconds."""

    id: Id
    response: Response = "other"
    text: Texts
    min_s: float = Field(default=3, ge=0)
    max_s: float = Field(default=120, gt=0, le=3600)
    takes: int = Field(default=1, ge=1, le=20)

    @model_validator(mode="after")
    def _in_order(self) -> Prompt:
        if self.min_s >= self.max_s:
            raise ValueError(
                f"min_s is {self.min_s:g} and max_s {self.max_s:g}: give min_s < max_s"
            )
        return self


class Choice(_Part):
    """One answer to a question of the form."""

    id: Id
    text: Texts


class Question(_Part):
    """One question of the form; nobody has to answer it."""

    id: Id
    kind: Literal["number", "choice", "text"]
    text: Texts
    min: float | None = None
    max: float | None = None
    choices: tuple[Choice, ...] = ()

    @model_validator(mode="after")
    def _has_choices(self) -> Question:
        if (self.kind == "choice") != bool(self.choices):
            raise ValueError("a question of kind 'choice' has choices, and no other has any")
        return self


class Video(_Part):
    """What is asked of the camera."""

    width: int = Field(default=1280, ge=160, le=3840)
    height: int = Field(default=720, ge=120, le=2160)
    frame_rate: int = Field(default=30, ge=5, le=60)


class Recording(_Part):
    """How the page records and what the server takes."""

    chunk_ms: int = Field(default=2000, ge=250, le=30000)
    chunk_max_bytes: int = Field(default=8 << 20, ge=1 << 10, le=64 << 20)
    recording_max_bytes: int = Field(default=512 << 20, ge=1 << 10)
    video: Video = Video()
    mime: tuple[str, ...] = (
        "video/webm;codecs=vp9,opus",
        "video/webm;codecs=vp8,opus",
        "video/mp4",
    )


class Recruiting(_Part):
    """How people come and where they go afterwards."""

    quota: int | None = Field(default=None, ge=1)
    #: How many people of a language, among the quota.
    language_quotas: dict[str, Annotated[int, Field(ge=0)]] = {}
    external_id_parameter: str = Field(default="PROLIFIC_PID", pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    completion_url: str = Field(default="", pattern=r"^(https://\S+)?$")
    completion_code: str = Field(default="", max_length=100)
    link_days: Days = 60


class Retention(_Part):
    """How many days things are kept."""

    partial_days: Days = 30
    media_days: Days = 3650
    second_thoughts_days: Days = 0


class Measuring(_Part):
    """What is measured of each recording that has come in, as the command line does."""

    enabled: bool = True
    #: A model of ``twomind predict``; empty: measures alone, no result.
    model: str = "words"
    #: A folder, ``package:NAME`` or name of a speech model; empty: words are not recognised.
    speech_model: str = ""


class Quality(_Part):
    """From where on the quality control proposes to ask again. Levels in dB of full scale."""

    min_face_share: float = Field(default=0.5, ge=0, le=1)
    min_level_dbfs: float = Field(default=-50, ge=-120, le=0)
    max_clipped_share: float = Field(default=0.05, ge=0, le=1)
    min_speech_s: float = Field(default=1.0, ge=0)
    #: How far speech has to lie over the noise.
    min_snr_db: float = Field(default=3.0, ge=-20, le=60)
    #: How loud steady noise may be: a hum, a fan, wind.
    max_noise_dbfs: float = Field(default=-35.0, ge=-120, le=0)
    #: How much shorter than its manifest a film may be, and its picture or sound than the film.
    max_missing_s: float = Field(default=1.0, ge=0)
    #: How long there may be no sound at all, not even a room's.
    max_dead_sound_s: float = Field(default=5.0, ge=0)
    #: How long the picture may stand still, and which share of the pictures may be black.
    max_still_s: float = Field(default=3.0, ge=0)
    max_black_share: float = Field(default=0.2, ge=0, le=1)
    min_pictures_per_s: float = Field(default=8.0, ge=0)
    #: Share of the pictures in which somebody else may be seen.
    max_several_faces: float = Field(default=0.2, ge=0, le=1)
    #: From this probability on a speech model is believed that another language is spoken.
    min_language_probability: float = Field(default=0.8, ge=0, le=1)
    #: After so many takes that were asked for again, the proposal is to exclude.
    asks: int = Field(default=1, ge=0, le=20)


class OpenIdConnect(_Part):
    """Accounts that a university has already, with which researchers may sign in."""

    name: str = Field(default="OpenID Connect", min_length=1, max_length=60)
    issuer: str = Field(pattern=r"^(https://|http://(127\.0\.0\.1|localhost)[:/])\S+$")
    client_id: str = Field(min_length=1)
    #: A file with the client's secret, outside the study's folder; empty: the client has none.
    client_secret_file: str = ""
    #: Verified e-mail addresses, or subjects, of those who may sign in.
    researchers: tuple[Annotated[str, Field(min_length=1, max_length=60)], ...] = Field(
        min_length=1
    )


class Release(_Part):
    """What a release says of itself. Empty: what the study says, and the licence that comes along."""

    name: str = Field(default="", max_length=200)
    description: str = Field(default="", max_length=5000)
    creators: tuple[str, ...] = ()
    contact: str = Field(default="", max_length=500)
    citation: str = Field(default="", max_length=1000)
    url: str = Field(default="", pattern=r"^(https?://\S+)?$")
    licence_name: str = Field(default="", max_length=200)
    licence_url: str = Field(default="", pattern=r"^(https?://\S+)?$")
    #: A text file in the study's folder.
    licence_file: str = Field(default="", pattern=r"^([^/\\]+)?$")
    #: Of people: train, val, test.
    shares: tuple[float, float, float] = (0.6, 0.15, 0.25)

    @model_validator(mode="after")
    def _whole(self) -> Release:
        if min(self.shares) <= 0 or abs(sum(self.shares) - 1) > 1e-6:
            raise ValueError("shares: expected three numbers above 0 that sum to 1")
        return self


class Coding(_Part):
    """Who may be shown to coders: items of the consent that got a yes."""

    #: Of anybody who is coded.
    needs: tuple[Id, ...] = ()
    #: Besides, where the coder is not of the team.
    outside_needs: tuple[Id, ...] = ("research",)
    #: Coders may take a film along, to go on in ELAN; only of people who agreed to ``outside_needs``.
    downloads: bool = False


class Serving(_Part):
    """Where the server is and what it keeps where. Empty: the default, in the study's folder."""

    public_url: str = Field(default="http://127.0.0.1:8321", pattern=r"^https?://[^\s/]+$")
    database: str = ""
    keys: str = Field(min_length=1)
    study_max_bytes: int = Field(default=200 << 30, ge=1 << 10)
    requests_per_second: float = Field(default=50, gt=0)
    #: Forged links and wrong passwords, from one address.
    sign_ins_per_minute: float = Field(default=10, gt=0)
    #: People whom a panel's link makes, from one address.
    newcomers_per_minute: float = Field(default=60, gt=0)
    session_hours: float = Field(default=12, gt=0, le=24 * 7)
    oidc: OpenIdConnect | None = None


@dataclass(frozen=True)
class Caution:
    """One thing to know before the first invitation: a code for pages, and what it is about."""

    code: Literal["not_scored", "no_https", "unwritten"]
    about: str

    @property
    def sentence(self) -> str:
        if self.code == "not_scored":
            return (
                f"language {self.about!r}: words will be transcribed but not scored; what is "
                "measured in words holds for English only."
            )
        if self.code == "unwritten":
            return (
                f"{self.about}: a line in [[ ]] waits for you; people would read it as it stands."
            )
        return (
            f"server.public_url is {self.about}: browsers open a camera only on https addresses "
            "and on this machine itself."
        )


class Study(_Part):
    """The settings and texts of a study, as ``study.toml`` has them."""

    id: Id
    languages: tuple[str, ...] = Field(min_length=1)
    title: Texts
    contact: Texts
    debriefing: Texts
    payment: Texts
    consent: Consent
    shuffle: bool = True
    checks: Checks = Checks()
    neutral: Prompt | None = None
    prompts: tuple[Prompt, ...] = Field(min_length=1)
    metadata: tuple[Question, ...] = ()
    recording: Recording = Recording()
    measuring: Measuring = Measuring()
    quality: Quality = Quality()
    coding: Coding = Coding()
    recruiting: Recruiting = Recruiting()
    retention: Retention = Retention()
    release: Release = Release()
    server: Serving

    @model_validator(mode="after")
    def _whole(self) -> Study:
        _refuse_twice("languages", self.languages)
        _refuse_twice("prompts", self.item_ids())
        _refuse_twice("consent.items", [item.id for item in self.consent.items])
        _refuse_twice("metadata", [question.id for question in self.metadata])
        for name in ALWAYS_REQUIRED:
            if name not in self.consent.required():
                raise ValueError(f"consent.items: an item {name!r} with required = true is needed")
        known = {item.id for item in self.consent.items}
        for name in self.coding.needs:
            if name not in known:
                raise ValueError(f"coding.needs: there is no consent item {name!r}")
        for language in self.recruiting.language_quotas:
            if language not in self.languages:
                raise ValueError(f"recruiting.language_quotas: {language!r} is not among languages")
        for place, texts in self._texts():
            self._refuse_missing(place, texts)
        return self

    def _texts(self) -> Iterable[tuple[str, Texts]]:
        yield "title", self.title
        yield "contact", self.contact
        yield "debriefing", self.debriefing
        yield "payment", self.payment
        yield "consent.text", self.consent.text
        for item in self.consent.items:
            yield f"consent.items {item.id}", item.text
        for prompt in self.items():
            yield f"prompt {prompt.id}", prompt.text
        for question in self.metadata:
            yield f"metadata {question.id}", question.text
            for choice in question.choices:
                yield f"metadata {question.id}, choice {choice.id}", choice.text

    def _refuse_missing(self, place: str, texts: Texts) -> None:
        for language in self.languages:
            if not texts.get(language, "").strip():
                raise ValueError(f"{place}: the text in {language!r} is missing or empty")
        surplus = sorted(set(texts) - set(self.languages))
        if surplus:
            raise ValueError(
                f"{place}: there is a text in {surplus[0]!r}, which is not among languages"
            )

    def items(self) -> tuple[Prompt, ...]:
        """Everything that is recorded: the neutral clip, if there is one, and the prompts."""
        first = () if self.neutral is None else (self.neutral,)
        return first + self.prompts

    def item_ids(self) -> list[str]:
        """Ids of :meth:`items`."""
        return [prompt.id for prompt in self.items()]

    def item(self, name: str) -> Prompt | None:
        """The item of this id."""
        found = [prompt for prompt in self.items() if prompt.id == name]
        return found[0] if found else None

    def warnings(self) -> list[Caution]:
        """What a researcher should know before the first invitation, for programs."""
        found = [
            Caution("not_scored", language)
            for language in self.languages
            if not is_measured(language)
        ]
        for place, texts in self._texts():
            found += [
                Caution("unwritten", f"{place} ({language})")
                for language, text in texts.items()
                if _UNWRITTEN in text
            ]
        if not self.is_https:
            found.append(Caution("no_https", self.server.public_url))
        return found

    @property
    def is_https(self) -> bool:
        """Whether people come to an encrypted address."""
        return self.server.public_url.startswith("https://")

    def remarks(self) -> list[str]:
        """What the researcher should look at before the study begins, as sentences."""
        return [warning.sentence for warning in self.warnings()]


def _refuse_twice(place: str, found: Sequence[str]) -> None:
    for name in found:
        if list(found).count(name) > 1:
            raise ValueError(f"{place}: {name!r} stands twice")


def study_from(text: str, place: str) -> Study:
    """Read a study from TOML.

    Args:
        text: What the file holds.
        place: Name of the file, for messages.

    Raises:
        BadInput: It is no TOML, or a value is missing, unknown or out of its range; every fault is
            named.
    """
    try:
        values = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise BadInput(f"{place}: it is no TOML ({error})") from error
    try:
        return Study.model_validate(values)
    except ValidationError as error:
        told = [f"{place}: {_told(one['loc'], one['msg'])}" for one in error.errors()]
        raise BadInput("\n".join(told)) from error


def _told(place: Sequence[int | str], message: str) -> str:
    where = ".".join(str(step) for step in place)
    plain = message.removeprefix("Value error, ")
    return f"{where}: {plain}" if where else plain


def load_study(folder: Path) -> Study:
    """Read the ``study.toml`` of a study's folder.

    Raises:
        BadInput: There is none, or it cannot be used.
    """
    path = folder / FILE
    if not path.exists():
        raise BadInput(f"{path}: no such file; `twomind study new {folder}` writes one")
    refuse_unreadable(path)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise BadInput(f"{path}: it is not in UTF-8 ({error.reason})") from error
    study = study_from(text, str(path))
    names.refuse(study.id, "study id")
    return study


def study_id(folder: Path) -> str:
    """An id made from a folder's name."""
    plain = re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-")[:40].rstrip("-")
    return plain if _ID.fullmatch(plain) else "study"
