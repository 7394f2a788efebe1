"""The zero-shot table of BAH: five strategies, every way of reading, one reply each, kept and replayed."""

from __future__ import annotations

import json
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

pytest.importorskip("openai")

import llm_tools as tools
from twomind.cli.main import main
from twomind.core.errors import BadInput
from twomind.datasets import open_dataset
from twomind.datasets.bah_fake import fake
from twomind.evaluation.board import boards
from twomind.evaluation.bundle import read_bundle
from twomind.evaluation.merging import load_merged
from twomind.models.llm.parse import PARSERS, read_as
from twomind.models.llm.settings import LlmSettings
from twomind.pipeline.bah_zero_shot import SCHEMA, Place, ZeroShot, cost, zero_shot


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fake(tmp_path_factory.mktemp("bah"))


@pytest.mark.parametrize(
    ("text", "strict", "else_present", "else_absent"),
    [
        ("Ambivalent", 1, 1, 1),
        ("Non-Ambivalent", 0, 0, 0),
        ("ASSISTANT: Non-Ambivalent", 0, 0, 0),
        ("Answer: Ambivalent", 1, 1, 1),
        ("non-ambivalent", 0, 1, 0),
        ("Ambivalent.", 1, 1, 0),
        ("I cannot tell.", None, 1, 0),
        ("", None, 1, 0),
        ("Ambivalent or Non-Ambivalent", None, 1, 0),
    ],
)
def test_replies_are_read_strictly_and_as_the_two_published_scripts_do(
    text: str, strict: int | None, else_present: int, else_absent: int
) -> None:
    assert [read_as(name, text) for name in PARSERS] == [strict, else_present, else_absent]


def asked(url: str, **more: Any) -> ZeroShot:
    sets = [f"llm.endpoint={url}", "llm.model=m", "llm.frame_px=32", "llm.n_frames=2"]
    sets += [f"{key}={value}" for key, value in more.items()]
    return SCHEMA.read(None, [*sets, "bootstrap=100"]).settings


def row(table: dict[str, Any], level: str, name: str) -> dict[str, Any]:
    return next(one for one in table["levels"][level]["rows"] if one["row"] == name)


def quiet(what: str, done: float, total: float) -> None:
    pass


def test_five_strategies_at_two_levels_with_the_shortcuts(data: Path, tmp_path: Path) -> None:
    with tools.serving(tmp_path / "s", tools.say("maybe both")) as served:
        settings = asked(served.url)
        table = zero_shot(settings, Place(data, tmp_path / "out"), quiet)
        assert len(served.seen) == 14 * 5
        # the words go with td1 and td2 alone, and the question's theme with none
        texts = [json.dumps(request) for request in served.seen]
        assert sum("What the person says" in text for text in texts) == 14 * 2
        assert not any("was asked about" in text for text in texts)
    y = [
        open_dataset(data).label("ambivalence_hesitancy", r.id)
        for r in open_dataset(data).recordings()
        if r.id.startswith("9002")
    ]
    share = float(np.mean(y))
    for name in ("s", "d1", "d2", "td1", "td2"):
        # what cannot be read is all of one class, of the other, or no answer
        assert row(table, "video", f"{name}, else-present")["figures"]["war"]["value"] == (
            pytest.approx(share)
        )
        assert row(table, "video", f"{name}, else-absent")["figures"]["war"]["value"] == (
            pytest.approx(1 - share)
        )
        assert row(table, "video", f"{name}, strict")["coverage"] == 0.0
    assert row(table, "video", "td1, else-present")["published"] == 0.6341
    assert row(table, "frame", "td1, else-present")["published"] == 0.4535
    assert row(table, "frame", "s, else-absent")["figures"]["war"]["value"] > 0.5
    assert any(one["kind"] == "shortcut" for one in table["levels"]["video"]["rows"])
    assert table["unreadable_replies"] == dict.fromkeys(settings.strategies, 14)
    # prompts and replies are kept
    kept = [
        json.loads(line) for line in (tmp_path / "out/exchanges.jsonl").read_text().splitlines()
    ]
    assert len(kept) == 70
    assert all(one["reply"] == "maybe both" and one["prompt"] for one in kept)
    # and replayed without a server, to the same table
    before = (tmp_path / "out" / "table.json").read_bytes()
    (tmp_path / "out" / "table.json").unlink()
    again = asked(served.url, **{"llm.replay": "true"})
    assert zero_shot(again, Place(data, tmp_path / "out"), quiet) == table
    assert (tmp_path / "out" / "table.json").read_bytes() == before
    # nothing of what was said is in a bundle
    done = CliRunner().invoke(
        main,
        [
            "score",
            "report",
            str(tmp_path / "out" / "runs" / "recording"),
            "--bundle",
            str(tmp_path / "b.tar"),
        ],
        env={"TWOMIND_LAB_KEY": str(tmp_path / "k")},
    )
    assert done.exit_code == 0, done.output
    with tarfile.open(tmp_path / "b.tar") as tar:
        assert not any("exchanges" in name for name in tar.getnames())
    assert b"90021" not in (tmp_path / "b.tar").read_bytes()


def test_killed_at_three_places_it_ends_at_the_same_table(data: Path, tmp_path: Path) -> None:
    class Killed(Exception):
        pass

    def until(stop: int) -> Any:
        def tell(what: str, done: float, total: float) -> None:
            if done >= stop:
                raise Killed

        return tell

    with tools.serving(tmp_path / "s", tools.say("Ambivalent")) as served:
        settings = asked(served.url, strategies="s,td1")
        for stop in (1, 9, 20):
            with pytest.raises(Killed):
                zero_shot(settings, Place(data, tmp_path / "out"), until(stop))
        table = zero_shot(settings, Place(data, tmp_path / "out"), quiet)
        assert len(served.seen) == 14 * 2
        whole = zero_shot(settings, Place(data, tmp_path / "other"), quiet)
    assert table == whole
    other = asked(served.url, strategies="s")
    with pytest.raises(BadInput, match="other settings"):
        zero_shot(other, Place(data, tmp_path / "out"), quiet)


def test_the_cost_is_said_before_anything_is_asked(data: Path, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{tools.closed_port()}/v1"
    settings = asked(
        url, **{"llm.budget.price_in": 1.0, "llm.budget.price_out": 2.0, "strategies": "s,td1"}
    )
    found = cost(settings, Place(data, tmp_path / "out"))
    heard = cost(replace(settings, llm=replace(settings.llm, sound=True)), Place(data, tmp_path))
    assert heard["tokens_read_about"] > found["tokens_read_about"]
    assert (found["requests"], found["recorded"]) == (28, 0)
    tokens = found["tokens_read_about"] + 2 * found["tokens_written_at_most"]
    assert found["cost_about"] == pytest.approx(tokens / 1e6)
    assert found["tokens_written_at_most"] == 280


def test_the_command_says_what_there_is(data: Path, tmp_path: Path) -> None:
    def ask(*words: str) -> Any:
        return CliRunner().invoke(main, ["reproduce", "bah", str(data), *words])

    done = ask("--table", "nothing")
    assert done.exit_code == 3
    assert "zero-shot" in done.output
    done = ask("--table", "zero-shot", "--dry-run", "--set", "llm.model=x")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["requests"] == 70
    done = ask("--table", "zero-shot", "--set", "llm.modle=x")
    assert done.exit_code == 3
    assert "llm.model" in done.output
    done = ask("--table", "zero-shot", "--set", "strategies=two_sides")
    assert done.exit_code == 3
    done = ask("--table", "zero-shot", "--set", "llm.strategy=s")
    assert done.exit_code == 3


def test_an_answer_without_a_film_or_words_is_not_asked_and_said(
    tmp_path: Path,
) -> None:
    data = fake(tmp_path / "bah")
    films = sorted(data.rglob("90021_Question_3*.mp4"))
    for film in films:
        if film.is_file():
            film.write_bytes(b"no film")
    with tools.serving(tmp_path / "s", tools.say("Non-Ambivalent")) as served:
        settings = asked(served.url, strategies="s")
        table = zero_shot(settings, Place(data, tmp_path / "out"), quiet)
        assert len(served.seen) == 13
    assert table["not_asked"] == 1
    assert row(table, "video", "s, strict")["coverage"] == pytest.approx(13 / 14)


# --- what the runs tell of where they came from


def made_at(
    data: Path, root: Path, name: str, reply: str, **more: Any
) -> tuple[Path, dict[str, Any]]:
    """The folder of a table with one strategy, and the table."""
    with tools.serving(root / f"s-{name}", tools.say(reply)) as served:
        settings = asked(served.url, strategies="td1", **more)
        table = zero_shot(settings, Place(data, root / name), quiet)
    return root / name / "runs" / "recording", table


def test_tables_of_other_models_and_settings_stand_apart_on_one_board(
    data: Path, tmp_path: Path
) -> None:
    first, table = made_at(data, tmp_path, "a", "Ambivalent")
    model = {"llm.model": "/srv/secret/models/large"}
    second, of_folder = made_at(data, tmp_path, "b", "Non-Ambivalent", **model)
    third, _ = made_at(data, tmp_path, "c", "Non-Ambivalent", **{"llm.n_frames": 1})
    runs = load_merged([first, second, third])
    strict = [run for run in runs if run.model.endswith("td1, strict")]
    assert [run.model for run in strict] == [
        "m: td1, strict",
        "large: td1, strict",
        "m: td1, strict",
    ]
    configs = [dict(run.config) for run in strict]
    differ = {key for key, value in configs[0].items() if configs[2][key] != value}
    assert differ == {"n_frames"}
    assert configs[0] | {"n_frames": 2, "frame_px": 32, "max_tokens": 10, "seed": 42} == configs[0]
    assert configs[0] | {"strategy": "td1", "parser": "strict", "temperature": 0.0} == configs[0]
    # A line of one model is not another one's.
    board = boards(load_merged([first, second]), n_bootstrap=100)[0]
    lines = {line.name: line for line in board.lines if "strict" in line.name}
    assert set(lines) == {"m: td1, strict", "large: td1, strict"}
    accuracy = [line.figures["war"] for line in lines.values()]
    assert sum(accuracy) == pytest.approx(1.0)
    # The page has the rows that it had.
    assert row(table, "video", "td1, strict")["coverage"] == 1.0
    assert of_folder["model"] == "large"
    for file in (tmp_path / "b" / "runs").rglob("run.json"):
        text = file.read_text()
        assert "secret" not in text
        assert "127.0.0.1" not in text
        assert "http" not in text


def test_runs_of_an_earlier_version_do_not_stay_beside_the_new_ones(
    data: Path, tmp_path: Path
) -> None:
    with tools.serving(tmp_path / "s", tools.say("Ambivalent")) as served:
        settings = asked(served.url, strategies="s")
        zero_shot(settings, Place(data, tmp_path / "out"), quiet)
        runs = tmp_path / "out" / "runs"
        made = sorted(runs.rglob("run.json"))
        # As they were called before they said which language model was asked.
        old = runs / "recording" / "bah-official-official-s_strict-seed0"
        shutil.copytree(made[0].parent, old)
        half = tmp_path / "out" / ".checkpoint.safetensors.0123456789ab.part"
        half.write_bytes(b"half")
        zero_shot(settings, Place(data, tmp_path / "out"), quiet)
        assert len(served.seen) == 14
    assert sorted(runs.rglob("run.json")) == made
    assert not old.exists()
    assert not half.exists()


def test_a_bundle_holds_the_settings_and_no_path(data: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "b.tar"
    with tools.serving(tmp_path / "s", tools.say("Ambivalent")) as served:
        words = ["reproduce", "bah", str(data), "--table", "zero-shot", "--bundle", str(bundle)]
        words += ["--out", str(tmp_path / "out"), "--set", f"llm.endpoint={served.url}"]
        words += ["--set", "llm.model=/srv/secret/models/large", "--set", "strategies=td1,td2"]
        words += ["--set", "llm.n_frames=3", "--set", "most=5", "--set", "bootstrap=100"]
        env = {"TWOMIND_LAB_KEY": str(tmp_path / "k")}
        done = CliRunner().invoke(main, words, env=env)
        assert done.exit_code == 0, done.output
    with tarfile.open(bundle) as tar:
        file = tar.extractfile("tables/recipe.json")
        assert file is not None
        recipe = json.loads(file.read())
    assert recipe["strategies"] == ["td1", "td2"]
    assert recipe["most"] == 5
    assert recipe["llm"]["model"] == "large"
    assert recipe["llm"]["n_frames"] == 3
    assert recipe["llm"]["max_tokens"] == 10
    content = bundle.read_bytes()
    assert b"secret" not in content
    assert b"127.0.0.1" not in content
    names = sorted(run.model for run in read_bundle(bundle).runs if "strict" in run.model)
    assert names == ["large: td1, strict"] * 2 + ["large: td2, strict"] * 2


# --- mistakes, and what is left to ask


def test_words_alone_are_asked_about_where_a_strategy_has_them(data: Path, tmp_path: Path) -> None:
    with tools.serving(tmp_path / "s", tools.say("Ambivalent")) as served:
        settings = asked(served.url, strategies="td1", **{"llm.text_only": "true"})
        table = zero_shot(settings, Place(data, tmp_path / "out"), quiet)
        assert len(served.seen) == 14
        assert "image" not in json.dumps(served.seen)
    assert table["not_asked"] == 0
    with pytest.raises(BadInput, match=r"d1 ask about pictures alone.*strategies=td1,td2"):
        asked(served.url, strategies="td1,d1", **{"llm.text_only": "true"})


def test_a_mistake_leaves_no_mark(data: Path, tmp_path: Path) -> None:
    """The corrected command goes on in the same folder."""
    out = tmp_path / "out"
    with tools.serving(tmp_path / "s", tools.say("Ambivalent")) as served:
        settings = asked(served.url, strategies="s")
        with pytest.raises(BadInput):
            zero_shot(settings, Place(tmp_path / "nope", out), quiet)
        local = LlmSettings(model=str(tmp_path / "no-model"), strategy="td1")
        with pytest.raises(BadInput, match="local model"):
            zero_shot(replace(settings, llm=local), Place(data, out), quiet)
        unnamed = replace(settings.llm, model="")
        with pytest.raises(BadInput, match="no language model"):
            zero_shot(replace(settings, llm=unnamed), Place(data, out), quiet)
        assert zero_shot(settings, Place(data, out), quiet)["not_asked"] == 0


def test_recorded_are_those_replies_that_are_not_asked_for_again(
    data: Path, tmp_path: Path
) -> None:
    place = Place(data, tmp_path / "out")
    with tools.serving(tmp_path / "s", tools.say("Ambivalent")) as served:
        settings = asked(served.url, strategies="s", most=3)
        assert cost(settings, place)["recorded"] == 0
        zero_shot(settings, place, quiet)
        assert cost(settings, place)["recorded"] == 3
        assert cost(asked(served.url, strategies="s,d1"), place)["recorded"] == 3
        other = asked(served.url, strategies="d1", most=3)
        assert cost(other, place)["recorded"] == 0
        larger = asked(served.url, strategies="s", most=3, **{"llm.max_tokens": 12})
        assert cost(larger, place)["recorded"] == 0
        # Of a model that is not on this machine nothing is known, and nothing is fetched.
        absent = replace(settings, llm=replace(settings.llm, endpoint=None, model="no/model"))
        assert cost(absent, place)["recorded"] == 0
        assert len(served.seen) == 3


@pytest.mark.slow
def test_a_model_of_this_machine_is_asked_from_film_to_bundle(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    from tests.reproduce_smoke_bah import one_table

    table = one_table("zero-shot", tmp_path)
    assert table["n_answers"] == 3
    assert table["not_asked"] == 0
