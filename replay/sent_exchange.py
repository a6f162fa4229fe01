"""What was sent and what came back, as an exchange like those that a recorder writes: for `--out`, for comparing, for
prices.

Secrets are replaced as the recorder replaces them, and the request's last line is X-Proxy-Path with the URL that was
called, so that the exchange can be replayed like any other. Pure. Called by the commands that replay.
"""

import msgspec

from replay.answer import Reply
from replay.sender import Request
from traffic.capture import foreign
from traffic.capture.events import Redaction
from traffic.capture.exchange import RecordedExchange
from traffic.capture.metadata import RedactionFields
from traffic.capture.redact import Redactor
from traffic.http1.head import head_end, parse_request_head
from traffic.http1.limits import UNLIMITED
from traffic.http1.rewrite import REPLAY_OF, join_lines, split_lines


def sent_exchange(request: Request, reply: Reply, redactor: Redactor, replay_of: str | None) -> RecordedExchange:
    """`upstream_url` is not known of what went through a recorder: such a request tells it what it repeats."""
    asked, redactions = _request(request, redactor)
    answered, arrivals, more = _response(reply, redactor)
    facts = foreign.describe(asked, answered, reply.started_ns)
    facts = msgspec.structs.replace(
        facts,
        upstream_url=None if _replays_through_recorder(request) else facts.url,
        client=reply.client,
        completed=reply.error is None,
        error=reply.error,
        durations_ms=reply.durations_ms,
        request=msgspec.structs.replace(facts.request, arrivals=[(0, reply.durations_ms.connect or 0.0)]),
        response=msgspec.structs.replace(facts.response, arrivals=arrivals),
        redactions=[RedactionFields(each.where, each.placeholder) for each in redactions + more],
        replay_of=replay_of,
    )
    return RecordedExchange(facts, asked, answered)


def _replays_through_recorder(request: Request) -> bool:
    return any(_is_replay_of(line) for line in split_lines(request.data[: head_end(request.data)]))


def _is_replay_of(line: bytes) -> bool:
    return line.partition(b":")[0].lower() == REPLAY_OF


def _request(request: Request, redactor: Redactor) -> tuple[bytes, list[Redaction]]:
    end = head_end(request.data)
    lines = [line for line in split_lines(request.data[:end]) if not _is_replay_of(line)]
    lines.append(b"X-Proxy-Path: " + _url(request).encode("latin-1"))
    head, redactions = redactor.head(join_lines(lines), "request")
    return head + request.data[end:], redactions


def _url(request: Request) -> str:
    head = parse_request_head(request.data[: head_end(request.data)], UNLIMITED)
    target = head.target.decode("latin-1")
    if not target.startswith("/"):
        return target
    return f"{'https' if request.tls else 'http'}://{(head.value(b'host') or b'').decode('latin-1')}{target}"


def _response(reply: Reply, redactor: Redactor) -> tuple[bytes, list[tuple[int, float]], list[Redaction]]:
    """Arrivals have offsets in the bytes as they are then; of heads that came in pieces, only the first one counts."""
    end = _heads_end(reply.raw)
    heads, redactions = redactor.head(reply.raw[:end], "response")
    shift = len(heads) - end
    arrivals = [(offset + shift if offset else 0, at_ms) for offset, at_ms in reply.arrivals if not 0 < offset < end]
    return heads + reply.raw[end:], arrivals, redactions


def _heads_end(raw: bytes) -> int:
    """Behind the final head, or behind all where that is not there."""
    end = 0
    while (next_end := head_end(raw, end)) >= 0:
        is_final = raw[end + 9 : end + 10] != b"1" or raw[end + 9 : end + 12] == b"101"
        end = next_end
        if is_final:
            return end
    return len(raw)
