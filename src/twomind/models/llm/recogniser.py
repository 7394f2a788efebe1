"""Zero-shot recogniser: a multimodal language model is shown frames and words and asked. It was
trained on no answer.

Strategies are in ``llm_prompts``, the strict reading of replies in ``llm_parse``, back ends in
``llm_endpoint`` and ``llm_local``, consent in ``llm_consent``, the record of replies and the budget
in ``llm_record``. What published numbers say about such models, and what is not measured here:
``docs/zero-shot.md``.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from twomind.core.errors import BadInput
from twomind.core.seals import read_sealed, write_sealed
from twomind.core.store import Store
from twomind.models.base import NOT_FOR, BaseModel, write_card
from twomind.models.llm import probability
from twomind.models.llm.ask import Backend, Picture, Reply, Request, Sound
from twomind.models.llm.consent import check_url, locate, require
from twomind.models.llm.endpoint import Endpoint, endpoint_identity, key_variable
from twomind.models.llm.frames import TRACK, known_times, sample_frames
from twomind.models.llm.hearing import SOUND_TRACK, heard_in
from twomind.models.llm.local import Local
from twomind.models.llm.parse import Reading, parse_json, parse_label
from twomind.models.llm.prompts import LABELS, Prompt, render, strategy
from twomind.models.llm.record import Recorder
from twomind.models.llm.settings import LlmSettings, settings_from_dict, settings_to_dict
from twomind.types import AMBIVALENCE, Evidence, Features, Prediction, Recording, Task

FORMAT = "twomind.llm/1"
#: What may have become of an answer, as it is counted.
_COUNTED = ("replies", "measured", "word alone", "unparsable", "not asked")
FILE = "llm.json"
#: Tokens listed at each place when log-probabilities are asked for: what hosted endpoints allow at
#: most.
ALTERNATIVES = 20
#: This many measured answers of one kind, and not one of the other, and the batch is flagged.
MIN_CONSTANT = 5


@dataclass(frozen=True)
class Exchange:
    """A question to a model and its reply; ``reason`` says why it was not asked. Token counts are
    -1 where the back end does not say.
    """

    prompt: str
    times_s: tuple[float, ...]
    reply: str
    reason: str = ""
    tokens_in: int = -1
    tokens_out: int = -1


@dataclass
class LlmRecogniser(BaseModel):
    """Asks a language model about one answer at a time. ``look`` adds the frames, ``predict`` asks.

    One recogniser stands for one run: it holds the connection, the record, and counts what came
    back.

    Args:
        settings: which model, what it is shown, how it is asked.
        recorder: keeps questions and replies; None: as the settings say.
        warn: is told what a reader should know.
        counts: what came back, by kind.
        decisions: the labels so far.

    Example:
        >>> from twomind.models.llm.recogniser import LlmRecogniser
        >>> from twomind.models.llm.settings import LlmSettings
        >>> LlmRecogniser(LlmSettings(text_only=True)).inputs
        ('words', 'question')
    """

    settings: LlmSettings = field(default_factory=LlmSettings)
    recorder: Recorder | None = None
    warn: Callable[[str], None] | None = None
    counts: Counter[str] = field(default_factory=Counter)
    decisions: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._backend: Backend | None = None

    # --- what it is

    @property
    def task(self) -> Task:
        return AMBIVALENCE

    @property
    def card(self) -> Mapping[str, object]:
        return {
            "what": "zero-shot: trained on no answer; its accuracy on people was not measured here",
            "population": "the language model's own; it was trained on no coded answer",
            "licence": "that of the language model",
            "not_for": list(NOT_FOR),
        }

    @property
    def inputs(self) -> tuple[str, ...]:
        found = [] if self.settings.text_only else [TRACK]
        if self.prompt.transcript:
            found.append("words")
        if self.settings.use_question:
            found.append("question")
        return tuple(found)

    def save(self, folder: Path) -> Path:
        """Write the settings (no key is among them) and ``card.json``."""
        entry = {"format": FORMAT, "settings": settings_to_dict(self.settings)}
        path = write_sealed(folder / FILE, entry)
        write_card(folder, "llm", self.card, [FILE])
        return path

    @classmethod
    def load(cls, path: Path | None = None, /) -> LlmRecogniser:
        """With the settings that :meth:`save` wrote; without a folder, not yet told which model:
        :meth:`using` says it.
        """
        if path is None:
            return cls()
        entry = read_sealed(path / FILE)
        if entry.get("format") != FORMAT:
            raise BadInput(f"{path}: expected the format {FORMAT!r}, got {entry.get('format')!r}")
        return cls(settings_from_dict(entry["settings"]))

    def using(self, settings: LlmSettings, recorder: Recorder | None = None) -> LlmRecogniser:
        """The recogniser of these settings."""
        return LlmRecogniser(settings, recorder, self.warn)

    def allowing_drawn(self, allow: bool = True) -> LlmRecogniser:
        """The same: it was trained on no people, and counts on what came back."""
        return self

    def recalibrate(self, prevalence: float, source: str | None) -> NoReturn:
        raise BadInput(
            "model.prevalence: a language model's probability is not calibrated on people, so there is "
            "nothing to shift"
        )

    def abstaining(self, max_risk: float) -> NoReturn:
        raise BadInput(
            "model.max_risk: how often a language model errs on people was not measured, so no risk "
            "can "
            "be kept"
        )

    def knows(self, question: str | None) -> bool:
        return self.settings.use_question and bool(question and question.strip())

    @property
    def locates(self) -> tuple[bool, str]:
        return False, (
            "a language model's times were never compared with moments that coders marked; what it "
            "cites is listed as "
            "its evidence, not as located segments"
        )

    def skill(self, question: str | None) -> Mapping[str, Any]:
        """Nothing was measured of this model with this prompt."""
        return {}

    def describe(self) -> dict[str, Any]:
        """Settings and prompt as plain values; no key is among them."""
        prompt = self.prompt
        return {
            "name": "llm",
            "variant": f"{self.settings.model or 'no model'}, strategy {prompt.name}",
            "settings": {**asdict(self.settings), "record": str(self.settings.record or "")},
            "prompt": {**asdict(prompt), "labels": list(LABELS)},
            "meaning": "certainty of a language model in its own answer, Ambivalent or "
            "Non-Ambivalent; it is not "
            "calibrated on people",
            "libraries": _libraries(
                "openai" if self.settings.endpoint else "transformers", "torch"
            ),
            "card": {
                "what": "zero-shot: trained on no answer; its accuracy on people was not measured "
                "here"
            },
        }

    @property
    def prompt(self) -> Prompt:
        return strategy(self.settings.strategy)

    # --- looking and asking
    # ------------------------------------------------------------------------------------------

    def prepare(
        self, x: Features, recording: Recording, store: Store | None = None, offline: bool = False
    ) -> Features:
        """``x`` with the sampled frames as the track ``pictures (T, H, W, 3)``, where the strategy
        shows any, and with ``llm.sound`` the waveform as the track ``heard (n, 1)``.

        A file without pictures or sound gets a note instead.
        """
        if self.settings.sound:
            x = self._listened(x, recording)
        if self.settings.text_only:
            return x
        try:
            span_s = x.span_s if x.span_s[1] > x.span_s[0] else None
            track = sample_frames(
                recording.media,
                self.settings.n_frames,
                self.settings.frame_px,
                known_times(recording, x),
                span_s,
            )
        except BadInput as error:
            return replace(x, notes={**x.notes, TRACK: str(error)})
        return replace(x, tracks={**x.tracks, TRACK: track})

    def _listened(self, x: Features, recording: Recording) -> Features:
        try:
            track = heard_in(recording.media, x.span_s if x.span_s[1] > x.span_s[0] else None)
        except BadInput as error:
            return replace(x, notes={**x.notes, SOUND_TRACK: str(error)})
        return replace(x, tracks={**x.tracks, SOUND_TRACK: track})

    def predict(self, x: Features) -> Prediction:
        """One answer: a probability with its source, or an honest "not measured" with the model's
        word as evidence.

        Raises:
            BadInput: no model was named, or frames or words would leave the machine without leave.
            EndpointFailed, BudgetSpent: it could not be asked now; asking again later goes on.
        """
        reason = self._why_not(x)
        if reason:
            return self._not_measured(x, reason, "not asked")
        greedy = self._greedy(x)
        reading = self._read(greedy, x)
        chance = self._chance(x, greedy, reading)
        self.counts["replies"] += 1
        if reading.label is None and not math.isfinite(chance.p):
            said = "the reply was cut at its longest; " if greedy.finish == "length" else ""
            self.counts["unparsable"] += 1
            return self._not_measured(x, f"unparsable reply: {said}{reading.why}", "unparsable")
        evidence = _evidence(reading, chance, self.task.classes)
        if not math.isfinite(chance.p):
            assert reading.label is not None
            self.counts["word alone"] += 1
            self.decisions.append(reading.label)
            return self._not_measured(
                x,
                f"the model says {LABELS[reading.label]!r}, without a probability: {chance.why}",
                "",
                evidence,
            )
        self.counts["measured"] += 1
        self.decisions.append(int(chance.p > 0.5))
        p = min(max(chance.p, 1e-12), 1 - 1e-12)
        logits = np.array([0.0, math.log(p / (1 - p))])
        return Prediction(x.span_s, np.array([1 - p, p]), evidence=evidence, logits=logits)

    def asked(self, x: Features, sample: int = 0) -> Exchange:
        """What the model is asked about an answer and what it replies, word for word; nothing is
        read of it.

        Args:
            x: with words, and pictures of :meth:`prepare`.
            sample: 0: the likeliest reply; others are drawn.

        Raises:
            BadInput, EndpointFailed, BudgetSpent: as :meth:`predict`.
        """
        reason = self._why_not(x)
        if reason:
            return Exchange("", (), "", reason)
        request = self._request(x, sample)
        reply = self._ask(request, x)
        times_s = tuple(picture.time_s for picture in request.pictures)
        return Exchange(request.text, times_s, reply.text, "", reply.tokens_in, reply.tokens_out)

    def is_recorded(self, x: Features) -> bool:
        """Whether the likeliest reply about an answer is in the record; nobody is asked.

        Args:
            x: as for :meth:`asked`.
        """
        if self._why_not(x):
            return False
        key = self._request(x, 0).key(self._identity())
        return self._records().recorded(key) is not None

    def told(self) -> dict[str, Any]:
        """What its answers depend on, beside the model's name: plain values that may stand anywhere.

        Raises:
            BadInput, MissingWeights, Offline: there is no such model on this machine.
        """
        found = self.settings.told()
        found["max_tokens"] = self.settings.max_tokens or self.prompt.max_tokens
        if self.settings.endpoint is not None:
            return {**found, "served": True}
        backend = self._connect()
        assert isinstance(backend, Local)
        return {**found, "served": False, **backend.told()}

    def _not_measured(
        self, x: Features, reason: str, count: str, evidence: tuple[Evidence, ...] = ()
    ) -> Prediction:
        if count == "not asked":
            self.counts[count] += 1
        nothing = Prediction.not_measured(x.span_s, len(self.task.classes), reason)
        return replace(nothing, evidence=evidence)

    def _why_not(self, x: Features) -> str:
        """Why this answer is not asked about; "" when it is."""
        prompt = self.prompt
        if prompt.transcript and not x.words:
            why = (
                x.notes.get("words", "no transcript")
                if x.words is None
                else "the transcript is empty"
            )
            return f"words: {why}; the strategy {prompt.name} is not asked without them"
        if self.settings.sound and SOUND_TRACK not in x.tracks:
            why = x.notes.get(SOUND_TRACK, "none was read")
            return f"sound: {why}; leave out llm.sound to ask without it"
        if not self.settings.text_only and TRACK not in x.tracks:
            return (
                f"pictures: {x.notes.get(TRACK, 'none were sampled')}; ask with the text alone "
                "instead"
            )
        return ""

    def _request(self, x: Features, sample: int) -> Request:
        prompt, settings = self.prompt, self.settings
        pictures = () if settings.text_only else _pictures(x)
        text = render(
            prompt,
            times_s=[picture.time_s for picture in pictures],
            words=x.words if prompt.transcript else None,
            question=x.question if settings.use_question else None,
        )
        greedy = sample == 0
        asks_tokens = greedy and settings.probability in ("auto", "tokens")
        return Request(
            text,
            pictures,
            max_tokens=settings.max_tokens or prompt.max_tokens,
            temperature=0.0 if greedy else settings.sample_temperature,
            seed=settings.seed + sample,
            alternatives=ALTERNATIVES if asks_tokens else 0,
            sample=sample,
            sound=self._sound(x),
        )

    def _sound(self, x: Features) -> Sound | None:
        track = x.tracks.get(SOUND_TRACK) if self.settings.sound else None
        return None if track is None else Sound(track.values[:, 0])

    def _greedy(self, x: Features) -> Reply:
        return self._ask(self._request(x, 0), x)

    def _read(self, reply: Reply, x: Features) -> Reading:
        if self.prompt.reply == "label":
            return parse_label(reply.text)
        return parse_json(
            reply.text,
            span_s=x.span_s,
            words=x.words if self.prompt.transcript else None,
            pictures=not self.settings.text_only,
        )

    def _chance(self, x: Features, greedy: Reply, reading: Reading) -> probability.Chance:
        """The probability by the way that was asked for."""
        how = self.settings.probability
        if how == "none":
            return probability.Chance(math.nan, why="none was asked for")
        if reading.label is None and how != "samples":
            return probability.Chance(math.nan, why="the reply cannot be read")
        if how in ("auto", "tokens"):
            found = probability.from_tokens(greedy.text, greedy.tokens, reading.at)
            if math.isfinite(found.p) or how == "tokens" or self.settings.samples < 2:
                return found
        n = self.settings.samples
        labels = [self._read(self._ask(self._request(x, k), x), x).label for k in range(1, n + 1)]
        self.counts["samples"] += n
        self.counts["unparsable samples"] += sum(label is None for label in labels)
        return probability.from_samples(labels)

    # --- the back end
    # ------------------------------------------------------------------------------------------------

    def _ask(self, request: Request, x: Features) -> Reply:
        if not self.settings.model:
            raise BadInput(
                "no language model was named: expected llm.model, and llm.endpoint for a served one"
            )
        return self._records().ask(request, self._identity(), self._connect, about=x.recording)

    def _records(self) -> Recorder:
        if self.recorder is None:
            s = self.settings
            self.recorder = Recorder(
                s.record, s.budget, s.retry, s.per_minute, s.replay, on_wait=self._say_wait
            )
        return self.recorder

    def _say_wait(self, why: str, pause_s: float) -> None:
        if self.warn is not None:
            self.warn(f"{why}; trying again in {pause_s:.1f} s")

    def _identity(self) -> dict[str, Any]:
        if self.settings.endpoint is None:
            return dict(self._connect().identity)
        parts = check_url(self.settings.endpoint)
        return endpoint_identity(parts.geturl(), self.settings.model, self.settings.jpeg_quality)

    def _connect(self) -> Backend:
        """The back end, made when it is first needed; for an endpoint, only after consent was
        checked.
        """
        if self._backend is None:
            s = self.settings
            if s.endpoint is None:
                self._backend = Local(s.model, s.offline or s.replay, s.device)
                return self._backend
            address = locate(s.endpoint, offline=s.offline)
            said = require(
                address,
                pictures=not s.text_only,
                text=self.prompt.transcript,
                send_video=s.send_video,
                send_text=s.send_text,
                send_sound=s.send_sound if s.sound else None,
            )
            if said and self.warn is not None:
                self.warn(said)
            endpoint = Endpoint(
                address, s.model, key_variable(s.key_env, address.host), s.timeout_s, s.jpeg_quality
            )
            endpoint.ready()
            self._backend = endpoint
        return self._backend

    def share(self, other: LlmRecogniser) -> None:
        """Ask the model that another recogniser has loaded, where that is the same one."""
        both_local = other.settings.endpoint is None and self.settings.endpoint is None
        if other is not self and both_local:
            self._backend = other._connect()

    def check(self) -> None:
        """Everything that can be refused before any media is read: the model's name, consent, the
        record.

        Raises:
            BadInput, Offline, MissingExtra: as ``predict`` would.
        """
        if not self.settings.model:
            raise BadInput(
                "no language model was named: expected llm.model, and llm.endpoint for a served one"
            )
        self._records()
        if not self.settings.replay and self.settings.endpoint is not None:
            self._connect()

    def summary(self) -> dict[str, Any]:
        """What came back over this run, and what was spent over the whole record."""
        answers = {kind: int(self.counts[kind]) for kind in _COUNTED}
        decided = {name: self.decisions.count(i) for i, name in enumerate(self.task.classes)}
        found: dict[str, Any] = {
            "model": self.settings.model,
            "strategy": self.settings.strategy,
            "answers": answers,
            "decisions": decided,
            "constant": constant(self.decisions, self.task.classes),
        }
        if self.counts["samples"]:
            found["samples"] = {
                "drawn": self.counts["samples"],
                "unparsable": self.counts["unparsable samples"],
            }
        recorder = self.recorder
        if recorder is not None:
            found["this_run"] = {
                "asked": recorder.n_asked,
                "from_the_record": recorder.n_replayed,
            }
            found["whole_record"] = self._spent(recorder)
        return found

    def _spent(self, recorder: Recorder) -> dict[str, Any]:
        spent = recorder.spent
        return {
            "requests": spent.requests,
            "tokens_read": spent.tokens_in,
            "tokens_written": spent.tokens_out,
            "replies_without_token_count": spent.uncounted,
            "cost": spent.cost(self.settings.budget),
            "failed_tries": dict(spent.failures),
        }


def constant(decisions: Sequence[int], classes: Sequence[str]) -> str:
    """A warning where every one of at least ``MIN_CONSTANT`` answers got the same class; ""
    otherwise.

    The published vision-only prompts are such predictors: a score above chance from them is the
    base rate alone.
    """
    if len(decisions) < MIN_CONSTANT or len(set(decisions)) > 1:
        return ""
    return (
        f"all {len(decisions)} answers got the same class ({classes[decisions[0]]!r}): with this "
        "prompt the model may "
        "not be looking at the person at all"
    )


def _pictures(x: Features) -> tuple[Picture, ...]:
    """The sampled frames of an answer, with their times."""
    track = x.tracks.get(TRACK)
    if track is None:
        return ()
    return tuple(map(Picture, track.times_s.tolist(), track.values))


def _libraries(*names: str) -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found


def _evidence(
    reading: Reading, chance: probability.Chance, classes: Sequence[str]
) -> tuple[Evidence, ...]:
    """The model's word, where the probability comes from, both sides, the cited moments, and what
    was dropped.
    """
    found = []
    if reading.label is not None:
        found.append(Evidence("said", classes[reading.label], float(reading.label), "class"))
    if math.isfinite(chance.p):
        unit = {
            "tokens": "probability of the two labels' first token",
            "samples": "share of samples that could be read; Laplace (n+1)/(N+2)",
        }[chance.source]
        found.append(Evidence("source", chance.source, chance.mass, unit))
        if chance.bounded:
            found.append(
                Evidence(
                    "bound", "the other label was not listed: p is a bound", chance.p, "probability"
                )
            )
        if chance.n:
            found.append(Evidence("samples", "read", float(chance.n), "replies"))
    for name, text in (("towards", reading.towards), ("away", reading.away)):
        if text:
            found.append(Evidence("side", f"{name}: {text}", math.nan, ""))
    found += reading.evidence
    found += [
        Evidence("dropped", why, float(n), "cited moments") for why, n in reading.dropped.items()
    ]
    return tuple(found)


PLUGIN = LlmRecogniser
