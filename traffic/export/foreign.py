"""Exchanges that other programs have kept: what they tell, and null for what they do not.

Their bytes may be no whole messages, where that program undid chunks or left out a body: then the exchange says so, as
incomplete. Called by the formats that are read.
"""

import uuid
from collections.abc import Callable
from hashlib import blake2b, sha256
from typing import Final, Literal, NamedTuple, NoReturn

import msgspec

from traffic.capture import foreign
from traffic.capture.exchange import RecordedExchange
from traffic.capture.message_check import MessageCheck
from traffic.capture.metadata import Durations, ErrorFields, Metadata, ReceivedFields
from traffic.capture.redact import Redactor, Side
from traffic.capture.redact_exchange import redact_heads

_UNKNOWN: Final = Durations(None, None, None)

Tell = Callable[[str], object]  # what is wrong with one exchange, which is passed over


class FormatError(ValueError):
    """Why a file, or an exchange in it, cannot be read; the text is for people."""


def refuse(problem: str) -> NoReturn:
    raise FormatError(problem)


class Kept(NamedTuple):
    """What another program has kept of one exchange."""

    origin: Literal["har", "warc"]
    started_ns: int
    url: str
    request: bytes
    response: bytes
    id: str | None = None
    durations: Durations = _UNKNOWN
    problem: str | None = None  # why it is not whole, where that program says so
    request_line: str | None = None  # as it was sent, where `request` has it otherwise
    removed: tuple[tuple[str, str], ...] = ()  # header lines that `request` does not have


def exchange_of(kept: Kept) -> RecordedExchange:
    """Raises FormatError where there is no request."""
    try:
        facts = foreign.describe(kept.request, kept.response, kept.started_ns)
    except ValueError as error:
        raise FormatError(f"a request that cannot be read: {error}") from None
    problem = kept.problem or _framing_problem(kept, facts)
    facts = msgspec.structs.replace(
        facts,
        id=kept.id or _id(kept),
        url=kept.url,
        upstream_url=kept.url,
        completed=problem is None,
        error=None if problem is None else ErrorFields("capture_gap", "capture", "recorder", problem),
        durations_ms=kept.durations,
        received=ReceivedFields(
            kept.request_line or facts.received.request_line, facts.received.host, list(kept.removed)
        ),
        request=msgspec.structs.replace(facts.request, arrivals=[(0, 0.0)]),
        response=msgspec.structs.replace(facts.response, arrivals=_arrivals(kept)),
        imported_from=kept.origin,
    )
    return RecordedExchange(facts, kept.request, kept.response)


def _framing_problem(kept: Kept, facts: Metadata) -> str | None:
    request, response = MessageCheck(), MessageCheck(answers=facts.method)
    request.feed(kept.request)
    response.feed(kept.response)
    if problem := request.problem(is_tunnel=response.status == 101):
        return f"the request is not whole as it was kept: {problem}"
    problem = response.problem()
    return f"the response is not whole as it was kept: {problem}" if problem else None


def _arrivals(kept: Kept) -> list[tuple[int, float]]:
    """One: when the pieces came is not known."""
    times = kept.durations
    return [(0, times.first_byte or times.total or 0.0)] if kept.response else []


class _Blank(Redactor):
    """Blanks secrets: a hash of what is left tells nothing about them."""

    def placeholder(self, secret: bytes) -> bytes:  # noqa: ARG002 (the method that it replaces takes it)
        return b"[secret]"


def _id(kept: Kept) -> str:
    """The same for the same exchange, so that it is known again."""
    blank = _Blank(b"")
    content = blake2b(f"{kept.started_ns} {blank.url(kept.url, 'request')[0]}".encode(), digest_size=16)
    sides: tuple[tuple[bytes, Side], ...] = ((kept.request, "request"), (kept.response, "response"))
    for data, side in sides:
        content.update(sha256(redact_heads(data, side, blank)[0]).digest())
    return str(uuid.UUID(bytes=content.digest(), version=5))
