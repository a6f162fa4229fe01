"""`recorder fork`: asks several models what one of them was asked, and tables the answers."""

import asyncio
import secrets
from itertools import islice
from typing import Any, NamedTuple

import click
import msgspec

from commands.answer_output import say
from commands.columns import Column, Rows, stdout_console, terminal_width
from commands.command_group import examples
from commands.consent import Charged, ask_before_paying
from commands.decoding import decoder_for
from commands.figures import cost, counted, duration, full_count, short_count
from commands.plain_text import plain
from commands.replay_options import replay_options
from commands.selection import Selection, selection_options
from replay.answer_form import answer_form
from replay.compared_exchange import ComparedExchange, Facts
from replay.fork import prepare_for
from replay.preparation import Preparation, Prepared
from replay.prices import ReplayPrices, is_paid
from replay.replay_error import ReplayError
from replay.sender import Sender
from replay.sent_exchange import answered_at, sent_exchange
from traffic.capture.exchange import RecordedExchange
from traffic.capture.redact import Redactor
from traffic.llm.decode import Decoder


class Answer(NamedTuple):
    name: str | None  # of the model; None: what was recorded
    facts: Facts
    form: dict[str, Any]  # as answer_form.py has it
    problem: str | None  # why there is no answer, or not all of it

    @property
    def is_answered(self) -> bool:
        return self.problem is None and self.facts.status is not None and self.facts.status < 400


@click.command(
    "fork",
    epilog=examples(
        "recorder fork last --models gpt-4o,gpt-4o-mini",
        "recorder fork 092d --models qwen3,gemma3 --to http://localhost:11434 --set temperature=0",
        "recorder fork last --models gpt-4o-mini,gpt-5-mini --json",
    ),
)
@selection_options
@replay_options
@click.option("--models", metavar="A,B,C", required=True, help="The models to ask.")
@click.option("--yes", "is_allowed", is_flag=True, help="Do not ask before sending what a provider charges for.")
@click.option("--json", "as_json", is_flag=True, help="A JSON object per answer, with all of it.")
def fork_command(
    selection: Selection, preparation: Preparation, models: str, *, is_allowed: bool, as_json: bool
) -> None:
    """Ask several models what was asked of one, and table the answers.

    The request goes to each of them at the same time, by the way on which it went when it was recorded, or as the
    options say, and is recorded anew like any other. The first line is what was recorded.

    The exit code is 0 where all models answered, 1 where one did not.
    """
    names = list(dict.fromkeys(name.strip() for name in models.split(",") if name.strip()))
    if not names:
        raise click.BadParameter("expected names with commas between, as in gpt-4o,gpt-4o-mini", param_hint="--models")
    exchange = _one(selection)
    try:
        prepared = [prepare_for(name, preparation, exchange) for name in names]
    except ReplayError as error:
        raise click.ClickException(plain(str(error))) from None
    for note in dict.fromkeys(note for each in prepared for note in each.notes):
        say(note)
    decoder = decoder_for(selection.source)
    if not is_allowed:
        _ask(exchange, prepared, ReplayPrices(decoder))
    say(f"{counted(len(names), 'request')} to {prepared[0].reaches}")
    sent = asyncio.run(_send(exchange, prepared))
    answers = [_answer(name, each, decoder) for name, each in zip(names, sent, strict=True)]
    if as_json:
        for answer in answers:
            click.echo(msgspec.json.encode(answer._asdict()))
    else:
        _print_table([_answer(None, exchange, decoder), *answers])
    raise SystemExit(0 if all(answer.is_answered for answer in answers) else 1)


def _ask(exchange: RecordedExchange, prepared: list[Prepared], prices: ReplayPrices) -> None:
    ask_before_paying(
        [
            Charged(each.request.method, each.reaches, prices.expected_usd(exchange, each))
            for each in prepared
            if is_paid(each)
        ]
    )


def _one(selection: Selection) -> RecordedExchange:
    found = list(islice(selection.exchanges(), 2))
    if len(found) != 1:
        counted = "more were" if found else "none was"
        raise click.UsageError(f"one exchange is asked again, and {counted} given: recorder fork last --models A,B")
    return found[0]


async def _send(exchange: RecordedExchange, prepared: list[Prepared]) -> list[RecordedExchange]:
    sender, redactor = Sender(), Redactor(secrets.token_bytes(16))
    try:
        replies = await asyncio.gather(*(sender.send(each.request) for each in prepared))
    finally:
        sender.close()
    replay_of = exchange.metadata.id
    return [
        answered_at(to.reaches, sent_exchange(to.request, reply, redactor, replay_of))
        for to, reply in zip(prepared, replies, strict=True)
    ]


def _answer(name: str | None, exchange: RecordedExchange, decoder: Decoder) -> Answer:
    compared = ComparedExchange(exchange, decoder)
    error = exchange.metadata.error
    form = answer_form(compared.call) if compared.call is not None else {}
    problem = error.detail if error is not None else None
    return Answer(name, compared.facts, form, problem)


def _print_table(answers: list[Answer]) -> None:
    console = stdout_console()
    rows = Rows(_COLUMNS, answers, terminal_width(console))
    console.print(rows.title())
    for answer in answers:
        console.print(rows.row(answer))


def _said(answer: Answer) -> str:
    """The answer's beginning, or what came in its place."""
    if answer.problem is not None:
        return answer.problem
    error = answer.form.get("error")
    if error:
        return str(error["message"])
    text = answer.form.get("text", "")
    tools = [call["name"] for call in answer.form.get("tool_calls", [])]
    return "  ".join(part for part in (text if isinstance(text, str) else "".join(text), _called(tools)) if part)


def _called(tools: list[str]) -> str:
    return f"→ {', '.join(tools)}" if tools else ""


def _model(answer: Answer) -> str:
    return answer.name or f"{answer.facts.model or '-'} (recorded)"


_COLUMNS = (
    Column("model", _model, width_max=32, style=lambda _: "bold"),
    Column("status", lambda it: "-" if it.facts.status is None else str(it.facts.status), is_number=True),
    Column("took", lambda it: duration(it.facts.total_ms), is_number=True),
    Column("first", lambda it: duration(it.facts.ttft_ms), is_number=True, gives_way=4),
    Column(
        "in",
        lambda it: short_count(it.facts.input_tokens),
        lambda it: full_count(it.facts.input_tokens),
        is_number=True,
        gives_way=3,
    ),
    Column(
        "out",
        lambda it: short_count(it.facts.output_tokens),
        lambda it: full_count(it.facts.output_tokens),
        is_number=True,
        gives_way=2,
    ),
    Column("cost", lambda it: cost(it.facts.cost_usd), is_number=True, gives_way=1),
    Column("answer", _said, width_max=1_000),
)
