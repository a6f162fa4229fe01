"""Flies the rows: one recorder and one logging origin for all of them, each row on a fresh connection of its own.

Each row's client has an address of its own (127.1.x.y), by which its recordings are found again. Behind each row
another client asks for a page of its own: it must get that page, whatever the row left in the pool of connections.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import h11

from recorder.settings import Capture, Console
from tests.attack.origin import Answer, Origin
from tests.attack.rows import RequestRow, ResponseRow
from tests.attack.strict import AmbiguousError, Message, read_response
from tests.e2e.conftest import Flight, to
from tests.e2e.listening import READ_BYTES
from tests.e2e.recorded import Recorded
from tests.e2e.scripted import Peer


@dataclass(frozen=True, slots=True)
class Flown:
    """What one row came to. `problem`: what the client got is no strict HTTP."""

    answers: tuple[Message, ...]
    rest: bytes  # behind the last whole answer
    problem: str | None
    reached: tuple[Message, ...]  # the origin, whole
    records: tuple[Recorded, ...]
    next_page: bytes  # what the other client got for /lm/next-page/<n>


@dataclass(frozen=True, slots=True)
class Flights:
    rows: list[Flown]
    origin: Origin
    records: list[Recorded]


def ok(content: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(content), content)


async def fly_requests(rows: Sequence[RequestRow], folder: Path) -> Flights:
    def answer(message: Message) -> Answer:
        return Answer(ok(b"" if message.start[0] == b"HEAD" else message.start[1]))

    methods = [row.sent.partition(b" ")[0].decode("latin-1") for row in rows]
    return await _fly(
        [row.sent for row in rows], ["HEAD" if each == "HEAD" else "GET" for each in methods], answer, folder
    )


async def fly_responses(rows: Sequence[ResponseRow], folder: Path) -> Flights:
    def answer(message: Message) -> Answer:
        kind, _, number = message.start[1].rpartition(b"/")
        if kind != b"/row":
            return Answer(ok(message.start[1]))
        row = rows[int(number)]
        return Answer(row.sent, row.ends)

    sent = [
        b"%b /lm/row/%d HTTP/1.1\r\nHost: recorder.test\r\n\r\n" % (row.method.encode(), number)
        for number, row in enumerate(rows)
    ]
    return await _fly(sent, [row.method for row in rows], answer, folder)


async def _fly(
    sent: Sequence[bytes], methods: Sequence[str], answer: Callable[[Message], Answer], folder: Path
) -> Flights:
    flight = Flight(folder)
    got: list[tuple[bytes, bytes, int, int]] = []
    async with Origin(answer) as origin:
        await flight.start(to(origin.port), capture=Capture(redact=False), console=Console(enabled=False))
        try:
            for number, data in enumerate(sent):
                before = len(origin.messages)
                received = await _exchange(flight.port, _address(number), data)
                after = len(origin.messages)
                page = b"GET /lm/next-page/%d HTTP/1.1\r\nHost: recorder.test\r\nConnection: close\r\n\r\n" % number
                got.append((received, await _exchange(flight.port, "127.0.0.1", page), before, after))
        finally:
            records = await flight.land()
    by_address: dict[str, list[Recorded]] = {}
    for record in records:
        by_address.setdefault(record.metadata["client"].rpartition(":")[0], []).append(record)
    flown = []
    for number, (received, page, before, after) in enumerate(got):
        answers, rest, problem = _read_answers(received, methods[number])
        reached = tuple(origin.messages[before:after])
        own = tuple(by_address.get(_address(number), ()))
        flown.append(Flown(answers, rest, problem, reached, own, page))
    return Flights(flown, origin, records)


async def _exchange(port: int, address: str, data: bytes) -> bytes:
    streams = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0), limit=READ_BYTES)
    peer = Peer(*streams)
    try:
        await peer.send(data)
        peer.end()
        await peer.wait_closed()
        return bytes(peer.received)
    finally:
        await peer.leave()


def _address(number: int) -> str:
    return f"127.1.{number // 250}.{number % 250 + 1}"


def _read_answers(data: bytes, method: str) -> tuple[tuple[Message, ...], bytes, str | None]:
    answers: list[Message] = []
    try:
        while data and (answer := read_response(data, method)) is not None:
            answers.append(answer)
            data, method = data[len(answer.raw) :], "GET"
    except (h11.RemoteProtocolError, AmbiguousError) as error:
        return tuple(answers), data, str(error)
    return tuple(answers), data, None
