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

from twomind.core.errors import BadInput
from twomind.core.files import alone_in
from twomind.core.settings import FILE, Schema
from twomind.core.store import settings_hash, write_text
from twomind.evaluation.board import Board, boards
from twomind.evaluation.lines import Line
from twomind.evaluation.results import Asked, Judge, read_data
from twomind.evaluation.results_files import Results, Said
from twomind.evaluation.runs import folder_name, save_run
from twomind.models.llm.parse import PARSERS, read_as
from twomind.models.llm.prompts import STRATEGIES, strategy
from twomind.models.llm.recogniser import Exchange, LlmRecogniser
from twomind.models.llm.record import Recorder
from twomind.models.llm.settings import LlmSettings
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
    llm: LlmSettings = field(
        default_factory=lambda: LlmSettings(
            strategy="s", probability="none", max_tokens=10, frame_px=224, use_question=False
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
    with alone_in(place.out):
        _same_settings(asked, place)
        data = opened(asked, place)
        exchanges = list(_all_exchanges(asked, place, data, tell))
        write_text(place.out / EXCHANGES, "".join(_line(*one) for one in exchanges))
        runs = _runs(asked, data, exchanges)
        for run in runs:
            level = "frame" if run.task.grain == "frame" else "recording"
            save_run(run, place.out / "runs" / level / folder_name(run.name))
        table = _table(asked, data, runs, exchanges)
        write_text(place.out / "table.json", json.dumps(table, indent=1) + "\n")
        write_text(place.out / "table.md", markdown(table))
        return table


def _same_settings(asked: ZeroShot, place: Place) -> None:
    """Write down what this folder is of, and refuse to mix two sets of settings in it."""
    lasting = replace(asked, llm=asked.llm.lasting())
    mark = settings_hash({"asked": asdict(lasting), "data": str(place.data.resolve())})
    path = place.out / "mark.txt"
    if path.is_file() and path.read_text(encoding="ascii").strip() != mark:
        raise BadInput(f"{place.out}: holds results of other settings; give another --out")
    write_text(path, mark + "\n")
    SCHEMA.write(place.out / FILE, asked, _HEAD)


#: Strategy, recording, and what was said.
_Asked = tuple[str, str, Exchange]


def _recognisers(asked: ZeroShot, place: Place) -> dict[str, LlmRecogniser]:
    """One per strategy; all share the record and the model."""
    llm = replace(asked.llm, record=place.out / REPLIES, offline=place.offline)
    recorder = Recorder(llm.record, llm.budget, llm.retry, llm.per_minute, llm.replay)
    found: dict[str, LlmRecogniser] = {}
    for name in asked.strategies:
        own = replace(llm, strategy=name)
        if llm.text_only and not strategy(name).transcript:
            raise BadInput(f"strategies: {name} shows pictures alone; llm.text_only leaves nothing")
        found[name] = LlmRecogniser(own, recorder)
        found[name].share(next(iter(found.values())))
        found[name].check()
    return found


def _all_exchanges(
    asked: ZeroShot, place: Place, data: Opened, tell: Callable[[str, float, float], None]
) -> Iterator[_Asked]:
    """Every strategy of every answer; pictures are read once for all."""
    models = _recognisers(asked, place)
    first = next(iter(models.values()))
    total = len(data.recordings) * len(models)
    done = 0
    for recording in data.recordings:
        x = first.prepare(_words_alone(recording), recording, offline=place.offline)
        for name, model in models.items():
            yield name, recording.id, model.asked(x)
            done += 1
            tell(f"{name}: {recording.id}", done, total)


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


def _runs(asked: ZeroShot, data: Opened, exchanges: Sequence[_Asked]) -> list[Run]:
    """A run per strategy, way of reading, and level."""
    runs: list[Run] = []
    for name in asked.strategies:
        own = [(recording, said) for which, recording, said in exchanges if which == name]
        for parser in PARSERS:
            results = Results(f"{name}, {parser}", Path(name), _said(own, parser))
            for task in data.judge.dataset.tasks:
                if task.grain in ("clip", "frame"):
                    runs += data.judge.judge(results, task).runs
    return runs


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
    table["model"] = asked.llm.model
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
        name, _, parser = line.name.partition(", ")
        published = None
        if name in VALUES and parser == "else-present":
            published = VALUES[name][0 if level == "video" else 1]
        figures = _figures(line)
        row: dict[str, Any] = {"row": line.name, "kind": line.kind, "figures": figures}
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
    letters = 0
    for name in asked.strategies:
        prompt = strategy(name)
        for recording in data.recordings:
            said = " ".join(word.text for word in recording.words or ())
            letters += len(prompt.definition) + len(prompt.ask)
            letters += len(said) if prompt.transcript else 0
    n = len(data.recordings) * len(asked.strategies)
    recorded = 0
    if (place.out / REPLIES).is_file():
        recorded = Recorder(place.out / REPLIES).spent.replies
    tokens_in = letters // _LETTERS + n * n_pictures * _PICTURE_TOKENS
    if asked.llm.sound:
        heard_s = sum(one.duration_s for one in data.recordings if math.isfinite(one.duration_s))
        tokens_in += round(len(asked.strategies) * heard_s * _SECOND_TOKENS)
    tokens_out = n * (asked.llm.max_tokens or 10)
    found: dict[str, Any] = {"table": "bah zero-shot", "answers": len(data.recordings)}
    found |= {"requests": n, "recorded": recorded, "tokens_read_about": tokens_in}
    found["tokens_written_at_most"] = tokens_out
    found["tokens_of_a_picture_assumed"] = _PICTURE_TOKENS if n_pictures else 0
    budget = asked.llm.budget
    money: Any = "not known: give llm.budget.price_in and llm.budget.price_out"
    if budget.price_in is not None and budget.price_out is not None:
        money = (tokens_in * budget.price_in + tokens_out * budget.price_out) / 1e6
    found["cost_about"] = money
    found["hours"] = "not measured: no request was timed"
    return found


__all__ = ["SCHEMA", "Opened", "Place", "ZeroShot", "cost", "markdown", "opened", "zero_shot"]
