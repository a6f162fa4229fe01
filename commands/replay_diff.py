"""`recorder replay --diff`: compares each answer with its recording. `diff_options` gives a command a ReplayDiff, or
None where nobody asked for it.

What was asked is told where the user edited it, and does not matter. How it went there, by which path and with which
header lines, is another thing.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from typing import Any, Final, NoReturn

import click
from msgspec.structs import replace

from commands.columns import stdout_console
from commands.comparison_text import verdict
from commands.decoding import decoder_for
from commands.ignore_option import COMPARED, ignore_option
from commands.plain_text import plain
from commands.replay_run import Hear
from commands.selection import Selection
from commands.verdict import DIFFERENT, SAME, TROUBLE, print_comparison, trouble
from replay.compare import compare
from replay.masks import Masks
from replay.outbox import Waiting
from replay.remembered import Remembered
from replay.sent_exchange import answered_at
from traffic.capture.exchange import RecordedExchange
from traffic.capture.names import short_id
from traffic.llm.decode import Decoder

_OF_THE_WAY: Final = frozenset({"target", "request header"})


class ReplayDiff:
    def __init__(self, decoder: Decoder, masks: Masks, *, as_json: bool) -> None:
        self._decoder = decoder
        self._masks = masks
        self._as_json = as_json
        self._remembered = Remembered()
        self._same = 0
        self._different = 0
        self._unanswered = 0

    def passing(self, exchanges: Iterable[RecordedExchange]) -> Iterator[RecordedExchange]:
        """They are remembered until their replays come, and until this is closed."""
        return self._remembered.passing(exchanges)

    def run(self, replay: Callable[[Hear], None]) -> NoReturn:
        """Compares all that `replay` sends, and exits."""
        with trouble():
            try:
                replay(self.add)
            except SystemExit:  # not all was sent
                raise SystemExit(TROUBLE) from None
        if self._same + self._different + self._unanswered > 1:
            click.echo(self.summary, err=True)
        raise SystemExit(self.exit_code)

    def add(self, replayed: Waiting, sent: RecordedExchange) -> None:
        """Prints what differs. Raises JsonPathError."""
        self._compare(self._remembered.find(replayed.replay_of), answered_at(replayed.reaches, sent))

    def close(self) -> None:
        self._remembered.close()

    def _compare(self, recorded: RecordedExchange, sent: RecordedExchange) -> None:
        error = sent.metadata.error
        if error is not None and not sent.response:
            self._unanswered += 1
            click.echo(plain(f"{short_id(recorded.metadata.id)}  no answer: {error.detail}"), err=True)
            return
        comparison = compare(recorded, sent, self._decoder, self._masks, request_matters=False)
        told = tuple(each for each in comparison.differences if each.section not in _OF_THE_WAY)
        comparison = replace(comparison, differences=told)
        if comparison.is_same:
            self._same += 1
        else:
            self._different += 1
        if self._as_json or told:
            print_comparison(comparison, as_json=self._as_json)
        else:
            stdout_console().print(f"{short_id(recorded.metadata.id)}  ", verdict(comparison), sep="")

    @property
    def exit_code(self) -> int:
        if self._unanswered or not self._same + self._different:
            return TROUBLE
        return DIFFERENT if self._different else SAME

    @property
    def summary(self) -> str:
        """For many."""
        unanswered = f", {self._unanswered:,} without an answer" if self._unanswered else ""
        return f"{self._same:,} the same, {self._different:,} different{unanswered}"


def diff_options(function: Callable[..., None]) -> Callable[..., None]:
    """Used below `selection_options`; the command's function gets `diff`."""

    @click.option("--diff", "is_compared", is_flag=True, help="Compare each answer with its recording.")
    @ignore_option(f"With --diff: {COMPARED[:1].lower()}{COMPARED[1:]}")
    @click.option("--json", "as_json", is_flag=True, help="With --diff: a JSON object per exchange.")
    @wraps(function)
    def command(*, selection: Selection, is_compared: bool, masks: Masks, as_json: bool, **options: Any) -> None:
        if not is_compared and (as_json or masks.is_used):
            raise click.UsageError("--ignore and --json are for --diff")
        diff = ReplayDiff(decoder_for(selection.source), masks, as_json=as_json) if is_compared else None
        try:
            function(selection=selection, diff=diff, **options)
        finally:
            if diff is not None:
                diff.close()

    return command
