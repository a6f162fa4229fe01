"""One exchange as the world is told about it: its recording, and its console lines. Secrets end here.

The exchange calls `begin`, then the direction methods with what passes, then `finish` once. On a route that is not
recorded only the console hears of it.
"""

import secrets
import time
from collections.abc import Callable, Sequence

from recorder.capture.tap import Outcome, Recording, Unrecorded
from recorder.console import FinishedLine, StartedLine
from traffic.capture.events import ExchangeError, Received, Redaction, Started
from traffic.capture.redact import Redactor, Side
from traffic.http1.framing import Body, ChunkedBody
from traffic.http1.head import ResponseHead
from traffic.http1.rewrite import join_lines

from .context import Context

NANOSECONDS_PER_US = 1000


class RequestFacts:
    """What is known of a request when its exchange begins. Texts are latin-1, not yet redacted."""

    __slots__ = (
        "head", "host", "method", "path", "pattern", "removed", "request_line", "route", "upstream_url", "url",
    )  # fmt: skip

    def __init__(self, method: str, path: str, url: str, head: list[bytes] | bytes) -> None:
        self.method = method
        self.path = path
        self.url = url
        self.head = head  # to record: its lines, or the bytes of one that could not be read
        self.request_line = ""
        self.host: str | None = None
        self.removed: Sequence[tuple[bytes, bytes]] = ()
        self.route: str | None = None
        self.pattern: str | None = None
        self.upstream_url: str | None = None


class Transcript:
    __slots__ = ("_client", "_console", "_recording", "_redactor", "_trailers", "first_byte_at", "id", "started_at")

    def __init__(self, context: Context, client_address: str, started_at: int) -> None:
        self.id = _new_id()
        self.started_at = started_at
        self.first_byte_at: int | None = None
        self._client = client_address
        self._console = context.console
        self._redactor = context.redactor
        self._recording: Recording | Unrecorded | None = None
        self._trailers: dict[Side, bytes] = {}

    def begin(self, context: Context, facts: RequestFacts, body: bytes, *, is_recorded: bool) -> None:
        """Open the recording with the request's head and what of its body came with it."""
        redactions = self._redact_facts(facts) if self._redactor else []
        now_ns = time.time_ns()
        if is_recorded:
            started = Started(
                id=self.id,
                started_ns=now_ns,
                route=facts.route,
                pattern=facts.pattern,
                method=facts.method,
                url=facts.url,
                upstream_url=facts.upstream_url,
                client=self._client,
                received=Received(
                    facts.request_line,
                    facts.host,
                    [(name.decode("latin-1"), value.decode("latin-1")) for name, value in facts.removed],
                ),
            )
            self._recording = context.tap.begin(started, self.started_at, redactions)
            head = facts.head if isinstance(facts.head, bytes) else join_lines(facts.head)
            self._recording.request(self.started_at, head, body)
        path, upstream = facts.path, facts.upstream_url
        self._console.show(StartedLine(now_ns / 1e9, self.id[:8], facts.method, path, upstream, is_recorded))

    def request(self, at: int, data: bytes, body: Body) -> None:
        if self._recording is not None:
            self._body("request", self._recording.request, at, data, body)

    def response(self, at: int, data: bytes, body: Body) -> None:
        if self._recording is not None:
            self._body("response", self._recording.response, at, data, body)

    def response_heads(self, reads: list[tuple[int, int]], at: int, heads: list[ResponseHead]) -> None:
        """Heads as they came. `reads` are the earlier reads that held a part of the first one: (offset in it, time)."""
        recording = self._recording
        if recording is None:
            return
        raw = b"".join(head.raw for head in heads)
        recorded = self._without_secrets(raw, "response")
        if reads and recorded is raw:  # with secrets replaced, offsets of reads mean nothing
            for (start, read_at), (end, _) in zip(reads, [*reads[1:], (len(raw), at)], strict=True):
                recording.response(read_at, raw[start:end])
        else:
            recording.response(at, recorded)

    def response_unread(self, at: int, data: bytes) -> None:
        """Bytes of a response that could not be understood and went no further."""
        if self._recording is not None and data:
            self._recording.response(at, self._without_secrets(data, "response"))

    def finish(self, error: ExchangeError | None, answered_by: str | None, status: int | None, connect_us: int | None) -> None:
        total_us = (time.monotonic_ns() - self.started_at) // NANOSECONDS_PER_US
        first_byte_us = None
        if self.first_byte_at is not None:
            first_byte_us = (self.first_byte_at - self.started_at) // NANOSECONDS_PER_US
        response_bytes = 0
        if self._recording is not None:
            self._flush_trailers(self._recording)
            self._recording.finish(Outcome(error, answered_by, connect_us, first_byte_us, total_us))
            response_bytes = self._recording.response_bytes
        line = FinishedLine(
            time.time(), self.id[:8], status, total_us, first_byte_us, response_bytes, error.name if error else None
        )
        self._console.show(line)

    # --- redaction

    def _redact_facts(self, facts: RequestFacts) -> list[Redaction]:
        redactor = self._redactor
        assert redactor is not None
        if isinstance(facts.head, bytes):
            facts.head, redactions = redactor.head(facts.head, "request")
        else:
            redactions = redactor.lines(facts.head, "request")
        if "?" in facts.path or "@" in facts.path:
            facts.path, _ = redactor.url(facts.path, "request")
            facts.url, _ = redactor.url(facts.url, "request")
            facts.request_line, _ = redactor.url(facts.request_line, "request")
            if facts.upstream_url is not None:
                facts.upstream_url, _ = redactor.url(facts.upstream_url, "request")
        if facts.removed:
            lines = [b"", *(b"%b: %b" % field for field in facts.removed)]
            redactions += redactor.lines(lines, "request")
            pairs = [line.partition(b": ") for line in lines[1:]]
            facts.removed = [(name, value) for name, _, value in pairs]
        return redactions

    def _without_secrets(self, raw: bytes, side: Side) -> bytes:
        if self._redactor is None:
            return raw
        recorded, redactions = self._redactor.head(raw, side)
        if redactions and self._recording is not None:
            self._recording.add_redactions(redactions)
        return recorded

    def _body(self, side: Side, put: "Callable[..., None]", at: int, data: bytes, body: Body) -> None:
        """Body bytes pass by reference; the fields of a trailer section wait until they are whole."""
        if self._redactor is None or type(body) is not ChunkedBody or not body.in_trailer:
            put(at, data)
            return
        trailer = self._trailers.pop(side, b"") + data[body.trailer_at :]
        if trailer == b"\r\n" and body.trailer_at:
            put(at, data)
            return
        if body.trailer_at:
            put(at, data[: body.trailer_at])
        if body.done:
            put(at, self._trailer_without_secrets(trailer, side))
        else:
            self._trailers[side] = trailer

    def _flush_trailers(self, recording: Recording | Unrecorded) -> None:
        """Record what had come of trailer sections that were cut."""
        puts: dict[Side, Callable[..., None]] = {"request": recording.request, "response": recording.response}
        for side, trailer in self._trailers.items():
            puts[side](time.monotonic_ns(), self._trailer_without_secrets(trailer, side))
        self._trailers = {}

    def _trailer_without_secrets(self, trailer: bytes, side: Side) -> bytes:
        return self._without_secrets(b"\r\n" + trailer, side)[2:]  # the redactor skips the start line


def _new_id() -> str:
    """A random UUID (RFC 9562, version 4)."""
    digits = secrets.token_hex(16)
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"
