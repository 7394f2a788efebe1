"""What stands first on a leaderboard, and what a paper takes from it."""

from __future__ import annotations

import base64
import csv
import io
import math
import re
from pathlib import Path

import pytest

from reporting.test_report_in_browser import CHROMIUM, FLAGS
from twomind.evaluation.board import Board, Line
from twomind.evaluation.people import Paired
from twomind.reporting import figures
from twomind.reporting import leaderboard_top as top
from twomind.reporting.leaderboard_tables import findings
from twomind.reporting.page import Code, Fold, Link, Links, html_of
from twomind.types import Task

AXE = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"
FIGURES = ("macro_f1", "war", "uar", "auc", "within_question_auc")


def paired(mean: float, ci: tuple[float, float], n: int, n_harmed: int) -> Paired:
    return Paired(
        mean=mean,
        ci=ci,
        d_z=0.5,
        p_sign_flip=0.001,
        p_wilcoxon=0.001,
        rank_biserial=0.5,
        n_people=n,
        n_helped=n - n_harmed,
        n_harmed=n_harmed,
        share_harmed=n_harmed / n,
        harmed_ci=(0.0, 0.5),
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [("100 %", r"100 \%"), ("a_b & c", r"a\_b \& c"), ("−0.1", "$-$0.1"), ("x\n!y", "x y")],
)
def test_latex_prints_what_stands_there(value: str, expected: str) -> None:
    from twomind.reporting.page import Table

    text = top.latex(Table(("", "b"), (("part",), (value, "1"))))
    assert rf"{expected} & 1 \\" in text
    assert r"\multicolumn{2}{l}{\textit{part}} \\" in text


def test_a_file_of_the_page_is_carried_in_it_and_runs_nothing() -> None:
    links = Links((Link("CSV", "a.csv", "é,1\n", "text/csv"), Link("Harm", "harm.html")))
    page = html_of([links, Fold("more", (Code("<b>$x</b>"),))], "T")
    (data,) = re.findall(
        r'download="a.csv" href="data:text/csv;charset=utf-8;base64,([^"]*)"', page
    )
    assert base64.b64decode(data).decode() == "é,1\n"
    assert 'href="harm.html"' in page
    assert "&lt;b&gt;$x&lt;/b&gt;" in page
    assert "<script" not in page
    assert "default-src 'none'" in page


def test_a_forest_has_a_row_per_method_and_harm_in_orange() -> None:
    rows = [
        figures.Gain("one", {"a": 0.1, "b": -0.05}, 0.03, (0.0, 0.06), ("+0.03", "1 of 2 harmed")),
        figures.Gain("none", {"a": 0.0, "b": -0.005}, 0.0, (math.nan, math.nan), ("0", "0 of 2")),
    ]
    svg = figures.forest(rows, "gain", 0.01)
    assert svg.count("<polygon") == 2
    assert svg.count("<circle") == 4
    assert svg.count("<circle") == 4
    assert svg.count(f'fill="{figures.HARMED}"') == 1
    assert "1 of 2 harmed" in svg


def test_options_are_those_that_were_changed() -> None:
    from twomind.reporting.leaderboard import PAGE_OPTIONS, PageSettings

    changed = top.changed_options(PageSettings(n_bootstrap=100), PageSettings(), PAGE_OPTIONS)
    assert changed == ["--bootstrap 100"]


# --- on a board


def line(name: str, kind: str, n: int, gain: float = 0.0, low: float = -0.1, p: float = 1) -> Line:
    people = {f"p{i}": 0.5 + gain for i in range(n)}
    told = dict.fromkeys(people, 0.5) if kind == "method" else {}
    return Line(
        name,
        kind,
        "nothing",
        (),
        figures=dict.fromkeys(FIGURES, 0.6),
        intervals={key: [0.5, 0.7] for key in FIGURES},
        per_person=people,
        unadapted=told,
        person_ci=(0.4, 0.6),
        paired=paired(gain, (low, gain + 0.1), n, 2) if kind == "method" else None,
        p_holm=p,
    )


class Refused:
    """A method that gave its reason."""

    name = "dsfda"

    def words(self) -> str:
        return "needs a neutral clip"


def board(n: int, *lines: Line, refused: tuple[Refused, ...] = ()) -> Board:
    people = tuple(f"p{i}" for i in range(n))
    task = Task("toy", ("absent", "present"))
    facts = {"drawn": False, "n_rows": n, "n_folds": 1, "seeds": (0,), "rates": (0.5, 0.5)}
    return Board(
        "toy",
        "all",
        task,
        "recording",
        "macro_f1",
        lines,
        people,
        {},
        same_people=False,
        notes=(),
        refused=refused,  # type: ignore[arg-type]
        **facts,  # type: ignore[arg-type]
    )


def test_a_verdict_is_one_sentence_and_needs_people() -> None:
    good = line("t3a", "method", 12, 0.05, 0.01, 0.01)
    bad = line("tent", "method", 12, 0.05, 0.01, 0.2)
    assert top.verdict(board(12, good, bad)) == (
        "Better than no adaptation on 12 people (macro-F1 per person, p after Holm < .05): t3a; "
        "most people harmed: 17 %, by t3a."
    )
    assert top.verdict(board(12, bad)).startswith("No method of 1 gains anything that 12 people")
    few = board(9, line("t3a", "method", 9, 0.05, 0.01, 0.01))
    assert "cannot be said: 9 people are fewer than the 10" in top.verdict(few)
    assert [b.kind for b in top.few_people(few)] == ["few"]
    assert top.few_people(board(10, good)) == []


def test_with_few_people_no_finding_calls_anything_above() -> None:
    for n in (9, 12):
        best = line("question only", "shortcut", n)
        found = board(n, line("t3a", "method", n, 0.05, 0.01, 0.01), best)
        said = " ".join(findings(found))
        assert ("above no adaptation" in said) == (n >= 10)
        assert ("Clearly above" in said) == (n >= 10)


def test_the_first_table_has_six_columns_and_the_refused_are_rows() -> None:
    adapted = board(12, line("t3a", "method", 12), line("base", "base", 12), refused=(Refused(),))
    assert ("dsfda\n!needs a neutral clip", *["—"] * 5) in top.short_table(adapted).rows
    plain_ = board(12, line("words", "base", 12))
    for one in (adapted, plain_):
        table = top.short_table(one)
        assert len(table.head) == 6
        assert all(len(row) in (1, 6) for row in table.rows)


def test_a_row_per_line_and_person() -> None:
    found = board(2, line("=t3a", "method", 2, -0.2), line("base", "base", 2))
    rows = list(csv.DictReader(io.StringIO(top.per_person_csv(found))))
    assert len(rows) == 4
    assert rows[0]["harmed"] == "True"
    assert float(rows[0]["gain"]) == pytest.approx(-0.2)
    assert rows[0]["line"].startswith("'="), "no cell is a formula"
    assert rows[2]["gain"] == ""


# --- in a browser


@pytest.mark.slow
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "light")])
def test_the_board_fits_and_axe_finds_nothing_serious(
    tmp_path: Path, width: int, scheme: str
) -> None:
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    if not Path(CHROMIUM).exists() or not AXE.exists():
        pytest.skip(f"needs {CHROMIUM} and axe-core (npm ci in web/)")
    found = board(12, line("t3a", "method", 12, 0.05, 0.01, 0.01), line("base", "base", 12))
    origin = top.Origin("twomind score report runs --out page", ("a = 1",), "harm.html")
    blocks = [
        *top.forest_blocks(found, "b"),
        top.short_table(found),
        *top.action_blocks(found, "b", origin),
        Fold("All metrics", (top.short_table(found),)),
    ]
    path = tmp_path / "board.html"
    path.write_text(html_of(blocks, "T"), encoding="utf-8")
    with playwright.sync_playwright() as p:
        chromium = p.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
        context = chromium.new_context(
            viewport={"width": width, "height": 800}, color_scheme=scheme, bypass_csp=True
        )
        page = context.new_page()
        page.goto(path.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        with page.expect_download() as taken:
            page.locator("a[download$='.csv']").click()
        assert taken.value.suggested_filename == "b-people.csv"
        page.get_by_text("Exact command").click()
        assert page.get_by_text("twomind score report runs").is_visible()
        page.evaluate(AXE.read_text())
        violations = page.evaluate("async () => (await axe.run()).violations")
        serious = [v["id"] for v in violations if v["impact"] in ("serious", "critical")]
        assert serious == []
        page.set_viewport_size({"width": 703, "height": 1040})
        page.emulate_media(media="print")
        assert page.evaluate("document.documentElement.scrollWidth") <= 703, "A4 with its margins"
        chromium.close()
