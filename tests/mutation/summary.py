"""What came of a run: counts by group, and every fault that survived with its place and
its lines.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from .draw import Mutant
from .settings import Settings
from .trial import Verdict


def write(
    settings: Settings,
    mutants: list[Mutant],
    verdicts: dict[str, Verdict],
    excused: dict[str, str],
    folder: Path,
) -> float:
    """Write ``summary.json`` and ``summary.md``; the share that was noticed, of those that are not
    equivalent.
    """
    counted = [mutant for mutant in mutants if mutant.key not in excused]
    share = _share(counted, verdicts)
    rows = []
    for group in settings.groups:
        rows.append((group, [mutant for mutant in counted if mutant.group == group]))
    rows.append(("of these, named", [mutant for mutant in counted if mutant.is_named]))
    rows.append(("all", counted))
    survived = [mutant for mutant in counted if not verdicts[mutant.key].killed]
    outcomes = Counter(verdicts[mutant.key].outcome for mutant in counted)

    text = [
        "# Faults made, and noticed by the tests",
        "",
        "| files | faults | noticed | share |",
        "|---|---|---|---|",
    ]
    for name, several in rows:
        noticed = sum(verdicts[mutant.key].killed for mutant in several)
        text.append(f"| {name} | {len(several)} | {noticed} | {_share(several, verdicts):.1%} |")
    text += ["", *(f"- {outcome}: {number}" for outcome, number in sorted(outcomes.items()))]
    text += [f"- left out as equivalent: {len(excused)}", "", "## Survived", ""]
    for mutant in survived:
        text += [f"### {mutant.where} ({mutant.group}: {mutant.name})", ""]
        text += [f"{verdicts[mutant.key].outcome}, {verdicts[mutant.key].tests_run} tests", ""]
        text += ["```diff", mutant.difference(_text(settings, mutant)), "```", ""]
    if excused:
        text += ["## Equivalent", ""]
        text += [
            f"- {mutant.where}: {excused[mutant.key]}"
            for mutant in mutants
            if mutant.key in excused
        ]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "summary.md").write_text("\n".join(text) + "\n", encoding="utf-8")

    listed = []
    for mutant in mutants:
        one = verdicts[mutant.key].as_dict() | {
            "where": mutant.where,
            "group": mutant.group,
            "name": mutant.name,
        }
        one |= {
            "difference": mutant.difference(_text(settings, mutant)),
            "equivalent": excused.get(mutant.key),
        }
        listed.append(one)
    whole = {
        "share": share,
        "faults": len(counted),
        "noticed": len(counted) - len(survived),
        "each": listed,
    }
    (folder / "summary.json").write_text(json.dumps(whole, indent=1), encoding="utf-8")
    return share


def _share(mutants: list[Mutant], verdicts: dict[str, Verdict]) -> float:
    return sum(verdicts[mutant.key].killed for mutant in mutants) / len(mutants) if mutants else 1.0


def _text(settings: Settings, mutant: Mutant) -> str:
    return (settings.root / mutant.file).read_text(encoding="utf-8")
