"""`recorder replay`: sends recorded exchanges again.

The answer goes to stdout as it comes, all else to stderr.
"""

import logging
from functools import cache

import click

from commands.command_group import examples
from commands.decoding import decoder_for
from commands.many_options import Many, many_options
from commands.outgoing import Outgoing
from commands.replay_diff import ReplayDiff, diff_options
from commands.replay_options import replay_options
from commands.replay_run import replay_all
from commands.selection import Selection, selection_options
from replay.preparation import Preparation
from replay.prices import ReplayPrices
from replay.sender import Request
from traffic.llm.live_answer import LiveAnswer, live_answer
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
        "recorder replay baseline --set model=gpt-5 --diff --ignore @masks.txt --yes",
    ),
)
@selection_options
@replay_options
@many_options
@diff_options
@click.option("--raw", "is_raw", is_flag=True, help="Print the bytes of the answer's body instead of its text.")
def replay_command(
    selection: Selection, preparation: Preparation, many: Many, diff: ReplayDiff | None, *, is_raw: bool
) -> None:
    """Send recorded exchanges again and print the answers as they come.

    ID is an exchange's, or its first digits (four or more), `last` for the newest, `last~2` for two before it. PATH is
    one of an exchange's files, a folder of recordings, a bundle, HAR or WARC; no server is needed for it.

    By default a request goes where the client sent it: through the recorder, which records it anew. Keys are redacted
    in recordings: they come from --header, the route's `key` in the configuration, OPENAI_API_KEY, ANTHROPIC_API_KEY,
    OPENROUTER_API_KEY or GEMINI_API_KEY (each for its own provider alone), or the vault.

    With --diff the exit code is 0 where all answers are the same as recorded, 1 where a difference matters, 2 where
    not all were answered.
    """
    if selection.is_empty:
        raise click.UsageError("say what to send again: an ID, as last, a PATH, or --query")
    registry = find_dialects(log.warning)

    def make_live(request: Request) -> LiveAnswer | None:
        return None if is_raw else live_answer(registry.dialects, request.method, request.data)

    outgoing = Outgoing(preparation, many, cache(lambda: ReplayPrices(decoder_for(selection.source))))
    if diff is None or many.is_dry_run:
        replay_all(selection.exchanges(), outgoing, make_live)
    else:
        diff.run(lambda hear: replay_all(diff.passing(selection.exchanges()), outgoing, make_live, hear))
