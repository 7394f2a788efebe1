"""``python -m tests.mutation``: make faults, and fail where the tests notice fewer of them than
they must.

What was found is kept in ``build/mutants``: a run that was interrupted goes on where it was, for as
long as neither the library nor the tests change. ``summary.md`` and ``summary.json`` there say what
survived.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import signal
import sys
import tempfile
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

from . import covering, draw, operators, settings, summary, trial
from .covering import Children
from .draw import Mutant
from .settings import Settings
from .trial import Verdict

HERE = Path(__file__).parent


def main(arguments: list[str] | None = None) -> int:
    asked = _parser().parse_args(arguments)
    given = settings.read(asked.settings, asked.root.resolve())
    number = given.draw if asked.number is None else asked.number
    mutants = draw.drawn(
        given, number, given.seed if asked.seed is None else asked.seed
    ) + draw.named(given)
    mutants = list({mutant.key: mutant for mutant in mutants}.values())
    excused = _excused(given, mutants)
    if asked.list:
        for mutant in mutants:
            print(
                f"{mutant.where} ({mutant.group}: "
                f"{mutant.name})\n{mutant.difference(_text(given, mutant))}"
            )
        return 0
    children = Children(given.preload, given.environment)
    folder = Path(tempfile.mkdtemp(prefix="mutants-"))
    try:
        trees = [
            covering.copy_tree(given, folder / str(at) / "tree") for at in range(asked.workers)
        ]
        covered = covering.record(given, trees, children, _say, make=not asked.recorded)
        if asked.record:
            return 0
        if asked.only:
            mutants = [
                mutant
                for mutant in mutants
                if asked.only in f"{mutant.where} {mutant.group} {mutant.name}"
            ]
        done = {} if asked.afresh else _kept(_journal(given))
        if asked.survivors:
            mutants = [one for one in mutants if one.key in _survivors(given)]
        verdicts = _try(
            given,
            mutants,
            excused,
            covered,
            trees,
            children,
            done,
            keep_survivors=not asked.recorded,
        )
        spoiled = _spoiled(given, verdicts, covered, trees[0], children)
    except KeyboardInterrupt:
        _say("interrupted; the same command goes on from here")
        return 130
    finally:
        children.stop()
        shutil.rmtree(folder, ignore_errors=True)
    for mutant in mutants:
        if mutant.key in excused:
            verdicts[mutant.key] = Verdict(mutant.key, "equivalent")
    partial = bool(asked.only or asked.survivors or asked.recorded)
    share = summary.write(
        given, mutants, verdicts, excused, given.work / "partial" if partial else given.work
    )
    where = (given.work / "partial" if partial else given.work) / "summary.md"
    print(where.read_text(encoding="utf-8").partition("## Survived")[0])
    print(f"what survived: {where}")
    if spoiled:
        print(
            "these tests fail without any fault, so what they noticed does not count: "
            f"{', '.join(spoiled)}"
        )
        return 1
    if share < given.at_least:
        print(f"{share:.1%} noticed, expected at least {given.at_least:.0%}")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutation", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--root", type=Path, default=HERE.parent.parent, help="the tree to test")
    parser.add_argument("--settings", type=Path, default=HERE / "mutants.toml")
    parser.add_argument("--number", type=int, help="how many faults are drawn")
    parser.add_argument("--seed", type=int, help="by which they are drawn")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", help="those whose place, group or name holds this text")
    parser.add_argument(
        "--survivors", action="store_true", help="those that survived the last whole run"
    )
    parser.add_argument("--list", action="store_true", help="print the faults, and make none")
    parser.add_argument(
        "--record", action="store_true", help="only record which tests run which line"
    )
    parser.add_argument(
        "--recorded", action="store_true", help="go without the test files not yet recorded"
    )
    parser.add_argument(
        "--afresh", action="store_true", help="forget the verdicts of an interrupted run"
    )
    return parser


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _text(given: Settings, mutant: Mutant) -> str:
    return (given.root / mutant.file).read_text(encoding="utf-8")


def _excused(given: Settings, mutants: list[Mutant]) -> dict[str, str]:
    """The equivalent faults among these, by key. An entry is by its text, which must stand once, as
    a named one is.
    """
    after = {}
    for one, reason in given.equivalent:
        source = (given.root / one.file).read_text(encoding="utf-8")
        after[one.file, operators.apply(source, draw.by_text(given, one))] = reason
    excused = {}
    for mutant in mutants:
        reason = after.get((mutant.file, mutant.mutated(_text(given, mutant))))
        if reason is not None:
            excused[mutant.key] = reason
    if len(excused) > given.equivalent_at_most * len(mutants):
        raise SystemExit(
            f"{len(excused)} of {len(mutants)} faults are called equivalent; that is too many"
        )
    return excused


def _journal(given: Settings) -> Path:
    """Where verdicts are kept while neither library nor tests change."""
    digest = hashlib.sha256(covering.fingerprint(given).encode())
    for path in sorted((given.root / given.tests).rglob("*.py")):
        if HERE not in path.parents:
            digest.update(path.read_bytes())
    return given.work / "verdicts" / f"{digest.hexdigest()[:16]}.jsonl"


def _kept(journal: Path) -> dict[str, Verdict]:
    lines = journal.read_text().splitlines() if journal.is_file() else []
    verdicts = [Verdict(**json.loads(line)) for line in lines if line.endswith("}")]
    return {verdict.key: verdict for verdict in verdicts}


def _survivors(given: Settings) -> set[str]:
    last = json.loads((given.work / "summary.json").read_text())
    return {
        one["key"]
        for one in last["each"]
        if one["outcome"] not in trial.KILLED and not one["equivalent"]
    }


def _try(
    given: Settings,
    mutants: list[Mutant],
    excused: dict[str, str],
    covered: covering.Covering,
    trees: list[Path],
    children: Children,
    done: dict[str, Verdict],
    keep_survivors: bool,
) -> dict[str, Verdict]:
    """A verdict for each, as many at a time as there are copies. Each is written down as soon as it
    is known.
    """
    journal = _journal(given)
    journal.parent.mkdir(parents=True, exist_ok=True)
    waiting = [one for one in mutants if one.key not in excused and one.key not in done]
    verdicts = {one.key: done[one.key] for one in mutants if one.key in done}
    free, running = list(trees), dict[Future[Verdict], tuple[Mutant, Path, float]]()
    total, at = len(waiting), 0
    _say(f"{total} faults to make, {len(verdicts)} verdicts known")
    with ThreadPoolExecutor(len(trees)) as pool, journal.open("a") as out:
        try:
            while waiting or running:
                while waiting and free:
                    mutant, tree = waiting.pop(0), free.pop()
                    future = pool.submit(trial.run, given, mutant, covered, tree, children)
                    running[future] = mutant, tree, time.monotonic()
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    mutant, tree, since = running.pop(future)
                    free.append(tree)
                    verdict = future.result()
                    verdicts[mutant.key] = verdict
                    if verdict.killed or keep_survivors:
                        out.write(json.dumps(verdict.as_dict()) + "\n")
                        out.flush()
                    at += 1
                    word = "killed  " if verdict.killed else "SURVIVED"
                    took = time.monotonic() - since
                    _say(
                        f"{at:4}/{total} {word} {mutant.where} {mutant.name}: {verdict.outcome} "
                        f"({took:.0f} s)"
                    )
        except BaseException:
            children.stop()
            raise
    return verdicts


def _spoiled(
    given: Settings,
    verdicts: dict[str, Verdict],
    covered: covering.Covering,
    tree: Path,
    children: Children,
) -> list[str]:
    """The tests that noticed a fault, once more without any: those that fail now as well noticed
    nothing.
    """
    tests = sorted(
        {
            one.test
            for one in verdicts.values()
            if one.test is not None and one.test in covered.seconds
        }
    )
    spoiled = []
    while tests:
        outcome, test = trial.run_tests(given, tests, covered, tree, children, name="unmutated")
        if outcome == "no test failed":
            break
        if test is None:
            raise RuntimeError(f"without any fault: {outcome}; see {given.work / 'trials'}")
        spoiled.append(test)
        tests.remove(test)
    return spoiled


if __name__ == "__main__":
    # A shell ignores Ctrl-C for what it runs in the background; and who ends this run means its
    # children too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
