"""One exchange: a request on its way to the upstream and the response on its way back.

The client's and the upstream's connection tell it what happens; it forwards the same bytes, tells the transcript, and
ends once: `_finish` is the only way out.

    client_*    from the client's connection        upstream_*   from the upstream's
    begin / refuse_head    where an exchange starts
"""

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

import msgspec

from recorder.routing.routes import Own
from traffic.capture.events import ExchangeError
from traffic.http1.framing import NO_BODY, FramingError
from traffic.http1.head import HeadError, RequestHead, ResponseHead
from traffic.http1.message import END, ResponseEvent, ResponseReader
from traffic.http1.rewrite import rewrite_request, rewrite_response

from .answers import encode_answer
from .context import Context
from .dial import DialError
from .flow import Hold
from .plan import Answer, Forward
from .transcript import Transcript
from .upstream import UpstreamConnection

if TYPE_CHECKING:
    from .client import ClientConnection

VIA = b"1.1 recorder"
_IDEMPOTENT = frozenset(["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"])  # RFC 9110 §9.2.2


class Exchange:
    __slots__ = (
        "_abandoned_bytes", "_answered_by", "_can_keep_client", "_client_is_gone", "_connect_us", "_context", "_drained_bytes",
        "_early", "_error", "_forward", "_head", "_is_finished", "_is_tunnel", "_last_at", "_partial_reads", "_reader",
        "_replay", "_request_is_over", "_response_head", "_response_is_over", "_status", "_transcript", "client", "upstream",
    )  # fmt: skip

    def __init__(self, context: Context, client: "ClientConnection", at: int) -> None:
        self.client = client
        self.upstream: UpstreamConnection | None = None
        self._context = context
        self._transcript = Transcript(context, client.address, at)
        self._head: RequestHead | None = None
        self._forward: Forward | None = None  # None: the recorder answers
        self._reader: ResponseReader | None = None
        self._response_head: ResponseHead | None = None  # the final one, once it has come
        self._early: list[bytes] = []  # for the upstream, until its connection stands
        self._replay: list[bytes] | None = None  # what was sent, as long as it may be sent again
        self._partial_reads: list[tuple[int, int]] = []  # reads that ended inside a response's head: (offset, time)
        self._last_at = at
        self._connect_us: int | None = None
        self._answered_by: str | None = None
        self._status: int | None = None
        self._error: ExchangeError | None = None  # known, while the rest still goes its way
        self._drained_bytes = 0  # of a request that goes nowhere
        self._abandoned_bytes = 0  # of a response that nobody takes any more
        self._can_keep_client = False
        self._client_is_gone = False
        self._request_is_over = False
        self._response_is_over = False
        self._is_tunnel = False
        self._is_finished = False

    # --- beginning

    def begin(self, head: RequestHead, body: bytes, *, is_whole: bool) -> None:
        context = self._context
        self._head = head
        self._can_keep_client = head.keeps_alive
        self._request_is_over = is_whole
        plan = context.planner.plan(head.method, head.value(b"host"), head.target)
        if plan.is_recorded and context.queue.failure and context.settings.capture.on_failure == "fail_closed":
            detail = "the recorder cannot record at the moment and is set to refuse then (capture.on_failure)"
            plan = msgspec.structs.replace(
                plan, action=Answer(503, detail, _error("capture_failed", "capture", "recorder", detail))
            )
        if isinstance(plan.action, Own):
            self._answer_own(plan.action)
            return
        action = plan.action
        if isinstance(action, Forward):
            via = VIA if context.settings.via else None
            host = None if action.route.preserve_host and head.value(b"host") else action.destination.authority
            rewritten = rewrite_request(head, action.target, host, via)
            forwarded = rewritten.raw + body  # before the transcript takes the lines over
            self._transcript.begin(head, plan, rewritten, body)
            self._forward = action
            self._reader = ResponseReader(head.method)
            self._send_upstream(forwarded)
            self._find_upstream()
        else:
            assert action is not None
            self._transcript.begin(head, plan, rewrite_request(head, head.target, None), body)
            self._answer(action)

    def refuse_head(self, raw: bytes, problem: str, status: int, name: str) -> None:
        """The client's bytes are no request: say so, record what came, end the connection."""
        context = self._context
        context.rejected_heads += 1
        self._request_is_over = True
        self._transcript.begin_refused(raw, is_recorded=context.settings.log_unmatched)
        by = "client" if status < 500 else "recorder"
        self._answer(Answer(status, problem, _error(name, "request_head", by, problem)))

    # --- the way up

    def client_sent(self, data: bytes, at: int, *, is_whole: bool) -> None:
        if self._is_finished:
            return
        self._last_at = at
        if data:
            self._transcript.request(at, data, self.client.reader.body)
        self._request_is_over = is_whole
        if self._answered_by == "recorder":
            self._drain(len(data))
        elif data:
            self._send_upstream(data)
        self._finish_if_over()

    def client_ended(self) -> bool:
        """The client will send nothing more. True: it still gets what comes."""
        if self._is_tunnel:
            self._request_is_over = True
            if self.upstream is not None and self.upstream.flow.transport.can_write_eof():
                self._context.queue.forward(_write_eof, self.upstream.flow.transport)
            self._finish_if_over()
            return not self._is_finished
        if self._request_is_over:
            return True
        self._fail(_error("client_disconnect", "request_body", "client", "the client ended its request too early"))
        return False

    def client_lost(self) -> None:
        if self._is_finished:
            return
        error = _error("client_disconnect", self._phase, "client", "the client closed its connection")
        if self._is_tunnel and self._response_is_over:
            self._finish(None)
        elif self._is_tunnel or self._error is not None or self._answered_by == "recorder":
            self._finish(self._error or error)
        elif (
            self._forward is not None and self._forward.route.on_client_disconnect == "drain" and self._request_is_over
        ):
            self._client_is_gone = True
            self._error = error
            if self.upstream is not None:
                self.upstream.flow.release(Hold.PEER)
        else:
            self._finish(error)

    def request_broken(self, problem: str) -> None:
        """The client's body breaks its framing: nothing of it may go on."""
        if self._is_finished:
            return
        error = _error("bad_request", "request_body", "client", problem)
        if self._response_head is None and self._answered_by is None:
            self._can_keep_client = False
            self._request_is_over = True
            self._answer(Answer(400, problem, error))
        else:
            self._fail(error)

    def _send_upstream(self, data: bytes) -> None:
        limits = self._context.settings.limits
        if self._replay is not None:
            self._replay.append(data)
            if sum(map(len, self._replay)) > limits.replay_bytes:
                self._replay = None
        if self.upstream is not None:
            self._context.queue.write(self.upstream.flow.transport, data)
            return
        self._early.append(data)
        if sum(map(len, self._early)) > limits.early_bytes:
            self.client.flow.hold(Hold.EARLY)

    def _find_upstream(self) -> None:
        assert self._forward is not None
        assert self._head is not None
        pooled = self._context.pool.take(self._forward.destination.origin)
        if pooled is None:
            self._context.tasks.start(self._connect())
        else:
            if self._head.method in _IDEMPOTENT:
                self._replay = list(self._early)
            self._attach(pooled)

    async def _connect(self) -> None:
        assert self._forward is not None
        began = time.monotonic_ns()
        try:
            timeout_s = self._forward.route.timeouts.connect_s
            connection = await self._context.pool.connect(self._forward.destination, timeout_s)
        except DialError as failure:
            if not self._is_finished:
                self._fail_upstream(failure.error, failure.status)
            return
        self._last_at = time.monotonic_ns()
        self._connect_us = (self._last_at - began) // 1000
        if self._is_finished:
            connection.close()
        else:
            self._attach(connection)

    def _attach(self, connection: UpstreamConnection) -> None:
        self.upstream = connection
        connection.exchange = self
        early, self._early = self._early, []
        self._context.queue.write(connection.flow.transport, early[0] if len(early) == 1 else b"".join(early))
        self.client.flow.release(Hold.EARLY)
        if self.client.is_full:
            connection.flow.hold(Hold.PEER)

    def _try_again(self) -> bool:
        """A pooled connection died before it answered: where that is safe, use a fresh one, once."""
        upstream, replay = self.upstream, self._replay
        if upstream is None or not upstream.was_used or replay is None or self._transcript.first_byte_at is not None:
            return False
        upstream.close()
        self.upstream, self._replay, self._early = None, None, replay
        self._context.tasks.start(self._connect())
        return True

    # --- the way back

    def upstream_sent(self, data: bytes) -> None:
        at = self._last_at = time.monotonic_ns()
        transcript, reader = self._transcript, self._reader
        assert reader is not None
        if transcript.first_byte_at is None:
            transcript.first_byte_at = at
        known = len(reader.partial_head)
        try:
            events = reader.feed(data)
        except (HeadError, FramingError) as error:
            transcript.response_unread(at, reader.partial_head[known:] + data if known else data)
            phase = "response_body" if self._response_head is not None else "response_head"
            self._fail_upstream(_error("bad_response", phase, "upstream", str(error)), 502)
            return
        if len(events) == 1 and type(events[0]) is bytes:  # the body goes on, as with most reads
            transcript.response(at, events[0], reader.body)
            self._pass_on(events[0])
        else:
            self._take_response(events, at, known)
        queue = self._context.queue
        if queue.blocks and self.upstream is not None:
            self.upstream.flow.hold(Hold.QUEUE)
            queue.resume_later(self.upstream)

    def _take_response(self, events: list[ResponseEvent], at: int, known: int) -> None:
        reader, transcript = self._reader, self._transcript
        assert reader is not None
        heads = [event for event in events if isinstance(event, ResponseHead)]
        rest = b"".join(event for event in events if isinstance(event, bytes))
        if heads:
            reads = [*self._partial_reads, (known, at)] if self._partial_reads else []
            transcript.response_heads(reads, at, heads, rest, reader.body)
            self._partial_reads, known = [], 0
        elif rest:
            transcript.response(at, rest, reader.body)
        if reader.partial_head:
            self._partial_reads.append((known, at))
        if heads and heads[-1].status == 101 and not self._begin_tunnel():
            return
        passing = b"".join(map(self._take_head, heads)) + rest
        if passing:
            self._pass_on(passing)
        if self._is_tunnel and heads:
            self.client_sent(self.client.reader.become_tunnel(), at, is_whole=False)
            self.client.flow.release(Hold.EARLY)
        if events and events[-1] is END:
            self._response_is_over = True
            self._after_response()

    def _take_head(self, head: ResponseHead) -> bytes:
        """The head as the client gets it."""
        assert self._head is not None
        if head.status >= 200 or head.status == 101:
            self._response_head = head
            self._status = head.status
            self._answered_by = "upstream"
        elif self._head.version == (1, 0):
            return b""  # RFC 9110 §15.2: no interim response for an HTTP/1.0 client
        return rewrite_response(head, VIA if self._context.settings.via else None).raw

    def _begin_tunnel(self) -> bool:
        assert self._head is not None
        if not self._head.wants_websocket or not self._request_is_over:
            detail = "the upstream switched protocols although the client did not ask for a WebSocket"
            self._fail_upstream(_error("bad_response", "response_head", "upstream", detail), 502)
            return False
        self._is_tunnel = True
        self._request_is_over = False
        self._replay = None
        return True

    def _pass_on(self, data: bytes) -> None:
        if not self._client_is_gone:
            self._context.queue.write(self.client.flow.transport, data)
            return
        self._abandoned_bytes += len(data)
        if self._abandoned_bytes > self._context.settings.limits.abandoned_bytes:
            self._finish(self._error)

    def _after_response(self) -> None:
        """The response is whole. An upload may go on, unless the upstream is known to take no more of it."""
        head, reader = self._response_head, self._reader
        assert head is not None
        assert reader is not None
        if not self._request_is_over and not self._is_tunnel:
            if not head.keeps_alive or self._client_waits_for_continue or reader.body.ends_with_connection:
                detail = "the upstream answered before it had the whole request, and took no more of it"
                self._fail(_error("request_cut", "request_body", "upstream", detail))
                return
        self._finish_if_over()

    def upstream_ended(self) -> bool:
        """The upstream will send nothing more. True: it still takes what the client sends."""
        assert self._reader is not None
        events = self._reader.eof()
        if not events:
            return False  # connection_lost follows
        self._response_is_over = True
        if self._is_tunnel and not self._request_is_over:
            self._context.queue.forward(_write_eof, self.client.flow.transport)
            return True
        self._after_response()
        return False

    def upstream_lost(self, exc: Exception | None) -> None:
        if self._is_finished:
            return
        if self._is_tunnel and self._response_is_over:
            self._finish(None)
            return
        if self._response_is_over:
            detail = "the upstream closed its connection before it had the whole request"
            self._fail(_error("request_cut", "request_body", "upstream", detail))
        elif not self._try_again():
            how = "reset" if exc is not None else "closed"
            self._fail_upstream(
                _error("upstream_reset", self._phase, "upstream", f"the upstream {how} its connection"), 502
            )

    # --- ending

    def check_deadlines(self, now_s: float) -> None:
        """Called about once a second."""
        if self._is_finished:
            return
        idle_s = now_s - self._last_at / 1e9
        timeouts = self._forward.route.timeouts if self._forward else self._context.settings.default_timeouts
        if idle_s < timeouts.idle_s or (self._forward is not None and self.upstream is None):
            return  # connecting has its own deadline
        waits_for_client = not self._request_is_over or (
            self.upstream is not None and self.upstream.flow.is_held_by_peer
        )
        if self._is_tunnel or not waits_for_client:
            detail = f"nothing came for {timeouts.idle_s:g} s (timeouts.idle_s)"
            self._fail_upstream(_error("upstream_timeout", self._phase, "upstream", detail), 504)
        else:
            detail = f"the client took or sent nothing for {timeouts.idle_s:g} s (timeouts.idle_s)"
            self._fail(_error("client_timeout", self._phase, "client", detail))

    def shut_down(self) -> None:
        """The recorder stops and cannot wait any longer."""
        if not self._is_finished:
            self._fail(_error("shutdown", self._phase, "recorder", "the recorder was stopped"))

    @property
    def _client_waits_for_continue(self) -> bool:
        """It may never send the body, now that it has its answer (RFC 9110 §10.1.1)."""
        return self._head is not None and b"100-continue" in self._head.tokens(b"expect")

    @property
    def _phase(self) -> str:
        if self._is_tunnel:
            return "tunnel"
        if self._response_head is not None:
            return "response_body" if not self._response_is_over else "request_body"
        if self._forward is not None and self.upstream is None:
            return "connect"
        return "response_head" if self._request_is_over else "request_body"

    def _fail_upstream(self, error: ExchangeError, status: int) -> None:
        """No whole response will come: answer in the upstream's place, or leave the truncation visible."""
        if self._response_head is None and not self._client_is_gone:
            self._answer(Answer(status, f"{error.name}: {error.detail}", error))
        else:
            self._fail(error)

    def _fail(self, error: ExchangeError) -> None:
        self._finish(self._error or error)

    def _answer(self, answer: Answer) -> None:
        """Answer in the upstream's place."""
        self._let_upstream_go()
        self._early, self._replay = [], None
        self._answered_by = "recorder"
        self._error = answer.error
        is_unread = answer.status == 408 or (self._head is None)
        self._can_keep_client = self._can_keep_client and not is_unread
        method = self._head.method if self._head else "GET"
        body = answer.text.encode("utf-8", "replace") + b"\n"
        data = encode_answer(
            answer.status, body, method=method, closes=not self._can_keep_client, location=answer.location
        )
        at = time.monotonic_ns()
        if self._transcript.first_byte_at is None:
            self._transcript.first_byte_at = at
        self._transcript.response(at, data, NO_BODY)
        self._status = answer.status
        self._context.queue.write(self.client.flow.transport, data)
        self._response_is_over = True
        self.client.flow.release(Hold.EARLY)
        if self._request_is_over:
            self._finish_if_over()
        elif self._client_waits_for_continue:
            self._drain(self._context.settings.limits.drain_bytes + 1)

    def _answer_own(self, own: Own) -> None:
        """An endpoint of the recorder's own: neither recorded nor shown."""
        assert self._head is not None
        content_type, body = self._context.own_page(own)
        keeps = self._can_keep_client and self._request_is_over
        data = encode_answer(200, body, method=self._head.method, closes=not keeps, content_type=content_type)
        self._context.queue.write(self.client.flow.transport, data)
        self._is_finished = True
        self.client.exchange_over(keep_alive=keeps, lingers=not self._request_is_over)

    def _drain(self, count: int) -> None:
        """Take the rest of a request that goes nowhere, up to a limit."""
        self._drained_bytes += count
        if not self._request_is_over and self._drained_bytes > self._context.settings.limits.drain_bytes:
            detail = "the recorder answered and did not read the request to its end"
            self._finish(self._error or _error("request_cut", "request_body", "recorder", detail))

    def _finish_if_over(self) -> None:
        if self._response_is_over and self._request_is_over and not self._is_finished:
            self._finish(self._error)

    def _finish(self, error: ExchangeError | None) -> None:
        if self._is_finished:
            return
        self._is_finished = True
        self._transcript.finish(error, self._answered_by, self._status, self._connect_us)
        reusable = error is None and self._upstream_is_reusable()
        self._let_upstream_go(keep=reusable)
        is_whole = self._response_is_over
        ends_with_connection = self._reader is not None and self._reader.body.ends_with_connection
        if not is_whole and ends_with_connection and not self._is_tunnel:
            self.client.exchange = None
            self.client.reset()  # a plain close would look like the response's end
            return
        keep_alive = is_whole and self._request_is_over and self._client_may_go_on()
        self.client.exchange_over(keep_alive=keep_alive, lingers=is_whole and not self._is_tunnel)

    def _client_may_go_on(self) -> bool:
        if not self._can_keep_client or self._client_is_gone:
            return False
        if self._answered_by == "recorder":
            return True
        assert self._response_head is not None
        assert self._reader is not None
        return self._response_head.version == (1, 1) and not self._reader.body.ends_with_connection

    def _upstream_is_reusable(self) -> bool:
        head, reader = self._response_head, self._reader
        if head is None or reader is None or self._head is None or self._is_tunnel:
            return False
        is_clean = not reader.stray and not reader.body.ends_with_connection
        return is_clean and head.keeps_alive and self._head.version == (1, 1)

    def _let_upstream_go(self, *, keep: bool = False) -> None:
        upstream, self.upstream = self.upstream, None
        if upstream is None:
            return
        if keep and not upstream.flow.transport.is_closing():
            upstream.exchange = None
            upstream.was_used = True
            upstream.flow.release(Hold.PEER)
            self._context.pool.release(upstream, self._last_at / 1e9, _keep_alive_s(self._response_head))
        else:
            upstream.exchange = None
            self._context.queue.forward(upstream.flow.transport.abort)


def _write_eof(transport: asyncio.WriteTransport) -> None:
    if not transport.is_closing():
        with contextlib.suppress(OSError, NotImplementedError):
            transport.write_eof()


def _keep_alive_s(head: ResponseHead | None) -> float | None:
    """What the upstream's `Keep-Alive: timeout=N` says."""
    value = head.value(b"keep-alive") if head else None
    for item in (value or b"").lower().split(b","):
        name, _, seconds = item.strip().partition(b"=")
        if name == b"timeout" and seconds.isdigit():
            return float(seconds)
    return None


def _error(name: str, phase: str, by: str, detail: str) -> ExchangeError:
    return ExchangeError(name, phase, by, detail)
