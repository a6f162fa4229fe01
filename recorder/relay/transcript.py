"""One exchange as the world is told about it: its recording, and its console lines. Secrets end here.

The exchange calls `begin` or `begin_refused`, then the direction methods with what passes, then `finish` once. On a
route that is not recorded only the console hears of it. `at` arguments are time.monotonic_ns().
"""

import random
import time
from collections.abc import Callable
from itertools import pairwise

from recorder.capture.tap import Recording, Unrecorded
from recorder.capture.vault import VaultKeeper
from recorder.console import FinishedLine, StartedLine
from traffic.capture.events import ExchangeError, Received, Redaction, Started
from traffic.capture.names import is_uuid
from traffic.capture.redact import LOOKED_AT, Redactor, Side
from traffic.http1.framing import NO_BODY, Body, ChunkedBody
from traffic.http1.head import RequestHead, ResponseHead
from traffic.http1.message import ResponseReader
from traffic.http1.rewrite import REPLAY_OF, Rewritten, join_lines, set_target

from .context import Context
from .plan import Answer, Forward, Plan


class Transcript:
    __slots__ = (
        "_client",
        "_context",
        "_partial_reads",
        "_recording",
        "_redactor",
        "_trailers",
        "_unrecorded_bytes",
        "first_byte_at",
        "id",
        "started_at",
    )

    def __init__(self, context: Context, client_address: str, started_at: int) -> None:
        self.id = _new_id()
        self.started_at = started_at
        self.first_byte_at: int | None = None
        self._context = context
        self._redactor = context.redactor  # for all of it, whatever the settings become
        self._client = client_address
        self._recording: Recording | Unrecorded | None = None
        self._trailers: dict[Side, bytes] = {}
        self._partial_reads: list[tuple[int, int]] = []  # that ended inside a response's head: (offset in it, time)
        self._unrecorded_bytes = 0  # of the response, on a route that is not recorded

    def begin(self, head: RequestHead, plan: Plan, rewritten: Rewritten, data: bytes, body: Body) -> None:
        """Open the recording with the head as it goes upstream and the `data` of its `body` that came with it."""
        redactor = self._redactor
        redactions = list(plan.redactions)
        lines, removed = rewritten.lines, rewritten.removed
        if redactor is not None:
            keeping = redactor
            if (vault := self._context.vault) is not None and plan.is_recorded and isinstance(plan.action, Forward):
                self._redactor = keeping = _keeping(vault, plan, plan.action)
            redactions += keeping.fields(lines, head.names, "request")
            if removed and not LOOKED_AT.isdisjoint(name.lower() for name, _ in removed):
                shown = [b"", *(b"%b: %b" % field for field in removed)]
                redactions += redactor.lines(shown, "request")
                removed = [(name, value) for name, _, value in (line.partition(b": ") for line in shown[1:])]
        elif plan.key is not None:  # no recording holds a key of the recorder's own
            own, mark = [head.field(place) for place in plan.key_places], b"[key:%b]" % plan.key.encode()
            removed = [(field[0], mark) if field in own else field for field in removed]
        host = head.host
        received = Received(
            f"{head.method} {plan.path} HTTP/{head.version[0]}.{head.version[1]}",
            None if host is None else host.decode("latin-1"),
            [(name.decode("latin-1"), value.decode("latin-1")) for name, value in removed],
        )
        if plan.is_recorded:
            set_target(lines, plan.recorded_target)
            lines.append(plan.proxy_path_line)
            self._open(self._started(head.method, plan, received, _replay_of(head)), redactions)
            self._record("request", self.started_at, data, body, join_lines(lines))
        answer = plan.action.name if isinstance(plan.action, Answer) else ""
        self._context.console.show(
            StartedLine(time.time(), self.id[:8], head.method, plan.path, plan.upstream_url, plan.is_recorded, answer)
        )

    def begin_refused(self, raw: bytes, *, is_recorded: bool) -> None:
        """Open the recording of a head that cannot be acted on: its bytes as they came."""
        redactor = self._redactor
        shown, redactions = redactor.head(raw, "request") if redactor is not None else (raw, [])
        request_line = shown.split(b"\r\n", 1)[0].decode("latin-1")
        words = request_line.split(" ")
        method, path = words[0][:32], words[1] if len(words) > 1 else ""
        if is_recorded:
            nowhere = Plan(None, None, None, is_recorded=True, url=path)
            self._open(self._started(method, nowhere, Received(request_line, None, [])), redactions)
            self._record("request", self.started_at, b"", NO_BODY, shown)
        self._context.console.show(StartedLine(time.time(), self.id[:8], method, path, None, is_recorded, "REFUSED"))

    def request(self, at: int, data: bytes, body: Body) -> None:
        if self._recording is not None:
            self._record("request", at, data, body)

    def response(self, at: int, data: bytes, body: Body) -> None:
        if self._recording is not None:
            self._record("response", at, data, body)
        else:
            self._unrecorded_bytes += len(data)

    def response_read(
        self, at: int, heads: list[ResponseHead], rest: bytes, reader: ResponseReader, known: int
    ) -> None:
        """A read that held more than body bytes: the heads that it completed, and the body's bytes behind them.

        `known`: bytes of the first head, or of one that is still not whole, that earlier reads had brought.
        """
        if heads:
            reads = [*self._partial_reads, (known, at)] if self._partial_reads else []
            self._response_heads(reads, at, heads, rest, reader.body)
            self._partial_reads, known = [], 0
        elif rest:
            self.response(at, rest, reader.body)
        if reader.partial_head:
            self._partial_reads.append((known, at))

    def _response_heads(
        self, reads: list[tuple[int, int]], at: int, heads: list[ResponseHead], rest: bytes, body: Body
    ) -> None:
        """`reads` each held a part of the first head, the latest included."""
        recording = self._recording
        if recording is None:
            self._unrecorded_bytes += sum(len(head.raw) for head in heads) + len(rest)
            return
        raw = heads[0].raw if len(heads) == 1 else b"".join(head.raw for head in heads)
        recorded = raw
        if (redactor := self._redactor) is not None:
            shown = [redactor.response_head(head) for head in heads]
            recorded = b"".join([data for data, _ in shown])
            for _, redactions in shown:
                recording.add_redactions(redactions)
        if reads and recorded == raw:  # with secrets replaced, offsets of reads mean nothing
            for (start, read_at), (end, _) in pairwise(reads):
                recording.response(read_at, raw[start:end])
            recorded = raw[reads[-1][0] :]
        self._record("response", at, rest, body, recorded)

    def response_head_cut(self, reader: ResponseReader | None) -> None:
        """Where the rest of a response's head will not come: record its start."""
        if self._partial_reads and reader is not None:
            self.response_unread(self._partial_reads[-1][1], reader.partial_head)

    def own_answer(self, at: int, data: bytes) -> None:
        """A whole response of the recorder's own. The client's query is in a redirect's Location."""
        if self._recording is None:
            self._unrecorded_bytes += len(data)
            return
        head, end, body = data.partition(b"\r\n\r\n")
        self._recording.response(at, self._without_secrets(head, "response") + end, body)

    def response_unread(self, at: int, data: bytes) -> None:
        """Bytes of a response that could not be understood and went no further: a head's, a body's or a trailer's."""
        self._partial_reads = []
        data = self._trailers.pop("response", b"") + data
        if self._recording is not None and data:
            self._recording.response(at, self._trailer_without_secrets(data, "response"))

    def finish(
        self, error: ExchangeError | None, answered_by: str | None, status: int | None, connect_us: int | None
    ) -> None:
        total_us = (time.monotonic_ns() - self.started_at) // 1000
        first_byte_us = None
        if self.first_byte_at is not None:
            first_byte_us = (self.first_byte_at - self.started_at) // 1000
        response_bytes = self._unrecorded_bytes
        if self._recording is not None:
            if self._trailers:
                self._flush_trailers(self._recording)
            self._recording.finish(error, answered_by, connect_us, first_byte_us, total_us)
            response_bytes = self._recording.response_bytes
        name = error.name if error else None
        self._context.console.show(
            FinishedLine(time.time(), self.id[:8], status, total_us, first_byte_us, response_bytes, name)
        )

    # --- inside

    def _started(self, method: str, plan: Plan, received: Received, replay_of: str | None = None) -> Started:
        return Started(
            self.id,
            time.time_ns(),
            plan.route,
            plan.pattern,
            method,
            plan.url,
            plan.upstream_url,
            self._client,
            received,
            plan.key,
            plan.provider,
            replay_of,
        )

    def _open(self, started: Started, redactions: list[Redaction]) -> None:
        self._recording = self._context.tap.begin(started, self.started_at, redactions)

    def _without_secrets(self, raw: bytes, side: Side) -> bytes:
        redactor = self._redactor
        if redactor is None:
            return raw
        recorded, redactions = redactor.head(raw, side)
        if redactions and self._recording is not None:
            self._recording.add_redactions(redactions)
        return recorded

    def _record(self, side: Side, at: int, data: bytes, body: Body, head: bytes = b"") -> None:
        """One read: the end of a head, if it held one, already without secrets, and bytes of the body, by reference."""
        assert self._recording is not None
        put = self._recording.request if side == "request" else self._recording.response
        if type(body) is ChunkedBody and body.in_trailer and self._redactor is not None:
            data = self._hold_trailer(side, data, body)
        if head:
            put(at, head, data)
        elif data:
            put(at, data)

    def _hold_trailer(self, side: Side, data: bytes, body: ChunkedBody) -> bytes:
        """What may be recorded of a read that ends in the trailer section: its fields wait until they are whole."""
        trailer = self._trailers.pop(side, b"") + data[body.trailer_at :]
        if trailer == b"\r\n" and body.trailer_at:
            return data
        if body.done:
            return data[: body.trailer_at] + self._trailer_without_secrets(trailer, side)
        self._trailers[side] = trailer
        return data[: body.trailer_at]

    def _flush_trailers(self, recording: Recording | Unrecorded) -> None:
        """Record what had come of trailer sections that were cut."""
        puts: dict[Side, Callable[..., None]] = {"request": recording.request, "response": recording.response}
        for side, trailer in self._trailers.items():
            puts[side](time.monotonic_ns(), self._trailer_without_secrets(trailer, side))
        self._trailers = {}

    def _trailer_without_secrets(self, trailer: bytes, side: Side) -> bytes:
        return self._without_secrets(b"\r\n" + trailer, side)[2:]  # the redactor skips the start line


def _replay_of(head: RequestHead) -> str | None:
    if (value := head.value(REPLAY_OF)) is None:
        return None
    text = value.decode("latin-1")
    return text if is_uuid(text) else None


def _keeping(vault: VaultKeeper, plan: Plan, forward: Forward) -> Redactor:
    """What has each secret kept that goes upstream. Those in the target were replaced when it was planned."""
    destination = forward.destination
    redactor = vault.redactor_for(f"{destination.scheme}://{destination.authority.decode()}")
    if plan.redactions:
        redactor.url(forward.target.decode("latin-1"), "request")
    return redactor


def _new_id() -> str:
    """A random UUID (RFC 9562, version 4)."""
    digits = f"{random.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"
