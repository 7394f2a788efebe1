"""``study.toml``, a new study, and the sheet for the ethics board."""

from __future__ import annotations

import re
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from server_world import STUDY
from twomind.cli.main import main
from twomind.core.errors import BadInput
from twomind.models.questions import BAH_QUESTIONS
from twomind.server import dataflow, pages
from twomind.server.making import new_study
from twomind.server.study import load_study, study_from

TEXT = STUDY.replace("KEYS", "/k").replace("EXTRA", "").replace("THOUGHTS", "0")
TEXT = TEXT.replace("DATABASE", "")


def test_a_new_study_is_whole(tmp_path: Path) -> None:
    study = new_study(tmp_path / "My Study", tmp_path / "keys")
    assert study.id == "my-study"
    assert study == load_study(tmp_path / "My Study")
    responses = [prompt.response for prompt in study.prompts]
    assert responses == [response for response, _theme in BAH_QUESTIONS.values()]
    assert study.languages == ("en", "fr")
    required = {item.id: item.required for item in study.consent.items}
    assert required == {
        "processing": True,
        "storage": True,
        "research": False,
        "pictures": False,
        "challenges": False,
    }
    sheet = (tmp_path / "My Study" / dataflow.FILE).read_text(encoding="utf-8")
    for kept in (
        "recordings",
        "consent",
        "keys",
        "audit log",
        "Withdrawal",
        str(tmp_path / "keys"),
    ):
        assert kept in sheet


def test_each_language_has_its_sheet_and_nothing_is_left_open_but_what_waits(
    tmp_path: Path,
) -> None:
    study = new_study(tmp_path / "s", tmp_path / "keys")
    english, french = (tmp_path / "s" / name for name in ("data-flow.md", "data-flow.fr.md"))
    for path, word in ((english, "Withdrawal"), (french, "Retrait")):
        text = path.read_text(encoding="utf-8")
        assert word in text
        assert not re.search(r"\$[a-z{]", text)
        for value in ("3650", "127.0.0.1", str(tmp_path / "keys"), "AES-256-GCM"):
            assert value in text
        assert text.count("\n| ") == english.read_text(encoding="utf-8").count("\n| ")
    assert "J'accepte" in french.read_text(encoding="utf-8")
    assert study.languages == dataflow.languages(study)


def test_what_the_template_leaves_to_the_researcher_is_told(tmp_path: Path) -> None:
    study = new_study(tmp_path / "s", tmp_path / "keys")
    about = [one.about for one in study.warnings() if one.code == "unwritten"]
    assert about == ["contact (en)", "contact (fr)", "payment (en)", "payment (fr)"]
    assert not any(one.code == "unwritten" for one in study_from(TEXT, "t").warnings())


def test_a_new_study_never_replaces_another(tmp_path: Path) -> None:
    new_study(tmp_path / "s", tmp_path / "keys")
    with pytest.raises(BadInput, match="there is a study already"):
        new_study(tmp_path / "s", tmp_path / "keys")


def test_keys_do_not_lie_with_the_data(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="keys may not lie in the study's folder"):
        new_study(tmp_path / "s", tmp_path / "s" / "keys")
    assert not (tmp_path / "s" / "study.toml").exists()


def test_a_french_study_is_told_that_words_are_not_scored(tmp_path: Path) -> None:
    study = new_study(tmp_path / "s", tmp_path / "keys")
    assert any("'fr'" in remark and "not scored" in remark for remark in study.remarks())
    assert not any("'en'" in remark for remark in study.remarks())


FAULTS: dict[str, tuple[Callable[[str], str], str]] = {
    "no toml": (lambda text: text + "[", "it is no TOML"),
    "unknown key": (lambda text: text + "colour = 1\n", "server.colour"),
    "missing text": (lambda text: text.replace(', fr = "deux ?"', ""), "prompt q2.*'fr'"),
    "empty text": (lambda text: text.replace('"deux ?"', '" "'), "prompt q2.*'fr'"),
    "a language too many": (lambda text: text.replace('"deux ?"', '"d", de = "z"'), "'de'"),
    "twice": (lambda text: text.replace('id = "q2"', 'id = "q1"'), "'q1' stands twice"),
    "a path": (lambda text: text.replace('id = "q2"', 'id = "../q2"'), "prompts.1.id"),
    "no storage": (
        lambda text: text.replace('id = "storage", required = true', 'id = "storage", required = false'),
        "'storage' with required = true",
    ),
    "times": (lambda text: text.replace('id = "q2"', 'id = "q2"\nmin_s = 200'), "min_s < max_s"),
    "http redirect": (
        lambda text: text.replace("[recruiting]", '[recruiting]\ncompletion_url = "http://x"'),
        "recruiting.completion_url",
    ),
    "unknown response": (lambda text: text.replace('"hesitant"', '"sad"'), "prompts.1.response"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_with_its_place(fault: str) -> None:
    change, told = FAULTS[fault]
    changed = change(TEXT)
    assert changed != TEXT
    with pytest.raises(BadInput, match=rf"study\.toml: .*{told}"):
        study_from(changed, "study.toml")


def test_every_fault_is_told_at_once() -> None:
    text = TEXT.replace('"hesitant"', '"sad"').replace("takes = 2", "takes = 0")
    with pytest.raises(BadInput) as caught:
        study_from(text, "study.toml")
    assert "prompts.1.response" in str(caught.value)
    assert "prompts.1.takes" in str(caught.value)


def test_the_hash_of_consent_follows_every_word_and_item() -> None:
    study = study_from(TEXT, "study.toml")
    before = study.consent.sha256("en")
    for old, new in (
        ('"May we?"', '"May we!"'),
        ('"show"', '"shew"'),
        ("version = 1", "version = 2"),
        ('id = "pictures", required = false', 'id = "pictures", required = true'),
    ):
        changed = study_from(TEXT.replace(old, new), "study.toml")
        assert changed.consent.sha256("en") != before, new
    french = study_from(TEXT.replace('"montrer"', '"exposer"'), "study.toml")
    assert french.consent.sha256("en") == before


def test_the_verbs(tmp_path: Path) -> None:
    folder = str(tmp_path / "s")
    done = CliRunner().invoke(main, ["study", "new", folder, "--keys", str(tmp_path / "k")])
    assert done.exit_code == 0, done.output
    assert "words will be transcribed but not scored" in done.output
    (tmp_path / "s" / "data-flow.md").unlink()
    (tmp_path / "s" / "data-flow.fr.md").unlink()
    assert CliRunner().invoke(main, ["study", "sheet", folder]).exit_code == 0
    assert (tmp_path / "s" / "data-flow.md").exists()
    assert (tmp_path / "s" / "data-flow.fr.md").exists()
    assert CliRunner().invoke(main, ["study", "new", folder]).exit_code == BadInput.exit_code


def test_without_the_extra_the_verbs_say_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from twomind.cli import study_verbs

    monkeypatch.setattr(study_verbs, "_NEEDED", ("fastapi", "no_such_module_at_all"))
    done = CliRunner().invoke(main, ["study", "new", str(tmp_path / "s")])
    assert done.exit_code == 4
    assert "pip install 'twomind[server]'" in done.output


def test_the_folder_of_keys_is_private(tmp_path: Path) -> None:
    from twomind.server.keys import Keys

    keys = Keys.at(tmp_path / "keys")
    keys.make("a")
    for path in [tmp_path / "keys", *(tmp_path / "keys").rglob("*")]:
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path
    (tmp_path / "keys").chmod(0o755)
    with pytest.raises(BadInput, match="chmod 700"):
        Keys.at(tmp_path / "keys")


def test_a_server_whose_pages_are_not_built_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "built", lambda: tmp_path)
    for name in pages.PAGES:
        assert "not built" in " ".join(pages.remarks())
        (tmp_path / name).mkdir()
        (tmp_path / name / "index.html").touch()
    assert pages.remarks() == []
