"""The tables of ``fusion_study.py``, and the picture of ``experiments/reports/fusion-synthetic.md``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from .fusion_study import ALL
from .fusion_study_score import KINDS, ORDER


def cell(f: Mapping[str, Any] | None, signed: bool = False) -> str:
    """``.71 [.65, .77]``, or ``+.02 [-.01, +.05]``."""
    if not f:
        return ""

    def short(v: float) -> str:
        return (f"{v:+.3f}" if signed else f"{v:.3f}").replace("0.", ".", 1)

    return f"{short(f['value'])} [{short(f['ci'][0])}, {short(f['ci'][1])}]"


def line(cells: Iterable[str]) -> str:
    """A row of a Markdown table."""
    return "| " + " | ".join(cells) + " |"


def head(names: Sequence[str]) -> str:
    """The first two lines of one."""
    return line(names) + "\n|" + "---|" * len(names)


#: Columns of the first table of the page.
COLUMNS = {
    "video_auc": "answers: AUC",
    "video_macro_f1": "answers: macro-F1",
    "frame_auc": "moments: AUC",
    "frame_ap": "moments: AP",
    "frame_auc_inside": "moments inside an answer",
}


def table(found: Mapping[str, Any]) -> str:
    """The Markdown tables of ``experiments/reports/fusion-synthetic.md``, and what its text quotes."""
    rows, gains = found["default"]["rows"], found["default"]["gains"]
    lines = [head(("", *COLUMNS.values()))]
    lines += [
        line((n.replace("_", " + "), *(cell(r.get(c)) for c in COLUMNS))) for n, r in rows.items()
    ]
    best = found["default"].get("best_single", {})
    lines += [
        "",
        head(("gain over the best single modality", *(f"{k} ({s})" for k, s in best.items()))),
    ]
    lines += [
        line((n, *(cell(gains.get(f"{n} - {s}", {}).get(k), True) for k, s in best.items())))
        for n in rows
        if n not in ORDER and n not in ALL
    ]
    lines += ["", head(("conflict less plain", "all", "between", "within", "the rest"))]
    for world in (w for w in ("default", "no-conflict", "shuffled") if w in found):
        gain = found[world]["gains"].get("conflict - plain", {})
        for m in ("auc", "ap"):
            kinds = ("", *(f"_{k}" for k in KINDS))
            lines.append(
                line((f"{world} {m}", *(cell(gain.get(f"frame_{m}{k}"), True) for k in kinds)))
            )
    columns = (
        "moments: AUC",
        "change",
        "less trained so",
        "less question + position",
        "answers: AUC",
        "less trained so",
    )
    lines += ["", head(("model", "without", *columns))]
    for n, gone in found["default"].get("absent", {}).items():
        for g, f in gone.items():
            more = [
                cell(f["frame_auc"].get(k), True)
                for k in ("change", "less_trained", "less_shortcut")
            ]
            answers = cell(f["video_auc"]), cell(f["video_auc"].get("less_trained"), True)
            lines.append(line((n, g, cell(f["frame_auc"]), *more, *answers)))
    lines += ["", head(("gain over question and position", "moments: AUC"))]
    for n in rows:
        if n not in ORDER:
            lines.append(line((n, cell(gains[f"{n} - question_position"]["frame_auc"], True))))
    kinds = {
        n: {k: cell(r.get(f"frame_auc_{k}")) for k in KINDS}
        for n, r in rows.items()
        if n in ("conflict", "plain")
    }
    lines += [f"by kind: {kinds}", f"locates: {found['default']['locates']}"]
    lines += [f"deletion {n}: {d}" for n, d in found["default"].get("deletion", {}).items()]
    by_person = found["default"].get("conflict_vs_plain_by_person")
    for seed, pairs in found["default"].get("by_seed", {}).items():
        keys = ("frame_auc", *(f"frame_auc_{k}" for k in KINDS), "frame_ap", "video_auc")
        lines += [
            f"seed {seed}, {n}: " + str({k: cell(f[k], True) for k in keys if k in f})
            for n, f in pairs.items()
        ]
    lines.append(
        f"signal: {found['default'].get('conflict_signal')}; held out: "
        f"{found['default']['held_out']}"
    )
    lines.append(f"by person, conflict less plain: {by_person}")
    return "\n".join(lines)


def draw(found: Mapping[str, Any], path: Path, over: str) -> None:
    """Frame AUC of every row, and what the conflict terms add by kind of segment and world;
    intervals ``over`` what.
    """
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "twomind"
    from matplotlib import pyplot as plt

    rows = {n: r["frame_auc"] for n, r in found["default"]["rows"].items() if "frame_auc" in r}
    labels = {
        "": "all marked moments",
        "_conflict": "conflict between",
        "_within": "conflict within",
        "_rest": "the rest",
    }
    gains = {
        text: found["default"]["gains"]["conflict - plain"].get(f"frame_auc{k}")
        for k, text in labels.items()
    }
    for world, text in (
        ("no-conflict", "all, world without conflict"),
        ("shuffled", "all, paired across people"),
    ):
        gains[text] = found[world]["gains"]["conflict - plain"]["frame_auc"]
    gains = {k: v for k, v in gains.items() if v}
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), constrained_layout=True)
    for axis, values, middle in ((left, rows, 0.5), (right, gains, 0.0)):
        for y, f in enumerate(values.values()):
            axis.plot(f["ci"], [y, y], color="#345", lw=2)
            axis.plot([f["value"]], [y], "o", color="#345")
        axis.axvline(middle, color="#999", lw=1)
        axis.set_yticks(range(len(values)), [n.replace("_", " + ") for n in values])
        axis.invert_yaxis()
        axis.spines[["top", "right"]].set_visible(False)
    left.set_xlabel(f"AUC of moments, 95 % over {over}")
    right.set_xlabel("gain of conflict over plain, AUC of moments")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
