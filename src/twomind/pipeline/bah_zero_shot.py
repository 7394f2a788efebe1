"""The zero-shot table of BAH: a multimodal language model, five strategies, every way of reading its
replies, whole answers and moments, in one command.

Each answer is asked about once per strategy; all ways of reading share the reply. A moment has the
answer of its recording. Replies lie in ``replies.jsonl`` and are not asked for again; prompts beside
their replies in ``exchanges.jsonl``, which holds transcripts and stays where the data are.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from twomind.core import names
from twomind.core.errors import BadInput, TwomindError
from twomind.core.files import alone_in
from twomind.core.settings import FILE, Schema
from twomind.core.store import write_text
from twomind.evaluation.board import Board, boards
from twomind.evaluation.lines import Line
from twomind.evaluation.results import Asked, Judge, read_data
from twomind.evaluation.results_files import Results, Said
from twomind.models.llm.parse import PARSERS, read_as
from twomind.models.llm.prompts import STRATEGIES, strategy
from twomind.models.llm.recogniser import Exchange, LlmRecogniser
from twomind.models.llm.record import Recorder
from twomind.models.llm.settings import LlmSettings
from twomind.pipeline.bah_folder import TableFolder
from twomind.reporting.leaderboard import json_values
from twomind.types import Features, Recording, Run

PUBLISHED = ("s", "d1", "d2", "td1", "td2")
REPLIES, EXCHANGES = "replies.jsonl", "exchanges.jsonl"
_HEAD = "What `twomind reproduce bah --table zero-shot` asked; give it back with --set."
#: AVGF1 of Video-LLaVA-7B on the second version, by strategy: whole answers and frames.
VALUES: Mapping[str, tuple[float, float]] = {
    "s": (0.2827, 0.4416),
    "d1": (0.3326, 0.4456),
    "d2": (0.3772, 0.1651),
    "td1": (0.6341, 0.4535),
    "td2": (0.3945, 0.1849),
}
#: Letters of a token, roughly, and tokens of a picture, for a cost before anything is asked.
_LETTERS, _PICTURE_TOKENS = 4, 256
#: Tokens of a second of sound, as Qwen2.5-Omni reads it.
_SECOND_TOKENS = 25
#: Strategies that ask for one word and have the words to judge by.
_OF_WORDS = tuple(
    name for name, one in STRATEGIES.items() if one.transcript and one.reply == "label"
)
#: Settings of a probability, for which there is no use: replies are read as words.
_OF_SAMPLES = ("probability", "samples", "sample_temperature")
METRICS = ("macro_f1", "weighted_f1", "f1_1", "war")
DIFFERS = (
    "prompts are our own words for the published definitions, in their order",
    "how the publication asked about frames is not known: here a frame has its video's answer",
    "replies are bare words: no average precision",
)


@dataclass(frozen=True)
class ZeroShot:
    """What is asked of whom."""

    strategies: tuple[str, ...] = PUBLISHED
    protocol: str = ""  # official, else train-val
    most: int = 0  # answers at most, for a look; 0: all
    bootstrap: int = 2000
    # Its strategy stands for any that is asked without pictures too: each request names its own.
    llm: LlmSettings = field(
        default_factory=lambda: LlmSettings(
            strategy="td1", probability="none", max_tokens=10, frame_px=224, use_question=False
        )
    )

    def __post_init__(self) -> None:
        for name in self.strategies:
            if strategy(name).reply != "label":
                raise BadInput(
                    f"strategies: {name} does not ask for one word; expected some of s …"
                )
        if not self.strategies:
            raise BadInput(f"strategies: expected some of {', '.join(STRATEGIES)}")
        if self.llm.text_only:
            self._refuse_pictures_alone()

    def _refuse_pictures_alone(self) -> None:
        alone = [name for name in self.strategies if not strategy(name).transcript]
        if alone:
            raise BadInput(
                f"strategies: {', '.join(alone)} ask about pictures alone, of which llm.text_only "
                f"leaves nothing; with it, give strategies={','.join(_OF_WORDS)}"
            )


SCHEMA = Schema(ZeroShot(), leave_out=("llm.strategy", "llm.record", "llm.offline"))


@dataclass(frozen=True)
class Place:
    """Where the data lie, where everything is kept, and whether anything may be fetched."""

    data: Path
    out: Path
    offline: bool = False


@dataclass(frozen=True)
class Opened:
    """The answers that are asked about, and their judge."""

    judge: Judge
    recordings: tuple[Recording, ...]


def opened(asked: ZeroShot, place: Place) -> Opened:
    """Open BAH's data and choose the answers that the language model is asked about.

    Raises:
        BadInput: they are not BAH's, or are divided in no such way.
    """
    dataset = read_data(place.data, "bah")
    judge = Judge(dataset, Asked(protocol=asked.protocol))
    known = judge.recordings
    tested = [known[name] for fold in judge.folds for name in fold.test]
    if asked.most:
        tested = tested[: asked.most]
    return Opened(judge, tuple(tested))


def zero_shot(
    asked: ZeroShot, place: Place, tell: Callable[[str, float, float], None]
) -> dict[str, Any]:
    """Ask, read, judge, and write the table.

    Args:
        asked: what is asked of whom.
        place: from where, and to where.
        tell: is told what is done, how far, of how much.

    Returns:
        The table as plain values; ``runs`` are on disk under ``out/runs``.

    Raises:
        BadInput: no such data or model, or the folder holds other settings' results.
        EndpointFailed, BudgetSpent: it could not be asked now; the same command goes on.
    """
    data = opened(asked, place)
    with alone_in(place.out):
        folder = TableFolder(place.out)
        models = _recognisers(asked, place)
        told = {name: model.told() for name, model in models.items()}
        folder.begin(_marked(asked, place))
        SCHEMA.write(place.out / FILE, asked, _HEAD)
        exchanges = list(_all_exchanges(models, place, data, tell))
        write_text(place.out / EXCHANGES, "".join(_line(*one) for one in exchanges))
        runs = _runs(asked, data, exchanges, told)
        folder.save_runs(_by_level(runs))
        table = _table(asked, data, runs, exchanges)
        write_text(place.out / "table.json", json.dumps(table, indent=1) + "\n")
        write_text(place.out / "table.md", markdown(table))
        return table


def _marked(asked: ZeroShot, place: Place) -> dict[str, Any]:
    """What every number of a folder depends on."""
    lasting = asdict(replace(asked, llm=asked.llm.lasting()))
    # Which strategy stands here says nothing; folders that were begun before have this one.
    lasting["llm"]["strategy"] = PUBLISHED[0]
    return {"asked": lasting, "data": str(place.data.resolve())}


def recipe_of(asked: ZeroShot) -> dict[str, Any]:
    """The settings behind the table, as plain values that may stand anywhere: no path, no address."""
    llm = {"model": names.of_model(asked.llm.model), **asked.llm.told()}
    del llm["strategy"]  # each of the strategies
    llm["served"] = asked.llm.endpoint is not None
    return {**asdict(asked), "llm": llm}


#: Strategy, recording, and what was said.
_Asked = tuple[str, str, Exchange]


def _recognisers(asked: ZeroShot, place: Place) -> dict[str, LlmRecogniser]:
    """One per strategy; all share the record and the model."""
    llm = replace(asked.llm, record=place.out / REPLIES, offline=place.offline)
    recorder = Recorder(llm.record, llm.budget, llm.retry, llm.per_minute, llm.replay)
    found: dict[str, LlmRecogniser] = {}
    for name in asked.strategies:
        found[name] = LlmRecogniser(replace(llm, strategy=name), recorder)
        found[name].share(next(iter(found.values())))
        found[name].check()
    return found


def _all_exchanges(
    models: Mapping[str, LlmRecogniser],
    place: Place,
    data: Opened,
    tell: Callable[[str, float, float], None],
) -> Iterator[_Asked]:
    """What was said to every strategy of every answer; pictures are read once for all."""
    total = len(data.recordings) * len(models)
    for done, (name, model, x) in enumerate(_prepared(models, place, data), 1):
        yield name, x.recording, model.asked(x)
        tell(f"{name}: {x.recording}", done, total)


def _prepared(
    models: Mapping[str, LlmRecogniser], place: Place, data: Opened
) -> Iterator[tuple[str, LlmRecogniser, Features]]:
    """Every strategy of every answer, with what is shown."""
    first = next(iter(models.values()))
    for recording in data.recordings:
        x = first.prepare(_words_alone(recording), recording, offline=place.offline)
        for name, model in models.items():
            yield name, model, x


def _words_alone(recording: Recording) -> Features:
    """Words and question; nothing is measured of the film but its pictures."""
    length_s = recording.duration_s if math.isfinite(recording.duration_s) else 0.0
    notes = {} if recording.words is not None else {"words": recording.words_reason or "none"}
    return Features(
        recording.id,
        recording.subject,
        {},
        (0.0, length_s),
        recording.question,
        recording.words,
        notes,
    )


def _line(name: str, recording: str, said: Exchange) -> str:
    entry = {"strategy": name, "recording": recording, **asdict(said)}
    return json.dumps(entry, ensure_ascii=False) + "\n"


def _runs(
    asked: ZeroShot,
    data: Opened,
    exchanges: Sequence[_Asked],
    told: Mapping[str, Mapping[str, Any]],
) -> list[Run]:
    """A run per strategy, way of reading, and level; ``told`` is what the replies to a strategy depend
    on.
    """
    runs: list[Run] = []
    for name in asked.strategies:
        own = [(recording, said) for which, recording, said in exchanges if which == name]
        known = {key: value for key, value in told[name].items() if key not in _OF_SAMPLES}
        for parser in PARSERS:
            # The likeliest reply: nothing is drawn.
            config = {**known, "temperature": 0.0, "parser": parser, "most": asked.most}
            called = f"{_before(asked)}{name}, {parser}"
            results = Results(called, Path(name), _said(own, parser), config=config)
            for task in data.judge.dataset.tasks:
                if task.grain in ("clip", "frame"):
                    runs += data.judge.judge(results, task).runs
    return runs


def _by_level(runs: Sequence[Run]) -> dict[str, list[Run]]:
    found: dict[str, list[Run]] = {}
    for run in runs:
        level = "frame" if run.task.grain == "frame" else "recording"
        found.setdefault(level, []).append(run)
    return found


def _before(asked: ZeroShot) -> str:
    """What stands before a row's name where tables of several language models stand together."""
    return f"{names.of_model(asked.llm.model)}: "


def _said(exchanges: Sequence[tuple[str, Exchange]], parser: str) -> tuple[Said, ...]:
    """The answers under one way of reading."""
    found = []
    for recording, said in exchanges:
        label = None if said.reason else read_as(parser, said.reply)
        probs = np.full(2, np.nan) if label is None else np.eye(2)[label]
        why = said.reason or ("" if label is not None else "the reply cannot be read")
        found.append(Said(recording, EXCHANGES, probs, reason=why))
    return tuple(found)


def _table(
    asked: ZeroShot, data: Opened, runs: Sequence[Run], exchanges: Sequence[_Asked]
) -> dict[str, Any]:
    """What stands in the files."""
    levels: dict[str, Any] = {}
    for level, grain in (("video", "clip"), ("frame", "frame")):
        own = [run for run in runs if run.task.grain == grain]
        if own:
            levels[level] = _level(asked, boards(own, n_bootstrap=asked.bootstrap)[0], level)
    unread = {}
    for name in asked.strategies:
        replies = [said.reply for which, _, said in exchanges if which == name and not said.reason]
        unread[name] = sum(read_as("strict", text) is None for text in replies)
    table: dict[str, Any] = {"schema": "twomind.reproduce.bah/1", "table": "zero-shot"}
    table["model"] = names.of_model(asked.llm.model)
    table["n_answers"] = len(data.recordings)
    table["not_asked"] = sum(bool(said.reason) for _, _, said in exchanges)
    table["unreadable_replies"] = unread
    table["drawn"] = any(one.drawn for one in data.recordings)
    table["differs"] = list(DIFFERS)
    table["levels"] = levels
    plain: dict[str, Any] = json_values(table)
    return plain


def _level(asked: ZeroShot, board: Board, level: str) -> dict[str, Any]:
    """Every strategy and way of reading, and the shortcuts, at one level."""
    rows = []
    for line in board.lines:
        called = line.name.removeprefix(_before(asked))
        name, _, parser = called.partition(", ")
        published = None
        if name in VALUES and parser == "else-present":
            published = VALUES[name][0 if level == "video" else 1]
        figures = _figures(line)
        row: dict[str, Any] = {"row": called, "kind": line.kind, "figures": figures}
        row |= {"coverage": line.coverage, "constant": line.constant, "published": published}
        rows.append(row)
    return {"protocol": board.protocol, "n_rows": board.n_rows, "rows": rows}


def _figures(line: Line) -> dict[str, Any]:
    found = {}
    for metric in METRICS:
        found[metric] = {"value": line.figures[metric], "ci": line.intervals[metric]}
    return found


def markdown(table: Mapping[str, Any]) -> str:
    """The table for a page."""
    head = ("", "AVGF1", "weighted F1", "F1 of present", "accuracy", "read", "published AVGF1", "")
    lines = [f"# BAH, zero-shot: {table['model']}", ""]
    if table["drawn"]:
        lines += ["These people are synthetic. The figures say nothing about real people.", ""]
    for level, part in table["levels"].items():
        lines += [f"## Per {level}, {part['protocol']}: {part['n_rows']} rows", ""]
        lines += ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
        for row in part["rows"]:
            cells = [row["row"], *(_cell(row["figures"][metric]) for metric in METRICS)]
            cells.append(f"{100 * row['coverage']:.0f} %")
            published = row["published"]
            cells.append("—" if published is None else f"{published:.4f}")
            cells.append(row["constant"])
            lines.append("| " + " | ".join(cells) + " |")
        lines.append("")
    lines += [f"- Differs from the publication: {text}." for text in table["differs"]]
    lines.append(
        "- strict: a reply that cannot be read is not an answer, and counts as the training rate. "
        "else-present and else-absent are the two published scripts, which count it as a class."
    )
    return "\n".join(lines) + "\n"


def _cell(figure: Mapping[str, Any]) -> str:
    value, (low, high) = figure["value"], figure["ci"]
    if value is None:
        return "—"
    return f"{value:.4f}" if low is None else f"{value:.4f} [{low:.3f}, {high:.3f}]"


def cost(asked: ZeroShot, place: Place) -> dict[str, Any]:
    """What asking would take, without asking: requests, tokens by the length of the prompts, money
    where prices are given.

    Args:
        asked: what is asked of whom.
        place: from where, and to where; replies that are recorded there are not counted.
    """
    data = opened(asked, place)
    n_pictures = 0 if asked.llm.text_only else asked.llm.n_frames
    letters = n = 0
    for name in asked.strategies:
        prompt = strategy(name)
        for recording in data.recordings:
            said = " ".join(word.text for word in recording.words or ())
            if prompt.transcript and not said:
                continue  # not asked about
            n += 1
            letters += len(prompt.definition) + len(prompt.ask)
            letters += len(said) if prompt.transcript else 0
    tokens_in = letters // _LETTERS + n * n_pictures * _PICTURE_TOKENS
    if asked.llm.sound:
        heard_s = sum(one.duration_s for one in data.recordings if math.isfinite(one.duration_s))
        tokens_in += round(len(asked.strategies) * heard_s * _SECOND_TOKENS)
    tokens_out = n * (asked.llm.max_tokens or 10)
    found: dict[str, Any] = {"table": "bah zero-shot", "answers": len(data.recordings)}
    found |= {
        "requests": n,
        "recorded": _n_recorded(asked, place, data),
        "tokens_read_about": tokens_in,
    }
    found["tokens_written_at_most"] = tokens_out
    found["tokens_of_a_picture_assumed"] = _PICTURE_TOKENS if n_pictures else 0
    budget = asked.llm.budget
    money: Any = "not known: give llm.budget.price_in and llm.budget.price_out"
    if budget.price_in is not None and budget.price_out is not None:
        money = (tokens_in * budget.price_in + tokens_out * budget.price_out) / 1e6
    found["cost_about"] = money
    found["hours"] = "not measured: no request was timed"
    return found


def _n_recorded(asked: ZeroShot, place: Place, data: Opened) -> int:
    """How many of these very requests have their reply; nothing is fetched and nobody is asked.

    A request is known by its pictures, so with a record the films are read.
    """
    record = place.out / REPLIES
    if not record.is_file():
        return 0
    here = Place(place.data, place.out, offline=True)
    held = replace(asked, llm=replace(asked.llm, record=record, replay=True))
    try:
        models = _recognisers(held, here)
        exchanges = _prepared(models, here, data)
        return sum(model.is_recorded(x) for _, model, x in exchanges)
    except TwomindError:
        return 0  # without the model it is not known whose replies these are


__all__ = [
    "SCHEMA",
    "Opened",
    "Place",
    "ZeroShot",
    "cost",
    "markdown",
    "opened",
    "recipe_of",
    "zero_shot",
]
