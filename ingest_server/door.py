"""The simple door: the two halves of an exchange as another program sends them, raw HTTP bytes of any length.

Halves may come in any order, at the same time, and across restarts; each once. A sidecar in `.ingest/door` remembers a
half that is there, and for a week that the exchange is known. Heads are redacted before any byte is written. Runs in
the writer; called by the app.
"""

import os
import time
from typing import Literal, NamedTuple

from ingest_server import files, sidecar
from ingest_server.exchange import Side
from ingest_server.files import Files
from ingest_server.sidecar import Half, Kept, Opened
from ingest_server.tally import Tally
from traffic.capture import events, metadata, names
from traffic.capture.events import ExchangeError, Finished, Redaction, Started
from traffic.capture.metadata import HEADS_BYTES_MAX, Metadata, Stored
from traffic.capture.redact import Redactor
from traffic.capture.redact_exchange import heads_end, redact_heads
from traffic.http1.head import head_end, parse_request_head

SideName = Literal["request", "response"]

_NOTHING = Stored([], None, 0, None, [])


class HalfTakenError(Exception):
    """That half of the exchange is there already, or being received."""


class DoorError(Exception):
    """A half that is refused and not kept."""


class Caller(NamedTuple):
    address: str
    at_ns: int  # wall clock


class _Exchange:
    """An exchange of which something is being received."""

    def __init__(self, stem: str, started: Started, path: str, halves: dict[str, Half]) -> None:
        self.stem = stem
        self.started = started
        self.path = path  # of its sidecar
        self.halves = halves
        self.receiving: set[str] = set()
        self._began_ns = time.monotonic_ns() - max(0, time.time_ns() - started.started_ns)

    @property
    def now_us(self) -> int:
        return (time.monotonic_ns() - self._began_ns) // 1000


class Incoming:
    """One half, made by whoever receives it; `is_received` from begin() until it is kept or dropped."""

    exchange: _Exchange  # from begin() on

    def __init__(self, name: SideName) -> None:
        self.name: SideName = name
        self.is_received = False
        self.side = Side(names.REQUEST if name == "request" else names.RESPONSE)
        self.redactions: list[Redaction] = []
        self.held: bytes | None = b""  # bytes in front of the end of the head; None: the head is written


class Door:
    def __init__(self, where: Files, tally: Tally, redactor: Redactor | None) -> None:
        self._files = where
        self._tally = tally
        self.redactor = redactor  # may be replaced at any time
        self._active: dict[str, _Exchange] = {}

    def begin(self, incoming: Incoming, exchange_id: str, caller: Caller) -> None:
        """Raises HalfTakenError. Whatever an interrupted attempt left of that half is dropped."""
        name = incoming.name
        exchange = self._active.get(exchange_id) or self._load(exchange_id) or self._open(exchange_id, caller)
        if name in exchange.halves or name in exchange.receiving:
            raise HalfTakenError(f"the {name} of {exchange_id} is here already")
        incoming.exchange = exchange
        files.write_over(self._path(incoming), b"")
        incoming.is_received = True
        exchange.receiving.add(name)
        self._active[exchange_id] = exchange

    def add(self, incoming: Incoming, data: bytes) -> None:
        """Raises DoorError where the head has no end."""
        if incoming.held is None:
            self._write(incoming, data)
            return
        held = incoming.held + data
        end = heads_end(held, incoming.name)
        if end >= 0:
            incoming.held = None
            self._write(incoming, self._redacted(held[:end], incoming) + held[end:])
        elif len(held) > HEADS_BYTES_MAX:
            raise DoorError(f"the {incoming.name} has no end of its head within {HEADS_BYTES_MAX} bytes")
        else:
            incoming.held = held

    def end(self, incoming: Incoming, *, whole: bool) -> None:
        """The half is there, as far as it came; the second one makes the metadata final."""
        if incoming.held:
            self._write(incoming, self._redacted(incoming.held, incoming))
        exchange, side = incoming.exchange, incoming.side
        stored = side.stored(side.arrivals, final=True)
        half = Half(incoming.name, whole, exchange.now_us, stored, incoming.redactions)
        if incoming.name == "request":
            head = files.read_head(self._path(incoming), HEADS_BYTES_MAX)
            exchange.started = _with_request(exchange.started, head)
            opened = sidecar.encode(Opened(exchange.stem, exchange.started))
            files.append(exchange.path, sidecar.encode_record(Kept.OPENED, 0, opened))
        halves = exchange.halves | {incoming.name: half}
        facts = _facts(exchange.started, halves)
        self._files.describe(exchange.stem, metadata.encode(facts), fresh=False)
        self._leave(incoming)  # its bytes are in the metadata now: drop() must not take them away
        files.append(exchange.path, sidecar.encode_record(Kept.HALF, 0, sidecar.encode(half)))
        exchange.halves = halves
        if len(halves) == 2:
            self._tally.tell_finished(facts, exchange.stem)

    def drop(self, incoming: Incoming) -> None:
        """Forget a half that could not be kept; it may be sent again. One that is kept, or never began, stays so."""
        if incoming.is_received:
            self._leave(incoming)
            files.write_over(self._path(incoming), b"")

    def _leave(self, incoming: Incoming) -> None:
        exchange = incoming.exchange
        incoming.is_received = False
        exchange.receiving.discard(incoming.name)
        if not exchange.receiving:
            self._active.pop(exchange.started.id, None)

    def _open(self, exchange_id: str, caller: Caller) -> _Exchange:
        started = Started(
            exchange_id, caller.at_ns, None, None, "", "", None, caller.address, events.Received("", None, [])
        )
        stem, fresh = self._files.create(caller.at_ns, exchange_id, b"", b"")
        self._files.describe(stem, metadata.encode(_facts(started, {})), fresh=fresh)
        if not fresh:
            self._files.cut_behind(stem, 0, 0)
        path = self._sidecar(exchange_id)
        files.write_over(path, sidecar.encode_record(Kept.OPENED, 0, sidecar.encode(Opened(stem, started))))
        self._tally.tell_started(started)
        return _Exchange(stem, started, path, {})

    def _load(self, exchange_id: str) -> _Exchange | None:
        path = self._sidecar(exchange_id)
        opened: Opened | None = None
        halves: dict[str, Half] = {}
        for record in sidecar.read(path):
            if record.kind == Kept.OPENED:
                opened = sidecar.decode_opened(record.payload)
            elif record.kind == Kept.HALF:
                half = sidecar.decode_half(record.payload)
                halves[half.side] = half
        return _Exchange(opened.stem, opened.started, path, halves) if opened else None

    def _redacted(self, heads: bytes, incoming: Incoming) -> bytes:
        redactor = self.redactor  # one for all heads: another thread may replace it
        if redactor is None:
            return heads
        redacted, found = redact_heads(heads, incoming.name, redactor)
        incoming.redactions += found
        return redacted

    def _write(self, incoming: Incoming, data: bytes) -> None:
        if not data:
            return
        side = incoming.side
        files.write_at(self._path(incoming), side.saved, data)
        side.arrivals.append((side.saved, incoming.exchange.now_us))
        metadata.thin(side.arrivals)
        side.absorb(data)

    def _path(self, incoming: Incoming) -> str:
        return f"{self._files.root}{incoming.exchange.stem}{incoming.side.suffix}"

    def _sidecar(self, exchange_id: str) -> str:
        return f"{self._files.state}door{os.sep}{exchange_id}"


def _with_request(started: Started, head: bytes) -> Started:
    """The exchange's start with what its request says; of a malformed head, what its first line says."""
    line = head.partition(b"\r\n")[0].decode("latin-1")
    method, target = [*line.split(" "), ""][:2]
    host = proxy_path = None
    try:
        parsed = parse_request_head(head[: head_end(head)])
        host, proxy_path = parsed.value(b"host"), parsed.value(b"x-proxy-path")
    except ValueError:
        pass  # HeadError, or not even a line
    authority = None if host is None else host.decode("latin-1")
    if proxy_path is not None:
        url = proxy_path.decode("latin-1")
    elif authority and target.startswith("/"):
        url = f"http://{authority}{target}"
    else:
        url = target
    return Started(
        started.id,
        started.started_ns,
        None,
        None,
        method,
        url,
        None,
        started.client,
        events.Received(line, authority, []),
    )


def _facts(started: Started, halves: dict[str, Half]) -> Metadata:
    request, response = halves.get("request"), halves.get("response")
    error = None
    for half in halves.values():
        if not half.whole and error is None:
            detail = f"the connection that sent the {half.side} ended before it was whole"
            error = ExchangeError("client_disconnect", f"{half.side}_body", "client", detail)
    finished = None
    if request is not None and response is not None:
        total_us = max(request.ended_us, response.ended_us)
        found = request.redactions + response.redactions
        finished = Finished(
            error is None,
            error,
            "upstream",
            None,
            None,
            total_us,
            request.stored.bytes,
            response.stored.bytes,
            0,
            found,
        )
    return metadata.build(
        started, finished, error, request.stored if request else _NOTHING, response.stored if response else _NOTHING
    )
