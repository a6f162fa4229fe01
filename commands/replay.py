"""`recorder replay`: sends recorded exchanges again.

The answer goes to stdout as it comes, all else to stderr.
"""

import asyncio
import logging

import click

from commands.answer_output import AnswerOutput, say
from commands.command_group import examples
from commands.plain_text import plain
from commands.replay_options import replay_options
from commands.selection import Selection, selection_options
from replay.answer import Wanted
from replay.preparation import Preparation
from replay.replay_error import ReplayError
from replay.sender import Sender
from traffic.capture.exchange import RecordedExchange
from traffic.llm.dialect import Dialect
from traffic.llm.live_answer import live_answer
from traffic.llm.registry import find_dialects

log = logging.getLogger(__name__)


@click.command(
    "replay",
    epilog=examples(
        "recorder replay last",
        "recorder replay 092d --set model=gpt-4o --set temperature=0",
        "recorder replay last~2 --set messages[-1].content=@prompt.txt --to lmstudio",
        "recorder replay logs/2026-09-13_02-11-09.123_092d0424_request.bin --to http://localhost:1234",
        "recorder replay --query 'model=gpt-4o since=1h' --direct",
    ),
)
@selection_options
@replay_options
@click.option("--raw", "is_raw", is_flag=True, help="Print the bytes of the answer's body instead of its text.")
def replay_command(selection: Selection, preparation: Preparation, *, is_raw: bool) -> None:
    """Send recorded exchanges again and print the answers as they come.

    ID is an exchange's, or its first digits (four or more), `last` for the newest, `last~2` for two before it. PATH is
    one of an exchange's files, or a folder of recordings; no server is needed for it.

    By default a request goes where the client sent it: through the recorder, which records it anew. Keys are redacted
    in recordings: they come from --header, the route's `key` in the configuration, OPENAI_API_KEY, ANTHROPIC_API_KEY,
    OPENROUTER_API_KEY or GEMINI_API_KEY (each for its own provider alone), or the vault.
    """
    if selection.is_empty:
        raise click.UsageError("say what to send again: an ID, as last, a PATH, or --query")
    dialects = None if is_raw else find_dialects(log.warning).dialects
    asyncio.run(_replay_all(selection, preparation, dialects))


async def _replay_all(selection: Selection, preparation: Preparation, dialects: tuple[Dialect, ...] | None) -> None:
    sender, is_empty = Sender(), True
    try:
        for exchange in selection.exchanges():
            await _replay(sender, exchange, preparation, dialects)
            is_empty = False
    finally:
        sender.close()
    if is_empty:
        raise click.ClickException("no exchange passes these filters")


async def _replay(
    sender: Sender, exchange: RecordedExchange, preparation: Preparation, dialects: tuple[Dialect, ...] | None
) -> None:
    try:
        request, url, _, notes = preparation.prepare(exchange)
    except ReplayError as error:
        raise click.ClickException(plain(str(error))) from None
    say(f"{request.method} {url}, {len(request.data):,} bytes")
    for note in notes:
        say(note)
    live = None if dialects is None else live_answer(dialects, exchange.metadata, request.data)
    output = AnswerOutput(live)
    reply = await sender.send(request, Wanted(output.head, output.body, keeps_bytes=False))
    output.end(reply)
    if reply.error is not None:
        raise click.ClickException(plain(reply.error.detail))
