"""Films within a study: the table says who speaks, what was asked and who may be shown."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from twomind.cli.main import main
from twomind.core.errors import BadInput
from twomind.datasets import fakes
from twomind.datasets.consent import Consent, publication, refused
from twomind.pipeline.following import followed
from twomind.pipeline.jobs import Job, plan

SAID = "maybe I would like to stop but I do not know how to do it"


def run(*arguments: object) -> tuple[int, dict[str, Any], str]:
    done = CliRunner().invoke(main, [*(str(a) for a in arguments), "--json"])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, json.loads(done.stdout), done.stderr


def study(root: Path) -> Path:
    """Two real-looking people; only the tables say whose film is whose."""
    for seed in (1, 2, 3):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(fakes, "DRAWN_COMMENT", "")
            fakes.tiny_film(root / "films" / f"{seed}.mp4", seed=seed)
    (root / "said.txt").write_text(SAID)
    rows = ["path,subject,question,label,transcript"]
    rows += ["films/1.mp4,ada,4,no such class,said.txt", f"films/2.mp4,bo,6,1,{SAID}"]
    rows += ["films/3.mp4,cy,,,gone.txt"]
    (root / "recordings.csv").write_text("\n".join(rows) + "\n")
    (root / "people.csv").write_text("subject,consent_publication\nada,yes\nbo,no\n")
    return root


def jobs(root: Path, *, warn: Any = None, **given: Any) -> dict[str, Job]:
    planned = plan([root], **given)
    found = followed(planned, warn or (lambda text: pytest.fail(text)))
    return {job.media.name: job for job in found}


def test_the_table_names_person_question_and_words(tmp_path: Path) -> None:
    root = study(tmp_path / "own")
    found = jobs(root)
    assert {n: (j.subject, j.question) for n, j in found.items()} == {
        "1.mp4": ("ada", "4"),
        "2.mp4": ("bo", "6"),
        "3.mp4": ("cy", None),
    }
    assert found["1.mp4"].transcript == (root / "said.txt").resolve()
    assert found["2.mp4"].text == SAID
    assert found["3.mp4"].transcript == (root / "gone.txt").resolve()
    assert jobs(root / "films" / "1.mp4")["1.mp4"] == found["1.mp4"]


def test_what_was_stated_otherwise_wins_and_is_said(tmp_path: Path) -> None:
    root = study(tmp_path / "own")
    told: list[str] = []
    other = tmp_path / "other.txt"
    other.write_text("something else was said here")
    film = root / "films" / "1.mp4"
    given = {"question": "7", "subject": "zoe", "transcript": other}
    found = jobs(film, warn=told.append, **given)["1.mp4"]
    assert (found.subject, found.question, found.transcript) == ("zoe", "7", other)
    assert [text.split(" as it was given")[0] for text in told] == [
        "person",
        "question",
        "transcript",
    ]
    assert "'zoe' was given, the table says 'ada'" in told[0]
    told.clear()
    jobs(film, warn=told.append, question="Q4", subject="ada")
    assert not told, "the same in other words"


def test_films_that_are_not_listed_are_told(tmp_path: Path) -> None:
    root = study(tmp_path / "own")
    for number in (8, 9):
        shutil.copy(root / "films" / "1.mp4", root / "films" / f"{number}.mp4")
    told: list[str] = []
    assert jobs(root, warn=told.append)["8.mp4"].subject == "8"
    [text] = told
    assert "not listed" in text
    assert "8; and 1 more" in text


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("recordings.csv", "file,person\n1.mp4,ada\n", "expected the columns path, subject"),
        ("recordings.csv", "path,subject\nfilms/1.mp4,ada\nfilms/1.mp4,bo\n", "there twice"),
        ("recordings.csv", b"path,subject\n\xff\xfe\x00,ada\n", "CSV file in UTF-8"),
        ("recordings.csv", "", "expected the columns"),
        ("people.csv", "name,phone\nada,1\n", "expected a column subject"),
        ("people.csv", b"subject\n\xff\n", "CSV file in UTF-8"),
        ("people.csv", "subject,consent_publication\nada,yes\nada,no\n", "two|twice"),
    ],
)
def test_a_table_that_cannot_be_read_is_an_error_and_no_consent(
    tmp_path: Path, name: str, content: str | bytes, reason: str
) -> None:
    root = study(tmp_path / "own")
    raw = content if isinstance(content, bytes) else content.encode()
    (root / name).write_bytes(raw)
    film = root / "films" / "1.mp4"
    with pytest.raises(BadInput, match=reason) as caught:
        jobs(film)
    assert "follow_tables=false" in str(caught.value)
    assert publication(film, "ada") is Consent.UNREADABLE
    assert refused(film, "ada")
    out = tmp_path / "out"
    code, _found, _ = run("predict", film, "--out", out, "--store", tmp_path / "s")
    assert code == 3
    assert not out.exists()
    more = ("--set", "follow_tables=false", "--set", "report.embed=all")
    code, _, _ = run("predict", film, "--out", out, "--store", tmp_path / "s", *more)
    assert code == 0
    assert not any("data:video" in page.read_text() for page in out.rglob("report.html"))


def test_consent_follows_the_table_however_the_film_was_named(tmp_path: Path) -> None:
    root = study(tmp_path / "own")
    films = root / "films"
    for subject in ("", "2", "zoe", "ada"):
        assert publication(films / "2.mp4", subject) is Consent.NO
    assert publication(films / "1.mp4", "1") is Consent.YES
    assert publication(films / "1.mp4", "bo") is Consent.NO, "of both, one refused"
    assert publication(films / "3.mp4", "3") is Consent.UNKNOWN
    assert publication(films / "unlisted.mp4", "x") is Consent.UNKNOWN
    link = tmp_path / "link.mp4"
    link.symlink_to(films / "2.mp4")
    assert publication(link, "x") is Consent.NO


def test_a_consent_that_is_taken_back_counts_at_once(tmp_path: Path) -> None:
    root = study(tmp_path / "own")
    film = root / "films" / "1.mp4"
    assert publication(film, "ada") is Consent.YES
    (root / "people.csv").write_text("subject,consent_publication\nada,no longer\n")
    assert publication(film, "ada") is Consent.NO


def test_reports_of_a_folder_hold_who_agreed_and_are_made_again_when_that_changes(
    tmp_path: Path,
) -> None:
    root = study(tmp_path / "own")
    (root / "gone.txt").write_text(SAID)
    out, store = tmp_path / "out", tmp_path / "s"
    command = ("predict", root, "--out", out, "--store", store, "--workers", 1)
    code, found, _ = run(*command)
    assert code == 0
    pages = {name: (out / name / "report.html").read_text() for name in "123"}
    whole = (out / "report.html").read_text()
    assert "data:video" in pages["1"]
    assert "refused to be shown" in pages["2"]
    assert "data:video" not in pages["2"]
    assert "data:video" not in pages["3"]
    assert "nothing says whether this person agreed" in pages["3"]
    assert "data:video" not in whole, "a film is embedded once, in its own page"
    assert "1/report.html" in whole
    summary = json.loads((out / "2" / "summary.json").read_text())
    assert (summary["subject"], summary["question"]) == ("bo", "6")
    assert summary["words"]["source"].startswith("the table")
    code, found, _ = run(*command)
    assert {one["state"] for one in found["answers"]} == {"already done"}
    (root / "people.csv").write_text("subject,consent_publication\nada,no\nbo,no\n")
    run(*command)
    assert "data:video" not in (out / "1" / "report.html").read_text()
    assert "data:video" not in (out / "report.html").read_text()


@pytest.mark.parametrize("verb", ["predict", "describe"])
@pytest.mark.parametrize("model", ["./no-such-model", "not a name!"])
def test_a_speech_model_that_is_absent_is_an_error_before_any_file_is_read(
    tmp_path: Path, verb: str, model: str
) -> None:
    pytest.importorskip("faster_whisper")
    film = study(tmp_path / "own") / "films" / "1.mp4"
    out = tmp_path / "out"
    code, found, _ = run(verb, film, "--speech-model", model, "--out", out, "--offline")
    assert code not in (0, 7)
    assert "speech model" in found["error"]["message"]
    assert not out.exists()
