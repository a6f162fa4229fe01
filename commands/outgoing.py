"""What is to be sent again, before the first of it is: all of it prepared, told, and asked about.

Called by replay_run.py.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import click

from commands.answer_output import say
from commands.consent import Charged, ask_before_paying
from commands.figures import cost, counted
from commands.many_options import Many
from commands.plain_text import plain
from replay.destination import is_loopback, split_url
from replay.outbox import Waiting
from replay.preparation import Preparation, Prepared
from replay.prices import ReplayPrices, is_paid
from replay.replay_error import ReplayError, UnfitError
from traffic.capture import names
from traffic.capture.exchange import RecordedExchange
from traffic.capture.names import short_id


@dataclass(frozen=True, slots=True)
class Outgoing:
    preparation: Preparation
    many: Many
    prices: Callable[[], ReplayPrices]

    def prepared(self, exchanges: Iterable[RecordedExchange]) -> Iterator[Waiting]:
        """Recordings of what is no whole request are passed over, unless they are all. Raises click.ClickException."""
        notes = dict[str, None]()
        problems = Counter[str]()
        found = False
        for exchange in exchanges:
            try:
                prepared = self.preparation.prepare(exchange)
            except UnfitError as error:
                problems[str(error)] += 1
                continue
            except ReplayError as error:
                raise click.ClickException(plain(str(error))) from None
            notes |= dict.fromkeys(prepared.notes)
            found = True
            yield self._waiting(exchange, prepared)
        if not found:
            raise click.ClickException(plain(next(iter(problems), "no exchange was found to send again")))
        for note in notes:
            say(note)
        for problem, count in problems.items():
            say(f"{counted(count, 'exchange')} passed over: {problem}")

    def tell(self, waiting: Sequence[Waiting]) -> None:
        """A line each."""
        schedule = self.many.schedule
        due = islice(schedule.due_s([each.started_ns for each in waiting]), len(waiting))
        for number, due_s in due:
            click.echo(plain("  ".join(self._facts(waiting[number], due_s))))
        times = f", {schedule.repeat:,} times" if schedule.repeat > 1 else ""
        say(f"{counted(len(waiting), 'request')}{times}; nothing was sent")

    def priced(self, waiting: Sequence[Waiting]) -> list[Waiting]:
        """As --max-cost needs them: what nobody knows the cost of counts as the dearest other. Raises
        click.ClickException.
        """
        known = [each.expected_usd for each in waiting if each.is_paid and each.expected_usd is not None]
        unknown = [each for each in waiting if each.expected_usd is None]
        if not unknown:
            return list(waiting)
        if not known:
            raise click.ClickException(
                f"--max-cost cannot be kept: nobody knows what {short_id(unknown[0].replay_of)} costs at "
                f"{unknown[0].reaches}; `prices` in the configuration gives models a price"
            )
        dearest = max(known)
        known_by_nobody = f"nobody knows what {counted(len(unknown), 'request')} will cost"
        say(f"{known_by_nobody}; each counts as {cost(dearest)}, the most of all")
        return [each if each.expected_usd is not None else each._replace(expected_usd=dearest) for each in waiting]

    def ask(self, waiting: Sequence[Waiting]) -> None:
        """Raises click.ClickException or click.Abort where it is not to be sent."""
        if self.many.is_allowed:
            return
        paid = [each for each in waiting if each.is_paid]
        charged = [Charged(each.request.method, each.reaches, each.expected_usd) for each in paid]
        ask_before_paying(charged, self.many.schedule.repeat)

    def _waiting(self, exchange: RecordedExchange, prepared: Prepared) -> Waiting:
        facts, request = exchange.metadata, prepared.request
        charged = is_paid(prepared)
        return Waiting(
            replay_of=facts.id,
            started_ns=names.moment_ns(facts.started_at),
            url=prepared.url,
            reaches=prepared.reaches,
            is_paid=charged,
            expected_usd=self._expected_usd(exchange, prepared, is_paid=charged),
            request=request,
            body_at=0,
            body_bytes=0,
        )

    def _expected_usd(self, exchange: RecordedExchange, prepared: Prepared, *, is_paid: bool) -> float | None:
        """What is asked of others than known providers costs nothing, as far as nobody tells otherwise."""
        many = self.many
        if is_paid and (many.cost_usd_max is not None or many.is_dry_run or not many.is_allowed):
            return self.prices().expected_usd(exchange, prepared)
        if many.cost_usd_max is None or is_loopback(split_url(prepared.reaches)):
            return 0.0
        return self.prices().expected_usd(exchange, prepared) or 0.0

    def _facts(self, waiting: Waiting, due_s: float) -> Iterator[str]:
        if self.many.schedule.has_times:
            yield f"+{due_s:.3f}s"
        yield f"{waiting.request.method} {waiting.url}"
        if not waiting.url.startswith(waiting.reaches + "/"):
            yield f"to {waiting.reaches}"
        yield f"{len(waiting.request.data) + waiting.body_bytes:,} bytes"
        yield f"replays {short_id(waiting.replay_of)}"
        if waiting.is_paid:
            yield cost(waiting.expected_usd)
