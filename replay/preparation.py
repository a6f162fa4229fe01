"""Makes of a recorded exchange the request that is sent again: its destination, the user's edits, and its credentials.

    RecordedExchange ─▶ destination.py ─▶ edits.py ─▶ credentials.py ─▶ Prepared, which sender.py sends

Pure: a test reads the bytes without a socket. Called by the commands that replay.
"""

import secrets
from dataclasses import dataclass, field
from typing import NamedTuple

from replay.credentials import Credentials, fill
from replay.destination import DEFAULT_PORTS, Configured, Wish, find_destination, is_loopback, split_url
from replay.edits import Edits, edited_body, edited_head, edited_target
from replay.replay_error import UnfitError
from replay.sender import Request
from traffic.capture.exchange import RecordedExchange
from traffic.capture.redact import Redactor
from traffic.http1.framing import FramingError
from traffic.http1.head import HeadError, RequestHead, parse_request_head
from traffic.http1.limits import UNLIMITED
from traffic.http1.message import END, RequestReader
from traffic.http1.rewrite import REPLAY_OF


class Prepared(NamedTuple):
    request: Request
    url: str  # that is called, as it may be shown
    reaches: str  # the origin that answers, as far as that is known: behind a recorder the upstream's
    notes: list[str]  # for people: which credentials go, and from where


@dataclass(frozen=True, slots=True)
class Preparation:
    """What holds for all exchanges that a command replays."""

    wish: Wish
    edits: Edits
    configured: Configured
    credentials: Credentials
    redactor: Redactor = field(default_factory=lambda: Redactor(secrets.token_bytes(16)))  # of what others recorded

    def prepare(self, exchange: RecordedExchange) -> Prepared:
        """Raises ReplayError."""
        facts, raw = exchange.metadata, exchange.request
        head = _read_complete_request(raw)
        recorded_body = raw[len(head.raw) :]
        destination = find_destination(self.wish, head, facts, self.configured)
        if not _may_have_its_keys(destination.reaches, head):
            head = parse_request_head(self.redactor.head(head.raw, "request")[0], UNLIMITED)
            destination = find_destination(self.wish, head, facts, self.configured)
        url = split_url(destination.origin)
        target = edited_target(destination.target, self.edits.parameters)
        body = edited_body(raw, self.edits.sets)
        own = [(b"Host", destination.authority.encode())]
        if destination.is_recorder:
            own.append((REPLAY_OF, facts.id.encode()))
        redacted = edited_head(head, target, own, body, self.edits)
        filled = fill(redacted, destination.reaches, self.credentials, destination.route)
        assert url.hostname is not None
        request = Request(
            host=url.hostname,
            port=url.port or DEFAULT_PORTS[url.scheme],
            tls=url.scheme == "https",
            method=head.method,
            data=filled.head + (recorded_body if body is None else body),
        )
        shown, _ = self.redactor.url(destination.target.decode("latin-1"), "request")
        address = destination.origin + (shown if shown.startswith("/") else f"/{shown}")
        return Prepared(request, address, destination.reaches, filled.notes)


def _may_have_its_keys(reaches: str, head: RequestHead) -> bool:
    """Keys that a recording holds in the clear go where they went before, or stay on this machine."""
    host = (head.value(b"host") or b"").decode("latin-1")
    url = split_url(reaches)
    return is_loopback(url) or f"{url.scheme}://{host}".lower() in (reaches, f"{reaches}:{DEFAULT_PORTS[url.scheme]}")


def _read_complete_request(raw: bytes) -> RequestHead:
    try:
        events = RequestReader(UNLIMITED).feed(raw)
    except (HeadError, FramingError) as error:
        raise UnfitError(f"the recording is no valid request: {error}") from None
    if not events:
        raise UnfitError("the recording is incomplete: it ends inside the head")
    head = events[0]
    assert isinstance(head, RequestHead)
    if events[-1] is not END:
        raise UnfitError("the recording is incomplete: the end of the body is missing")
    if head.wants_websocket:
        raise UnfitError("this is a WebSocket recording; replay sends plain requests only")
    return head
