"""commands/replay_diff.py: what `recorder replay --diff` prints of each answer, and its exit codes."""

import json
from typing import Any, NoReturn

import click
import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from commands.replay_diff import ReplayDiff, diff_options
from commands.replay_run import Hear
from commands.selection import Selection, selection_options
from replay.masks import Masks
from replay.outbox import Waiting
from replay.sender import Request
from tests.traffic.llm.example import DECODER, Example, raw
from traffic.capture.exchange import RecordedExchange
from traffic.capture.metadata import ErrorFields

ASKED = {"model": "m", "messages": [{"role": "user", "content": "The capital of France?"}]}


def chat(content: str = "It is Paris.", path: str = "/v1/chat/completions", **asked: Any) -> RecordedExchange:
    choice = {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
    said = {"id": content, "model": "m-1", "choices": [choice]}
    return raw(Example(path, {**ASKED, **asked}, json.dumps(said).encode()))


def unanswered() -> RecordedExchange:
    facts = replace(
        chat().metadata, completed=False, error=ErrorFields("connect_failed", "connect", "upstream", "gone")
    )
    return RecordedExchange(facts, chat().request, b"")


WAITING = Waiting(
    replay_of=chat().metadata.id,
    started_ns=0,
    url="http://llm.test/",
    reaches="http://llm.test",
    is_paid=False,
    expected_usd=None,
    request=Request("llm.test", 80, False, "POST", b""),
    body_at=0,
    body_bytes=0,
)


def compared(*sent: RecordedExchange, ignored: tuple[str, ...] = (), as_json: bool = False) -> ReplayDiff:
    diff = ReplayDiff(DECODER, Masks(ignored), as_json=as_json)
    list(diff.passing([chat()]))
    for each in sent:
        diff.add(WAITING, each)
    diff.close()
    return diff


def test_an_answer_that_is_the_same_is_one_line_however_it_was_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    diff = compared(chat(), chat(path="/llm/v1/chat/completions"))
    assert (diff.exit_code, diff.summary) == (0, "2 the same, 0 different")
    assert capsys.readouterr().out == "092d0424  the same\n" * 2


def test_another_answer_is_shown_and_what_was_edited_does_not_matter(capsys: pytest.CaptureFixture[str]) -> None:
    diff = compared(chat("It is Lyon.", seed=1))
    assert (diff.exit_code, diff.summary) == (1, "0 the same, 1 different")
    assert capsys.readouterr().out.splitlines()[-8:] == [
        "answer:text",
        '  - "It is Paris."',
        '  + "It is Lyon."',
        "",
        "request:seed  (does not matter)",
        "  + 1",
        "",
        "1 difference matters, and 1 that does not",
    ]
    assert compared(chat("It is Lyon."), ignored=("answer:text",)).exit_code == 0


def test_where_no_answer_came_that_is_trouble(capsys: pytest.CaptureFixture[str]) -> None:
    diff = compared(chat(), chat("It is Lyon."), unanswered())
    assert (diff.exit_code, diff.summary) == (2, "1 the same, 1 different, 1 without an answer")
    assert capsys.readouterr().err == "092d0424  no answer: gone\n"
    assert compared().exit_code == 2


def test_json_is_an_object_for_each(capsys: pytest.CaptureFixture[str]) -> None:
    compared(chat(), chat("It is Lyon."), as_json=True)
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(each["same"], len(each["differences"])) for each in found] == [(True, 0), (False, 1)]


@click.command()
@selection_options
@diff_options
def replaying(selection: Selection, diff: ReplayDiff | None) -> None:
    assert selection.is_empty
    click.echo("compared" if diff is not None else "sent")


def test_masks_and_json_are_for_diff_alone() -> None:
    runner = CliRunner()
    assert runner.invoke(replaying, []).output == "sent\n"
    assert runner.invoke(replaying, ["--diff", "--json", "--ignore", "a.b"]).output == "compared\n"
    for arguments in (["--json"], ["--ignore", "a.b"]):
        result = runner.invoke(replaying, arguments)
        assert result.exit_code == 2
        assert result.stderr.splitlines()[-1] == "Error: --ignore and --json are for --diff"


def test_who_does_not_want_to_pay_is_told_that_nothing_was_compared() -> None:
    def decline(_hear: Hear) -> NoReturn:
        raise click.Abort

    diff = compared()
    with pytest.raises(click.ClickException) as raised:
        diff.run(decline)
    assert (raised.value.exit_code, raised.value.message) == (2, "nothing was compared, as nothing was sent")
