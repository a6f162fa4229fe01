"""Sends exchanges again, one or many: the one path of all replays.

    prepare all -> ask, where a provider charges -> send by the schedule -> say what was sent and what was not

Called by the commands that replay.
"""

import asyncio
import secrets
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from pathlib import Path

import click

from commands.answer_output import AnswerOutput, say
from commands.event_loop import allow_open_files, loop_factory, settle_memory
from commands.many_options import Many
from commands.outgoing import Outgoing
from commands.plain_text import plain
from commands.progress import Progress, progress
from commands.replay_summary import Ending, summary
from replay.answer import NOTHING, Reply, Wanted
from replay.budget import Budget
from replay.exchange_files import write_exchange
from replay.outbox import Outbox, Waiting
from replay.prices import ReplayPrices
from replay.running import Run
from replay.sender import Request, Sender
from replay.sent_exchange import sent_exchange
from replay.tally import Tally
from traffic.capture.exchange import RecordedExchange
from traffic.capture.redact import Redactor
from traffic.llm.live_answer import LiveAnswer

Hear = Callable[[Waiting, RecordedExchange], None]  # gets each request with its answer
MakeLive = Callable[[Request], LiveAnswer | None]  # None: the bytes of the answer's body are shown


def replay_all(
    exchanges: Iterable[RecordedExchange], outgoing: Outgoing, make_live: MakeLive, hear: Hear | None = None
) -> None:
    """`hear` takes the place of what is printed of answers. Raises click.ClickException; SystemExit where not all was
    sent, or not all answered and nobody hears of it.
    """
    many = outgoing.many
    with Outbox() as outbox:
        for waiting in outgoing.prepared(islice(exchanges, many.limit)):
            outbox.add(waiting)
        if many.schedule.speed is not None:
            outbox.waiting.sort(key=lambda waiting: waiting.started_ns)
        if many.is_dry_run:
            outgoing.tell(outbox.waiting)
            return
        prices = None
        if many.cost_usd_max is not None:
            prices = outgoing.prices()
            outbox.waiting = outgoing.priced(outbox.waiting)
        outgoing.ask(outbox.waiting)
        _Replay(many, outbox, make_live, prices, hear).run()


class _Replay:
    def __init__(
        self, many: Many, outbox: Outbox, make_live: MakeLive, prices: ReplayPrices | None, hear: Hear | None
    ) -> None:
        self._many = many
        self._hear = hear
        self._outbox = outbox
        self._make_live = make_live
        self._prices = prices
        self._total = len(outbox.waiting) * many.schedule.repeat
        self._shows_answers = many.shows_answers(self._total) and hear is None
        self._tally = Tally()
        self._redactor = Redactor(secrets.token_bytes(16))
        self._tell: Progress | None = None
        self._sender: Sender
        budget = None if many.cost_usd_max is None else Budget(many.cost_usd_max)
        self._run = Run(self._send, many.under_way_max, budget, lambda waiting: waiting.expected_usd or 0.0)

    def run(self) -> None:
        if self._many.out is not None:
            _make_folder(self._many.out)
        allow_open_files()
        began_s = time.monotonic()
        stopped_by = "interrupted"
        try:
            with self._progress() as self._tell, asyncio.Runner(loop_factory=loop_factory()) as runner:
                runner.run(self._send_all())
            stopped_by = "stopped, as more could exceed --max-cost" if self._run.is_stopped else ""
        finally:
            self._sum_up(time.monotonic() - began_s, stopped_by)
        if self._run.is_stopped or (self._tally.errors and self._hear is None):
            raise SystemExit(1)

    def _progress(self) -> AbstractContextManager[Progress | None]:
        is_quiet = self._shows_answers or self._hear is not None  # what is printed would break the bar
        return nullcontext() if is_quiet else progress("sending")

    async def _send_all(self) -> None:
        self._sender = Sender()
        waiting = self._outbox.waiting
        due = self._many.schedule.due_s([each.started_ns for each in waiting])
        settle_memory()  # looking through all that waits, again and again, would hold sendings up
        try:
            await self._run.run((waiting[number], due_s) for number, due_s in due)
        finally:
            self._sender.close()

    async def _send(self, waiting: Waiting, late_s: float) -> float | None:
        request = self._outbox.request(waiting)
        if self._shows_answers:
            reply = await self._show(request, waiting.url)
        else:
            reply = await self._sender.send(request, Wanted() if self._keeps else NOTHING)
        self._tally.add(reply, late_s * 1000 + (reply.durations_ms.connect or 0.0))
        if self._tell is not None:
            self._tell(self._tally.ended, self._total)
        return self._keep(request, reply, waiting) if self._keeps else None

    async def _show(self, request: Request, url: str) -> Reply:
        say(f"{request.method} {url}, {len(request.data):,} bytes")
        output = AnswerOutput(self._make_live(request))
        reply = await self._sender.send(request, Wanted(output.head, output.body, keeps_bytes=self._keeps))
        output.end(reply)
        if reply.error is not None:
            click.echo(f"Error: {plain(reply.error.detail)}", err=True)
        return reply

    @property
    def _keeps(self) -> bool:
        return self._many.out is not None or self._prices is not None or self._hear is not None

    def _keep(self, request: Request, reply: Reply, waiting: Waiting) -> float | None:
        """What it cost."""
        sent = sent_exchange(request, reply, self._redactor, waiting.replay_of)
        if self._many.out is not None:
            try:
                write_exchange(self._many.out, sent)
            except OSError as error:
                raise _cannot_write(error) from None
        if self._hear is not None:
            self._hear(waiting, sent)
        return None if self._prices is None else self._prices.found_usd(sent, waiting.reaches)

    def _sum_up(self, took_s: float, stopped_by: str) -> None:
        is_beside = self._shows_answers or self._hear is not None  # what stdout is for
        if self._total == 1 and is_beside and not self._run.is_stopped:
            return
        ending = Ending(self._total, self._run.begun, took_s, self._many.schedule.has_times, stopped_by)
        for line in summary(self._tally, ending, self._run.budget):
            click.echo(plain(line), err=is_beside)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_write(error) from None


def _cannot_write(error: OSError) -> click.ClickException:
    return click.ClickException(plain(f"{error.filename}: {error.strerror}"))
