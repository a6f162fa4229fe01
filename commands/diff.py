"""`recorder diff`: what differs between two recorded exchanges, and what varies between recordings of one request."""

from collections.abc import Iterator
from itertools import chain, islice

import click
import msgspec

from commands.command_group import examples
from commands.comparison_text import value_text
from commands.decoding import decoder_for
from commands.ignore_option import COMPARED, as_options, ignore_option
from commands.selection import Selection, selection_options
from commands.verdict import DIFFERENT, SAME, print_comparison, trouble
from replay.compare import compare
from replay.learn import Learned, learn
from replay.masks import Masks
from traffic.capture.exchange import RecordedExchange

_TEXTS = frozenset({"answer:text", "answer:text[*]"})


@click.command(
    "diff",
    epilog=examples(
        "recorder diff last~1 last",
        "recorder diff 092d last --answers --ignore 'response:choices[*].message.annotations'",
        "recorder diff baseline/2026-09-13_02-11-09.123_092d0424 last --json",
        "recorder diff --learn last~2 last~1 last > masks.txt",
        "recorder diff last~1 last --ignore @masks.txt",
    ),
)
@click.option(
    "--answers", "answers_only", is_flag=True, help="What was asked may differ: it is told, and does not matter."
)
@ignore_option(COMPARED)
@click.option(
    "--learn", "is_learning", is_flag=True, help="Print what to ignore: what varies between these recordings."
)
@click.option("--json", "as_json", is_flag=True, help="All that was found, as one JSON object.")
@selection_options
def diff_command(selection: Selection, masks: Masks, *, answers_only: bool, is_learning: bool, as_json: bool) -> None:
    """Compare two recorded exchanges.

    Ids, times, fingerprints and the like are passed over; docs/comparing.md lists them, and what matters. Tokens, cost
    and times are told, and are no difference.

    The exit code is 0 where both are the same, 1 where a difference matters, 2 where they cannot be compared.
    """
    with trouble():
        exchanges = selection.exchanges()
        decoder = decoder_for(selection.source)
        if is_learning:
            first, others = _first_of_several(exchanges)
            _print_learned(learn(first, others, decoder, masks), as_json=as_json)
            return
        a, b = _pair(exchanges)
        comparison = compare(a, b, decoder, masks, request_matters=not answers_only)
    print_comparison(comparison, as_json=as_json)
    raise SystemExit(SAME if comparison.is_same else DIFFERENT)


def _pair(exchanges: Iterator[RecordedExchange]) -> tuple[RecordedExchange, RecordedExchange]:
    found = list(islice(exchanges, 3))
    if len(found) != 2:
        counted = ("none was", "one was", "", "more were")[len(found)]
        raise click.UsageError(f"two exchanges are compared, and {counted} given: recorder diff last~1 last")
    return found[0], found[1]


def _first_of_several(exchanges: Iterator[RecordedExchange]) -> tuple[RecordedExchange, Iterator[RecordedExchange]]:
    """Two at least; one is in memory at a time, beside the first."""
    found = list(islice(exchanges, 2))
    if len(found) < 2:
        raise click.UsageError("--learn takes two or more recordings of one request: recorder diff --learn last~1 last")
    return found[0], chain(found[1:], exchanges)


def _print_learned(learned: Learned, *, as_json: bool) -> None:
    """Raises click.ClickException where masks are no help."""
    if as_json:
        click.echo(msgspec.json.encode(learned))
    else:
        for line in as_options(learned.ignore):
            click.echo(line)
        click.echo(_summary(learned), err=True)
    if learned.left:
        first = learned.left[0]
        what = f"{first.section}: {value_text(first.a)} and {value_text(first.b)}"
        raise click.ClickException(f"no mask helps with {what}; give recordings of one request that ended alike")


def _summary(learned: Learned) -> str:
    what = {0: "nothing varies that is not passed over already", 1: "1 path varies"}
    text = f"{learned.recordings} recordings: {what.get(len(learned.ignore), f'{len(learned.ignore)} paths vary')}"
    if _TEXTS.intersection(learned.ignore):
        text += "; the answer's words are among them: without that line, `recorder diff` goes on to compare them"
    return text
