"""A WebSocket recording on its way to a client: the server's bytes as recorded, each behind the client's messages that
it came behind then, and as long after the last of them.

What the client says is awaited in the recorded order and compared by what it means: the text or the bytes of a message,
JSON in any spelling and without what the user's masks hide; frames, masks and compression do not matter. Another
message than the recorded one is a miss: it is told, and the socket is closed with code 1008. Pings are live: those of
the client get their pongs at once, and the recorded pongs, which answered others, are left out.
"""

import asyncio
from base64 import b64encode
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from hashlib import sha1
from typing import Final, NamedTuple, Protocol

from replay.masks import Masks, masked
from replay.play.question import spelled
from replay.play.score import Ending, Piece, Score, after_head, head_alone, with_value
from replay.play.settings import PlaySettings
from traffic.capture.exchange import RecordedExchange
from traffic.http1.head import head_end
from traffic.http1.websocket import (
    CLOSE,
    CONTROL_BYTES_MAX,
    PING,
    PONG,
    TEXT,
    FrameError,
    Message,
    MessageReader,
    frame_of,
    frames,
    messages_of,
)
from traffic.llm.documents import read_document

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 §1.3
_POLICY: Final = (1008).to_bytes(2, "big")
_REASON_BYTES_MAX: Final = CONTROL_BYTES_MAX - 2
_SHOWN_CHARACTERS: Final = 60


class Audience(Protocol):
    """The connection that is played to."""

    def ended(self, ending: Ending) -> None: ...

    def missed(self, problem: str) -> None: ...


class Said(NamedTuple):
    """A message of the client's, in the form that is compared."""

    opcode: int
    meaning: bytes


class Line(NamedTuple):
    """Bytes of the server's: when `behind` messages of the client have come, and then so much later."""

    behind: int
    wait_s: float
    data: bytes
    ends_frame: bool


class Script(NamedTuple):
    handshake: Score
    lines: tuple[Line, ...]  # the last one is empty: the end of the connection
    said: tuple[Said, ...]


def script_of(exchange: RecordedExchange, score: Score, key: bytes, masks: Masks) -> Script:
    """`key`: of the handshake that is to be answered, its Sec-WebSocket-Key."""
    accept = b64encode(sha1(key + _GUID, usedforsecurity=False).digest())
    handshake, frames_at = head_alone(score)
    said, said_s = _client_side(exchange, masks)
    moments = [handshake.pieces[-1].at_s, *said_s]
    return Script(
        with_value(handshake, b"sec-websocket-accept", accept),
        tuple(_lines(exchange.response[frames_at:], after_head(score), moments, score.end_s)),
        tuple(said),
    )


def _client_side(exchange: RecordedExchange, masks: Masks) -> tuple[list[Said], list[float]]:
    """What the client said, and when each message had come."""
    arrivals = exchange.metadata.request.arrivals
    start = head_end(exchange.request)
    messages = [each for each in messages_of(exchange.request[start:]) if each.opcode not in (PING, PONG)]
    offsets = [offset for offset, _ in arrivals]
    times = [
        arrivals[max(bisect_left(offsets, start + message.end) - 1, 0)][1] / 1000 if arrivals else 0.0
        for message in messages
    ]
    return [_meaning(message, masks) for message in messages], times


def _meaning(message: Message, masks: Masks) -> Said:
    """Of a close frame nothing but that it is one."""
    if message.opcode == CLOSE:
        return Said(CLOSE, b"")
    if message.opcode == TEXT and message.payload[:1] in (b"{", b"["):
        try:
            document = masked(read_document(message.payload), masks.paths(None, "request"))
            return Said(TEXT, spelled(document))
        except (ValueError, RecursionError):  # JsonPathError and NoDocumentError are ValueErrors
            pass
    return Said(message.opcode, message.payload)


def _lines(data: bytes, pieces: Iterable[Piece], moments: list[float], end_s: float) -> Iterator[Line]:
    """`data` holds frames, `pieces` the reads that they came in; `moments`: of the handshake, and of each message of
    the client's.
    """
    pongs, ends = _spans(data)
    at = 0
    for at_s, piece in pieces:
        end = at + len(piece)
        behind = max(bisect_right(moments, at_s) - 1, 0)
        kept = b"".join(_without(bytes(piece), at, pongs))
        if kept:
            yield Line(behind, max(at_s - moments[behind], 0.0), kept, end in ends)
        at = end
    yield Line(len(moments) - 1, max(end_s - moments[-1], 0.0), b"", True)


def _spans(data: bytes) -> tuple[list[tuple[int, int]], set[int]]:
    """Where pongs lie, and where frames end."""
    pongs, ends, start = list[tuple[int, int]](), set[int](), 0
    try:
        for frame in frames(data):
            if frame.opcode == PONG:
                pongs.append((start, frame.end))
            start = frame.end
            ends.add(start)
    except FrameError:
        pass
    return pongs, ends


def _without(piece: bytes, at: int, spans: list[tuple[int, int]]) -> Iterator[bytes]:
    """What of the piece, which begins at `at`, lies in none of the spans."""
    kept = 0
    for begin, end in spans:
        low, high = (min(max(place - at, 0), len(piece)) for place in (begin, end))
        yield piece[kept:low]
        kept = max(kept, high)
    yield piece[kept:]


class Dialogue:
    def __init__(
        self, transport: asyncio.WriteTransport, script: Script, settings: PlaySettings, audience: Audience
    ) -> None:
        self._transport = transport
        self._script = script
        self._settings = settings
        self._audience = audience
        self._loop = asyncio.get_running_loop()
        self._reader = MessageReader()
        self._heard_at = [self._loop.time()]  # the handshake's end, and each message of the client's
        self._next = 0  # line
        self._pong = b""  # of the latest ping (RFC 6455 §5.5.3), where it waits for the end of a frame
        self._timer: asyncio.Handle | None = None
        self._is_paused = False
        self._is_over = False

    def begin(self, early: bytes) -> None:
        """`early`: what the client sent behind its handshake."""
        self._schedule()
        if early:
            self.client_sent(early)

    def client_sent(self, data: bytes) -> None:
        try:
            messages = self._reader.feed(data)
        except FrameError as error:
            self._refuse(str(error))
            return
        for message in messages:
            if not self._is_over:
                self._hear(message)

    def pause(self) -> None:
        self._is_paused = True

    def resume(self) -> None:
        self._is_paused = False
        self._schedule()

    def stop(self) -> None:
        self._is_over = True
        if self._timer is not None:
            self._timer.cancel()

    def _hear(self, message: Message) -> None:
        if message.opcode == PING:
            self._pong = frame_of(PONG, message.payload)
            self._send_pong()
            return
        if message.opcode == PONG:
            return
        heard = len(self._heard_at) - 1
        expected = self._script.said[heard] if heard < len(self._script.said) else None
        if _meaning(message, self._settings.masks) == expected:
            self._heard_at.append(self._loop.time())
            self._schedule()
        elif message.opcode == CLOSE:
            self._leave(frame_of(CLOSE, message.payload[:2]))
        else:
            self._refuse(_difference(heard + 1, message, expected))

    def _schedule(self) -> None:
        if self._timer is not None or self._is_paused or self._is_over:
            return
        behind, wait_s, _, _ = self._script.lines[self._next]
        if behind < len(self._heard_at):
            due_s = self._heard_at[behind] + wait_s / self._settings.speed
            if due_s > self._loop.time():
                self._timer = self._loop.call_at(due_s, self._step)
            else:
                self._timer = self._loop.call_soon(self._step)

    def _step(self) -> None:
        self._timer = None
        if self._is_paused or self._is_over:
            return
        line = self._script.lines[self._next]
        self._next += 1
        if self._next == len(self._script.lines):
            self._leave(b"")
            return
        self._transport.write(line.data)
        self._send_pong()
        self._schedule()

    def _send_pong(self) -> None:
        """Between frames alone."""
        if self._pong and (not self._next or self._script.lines[self._next - 1].ends_frame):
            self._transport.write(self._pong)
            self._pong = b""

    def _refuse(self, problem: str) -> None:
        self._audience.missed(problem)
        self._leave(frame_of(CLOSE, _POLICY + problem.encode()[:_REASON_BYTES_MAX].decode("utf-8", "ignore").encode()))

    def _leave(self, last: bytes) -> None:
        self.stop()
        if last:
            self._transport.write(last)
        self._audience.ended(Ending.CLOSES)


def _difference(number: int, message: Message, expected: Said | None) -> str:
    here = _shown(message.opcode, message.payload)
    recorded = "nothing more" if expected is None else _shown(*expected)
    return f"message {number} of the client is not the recorded one: {here} here, {recorded} recorded"


def _shown(opcode: int, payload: bytes) -> str:
    if opcode == CLOSE:
        return "the end"
    if opcode != TEXT:
        return f"{len(payload):,} bytes"
    text = payload.decode("utf-8", "replace")
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
