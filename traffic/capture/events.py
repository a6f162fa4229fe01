"""What the recorder tells about an exchange beside its bytes: the payloads of STARTED, FINISHED and GAP frames.

Encoded as msgpack arrays: append new fields at the end, with defaults, so that old journals stay readable.
"""

import msgspec


class Redaction(msgspec.Struct, frozen=True, array_like=True):
    """One secret that was replaced before it reached the journal."""

    where: str  # "request.header.authorization", "request.query.key", "response.header.set-cookie", ...
    placeholder: str  # "[secret:1a2b3c4d]"


class Received(msgspec.Struct, frozen=True, array_like=True):
    """What the client sent and the upstream did not get as it was; latin-1 text, secrets redacted."""

    request_line: str
    host: str | None
    removed: list[tuple[str, str]]  # header lines taken out on the way, in order


class Started(msgspec.Struct, frozen=True, array_like=True):
    id: str  # the exchange's UUID, 36 characters
    started_ns: int  # wall clock, ns since the epoch, UTC
    route: str | None  # None: no route matched
    pattern: str | None
    method: str
    url: str  # as the client called the recorder, secrets redacted
    upstream_url: str | None
    client: str  # "127.0.0.1:50123"
    received: Received
    key: str | None = None  # the name of the recorder's key that the client brought
    provider: str | None = None  # as the route names it
    replay_of: str | None = None  # the id of the exchange that this one repeats, as the client says


class ExchangeError(msgspec.Struct, frozen=True, array_like=True):
    """Why an exchange is incomplete.

    name:  client_disconnect, upstream_reset, upstream_timeout, upstream_refused, upstream_unreachable, dns_failure,
           tls_failure, proxy_failure, bad_request, request_cut, bad_response, exchange_timeout, overloaded, shutdown,
           recorder_crash, capture_gap, capture_failed, client_timeout, unauthorized
    phase: connect, request_head, request_body, response_head, response_body, tunnel, capture
    by:    client, upstream, recorder, network
    """

    name: str
    phase: str
    by: str
    detail: str


class Finished(msgspec.Struct, frozen=True, array_like=True):
    completed: bool
    error: ExchangeError | None
    answered_by: str | None  # "upstream", "recorder", None (nobody)
    connect_us: int | None  # None: a pooled connection was used, or none was made
    first_byte_us: int | None  # from the exchange's start to the first byte of the response
    total_us: int
    request_bytes: int  # bytes of `_request.bin`, as sent to the journal
    response_bytes: int
    dropped_bytes: int  # bytes that never entered the journal (error.name is then capture_gap)
    redactions: list[Redaction]
    dropped_because: str = ""  # the Gap reason of `dropped_bytes`


class Gap(msgspec.Struct, frozen=True, array_like=True):
    """Exchanges of which nothing was recorded, and bytes lost with them.

    reason: queue_full, journal_full, journal_failed, stop_too_late
    """

    first_number: int
    last_number: int
    exchanges: (
        int  # so many of first_number to last_number; 0: earlier records count them, these are more bytes of them
    )
    bytes: int
    reason: str


encode = msgspec.msgpack.Encoder().encode
decode_started = msgspec.msgpack.Decoder(Started).decode
decode_finished = msgspec.msgpack.Decoder(Finished).decode
decode_gap = msgspec.msgpack.Decoder(Gap).decode
