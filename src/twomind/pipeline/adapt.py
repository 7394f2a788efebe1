"""Adaptation inside ``predict``: a recording cut into windows, one state per person, kept and gone
on with.

The state folder holds, per person, one file per recording: the state after it. So the answer of a
recording that the state has seen before is the one it got then (it is not learnt twice), a killed
run is run again to go on, and the person is taken back to any point by removing files. ``twomind
profile erase`` finds the states of a person.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from twomind.adaptation import traits
from twomind.core.errors import BadInput
from twomind.pipeline.kept_states import EVERYONE, folder_name
from twomind.types import Access, Features, Given, Prediction, State, Status
from twomind.types.plain import ToDict

RESETS = ("recording", "person", "never")

_WHY_NOT = {
    Access.SOURCE: "labelled windows of source people, which `predict` does not have",
    Access.SUMMARY: "a summary of the source people (prototypes), and none lies beside this "
    "model's "
    "weights",
    Access.TARGET: "the person's windows in advance; `predict` answers each window as it comes",
    Access.NEUTRAL: "a clip in which the person is neutral: give --neutral CLIP",
    Access.FEW: "answers of the person that a coder has labelled; `predict` reads no label",
}


#: Beginning of the settings of the method within another one.
_INNER = "settings."


@dataclass(frozen=True)
class Adaptation:
    """Which method, how it is set, and when a person's state starts anew. ``state`` is a folder to
    keep states in.
    """

    method: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    reset: str = "person"
    state: Path | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.reset not in RESETS:
            raise BadInput(f"states.reset: expected one of {', '.join(RESETS)}, got {self.reset!r}")
        if self.state is not None and self.reset == "recording":
            raise BadInput(
                "states.folder keeps a person's state; with states.reset=recording there is none to "
                "keep"
            )
        self.adapter()

    def adapter(self) -> Any:
        """The configured method.

        Raises:
            BadInput: there is no such method or setting.
        """
        from twomind.adaptation import load_method

        return load_method(self.method, **self.settings)

    def lasting(self) -> dict[str, Any]:
        """What an answer depends on: not where states are kept."""
        return {
            "method": self.method,
            "settings": dict(self.settings),
            "reset": self.reset,
            "seed": self.seed,
        }


def read_settings(method: str, pairs: Sequence[str], option: str = "--set") -> dict[str, Any]:
    """``name=value`` texts as the method's own types; ``settings.name=value`` goes to the method
    within one that wraps another.

    ``option`` is named in errors.

    Raises:
        BadInput: an unknown method or name, or a value of another type.
    """
    from twomind.core import registry

    cls = registry.load("methods", method)
    found: dict[str, Any] = {}
    inner = []
    for pair in pairs:
        name, equals, text = (part.strip() for part in pair.partition("="))
        if not equals or not name:
            raise BadInput(f"{option} {pair!r}: expected name=value")
        if traits.wraps(cls) and name.startswith(_INNER):
            inner.append(f"{name.removeprefix(_INNER)}={text}")
        else:
            found[name] = _value(method, cls, name, text)
    if inner:
        within = str(found.get("method", cls().method))
        found["settings"] = read_settings(within, inner, option)
    return found


def _value(method: str, cls: Any, name: str, text: str) -> Any:
    """A text as the value of a method's setting, by the type of its default."""
    defaults = cls()
    known = {field.name: getattr(defaults, field.name) for field in fields(cls)}
    plain = {n: value for n, value in known.items() if not isinstance(value, Mapping)}
    if name not in plain:
        there = ", ".join(sorted(plain)) or "none"
        raise BadInput(f"{method} has no setting {name!r}; there is: {there}")
    kind = type(plain[name])
    if kind is bool:
        if text.lower() in ("true", "false"):
            return text.lower() == "true"
        raise BadInput(f"{method}, {name}: expected true or false, got {text!r}")
    if kind not in (int, float):
        return text
    try:
        return kind(text)
    except ValueError:
        raise BadInput(f"{method}, {name}: expected {kind.__name__}, got {text!r}") from None


@dataclass(frozen=True)
class Adapted(ToDict):
    """What became of one recording.

    Args:
        prediction: of the adapted model.
        unadapted: of the same model without adaptation.
        n_windows: into which the recording was cut.
        n_measured: of these, those with an answer.
        said: which method, and what it was handed.
        state: what is remembered of the person after it.
        guard: log and counts, where a guard stood around the method.
        kept: the file of the state, where it was kept.
        n_before: recordings that the state had learnt from before.

    Example:
        >>> import twomind as tm
        >>> from twomind.adaptation.check import toy
        >>> world = toy()
        >>> (one,) = tm.adapt([world.windows["anna"][0]], world.model, "t3a")
        >>> one.said
        'adapted by t3a (saw: nothing)'
    """

    prediction: Prediction
    unadapted: Prediction
    n_windows: int
    n_measured: int
    said: str
    state: State | None
    guard: Mapping[str, Any] = field(default_factory=dict)
    kept: Path | None = None
    n_before: int = 0


def windows_for(model: Any, x: Features) -> list[Features]:
    """The windows of a recording: of the length that the model states, or the recording as one."""
    from twomind.models.base import complete, track_of

    length_s = complete(model).window_s
    if length_s is None:
        return [x]
    from twomind.encoders.frames import windows_of

    return windows_of(x, track_of(model), length_s)


def check(model: Any, adaptation: Adaptation, given: Given) -> None:
    """Refuse what cannot work, with the reason.

    Args:
        model: the recogniser.
        adaptation: the method.
        given: what it would be handed.

    Raises:
        BadInput: the model has nothing to adapt, or the method needs what ``predict`` cannot hand
            over.
    """
    from twomind.models.base import complete, is_trainable, pools

    name = complete(model).describe()["name"]
    if not is_trainable(model):
        raise BadInput(
            f"--adapt: the model {name!r} answers a whole recording at once and has no embedding "
            "or "
            "weights that a "
            "method could work on. Use clip-au, or a fusion model"
        )
    adapter = adaptation.adapter()
    if missing := adapter.needs & ~given.access:
        said = [text for flag, text in _WHY_NOT.items() if flag in missing]
        made_by = getattr(model, "summary_by", "")
        if Access.SUMMARY in missing and made_by:
            said.append(f"`{made_by}` makes it")
        why = "; ".join(said)
        raise BadInput(f"--adapt {adaptation.method} needs {missing.words()}: {why}")
    if traits.wraps(adapter) and Access.NEUTRAL in adapter.needs and not pools(model):
        raise BadInput(
            f"--adapt {adaptation.method}: the neutral clip cannot be watched with {name!r}; leave use_neutral "
            "off"
        )


def adapt(
    model: Any, adaptation: Adaptation, x: Features, given: Given, state: State | None
) -> Adapted:
    """One recording, window by window, going on from ``state`` (None: from the start).

    ``unadapted`` is the same model on the same windows with no method, so that only the method lies
    between the two.

    Args:
        model: the recogniser.
        adaptation: the method.
        x: the recording, with what the model reads.
        given: what the method is handed.
        state: the person's, before this recording.

    Raises:
        BadInput: the method does not fit the model.
    """
    from twomind.adaptation import load_method, pool, stream
    from twomind.models.base import track_of

    adapter, windows = adaptation.adapter(), windows_for(model, x)
    if not windows:
        why = x.notes.get(track_of(model), "no frame could be read")
        nothing = Prediction.not_measured(x.span_s, len(model.task.classes), why)
        return Adapted(nothing, nothing, 0, 0, "", state)
    try:
        steps = list(stream(model, adapter, windows, given=given, reset="recording", state=state))
    except ValueError as error:
        raise BadInput(f"--adapt {adaptation.method}: {error}") from error
    unadapted = stream(model, load_method("source-only"), windows, reset="recording")
    after = steps[-1].state
    measured = [step for step in steps if step.prediction.status is not Status.NOT_MEASURED]
    said = f"adapted by {adaptation.method} (saw: {adapter.needs.words()})"
    return Adapted(
        prediction=_with_reason(pool(steps)[x.recording], said),
        unadapted=pool(unadapted)[x.recording],
        n_windows=len(windows),
        n_measured=len(measured),
        said=said,
        state=after,
        guard=_guard(after, x.recording) if traits.wraps(adapter) else {},
    )


def _guard(state: Any, recording: str) -> dict[str, Any]:
    """What the guard counted of the person so far, and its log of this recording."""
    log = [event for event in state["log"] if event["recording"] == recording]
    return {"counts": dict(state["counts"]), "log": log}


def _with_reason(prediction: Prediction, said: str) -> Prediction:
    reason = "; ".join(text for text in (prediction.reason, said) if text)
    return replace(prediction, reason=reason)


class People:
    """The states of one run, by person; with a folder, also those of the runs before it."""

    def __init__(self, adaptation: Adaptation, study: str = "") -> None:
        self._how = adaptation
        self._study = study  # two studies that share a folder do not share a state
        self._chains: dict[str, list[tuple[str, State | Path]]] = {}

    def before(self, subject: str, content: str) -> tuple[str, ...]:
        """Contents of the recordings that the state has learnt from before this one."""
        chain = [c for c, _ in self._chain(subject)]
        return tuple(chain[: chain.index(content)] if content in chain else chain)

    def has(self, subject: str, content: str) -> bool:
        """Whether the state after a recording is here, where one is wanted at all."""
        if self._how.reset == "recording":
            return True
        return content in [c for c, _ in self._chain(subject)]

    def imagine(self, subject: str, content: str) -> None:
        """Take a recording as learnt, to ask which ones come before others; no state is made."""
        if self._how.reset != "recording" and not self.has(subject, content):
            self._chain(subject).append((content, {}))

    def state(self, subject: str, content: str) -> State | None:
        """The state before a recording; None: from the start."""
        from twomind.adaptation.state import load_state

        n = len(self.before(subject, content))
        if not n:
            return None
        held = self._chain(subject)[n - 1][1]
        return load_state(held)[0] if isinstance(held, Path) else held

    def keep(
        self,
        subject: str,
        recording: str,
        content: str,
        mark: str,
        state: State | None,
        neutral: str = "",
    ) -> Path | None:
        """Keep the state after a recording, unless it is kept already; the file, where there is a
        folder.

        ``content`` and ``neutral`` are the SHA-256 of the recording and of the neutral clip ("":
        none was given); by them, erasing a recording finds the states that learnt from it.
        """
        chain = self._chain(subject)
        if state is None or self._how.reset == "recording" or content in [c for c, _ in chain]:
            return None
        if self._how.state is None:
            chain.append((content, state))
            return None
        from twomind.adaptation.state import save_state

        seen = {"subject": subject, "recording": recording, "content": content, "neutral": neutral}
        study = {"study": self._study} if self._study else {}
        meta = {**seen, **study, "model": mark, **self._how.lasting()}
        safe = re.sub(r"[^\w.-]+", "_", recording)[:60]
        path = save_state(
            self._folder(subject) / f"{len(chain) + 1:05d}-{safe}.safetensors", state, meta
        )
        chain.append((content, path))
        return path

    def check_model(self, subject: str, mark: str) -> None:
        """Refuse states of another model, method or settings.

        Raises:
            BadInput: they are.
        """
        from twomind.adaptation.state import load_state

        held = [path for _, path in self._chain(subject) if isinstance(path, Path)]
        if not held:
            return
        _, meta = load_state(held[-1])
        wanted = {"model": mark, **self._how.lasting()}
        other = [name for name, value in wanted.items() if meta.get(name) != value]
        if other:
            raise BadInput(
                f"{held[-1]}: this state was kept with another {', '.join(other)}; a state goes "
                "with the model, method and settings that made it. Give another states.folder"
            )

    def _key(self, subject: str) -> str:
        return EVERYONE if self._how.reset == "never" else subject

    def _folder(self, subject: str) -> Path:
        assert self._how.state is not None
        return self._how.state / folder_name(self._key(subject), self._study)

    def _chain(self, subject: str) -> list[tuple[str, State | Path]]:
        if self._how.reset == "recording":
            return []
        key = self._key(subject)
        if key not in self._chains:
            from twomind.adaptation.state import load_state

            chain: list[tuple[str, State | Path]] = []
            if self._how.state is not None:
                for path in sorted(self._folder(subject).glob("*.safetensors")):
                    _, meta = load_state(path)
                    chain.append((str(meta["content"]), path))
            self._chains[key] = chain
        return self._chains[key]


def mark_of(model: Any) -> str:
    """Hash of a model's weights, by which a kept state knows its model."""
    from twomind.core.store import settings_hash

    hashes = {}
    for name, tensor in sorted(model.params().items()):
        values = tensor.detach().cpu().numpy()
        hashes[name] = hashlib.sha256(values.tobytes()).hexdigest()
    return settings_hash(hashes)


def summary_of(model: Any) -> dict[str, Any] | None:
    """The summary of the source people that goes with a model, if it has one."""
    from twomind.models.base import complete

    found = complete(model).source_summary()
    return None if found is None else dict(found)


__all__ = [
    "RESETS",
    "Adaptation",
    "Adapted",
    "People",
    "adapt",
    "check",
    "mark_of",
    "read_settings",
    "summary_of",
    "windows_for",
]
