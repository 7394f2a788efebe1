"""The record of replies: resumed after a kill, replayed without a network, and never over
budget.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from twomind.core.errors import BadInput
from twomind.models.llm.ask import (
    Budget,
    BudgetSpent,
    EndpointFailed,
    Picture,
    Reply,
    Request,
    Spent,
    Token,
)
from twomind.models.llm.record import Recorder

pytest.importorskip("openai")
import llm_tools as tools

answer, first, recogniser, say, serving = (
    tools.answer,
    tools.first,
    tools.recogniser,
    tools.say,
    tools.serving,
)

JOB = """
import importlib.util, os, sys
sys.path.insert(0, os.path.dirname(sys.argv[1]))
spec = importlib.util.spec_from_file_location("llm_tools", sys.argv[1])
tools = importlib.util.module_from_spec(spec)
sys.modules["llm_tools"] = tools
spec.loader.exec_module(tools)
model = tools.recogniser(sys.argv[2], record=__import__("pathlib").Path(sys.argv[3]), per_minute=600)
for n in range(8):
    if n == 5:
        sys.stdin.readline()  # waits here for ever to be killed, or goes on where there is no input
    print(float(model.predict(tools.answer(recording=f"r{n}", said=f"number {n}")).probs[1]), flush=True)
"""


def test_a_killed_run_goes_on_where_it_was_and_asks_nothing_twice(tmp_path: Path) -> None:
    record = tmp_path / "record.jsonl"
    with serving(tmp_path, say(tokens=first(0.8, 0.2))) as served:
        command = [sys.executable, "-c", JOB, tools.__file__, served.url, str(record)]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        for _ in range(3):
            process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdin.close()
        process.stdout.close()
        with open(record, "ab") as file:
            file.write(b'{"item": "half a li')  # what a kill in the middle of a write leaves
        before = len(served.seen)
        done = sum(
            json.loads(line)["state"] == "reply" for line in record.read_text().splitlines()[:-1]
        )
        assert 3 <= done < 8
        found = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True
        )
        assert [float(x) for x in found.stdout.split()] == pytest.approx([0.8] * 8)
        # Only what had no recorded reply was asked again; the one in flight may reach the server
        # after the kill.
        assert len(served.seen) - before in (8 - done, 9 - done)
    replies = [e for e in map(json.loads, _whole(record)) if e["state"] == "reply"]
    assert len({e["item"] for e in replies}) == len(replies) == 8


def _whole(record: Path) -> list[str]:
    return [line for line in record.read_text().splitlines() if line.endswith("}")]


def test_replay_answers_from_the_record_and_touches_no_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = tmp_path / "record.jsonl"
    with serving(tmp_path, say(tokens=first(0.7, 0.3))) as served:
        made = recogniser(served.url, record=record).predict(answer())
        url = served.url

    def never(*_: object, **__: object) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket, "socket", never)
    monkeypatch.setattr(socket, "getaddrinfo", never)
    monkeypatch.delenv("TWOMIND_LLM_KEY", raising=False)
    before = record.read_bytes()
    again = recogniser(url, record=record, replay=True)
    again.check()
    replayed = again.predict(answer())
    assert replayed.probs.tolist() == made.probs.tolist()
    assert replayed.evidence == made.evidence
    assert record.read_bytes() == before
    assert again.summary()["this_run"] == {"asked": 0, "from_the_record": 1}
    # A name that would have to be looked up is no obstacle either, and what was never asked has no
    # answer.
    for model in (
        recogniser("http://model.example/v1", record=record, replay=True),
        recogniser(url, record=record, replay=True, strategy="td2"),
    ):
        model.check()
        with pytest.raises(EndpointFailed, match="no reply to this request is recorded"):
            model.predict(answer())
    with pytest.raises(BadInput, match="there is none at"):
        recogniser(url, record=tmp_path / "absent.jsonl", replay=True).check()


def test_another_question_is_another_request(tmp_path: Path) -> None:
    """What an answer depends on is in its key, and what it does not depend on is not."""
    with serving(tmp_path, say(tokens=first(0.8, 0.2))) as served:
        base: dict = {"record": tmp_path / "record.jsonl"}
        recogniser(served.url, **base).predict(answer())
        same = [{}, {"timeout_s": 9.0}, {"per_minute": 6000.0}, {"budget": Budget(max_requests=99)}]
        for settings in same:
            recogniser(served.url, **(base | settings)).predict(answer(recording="another name"))
        assert len(served.seen) == 1
        other = [
            {"model": "n"},
            {"strategy": "td2"},
            {"seed": 1},
            {"use_question": False},
            {"text_only": True},
        ]
        other += [{"max_tokens": 9}, {"jpeg_quality": 50}]
        for n, settings in enumerate(other, 2):
            recogniser(served.url, **(base | settings)).predict(answer())
            assert len(served.seen) == n
        recogniser(served.url, **base).predict(answer(said="other words"))
        recogniser(served.url, **base).predict(answer(n_pictures=3))
        assert len(served.seen) == 10
    assert (
        "I should go" not in base["record"].read_text()
    )  # the person's words are not kept in the record


def test_the_budget_of_requests_counts_tries_and_earlier_runs(tmp_path: Path) -> None:
    record = tmp_path / "record.jsonl"
    steps = [{"do": "fail", "code": 500}, say(tokens=first(0.8, 0.2))]
    with serving(tmp_path, *steps) as served:
        model = recogniser(served.url, record=record, budget=Budget(max_requests=3))
        model.predict(answer(said="one"))  # two tries
        model.predict(answer(said="two"))
        for _ in range(2):
            with pytest.raises(
                BudgetSpent, match=r"budget of 3 requests is spent.*raise the limit"
            ):
                model.predict(answer(said="three"))
            assert len(served.seen) == 3
            model = recogniser(
                served.url, record=record, budget=Budget(max_requests=3)
            )  # a new run, the same record
            model.predict(answer(said="one"))  # what is recorded costs nothing
        recogniser(served.url, record=record, budget=Budget(max_requests=4)).predict(
            answer(said="three")
        )
        assert len(served.seen) == 4


@pytest.mark.parametrize(
    ("budget", "n"),
    [
        (Budget(max_tokens=250), 2),  # 150 a reply: the second goes over, the third is not asked
        (Budget(max_cost=0.003, price_in=10, price_out=20), 2),  # 0.002 a reply
        (Budget(max_requests=0), 0),
    ],
)
def test_budgets_of_tokens_and_cost_stop_before_the_next_request(
    tmp_path: Path, budget: Budget, n: int
) -> None:
    usage = {"prompt_tokens": 100, "completion_tokens": 50}
    with serving(tmp_path, say(tokens=first(0.8, 0.2), usage=usage)) as served:
        model = recogniser(served.url, budget=budget)
        for k in range(n):
            model.predict(answer(said=f"number {k}"))
        with pytest.raises(BudgetSpent):
            model.predict(answer(said="one more"))
        assert len(served.seen) == n


def test_a_budget_of_tokens_is_not_pretended_where_nobody_counts_them(tmp_path: Path) -> None:
    with serving(tmp_path, say(tokens=first(0.8, 0.2), usage=None)) as served:
        model = recogniser(served.url, budget=Budget(max_tokens=10_000))
        model.predict(answer(said="one"))
        with pytest.raises(BudgetSpent, match="without a count of tokens"):
            model.predict(answer(said="two"))
    with pytest.raises(BadInput, match="both prices"):
        Budget(max_cost=1.0)
    assert (
        Spent(tokens_in=2_000_000, tokens_out=1_000_000).cost(Budget(price_in=1.5, price_out=2))
        == 5.0
    )


def test_a_reply_survives_the_file_and_damage_costs_one_line(tmp_path: Path) -> None:
    import numpy as np

    class Once:
        identity = {"kind": "test"}  # noqa: RUF012

        def attempt(self, request: Request) -> Reply:
            return Reply(
                "Ambivalent – ü",
                (Token("A", -0.1, (("A", -0.1), ("N", -2.5))),),
                3,
                1,
                "stop",
                "m",
                0.5,
            )

    request = Request("hello", (Picture(0.5, np.zeros((2, 2, 3), np.uint8)),))
    path = tmp_path / "r.jsonl"
    reply = Recorder(path).ask(request, {"kind": "test"}, Once)
    other = Request("hello", (Picture(0.5, np.ones((2, 2, 3), np.uint8)),))
    assert other.key({"kind": "test"}) != request.key(
        {"kind": "test"}
    )  # a changed pixel is another picture
    path.write_text(path.read_text() + '{"item": "x", "state": "reply", "reply": {"text": 3}}\n')
    again = Recorder(path, replay=True)
    assert again.ask(request, {"kind": "test"}, Once) == reply
    assert again.spent.replies == 1
