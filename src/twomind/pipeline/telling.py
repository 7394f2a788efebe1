"""What came of a batch, in sentences for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from twomind.pipeline.rows import Row, summary_in

#: So many answers are told one by one; of more, how many there are of each kind.
ONE_BY_ONE = 50

_TRANSCRIPT = (
    "Words are needed: put a transcript beside each film (the same name with .srt), give "
    "--transcript FILE, or have the words recognised with --speech-model NAME."
)
_LOOK = "The reason of each answer stands in answers.csv and in its report."


def results(rows: Sequence[Row]) -> list[str]:
    """A line per answer, or counts where there are more than :data:`ONE_BY_ONE`."""
    if len(rows) <= ONE_BY_ONE:
        return [f"{row.job.id}: {result(row)}" for row in rows if row.state != "skipped"]
    counts = Counter(kind(row) for row in rows)
    lines = [f"{name}: {n}" for name, n in counts.items()]
    commonest = _commonest_reason(rows)
    if commonest:
        lines.append(f"commonest reason for no score: {commonest}")
    return lines


def kind(row: Row) -> str:
    """What became of an answer, in a word or two."""
    if not row.has_result:
        return row.state
    return {"ok": "scored", "abstained": "cannot tell"}.get(row.status, "not scored")


def result(row: Row) -> str:
    """The score with what was observed of scores like it, or why there is none."""
    if not row.has_result:
        return f"{row.state}: {row.error}"
    if row.probability is None:
        return f"not scored: {row.reason}"
    score = f"{row.probability:.2f}"
    if row.band is not None:
        score += f"; {_observed(row.band)}"
    elif row.no_band:
        score += f"; {row.no_band}"
    if row.status == "ok":
        return score
    return f"cannot tell: {score}; {row.reason}"


def _observed(band: tuple[float, float]) -> str:
    """How often held-out answers of about this score were A/H: no interval of the score itself."""
    low, high = band
    rate = f"{100 * low:.0f} to {100 * high:.0f} %"
    return f"of held-out answers scored nearest to this, {rate} were A/H"


def _commonest_reason(rows: Sequence[Row]) -> str:
    reasons = Counter(_reason(row) for row in rows if not row.scored and row.state != "skipped")
    if not reasons:
        return ""
    return reasons.most_common(1)[0][0]


def _reason(row: Row) -> str:
    return row.reason if row.has_result else row.error


def advice(rows: Sequence[Row]) -> list[str]:
    """Where nothing was scored: that, the commonest reason, and what to do."""
    if any(row.scored for row in rows):
        return []
    reason = _commonest_reason(rows)
    told = "Nothing was scored."
    if reason:
        told += f" Most often: {reason.rstrip('.')}."
    about_words = "words" in reason or "transcript" in reason
    lacking = about_words and any(_lacks_words(row) and _reason(row) == reason for row in rows)
    return [told, _TRANSCRIPT if lacking else _LOOK]


def _lacks_words(row: Row) -> bool:
    """Whether nothing told the words of an answer: no transcript, not even one that was refused."""
    return row.has_result and not row.words_source


def transcripts(rows: Sequence[Row]) -> list[str]:
    """What was odd about the transcripts, a line per remark; of a long batch, how many have one."""
    remarked = [row for row in rows if row.words_remarks]
    if len(rows) > ONE_BY_ONE:
        if not remarked:
            return []
        return [f"{len(remarked)} transcripts have remarks; they stand in answers.csv"]
    lines = []
    for row in remarked:
        lines += [f"{row.job.id}: transcript: {remark}" for remark in row.words_remarks]
    return lines


def overlays(rows: Sequence[Row]) -> list[str]:
    """Why an overlay that was asked for is not there, a line per answer; of a long batch, how many
    lack theirs.
    """
    without = [row for row in rows if row.no_overlay]
    if without and len(rows) > ONE_BY_ONE:
        return [f"{len(without)} answers have no overlay; summary.json of each says why"]
    return [f"{row.job.id}: no overlay: {row.no_overlay}" for row in without]


def not_done(rows: Sequence[Row]) -> list[str]:
    """A line per file that failed, and per file that was left out."""
    failed = [f"failed: {row.failure}" for row in rows if row.state == "failed"]
    skipped = [row.job.media for row in rows if row.state == "skipped"]
    return failed + [f"not a recording, left out: {media}" for media in skipped]


def second_names(taken: Mapping[Path, Path]) -> list[str]:
    """A line per link that was left out, since its file was read by another name; of many, how many.

    Args:
        taken: of each link, the name that was read.
    """
    if len(taken) > ONE_BY_ONE:
        return [
            f"{len(taken)} links lead to files that were read by another name, and were left out"
        ]
    return [f"the same file as {name}, left out: {link}" for link, name in taken.items()]


def adapted(rows: Sequence[Row], out: Path) -> list[str]:
    """What adaptation did to each answer, and what the guard noted; nothing of a long batch."""
    if len(rows) > ONE_BY_ONE:
        return []
    lines = []
    for row in rows:
        if not row.adapted:
            continue
        summary = summary_in(out, row)
        about = summary["adaptation"]
        lines.append(_adapted(row, summary["prediction"], about))
        lines += _guard(about["guard"] or {})
    return lines


def _adapted(row: Row, prediction: Mapping[str, Any], about: Mapping[str, Any]) -> str:
    said = about["said"] or "not adapted"
    without = _number(prediction["unadapted"]["probability"])
    return f"{row.job.id}: {_number(prediction['probability'])} {said}; without: {without}"


def _number(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.3f}"


def _guard(guard: Mapping[str, Any]) -> list[str]:
    if not guard:
        return []
    counts = ", ".join(f"{name} {n}" for name, n in guard["counts"].items())
    lines = [f"  guard, of this person so far: {counts}"]
    told_already = ("what", "start_s", "recording", "n")
    for event in guard["log"]:
        rest = ", ".join(f"{k} {v}" for k, v in event.items() if k not in told_already)
        lines.append(f"  {event['start_s']:.1f} s: {event['what']} ({rest})")
    return lines
