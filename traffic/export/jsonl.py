"""JSON, an object a line: each exchange with what was said in it, as the API's `/v1/exchanges/{id}` tells it, without
what that repeats. docs/export.md lists the fields.
"""

from collections.abc import Iterable
from typing import BinaryIO

import msgspec

from traffic.capture.exchange import RecordedExchange
from traffic.capture.metadata import Durations, ErrorFields
from traffic.export.lineage import Lineage
from traffic.export.spans import Place
from traffic.llm.call import LlmCall
from traffic.llm.decode import Decoder
from traffic.llm.sessions import named_session


class Line(msgspec.Struct, frozen=True):
    id: str
    started_at: str
    route: str | None
    provider: str | None
    key: str | None
    method: str
    url: str
    upstream_url: str | None
    status: int | None
    completed: bool
    error: ErrorFields | None
    duration_ms: float | None
    durations_ms: Durations
    session: str | None
    parent: str | None  # the id of the exchange that it continues
    call: LlmCall | None  # None: plain HTTP


def write(exchanges: Iterable[RecordedExchange], out: BinaryIO, decoder: Decoder) -> None:
    lineage = Lineage()
    encode = msgspec.json.Encoder().encode
    out.writelines(encode(line_of(exchange, decoder, lineage)) + b"\n" for exchange in exchanges)


def line_of(exchange: RecordedExchange, decoder: Decoder, lineage: Lineage) -> Line:
    facts = exchange.metadata
    decoded = decoder.decode(exchange)
    call = decoded.call if decoded is not None else None
    session = named_session({name.lower(): value for name, value in facts.request.headers})
    place = lineage.place(facts, call) if call is not None else Place(session, None)
    return Line(
        id=facts.id,
        started_at=facts.started_at,
        route=facts.route,
        provider=call.provider if call is not None else facts.provider,
        key=facts.key,
        method=facts.method,
        url=facts.url,
        upstream_url=facts.upstream_url,
        status=facts.response.status,
        completed=facts.completed,
        error=facts.error,
        duration_ms=facts.durations_ms.total,
        durations_ms=facts.durations_ms,
        session=place.session,
        parent=place.parent,
        call=call,
    )
