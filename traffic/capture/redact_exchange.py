"""Replaces the secrets of a whole exchange, as the recorder does before it records one: in heads, and in what the
metadata quotes of them. Bodies stay as they are.

Called by the simple door, which has heads alone, and by what takes in recordings of others.
"""

from hashlib import sha256

from msgspec.structs import replace

from traffic.capture.events import Redaction
from traffic.capture.exchange import RecordedExchange
from traffic.capture.metadata import (
    HEADS_BYTES_MAX,
    Metadata,
    ReceivedFields,
    RedactionFields,
    RequestFields,
    ResponseFields,
    request_headers,
    response_status,
)
from traffic.capture.redact import Redactor, Side
from traffic.http1.head import head_end

_Arrivals = list[tuple[int, float]]


def heads_end(data: bytes, side: Side) -> int:
    """Behind the head, and with a response behind the 1xx heads in front of the final one; -1: not all there."""
    start = 0
    while (end := head_end(data, start)) >= 0:
        status = data[start + 9 : start + 12]
        if side == "request" or status[:1] != b"1" or status == b"101":
            return end
        start = end
    return -1


def redact_heads(heads: bytes, side: Side, redactor: Redactor) -> tuple[bytes, list[Redaction]]:
    """Heads one behind the other, the last one perhaps cut."""
    redacted = b""
    found: list[Redaction] = []
    start = 0
    while start < len(heads):
        end = head_end(heads, start)
        end = len(heads) if end < 0 else end
        head, found_here = redactor.head(heads[start:end], side)
        redacted += head
        found += found_here
        start = end
    return redacted, found


def redact_exchange(exchange: RecordedExchange, redactor: Redactor) -> RecordedExchange:
    """The same object where it holds no secret, or they are replaced already."""
    facts = exchange.metadata
    request = _Heads(exchange.request, "request", redactor)
    response = _Heads(exchange.response, "response", redactor)
    found = [*request.found, *response.found]
    redacted = _texts(facts, redactor, found)
    if redacted == facts and not (request.is_changed or response.is_changed):
        return exchange
    new = [RedactionFields(each.where, each.placeholder) for each in found]
    redacted = replace(
        redacted,
        request=_request_fields(facts.request, request),
        response=_response_fields(facts.response, response),
        redactions=[*facts.redactions, *(each for each in dict.fromkeys(new) if each not in facts.redactions)],
    )
    return RecordedExchange(redacted, request.data, response.data)


class _Heads:
    """One side: its bytes with secrets replaced in the heads."""

    def __init__(self, data: bytes, side: Side, redactor: Redactor) -> None:
        end = heads_end(data, side)
        heads = data[: HEADS_BYTES_MAX if end < 0 else end]
        redacted, self.found = redact_heads(heads, side, redactor)
        self.is_changed = redacted != heads
        self.data = redacted + data[len(heads) :] if self.is_changed else data
        self._ends = len(heads), len(redacted)

    def moved(self, arrivals: _Arrivals) -> _Arrivals:
        """Reads inside the heads may lie elsewhere now; those of the body are as far behind the heads as before."""
        before, after = self._ends
        inside = [(offset, at) for offset, at in arrivals if offset < min(before, after)]
        return inside + [(offset - before + after, at) for offset, at in arrivals if offset >= before]


def _texts(facts: Metadata, redactor: Redactor, found: list[Redaction]) -> Metadata:
    """Adds to `found`."""

    def url(text: str) -> str:
        shown, found_here = redactor.url(text, "request")
        found.extend(found_here)
        return shown

    return replace(
        facts,
        url=url(facts.url),
        upstream_url=None if facts.upstream_url is None else url(facts.upstream_url),
        received=_received(facts.received, redactor, found),
    )


def _received(received: ReceivedFields, redactor: Redactor, found: list[Redaction]) -> ReceivedFields:
    fields = [*received.removed, *([] if received.host is None else [("Host", received.host)])]
    texts = [received.request_line, *(f"{name}: {value}" for name, value in fields)]
    lines = [text.encode("latin-1", "replace") for text in texts]
    found_here = redactor.lines(lines, "request")
    if not found_here:
        return received
    found.extend(found_here)
    shown = [(name, value) for name, _, value in (line.decode("latin-1").partition(": ") for line in lines[1:])]
    host = None if received.host is None else shown.pop()[1]
    return ReceivedFields(lines[0].decode("latin-1"), host, shown)


def _request_fields(told: RequestFields, side: _Heads) -> RequestFields:
    if not side.is_changed:
        return told
    data = side.data
    headers = request_headers(data) or []
    return RequestFields(headers, len(data), sha256(data).hexdigest(), side.moved(told.arrivals))


def _response_fields(told: ResponseFields, side: _Heads) -> ResponseFields:
    if not side.is_changed:
        return told
    data = side.data
    status, headers = response_status(data) or (None, [])
    return ResponseFields(status, headers, len(data), sha256(data).hexdigest(), side.moved(told.arrivals))
