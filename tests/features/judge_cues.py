"""Judge word cues by hand, without seeing which rule found them.

    python -m tests.features.judge_cues draw FILE --seed 1       hits of the judge half, no verdicts
    python -m tests.features.judge_cues show FILE [--kind KIND]  their words, with the definition
    python -m tests.features.judge_cues mark FILE --kind KIND --wrong 3,17
    python -m tests.features.judge_cues score [FILE ...]         precision, former hits kept, hits
    python -m tests.features.judge_cues agree FILE FILE          two judges on one list

A list holds no text: file below ``shared/data``, row, first and last word, kind, how it was drawn
(``former``: by the scoring lexicon, whose hits were shown before; ``present``: by the cue lexicon;
``both``) and the verdict (``true``, ``false`` or empty). Run it in the repository's root, with
``TWOMIND_SHARED`` set.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import math
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass, replace
from functools import cache
from pathlib import Path

from tests.features.cue_texts import Line, lines

from twomind.features.words.cue_rules import cue_lexicon
from twomind.features.words.cues import find_all
from twomind.features.words.text import find

VERDICTS = Path(__file__).with_name("cue_verdicts")
COLUMNS = ("source", "row", "first", "last", "kind", "drawn", "verdict")
SOURCES = ("bah_v1", "annomi", "mibot")
#: Hits of a kind that are drawn.
N_DRAWN = 60
#: Words shown on either side.
AROUND = 16


@dataclass(frozen=True)
class Judged:
    """A hit: where it is, and what was said about it."""

    source: str
    row: int
    first: int
    last: int
    kind: str
    drawn: str = ""
    verdict: str = ""

    def meets(self, other: Judged) -> bool:
        """A hit of the same kind on one of the same words."""
        here = self.source, self.row, self.kind
        if here != (other.source, other.row, other.kind):
            return False
        return self.first <= other.last and other.first <= self.last


def read(path: Path) -> list[Judged]:
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    found = []
    for row in rows:
        place = int(row["row"]), int(row["first"]), int(row["last"])
        hit = Judged(row["source"], *place, row["kind"], row["drawn"], row["verdict"])
        found.append(hit)
    return found


def write(path: Path, hits: Iterable[Judged]) -> None:
    path.parent.mkdir(exist_ok=True, parents=True)
    with path.open("w", encoding="utf-8", newline="") as stream:
        out = csv.writer(stream, lineterminator="\n")
        out.writerow(COLUMNS)
        out.writerows(astuple(hit) for hit in hits)


def former_hits(line: Line) -> list[Judged]:
    """What was shown before there was a cue lexicon."""
    kinds = {kind.name for kind in cue_lexicon().kinds}
    found = []
    for hit in find(line.words):
        if hit.category in kinds:
            found.append(Judged(line.source, line.row, hit.first, hit.last, hit.category))
    return found


@cache
def present_hits(line: Line) -> tuple[Judged, ...]:
    """What the cue lexicon finds, also of kinds that are not shown."""
    found = []
    for hit in find_all(line.words):
        found.append(Judged(line.source, line.row, hit.first, hit.last, hit.category))
    return tuple(found)


# --- drawing


def draw(
    texts: Iterable[Line],
    seed: str,
    kinds: Iterable[str],
    seen: Iterable[Judged] = (),
    n: int = N_DRAWN,
) -> list[Judged]:
    """``n`` former and ``n`` present hits of each kind at random; a present hit on the words of a
    drawn former one stands for both.

    The number that decides belongs to the place, so both draws take the same places where they can.

    Args:
        texts: all lines; only the judge half is drawn from.
        seed: another seed, another list.
        kinds: of which kinds.
        seen: judged before: their places are not drawn again.
        n: of each kind.
    """
    judge = [line for line in texts if line.half == "judge"]
    former: list[Judged] = []
    present: list[Judged] = []
    for line in judge:
        former += former_hits(line)
        present += present_hits(line)
    drawn: list[Judged] = []
    for kind in kinds:
        old = [hit for hit in seen if hit.kind == kind]
        now = _first_of(_fresh(present, kind, old), seed, n)
        before = _first_of(_fresh(former, kind, old), seed, n)
        drawn += _pooled(before, now, seed)
    return drawn


def _fresh(hits: list[Judged], kind: str, seen: list[Judged]) -> list[Judged]:
    of_kind = [hit for hit in hits if hit.kind == kind]
    return [hit for hit in of_kind if not any(hit.meets(old) for old in seen)]


def _first_of(hits: list[Judged], seed: str, n: int) -> list[Judged]:
    return sorted(hits, key=lambda hit: _number(hit, seed))[:n]


def _number(hit: Judged, seed: str) -> str:
    name = f"{seed}:{hit.source}:{hit.row}:{hit.last}:{hit.kind}"
    return hashlib.sha256(name.encode()).hexdigest()


def _pooled(former: list[Judged], present: list[Judged], seed: str) -> list[Judged]:
    pooled = []
    for hit in present:
        both = any(hit.meets(old) for old in former)
        pooled.append(replace(hit, drawn="both" if both else "present"))
    for old in former:
        if not any(old.meets(hit) for hit in present):
            pooled.append(replace(old, drawn="former"))
    return sorted(pooled, key=lambda hit: _number(hit, f"order {seed}"))


# --- showing


def show(hits: list[Judged], texts: Iterable[Line], kind: str) -> Iterator[str]:
    """The hits of a kind in their words, numbered as in the list, below the kind's definition."""
    line_at = {(line.source, line.row): line for line in texts}
    definition = next(k.definition for k in cue_lexicon().kinds if k.name == kind)
    yield f"## {kind}: {definition}"
    for number, hit in enumerate(hits):
        if hit.kind == kind:
            words = line_at[hit.source, hit.row].words
            yield f"{number} {_marked(words, hit)}"


def _marked(words: list[str], hit: Judged) -> str:
    before = words[max(0, hit.first - AROUND) : hit.first]
    marked = words[hit.first : hit.last + 1]
    behind = words[hit.last + 1 : hit.last + 1 + AROUND // 2]
    return " ".join([*before, "<<", *marked, ">>", *behind])


# --- counting


@dataclass(frozen=True)
class Score:
    """One kind on judged lists.

    ``n_right`` of ``n_judged`` present hits that were drawn are right; ``n_right_of_all`` of
    ``n_all`` that have a verdict, former hits among them; ``n_kept`` of ``n_former`` true former
    hits are still found; ``n_unknown``: present hits on the judged rows that nobody judged.
    """

    kind: str
    n_right: int
    n_judged: int
    n_right_of_all: int
    n_all: int
    n_kept: int
    n_former: int
    n_unknown: int

    @property
    def precision(self) -> float:
        return self.n_right / self.n_judged if self.n_judged else 0.0

    @property
    def precision_of_all(self) -> float:
        return self.n_right_of_all / self.n_all if self.n_all else 0.0

    @property
    def kept(self) -> float:
        return self.n_kept / self.n_former if self.n_former else 0.0


def last_round(files: Iterable[Path]) -> list[Judged]:
    """Of each kind its last list: the rules of a kind may have been mended on an earlier one."""
    last: dict[str, list[Judged]] = {}
    for path in files:
        of_kind: dict[str, list[Judged]] = {}
        for hit in read(path):
            of_kind.setdefault(hit.kind, []).append(hit)
        last.update(of_kind)
    return [hit for hits in last.values() for hit in hits]


def score(verdicts: list[Judged], texts: Iterable[Line]) -> list[Score]:
    """How each kind does by verdicts, with the present rules."""
    rows = {(hit.source, hit.row) for hit in verdicts}
    found: list[Judged] = []
    for line in texts:
        if (line.source, line.row) in rows:
            found += present_hits(line)
    return [_score(kind.name, verdicts, found) for kind in cue_lexicon().kinds]


def _score(kind: str, verdicts: list[Judged], found: list[Judged]) -> Score:
    told = [hit for hit in verdicts if hit.kind == kind and hit.verdict]
    present = [hit for hit in found if hit.kind == kind]
    still = [hit for hit in told if any(hit.meets(now) for now in present)]
    judged = [hit for hit in still if hit.drawn != "former"]
    former = [hit for hit in told if hit.drawn != "present" and hit.verdict == "true"]
    unknown = [now for now in present if not any(now.meets(hit) for hit in told)]
    return Score(
        kind=kind,
        n_right=sum(hit.verdict == "true" for hit in judged),
        n_judged=len(judged),
        n_right_of_all=sum(hit.verdict == "true" for hit in still),
        n_all=len(still),
        n_kept=sum(hit in still for hit in former),
        n_former=len(former),
        n_unknown=len(unknown),
    )


def agreement(a: list[Judged], b: list[Judged]) -> tuple[int, float, float]:
    """Hits that both judged, the share on which they agree, and Cohen's kappa; nan where there are
    none.
    """
    other = {replace(hit, verdict="", drawn=""): hit.verdict for hit in b if hit.verdict}
    pairs = []
    for hit in a:
        place = replace(hit, verdict="", drawn="")
        if hit.verdict and place in other:
            pairs.append((hit.verdict == "true", other[place] == "true"))
    n = len(pairs)
    if not n:
        return 0, math.nan, math.nan
    same = sum(x == y for x, y in pairs) / n
    right_a = sum(x for x, _ in pairs) / n
    right_b = sum(y for _, y in pairs) / n
    chance = right_a * right_b + (1 - right_a) * (1 - right_b)
    kappa = (same - chance) / (1 - chance) if chance < 1 else 1.0
    return n, same, kappa


def table(scores: list[Score], texts: Iterable[Line]) -> Iterator[str]:
    """The table of docs/word-cues.md."""
    hits = _hits_by_source(texts)
    heads = ["kind", "what a hit is", "shown", "right", "former kept", "not judged", *SOURCES]
    yield f"| {' | '.join(heads)} |"
    yield "|---" * len(heads) + "|"
    known = {kind.name: kind for kind in cue_lexicon().kinds}
    for s in scores:
        right = f"{s.n_right} of {s.n_judged} ({s.precision:.2f})"
        kept = f"{s.n_kept} of {s.n_former} ({s.kept:.2f})"
        shown = "yes" if known[s.kind].shown else "no"
        named = [f"`{s.kind}`", known[s.kind].definition, shown]
        told = [*named, right, kept, str(s.n_unknown)]
        counted = [str(hits[s.kind, source]) for source in SOURCES]
        yield f"| {' | '.join([*told, *counted])} |"


def _hits_by_source(texts: Iterable[Line]) -> Counter[tuple[str, str]]:
    hits: Counter[tuple[str, str]] = Counter()
    for line in texts:
        source = line.source.split("/")[0]
        for hit in present_hits(line):
            hits[hit.kind, source] += 1
    return hits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("draw", "show", "mark", "score", "agree"))
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--kind")
    parser.add_argument("--wrong", default="")
    asked = parser.parse_args()
    if asked.what == "agree":
        n, same, kappa = agreement(*map(read, asked.files))
        if not n:
            print("not measured: the lists have no hit that both judged")
            return
        print(f"both judged {n}, agree {same:.3f}, kappa {kappa:.3f}")
        return
    texts = lines(Path(os.environ["TWOMIND_SHARED"]) / "data")
    every_kind = [kind.name for kind in cue_lexicon().kinds]
    kinds = asked.kind.split(",") if asked.kind else every_kind
    if asked.what == "draw":
        seen = [hit for path in sorted(VERDICTS.glob("*.csv")) for hit in read(path)]
        write(asked.files[0], draw(texts, asked.seed, kinds, seen))
    elif asked.what == "score":
        verdicts = last_round(asked.files or sorted(VERDICTS.glob("*.csv")))
        print("\n".join(table(score(verdicts, texts), texts)))
    elif asked.what == "show":
        hits = read(asked.files[0])
        for kind in kinds:
            print("\n".join(show(hits, texts, kind)))
    else:
        _mark(asked.files[0], asked.kind, asked.wrong)


def _mark(path: Path, kind: str, wrong: str) -> None:
    """All hits of the kind are right but the numbered ones."""
    numbers = {int(number) for number in wrong.split(",") if number.strip()}
    marked = []
    for number, hit in enumerate(read(path)):
        verdict = "false" if number in numbers else "true"
        marked.append(replace(hit, verdict=verdict) if hit.kind == kind else hit)
    write(path, marked)


if __name__ == "__main__":
    main()
