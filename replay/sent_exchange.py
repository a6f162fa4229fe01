"""What was sent and what came back, as an exchange like those that a recorder writes: for `--out`, for comparing, for
prices.

Secrets are replaced as the recorder replaces them, and the request's last line is X-Proxy-Path with the URL that was
called, so that the exchange can be replayed like any other. Pure. Called by the commands that replay.
"""

from msgspec.structs import replace

from replay.answer import Reply
from replay.sender import Request
from traffic.capture import foreign
from traffic.capture.exchange import RecordedExchange
from traffic.capture.redact import Redactor
from traffic.capture.redact_exchange import redact_exchange
from traffic.http1.head import RequestHead, head_end, parse_request_head
from traffic.http1.limits import UNLIMITED
from traffic.http1.rewrite import REPLAY_OF, join_lines


def sent_exchange(request: Request, reply: Reply, redactor: Redactor, replay_of: str | None) -> RecordedExchange:
    """`upstream_url` is not known of what went through a recorder: such a request tells it what it repeats."""
    head = parse_request_head(request.data[: head_end(request.data)], UNLIMITED)
    asked = _with_proxy_path(head, request.tls) + request.data[len(head.raw) :]
    facts = foreign.describe(asked, reply.raw, reply.started_ns)
    facts = replace(
        facts,
        upstream_url=None if REPLAY_OF in head.present else facts.url,
        client=reply.client,
        completed=reply.error is None,
        error=reply.error,
        durations_ms=reply.durations_ms,
        request=replace(facts.request, arrivals=[(0, reply.durations_ms.connect or 0.0)]),
        response=replace(facts.response, arrivals=reply.arrivals),
        replay_of=replay_of,
    )
    return redact_exchange(RecordedExchange(facts, asked, reply.raw), redactor)


def answered_at(origin: str, sent: RecordedExchange) -> RecordedExchange:
    """With the upstream that is known to have answered, also where a recorder was between: so its prices are found."""
    return sent._replace(metadata=replace(sent.metadata, upstream_url=origin))


def _with_proxy_path(head: RequestHead, tls: bool) -> bytes:
    lines = [line for line, name in zip(head.lines, head.names, strict=True) if name != REPLAY_OF]
    url = head.target
    if url.startswith(b"/"):
        url = (b"https://" if tls else b"http://") + (head.value(b"host") or b"") + url
    return join_lines([*lines, b"X-Proxy-Path: " + url])
