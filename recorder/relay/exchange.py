"""One exchange: a request on its way to the upstream and the response on its way back.

The two connections tell it what happens; it passes the same bytes on, tells the transcript, and ends once: `_finish` is
the only way out. An exchange is over when its request and its response are, or when an error ends it. One whose
upstream switches protocols leaves its place to a tunnel.

    begin, refuse_head   where an exchange starts
    client_*             from the client's connection
    upstream_*           from the upstream's
"""

import time
from typing import TYPE_CHECKING

import msgspec

from recorder.routing.routes import Own
from traffic.capture.events import ExchangeError
from traffic.http1.framing import FramingError
from traffic.http1.head import HeadError, RequestHead, ResponseHead
from traffic.http1.message import END, ResponseEvent, ResponseReader
from traffic.http1.rewrite import rewrite_request, rewrite_response
from traffic.keys import KeyRing

from .admission import admit, check_caller
from .answers import encode_answer
from .context import Context
from .flow import Hold
from .leg import Leg
from .persistence import client_goes_on, upstream_goes_on, waits_for_continue
from .plan import Answer, Forward, Plan
from .transcript import Transcript
from .tunnel import Tunnel

if TYPE_CHECKING:
    from .client import ClientConnection

VIA = b"1.1 recorder"


class Exchange:
    __slots__ = (
        "_abandoned_bytes",
        "_answered_by",
        "_client_is_gone",
        "_context",
        "_drained_bytes",
        "_error",
        "_forward",
        "_head",
        "_interim_responses",
        "_reader",
        "_request_is_over",
        "_response_head",
        "_response_is_over",
        "_status",
        "_transcript",
        "client",
        "is_finished",
        "last_at",
        "leg",
    )

    def __init__(self, context: Context, client: "ClientConnection", at: int) -> None:
        self.client = client
        self.leg: Leg | None = None  # None: the recorder answers
        self.is_finished = False
        self._context = context
        self._transcript = Transcript(context, client.address, at)
        self._head: RequestHead | None = None  # None: it was refused
        self._forward: Forward | None = None
        self._reader: ResponseReader | None = None
        self._response_head: ResponseHead | None = None  # the final one, once it has come
        self._interim_responses = 0
        self._status: int | None = None
        self._answered_by: str | None = None
        self._error: ExchangeError | None = None  # known, while the rest still goes its way
        self.last_at = at  # when the latest bytes came, or might have, had the recorder read on
        self._drained_bytes = 0  # of a request that goes nowhere
        self._abandoned_bytes = 0  # of a response that nobody takes any more
        self._client_is_gone = False
        self._request_is_over = False
        self._response_is_over = False

    # --- beginning

    def begin(self, head: RequestHead, body: bytes, *, is_whole: bool) -> None:
        context = self._context
        self._head = head
        self._request_is_over = is_whole
        plan = self._plan(head)
        action = plan.action
        if isinstance(action, Forward):
            via = VIA if context.settings.via else None
            rewritten = rewrite_request(head, action.target, action.host, via, plan.key_places)
            forwarded = rewritten.raw + body  # before the transcript takes the lines over
            self._transcript.begin(head, plan, rewritten, body, self.client.reader.body)
            self._forward = action
            self._reader = ResponseReader(head.method, context.settings.limits.message)
            self.leg = Leg(context, self, action)
            self.leg.start(head.method, forwarded)
        elif isinstance(action, Answer):
            rewritten = rewrite_request(head, head.target, None, without=plan.key_places)
            self._transcript.begin(head, plan, rewritten, body, self.client.reader.body)
            self._answer(action)
        elif action is not None:
            self._answer_own(action)

    def _plan(self, head: RequestHead) -> Plan:
        context = self._context
        plan = context.planner.plan(head.method, head.host, head.target)
        if plan.is_recorded and context.queue.failure and context.settings.capture.on_failure == "fail_closed":
            detail = "the recorder cannot record at the moment and is set to refuse then (capture.on_failure)"
            answer = Answer(503, detail, ExchangeError("capture_failed", "capture", "recorder", detail))
            plan = msgspec.structs.replace(plan, action=answer)
        if isinstance(plan.action, Own):
            plan = check_caller(plan, head, context.settings)
        if context.settings.keys:
            plan = admit(plan, head, KeyRing(context.settings.keys))
        return plan

    def refuse_head(self, raw: bytes, problem: str, status: int, name: str) -> None:
        """The client's bytes are no request: say so, record what came, end the connection."""
        self._context.rejected_heads += 1
        self._request_is_over = True
        self._transcript.begin_refused(raw, is_recorded=self._context.settings.log_unmatched)
        self._answer(Answer(status, problem, ExchangeError(name, "request_head", "client", problem)))

    # --- the way up

    def client_sent(self, data: bytes, at: int, *, is_whole: bool) -> None:
        if self.is_finished:
            return
        self.last_at = at
        self._request_is_over = is_whole
        if data:
            self._transcript.request(at, data, self.client.reader.body)
            if self.leg is not None:
                self.leg.send(data)
            else:
                self._drain(len(data))
        self._finish_if_over()

    def client_ended(self) -> None:
        """The client will send nothing more. It still gets what comes, unless its request was cut."""
        if not self._request_is_over:
            self._fail("client_disconnect", "client", "the client ended its request too early")

    def client_lost(self) -> None:
        if self.is_finished:
            return
        error = ExchangeError("client_disconnect", self._phase, "client", "the client closed its connection")
        drains = self._forward is not None and self._forward.route.on_client_disconnect == "drain"
        if drains and self._request_is_over and self.leg is not None:
            self._client_is_gone = True
            self._error = error
            self.leg.release()
        else:
            self._finish(self._error or error)

    def request_broken(self, problem: str) -> None:
        """The client's body breaks its framing: nothing of it may go on."""
        if self.is_finished:
            return
        if self._answered_by is None:
            self._answer(
                Answer(400, problem, ExchangeError("bad_request", "request_body", "client", problem)), closes=True
            )
        self._fail("bad_request", "client", problem)

    # --- the way back

    def upstream_sent(self, data: bytes) -> None:
        at = self.last_at = time.monotonic_ns()
        transcript, reader = self._transcript, self._reader
        assert reader is not None
        assert self.leg is not None
        if reader.stray:
            return  # nothing behind a response's end is looked at, or kept
        if transcript.first_byte_at is None:
            transcript.first_byte_at = at
            self.leg.stop_replay()
        partial = reader.partial_head
        try:
            events = reader.feed(data)
        except (HeadError, FramingError) as error:
            transcript.response_unread(at, partial + data)
            self._fail_upstream("bad_response", str(error), 502)
            return
        if len(events) == 1 and type(events[0]) is bytes:  # the body goes on, as with most reads
            transcript.response(at, events[0], reader.body)
            self._pass_on(events[0])
        else:
            self._take_response(reader, events, at, len(partial))
        if self._context.queue.blocks and self.leg is not None:
            self.leg.wait_for_queue()

    def _take_response(self, reader: ResponseReader, events: list[ResponseEvent], at: int, known: int) -> None:
        """A read that held more than body bytes. `known`: bytes of a head that earlier reads had brought."""
        heads: list[ResponseHead] = []
        rest = b""
        for event in events:
            if isinstance(event, ResponseHead):
                heads.append(event)
            elif event is not END:
                rest = event
        self._transcript.response_read(at, heads, rest, reader, known)
        if problem := self._problem_of(heads):
            self._fail_upstream("bad_response", problem, 502)
            return
        passing = b"".join(map(self._take_head, heads)) + rest
        if passing:
            self._pass_on(passing)
        if heads and heads[-1].status == 101:
            self._become_tunnel()
        elif events[-1:] == [END]:
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
        return rewrite_response(head, VIA if self._context.settings.via else None)

    def _problem_of(self, heads: list[ResponseHead]) -> str | None:
        """What is wrong with heads that are well-formed."""
        if not heads or (heads[0].status >= 200 and heads[-1].status != 101):
            return None
        may_tunnel = self._head is not None and self._head.wants_websocket and self._request_is_over
        if heads[-1].status == 101 and not may_tunnel:
            return "the upstream switched protocols, which nobody had asked for"
        self._interim_responses += sum(head.status < 200 for head in heads)
        count_max = self._context.settings.limits.interim_responses
        return f"more than {count_max} interim responses" if self._interim_responses > count_max else None

    def _become_tunnel(self) -> None:
        assert self.leg is not None
        assert self._forward is not None
        leg, self.leg = self.leg, None
        self.is_finished = True  # the tunnel finishes the transcript
        tunnel = Tunnel(self._context, self.client, leg, self._transcript, self._forward.route.timeouts.idle_s)
        tunnel.begin(self.client.reader.become_tunnel())

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
        ends = not head.keeps_alive or reader.body.ends_with_connection or waits_for_continue(self._head)
        if ends and not self._request_is_over:
            self._fail("request_cut", "upstream", "the upstream answered before it had the whole request")
        else:
            self._finish_if_over()

    def upstream_ended(self) -> bool:
        """The upstream will send nothing more, and its connection ends."""
        assert self._reader is not None
        if self._reader.eof():  # else connection_lost tells what is missing
            self._response_is_over = True
            self._after_response()
        return False

    def upstream_lost(self, exc: Exception | None) -> None:
        if self._response_is_over:
            self._fail("request_cut", "upstream", "the upstream closed its connection before it had the whole request")
        elif self.leg is None or not self.leg.try_again():
            how = "reset" if exc is not None else "closed"
            self._fail_upstream("upstream_reset", f"the upstream {how} its connection", 502)

    def upstream_unreachable(self, error: ExchangeError, status: int) -> None:
        self._fail_upstream(error.name, error.detail, status, error.by)

    # --- ending

    def check_deadlines(self, now_s: float) -> None:
        """Called about once a second."""
        timeouts = self._forward.route.timeouts if self._forward else self._context.settings.default_timeouts
        connection = self.leg.connection if self.leg is not None else None
        exchange_s = self._context.settings.limits.exchange_s
        if now_s - self._transcript.started_at / 1e9 >= exchange_s:
            detail = f"it took more than {exchange_s:g} s (limits.exchange_s)"
            self._fail_upstream("exchange_timeout", detail, 504, "recorder")
        if self.is_finished or now_s - self.last_at / 1e9 < timeouts.idle_s:
            return
        if self.leg is not None and connection is None:
            return  # connecting has its own deadline
        detail = f"nothing came for {timeouts.idle_s:g} s (timeouts.idle_s)"
        takes_nothing = connection is not None and connection.flow.is_held_by_peer
        sends_nothing = not self._request_is_over and not self.client.flow.is_held_by_peer
        if takes_nothing or sends_nothing:
            self._fail("client_timeout", "client", detail)
        else:
            self._fail_upstream("upstream_timeout", detail, 504)

    def shut_down(self) -> None:
        """The recorder stops and cannot wait any longer."""
        self._fail("shutdown", "recorder", "the recorder was stopped")

    @property
    def _phase(self) -> str:
        if self._response_head is not None:
            return "request_body" if self._response_is_over else "response_body"
        if self.leg is not None and self.leg.connection is None:
            return "connect"
        return "response_head" if self._request_is_over else "request_body"

    def _fail(self, name: str, by: str, detail: str) -> None:
        """End with this error, unless an earlier one is the cause."""
        if not self.is_finished:
            self._finish(self._error or ExchangeError(name, self._phase, by, detail))

    def _fail_upstream(self, name: str, detail: str, status: int, by: str = "upstream") -> None:
        """No whole response will come: answer in the upstream's place, or leave the truncation visible."""
        if self._answered_by is None and not (self._client_is_gone or self.is_finished):
            self._answer(Answer(status, f"{name}: {detail}", ExchangeError(name, self._phase, by, detail)))
        else:
            self._fail(name, by, detail)

    def _answer(self, answer: Answer, *, closes: bool = False) -> None:
        """Answer in the upstream's place. `closes`: the connection ends behind it whatever the client would like."""
        self._transcript.response_head_cut(self._reader)
        stops_reading = not self._request_is_over and (waits_for_continue(self._head) or not answer.reads_on)
        if self.leg is not None:
            self.leg.let_go()
            self.leg = None
        self._answered_by = "recorder"
        self._error = answer.error
        self._status = answer.status
        data = encode_answer(
            answer.status,
            answer.text.encode("utf-8", "replace") + b"\n",
            method=self._head.method if self._head else "GET",
            closes=closes or stops_reading or not client_goes_on(self._head, None, None),
            field=answer.field,
        )
        at = time.monotonic_ns()
        if self._transcript.first_byte_at is None:
            self._transcript.first_byte_at = at
        self._transcript.own_answer(at, data)
        self._context.queue.write(self.client.flow.transport, data)
        self._response_is_over = True
        self.client.flow.release(Hold.PEER)
        self.client.read_on()
        if stops_reading:
            self._stop_draining()
        self._finish_if_over()

    def _answer_own(self, own: Own) -> None:
        """An endpoint of the recorder's own: neither recorded nor shown."""
        assert self._head is not None
        self.is_finished = True
        keeps = self._head.keeps_alive and self._request_is_over
        status, content_type, body = self._context.own_page(own)
        data = encode_answer(status, body, method=self._head.method, closes=not keeps, content_type=content_type)
        self._context.queue.write(self.client.flow.transport, data)
        self.client.exchange_over(keep_alive=keeps, lingers=not self._request_is_over)

    def _drain(self, count: int) -> None:
        """Take the rest of a request that goes nowhere, up to a limit."""
        self._drained_bytes += count
        if self._drained_bytes > self._context.settings.limits.drain_bytes and not self._request_is_over:
            self._stop_draining()

    def _stop_draining(self) -> None:
        self._fail("request_cut", "recorder", "the recorder answered and did not read the request to its end")

    def _finish_if_over(self) -> None:
        if self._response_is_over and self._request_is_over and not self.is_finished:
            self._finish(self._error)

    def _finish(self, error: ExchangeError | None) -> None:
        self._transcript.response_head_cut(self._reader)
        self.is_finished = True
        leg, is_whole = self.leg, self._response_is_over
        self._transcript.finish(error, self._answered_by, self._status, leg.connect_us if leg is not None else None)
        if error is not None and self._forward is not None:
            self._context.upstream_errors.note(self._forward.route.name, error)
        if leg is not None:
            response, reader = self._response_head, self._reader
            if error is None and response and reader and upstream_goes_on(self._head, response, reader):
                leg.keep(response)
            else:
                leg.let_go()
            self.leg = None  # no cycle is left behind: an exchange's memory is free at once
        if not is_whole and self._reader and self._reader.body.ends_with_connection:
            self.client.reset()  # a plain close would look like the response's end
        else:
            keep_alive = is_whole and self._request_is_over and not self._client_is_gone
            keep_alive = keep_alive and client_goes_on(self._head, self._response_head, self._reader)
            has_unread = not self._request_is_over or self._head is None
            self.client.exchange_over(keep_alive=keep_alive, lingers=is_whole and has_unread)
