"""Pages in two languages: every text that a page uses is there in both, and a French page is French."""

from __future__ import annotations

import ast
import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from reporting.test_board_page import Refused, board, line
from reporting.test_report import made, without_words
from transcript_remarks import NOT_REMARKS, READERS, SOURCE, sentences, text_of
from twomind.adaptation import traits
from twomind.core import registry
from twomind.core.plural import agreed
from twomind.core.typography import typeset
from twomind.evaluation import baselines
from twomind.features.body import measures as body_measures
from twomind.features.cues import KINDS, NOT_MEASURED
from twomind.features.face import measures as face_measures
from twomind.features.face import quality, tracker
from twomind.features.voice import track as voice_track
from twomind.pipeline.settings import DescribeRun
from twomind.reporting import codebook, columns, leaderboard_tables, leaderboard_top, wide
from twomind.reporting.message_file import messages
from twomind.reporting.messages import Texts
from twomind.reporting.page import html_of
from twomind.reporting.report import ReportSettings, shown, write_pages
from twomind.reporting.report_data import halves_of
from twomind.reporting.sentences import SECTIONS
from twomind.reporting.sheets import TableSettings, book
from twomind.types import Access, Cue

FRENCH = Texts("fr")
#: What speaks of media files.
_OF_MEDIA = {"audio", "channels", "clock", "endings", "probe", "sound_streams", "stream"}
#: What the library says of a recording, and a page shows.
SAID_BY = (
    *READERS,
    *(SOURCE / "features").rglob("*.py"),
    *(SOURCE / "models" / "words").glob("*.py"),
    *(SOURCE / "models" / "fusion").glob("*.py"),
    *(SOURCE / "models" / "llm" / name for name in ("parse.py", "probability.py")),
    *(SOURCE / "models" / name for name in ("calibration.py", "synthetic.py", "embedding.py")),
    SOURCE / "models" / "change_talk" / "recogniser.py",
    SOURCE / "pipeline" / "answer.py",
    SOURCE / "pipeline" / "adapt.py",
    *(SOURCE / "media" / f"{name}.py" for name in sorted(_OF_MEDIA)),
)
#: Their sentences that stand on no page, by the file: what a clip is refused for at enrolment, what is
#: asked of a language model, units of tables, pieces of other sentences.
ELSEWHERE = {
    "features/neutral_check.py": None,
    "features/words/change_words.py": None,
    "features/body/cues.py": ("share of time",),
    "features/body/finder.py": ("of this version",),
    "features/describe.py": ("\0; in place of these times: \0",),
    "features/inconsistency.py": (", on two sides of “\0”",),
    "features/profile.py": (", clip not neutral", "there is no \0"),
    "media/probe.py": ("nothing readable (is its index damaged?)",),
    "models/synthetic.py": ("Train on real people",),
    "models/fusion/input.py": ("no named columns",),
    "models/fusion/recogniser.py": ("log-odds with less without it",),
    "models/change_talk/recogniser.py": (
        "mean probability over clauses, in the order change, sustain, neutral",
    ),
}


def keys(node: ast.AST) -> Iterator[tuple[str, bool]]:
    """Keys of texts that a source asks for, and whether the whole key stands there."""
    for call in ast.walk(node):
        if not isinstance(call, ast.Call) or not call.args:
            continue
        name = call.func.id if isinstance(call.func, ast.Name) else ""
        first = call.args[0]
        if name not in ("t", "ENGLISH"):
            continue
        for part in ast.walk(first):
            if isinstance(part, ast.Constant) and isinstance(part.value, str) and part.value:
                yield part.value, first is part or isinstance(first, ast.IfExp)


def test_every_text_that_a_source_asks_for_is_there() -> None:
    known = {f"{section}.{key}" for section, texts in messages().items() for key in texts}
    for file in sorted((SOURCE / "reporting").glob("*.py")):
        for key, whole in keys(ast.parse(file.read_text("utf-8"))):
            if whole and "." in key:
                assert key in known, (file.name, key)
            elif key.endswith("."):
                assert key[:-1] in messages(), (file.name, key)


def test_every_text_of_the_pages_of_runs_is_used() -> None:
    sources = "".join(f.read_text("utf-8") for f in (SOURCE / "reporting").glob("*.py"))
    for section in ("board", "harm", "figure"):
        for key in messages()[section]:
            assert re.search(rf"\b{re.escape(key)}\b", sources), (section, key)


def test_the_pages_of_runs_hold_no_sentence_of_their_own() -> None:
    for name in ("leaderboard", "leaderboard_tables", "leaderboard_top", "leaderboard_figures"):
        _holds_no_sentence(name)
    for name in ("figures", "harm_page", "page"):
        _holds_no_sentence(name)


def _holds_no_sentence(name: str) -> None:
    allowed = ("twomind: recognises", "base-uri", "<", "twomind ", "@software", "line ", 'fill="')
    for _, text in sentences(SOURCE / "reporting" / f"{name}.py"):
        assert any(piece in text for piece in allowed), (name, text)


def filled(sentence: str) -> str:
    """A sentence of the source with something in every place."""
    return re.sub(r"\0|\{\w+\}", "7", agreed(sentence, 2))


def test_what_the_library_says_has_a_french_text() -> None:
    unknown = []
    for path in SAID_BY:
        elsewhere = ELSEWHERE.get(str(path.relative_to(SOURCE)), ())
        if elsewhere is None:
            continue
        for number, sentence in sentences(path):
            is_told = sentence not in elsewhere and sentence not in NOT_REMARKS
            if is_told and FRENCH.language_of(filled(sentence)) != "fr":
                unknown.append(f"{path.relative_to(SOURCE)}:{number}: {sentence!r}")
    assert not unknown, f"messages.toml, [said]: add a French text for each: {unknown}"


def test_every_name_has_a_french_text() -> None:
    told = [*KINDS.values(), *NOT_MEASURED.values(), *face_measures.UNSUPPORTED.values()]
    told += [*quality.REASONS, tracker.NO_FACE, tracker.OTHER_PERSON, voice_track.ANOTHER]
    told += [*voice_track.REASONS[1:], *baselines.WORDS.values()]
    told += [traits.why_not(registry.load("methods", "clip-autt"), "described")]
    unknown = [text for text in told if FRENCH.language_of(text) != "fr"]
    assert unknown == []
    measures = [*face_measures.MEASURES, *body_measures.MEASURES]
    for measure in measures:
        assert FRENCH.has("curve", measure.name), measure.name
    for name in (*voice_track.SUMMARY, *NOT_MEASURED):
        assert FRENCH.has("missing", name), name
    for purpose in get_args(get_type_hints(DescribeRun)["purpose"]):
        assert FRENCH.has("purpose", purpose), purpose


def refusals(path: Path) -> Iterator[tuple[str, str]]:
    """Function and sentence of every refusal of a file: ``\\0`` where a value is filled in."""
    for function in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(function, ast.FunctionDef):
            continue
        for node in ast.walk(function):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and node.exc.args:
                sentence = text_of(node.exc.args[0])
                if sentence is not None:
                    yield function.name, sentence


#: Functions whose complaints are of settings, of files, or of a fold that fails for every method: by
#: the file.
OF_SETTINGS = {
    "adaptation/__init__.py": ("load_method",),
    "adaptation/caches.py": ("one_of",),
    "adaptation/clip_au_summary.py": ("write_summary",),
    "adaptation/clip_autt_parts.py": ("released_prompts",),
    "adaptation/divergences.py": ("_pair",),
    "adaptation/mapping.py": ("check",),
    "adaptation/offsets.py": ("fit_sd",),
    "adaptation/prototypes.py": ("build", "gaussian"),
    "adaptation/state.py": ("_flatten", "load_state"),
    "evaluation/leaks.py": (
        "_fields_of",
        "config_of",
        "check_task",
        "check_people",
        "check_content",
    ),
}


@pytest.mark.parametrize("package", ["adaptation", "evaluation"])
def test_what_a_method_refuses_a_fold_for_has_a_french_text(package: str) -> None:
    paths = sorted((SOURCE / package).rglob("*.py"))
    if package == "evaluation":
        paths = [SOURCE / package / "leaks.py", SOURCE / package / "harness.py"]
    told = 0
    for path in paths:
        own = OF_SETTINGS.get(str(path.relative_to(SOURCE)), ())
        for function, sentence in refusals(path):
            if function in (*own, "__post_init__"):
                continue
            told += 1
            reason = f"refused every fold: {filled(sentence)}"
            french = FRENCH.said(reason)
            assert french.startswith(typeset("refusée sur tous les partages : ", "fr")), sentence
            assert filled(sentence) not in french, (path.name, sentence)
    assert told > 1


@pytest.mark.parametrize("name", registry.names("methods"))
def test_every_method_of_adaptation_is_named_in_plain_words(name: str) -> None:
    for t in (Texts("en"), FRENCH):
        plain = t.name("method", name)
        assert t.has("method", name), name
        assert len(plain.split()) >= 2, (name, plain)
        assert name not in plain, "plain words are not the method's own name"


def test_what_a_method_saw_is_told_in_plain_words() -> None:
    for flag in Access:
        for name in flag.words().split("+"):
            assert FRENCH.has("access", name), name
            assert FRENCH.said(name) != name or name == "source", name


# --- sentences with numbers


@pytest.mark.parametrize(
    ("english", "french"),
    [
        (
            "1 mark such as [laughs] is no speech; it is shown and not counted",
            "1 marque comme [laughs] n’est pas de la parole ; elle est montrée et non comptée",
        ),
        (
            "3 marks such as (uh) are no speech; they are shown and not counted",
            "3 marques comme (uh) ne sont pas de la parole ; elles sont montrées et non comptées",
        ),
        ("words: no transcript was given", "mots : aucune transcription n’a été donnée"),
        (
            "a face was seen in 3 of 90 frames, but never well enough: too dark",
            "un visage a été vu sur 3 images sur 90, mais jamais assez bien : trop sombre",
        ),
        ("too dark; too small to say", "too dark; too small to say"),
        ("no face; too dark", "pas de visage ; trop sombre"),
        ("summary+neutral", "résumé+neutre"),
        ("[Errno 5] Input/output error", "[Errno 5] Input/output error"),
    ],
)
def test_a_finished_sentence_is_found_again_with_its_numbers(english: str, french: str) -> None:
    assert FRENCH.said(english) == typeset(french, "fr")
    assert Texts("en").said(english) == english


def test_a_sentence_of_a_library_stays_and_is_marked_as_english(tmp_path: Path) -> None:
    settings = ReportSettings(language="fr", embed="none")
    whole = without_words()
    page = shown(whole, settings)
    failed = ("b.mp4: Decoder exploded",)
    path = write_pages([page], tmp_path / "r.html", settings=settings, failed=failed)
    source = path.read_text("utf-8")
    assert '<li class="reason" lang="en">b.mp4: Decoder exploded</li>' in source
    told = typeset("mots : aucune transcription n’a été donnée", "fr")
    assert f'<p class="reason" lang="fr">{told}</p>' in source


def test_a_word_in_the_place_of_a_number_is_no_number() -> None:
    """``5 words`` is a sentence of the library, ``besides words`` is not."""
    assert FRENCH.said("5 words") == "5 mots"
    assert FRENCH.said("whatever words") == "whatever words"


# --- where a line may not break

#: An ordinary space in French at which a line must not break.
_BREAKS = re.compile(r"(?<=\S) [;:!?»](?![\w/=-])|« |\d %")


def test_no_french_text_has_a_space_at_which_a_line_breaks_before_a_mark() -> None:
    for section, texts in messages().items():
        for key, text in texts.items():
            assert not _BREAKS.search(text["fr"]), (section, key, text["fr"])
            assert not re.search("[\u00a0\u202f]", text["en"]), (section, key)
    assert FRENCH.percent(0.5) == "50\u00a0%"
    assert Texts("en").percent(0.5) == "50 %"


@pytest.mark.parametrize(
    ("written", "typeset_"),
    [
        ("Oui ; non !", "Oui\u202f; non\u202f!"),
        ("Oui ?!", "Oui\u202f?!"),
        ("{p} : {n} %", "{p}\u00a0: {n}\u00a0%"),
        ("« a »", "«\u00a0a\u00a0»"),
        (" ; perdu", "\u202f; perdu"),
        ("a :b, x ?= 1, | :-- |", "a :b, x ?= 1, | :-- |"),
        ("https://a.org/?q : 12:30", "https://a.org/?q\u00a0: 12:30"),
    ],
)
def test_no_break_spaces_stand_before_french_marks(written: str, typeset_: str) -> None:
    assert typeset(written, "fr") == typeset_
    assert typeset(typeset_, "fr") == typeset_
    assert typeset(written, "en") == written


def test_no_line_of_a_french_page_breaks_before_a_mark(tmp_path: Path) -> None:
    settings = ReportSettings(language="fr", embed="none")
    one = made(cues=(Cue("smile", "face", 1.0, 2.0, 1.0, "iod", "to the own left"),))
    pages = [shown(result, settings) for result in (one, without_words())]
    path = write_pages(pages, tmp_path / "report.html", settings=settings)
    for page in (path.read_text("utf-8"), french_board(), french_codebook(tmp_path)):
        told = read(page)
        breaks = _BREAKS.search(told)
        assert breaks is None, told[breaks.start() - 60 : breaks.end() + 20]


def french_codebook(folder: Path) -> str:
    with book(folder, TableSettings()) as tables:
        tables.begin(columns.ANSWERS)
        tables.begin(wide.table(wide.Layout(True, True)))
        files = [table.file for table in columns.OF_ANSWER]
        codebook.write(tables, codebook.of_answers(files, with_stream=True), "fr")
    return (folder / codebook.PAGE).read_text("utf-8")


def test_a_french_codebook_is_french_and_the_table_of_it_english(tmp_path: Path) -> None:
    page = html.unescape(french_codebook(tmp_path))
    assert '<html lang="fr">' in page
    assert typeset("coin des lèvres tiré (sourire) : moyenne sur les lignes", "fr") in page
    assert "écarts entre les yeux (iod)" in page
    tables = [columns.ANSWERS, columns.CODEBOOK, wide.table(wide.Layout(True, True))]
    unknown = []
    for table in (*tables, *columns.OF_ANSWER):
        further = [table.further] if table.further else []
        for sentence in (table.meaning, *(c.meaning for c in (*table.columns, *further))):
            if FRENCH.language_of(sentence) != "fr":
                unknown.append(sentence)
    assert not unknown, f"messages.toml, [column]: add a French text for each: {unknown}"
    table = (tmp_path / "codebook.csv").read_text("utf-8")
    assert "lip corner pulled (smile): mean over valid rows" in table
    assert "sourire" not in table


def test_forms_go_with_a_number_in_each_language() -> None:
    assert Texts("en")("board.few", n=1, least=10).startswith("Only 1 person.")
    assert Texts("en")("board.few", n=0, least=10).startswith("Only 0 people.")
    assert FRENCH("board.few", n=0, least=10).startswith("Seulement 0 personne.")
    assert FRENCH.count(1, "word") == "1 mot"


# --- a French page holds no English text of the file


def english_texts() -> list[str]:
    """Texts of two words or more that are other words in French."""
    found = []
    for section, texts in messages().items():
        if section in SECTIONS:
            continue
        for text in texts.values():
            english = text["en"]
            is_plain = "{" not in english and "[" not in english and " " in english
            if is_plain and english not in text["fr"]:
                found.append(english)
    return found


def english_pieces() -> list[str]:
    """What stands between the places of all texts, three words or more that are other in French; and
    the whole texts.
    """
    found = english_texts()
    for texts in messages().values():
        for text in texts.values():
            for piece in re.split(r"\{\w+\}|\[[^\[\]|{}]*\|[^\[\]|{}]*\]", text["en"]):
                words = piece.strip(" .,;:()")
                if words.count(" ") > 1 and words not in text["fr"]:
                    found.append(words)
    return found


def read(source: str) -> str:
    """What a reader sees or hears of a page."""
    body = re.sub(r"<(style|details lang=\"en\").*?</(style|details)>", "", source, flags=re.DOTALL)
    body = re.sub(r"\(\(\) => \{.*?</script>", "</script>", body, flags=re.DOTALL)
    return html.unescape(re.sub(r"<[^>]*?((aria-label|title)=\"[^\"]*\")?[^>]*>", r" \1 ", body))


def french_board() -> str:
    few = board(
        9, line("t3a", "method", 9, 0.05, 0.01, 0.01), line("base", "base", 9), refused=(Refused(),)
    )
    blocks: list[Any] = [*leaderboard_top.few_people(few, FRENCH)]
    blocks += leaderboard_top.forest_blocks(few, "b", FRENCH)
    blocks += leaderboard_top.action_blocks(few, "b", leaderboard_top.Origin(), FRENCH)
    blocks += [leaderboard_top.short_table(few, FRENCH), leaderboard_tables.main_table(few, FRENCH)]
    blocks.append(leaderboard_tables.metric_table)
    return html_of(blocks[:-1], "T", "fr")


def test_french_pages_hold_no_english_text(tmp_path: Path) -> None:
    settings = ReportSettings(language="fr", embed="none")
    one = made(cues=(Cue("smile", "face", 1.0, 2.0, 1.0, "iod", "to the own left"),))
    pages = [shown(result, settings) for result in (one, without_words())]
    path = write_pages(pages, tmp_path / "report.html", settings=settings)
    source = path.read_text("utf-8")
    assert '<html lang="fr">' in source
    assert "Sourire, au-delà du visage au repos" in source
    assert "vers sa gauche" in source
    assert typeset("But : recherche", "fr") in source
    for told in (read(source), read(french_board())):
        left = [text for text in english_texts() if text in told]
        assert left == []


def test_halves_of_an_inconsistency_are_french() -> None:
    detail = "smile (1.0-2.4 s) against negative “hate it” (1.2-1.6 s)"
    found = halves_of(Cue("face_against_words", "across", 1.0, 2.4, detail=detail), FRENCH)
    assert [half["what"] for half in found] == ["sourire", "négatif “hate it”"]
