"""A client's connection to the player: reads requests one after the other, and has each answered.

What answers one is its act: a Performance (performance.py), a Dialogue (dialogue.py) or a Passing (passing.py). While
there is none, the connection reads; while there is one, it reads `early_bytes` ahead and no more, except for tunnels,
whose act gets what comes. An act calls `ended` once.
"""

import asyncio
import contextlib
import os
import socket
import struct
import sys
from typing import TYPE_CHECKING, Final, Protocol, cast

from replay.play.answers import CONTINUE, problem_answer
from replay.play.dialogue import Dialogue, Script
from replay.play.performance import Performance
from replay.play.question import Question
from replay.play.score import Ending, Score, without_continue
from traffic.http1.framing import FramingError
from traffic.http1.head import HeadError, RequestHead
from traffic.http1.message import END, RequestEvent, RequestReader

if TYPE_CHECKING:
    from replay.play.server import Player

_NO_LINGER: Final = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
_EARLY, _CLIENT, _RECORDER = 1, 2, 4  # why nothing is read: enough is ahead; who does not take what a tunnel brings
_LOOK_S: Final = 0.005  # how often a connection that is to be reset is asked whether its bytes have left


class Act(Protocol):
    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def stop(self) -> None: ...


class Tunnel(Act, Protocol):
    def client_sent(self, data: bytes) -> None: ...


class Connection(asyncio.Protocol):
    transport: asyncio.Transport

    def __init__(self, player: "Player") -> None:
        self.player = player
        self.has_continued = False  # the client has got its 100 Continue
        self.began_s = 0.0  # when the first and the last byte of the request came
        self.asked_s = 0.0
        self._limits = player.settings.limits
        self._loop = asyncio.get_running_loop()
        self._reader = RequestReader(self._limits.message)
        self._head: RequestHead | None = None
        self._body: list[bytes] = []
        self._held_bytes = 0  # of the body, until it is answered
        self._act: Act | None = None
        self._tunnel: Tunnel | None = None
        self._is_busy = False  # a request is being answered
        self._is_full = False  # the client takes no more bytes at the moment
        self._holds = 0  # reasons not to read, as bits
        self._is_half_closed = False
        self._since_s = 0.0  # when something passed last
        self._closes_at_s: float | None = None  # lingering: what arrives is thrown away

    # --- asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._since_s = self._loop.time()
        if not self.player.admit(self):
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._closes_at_s is not None:
            return
        if self._reader.is_between or self._is_busy:
            self._since_s = self._loop.time()
        self._advance(data)
        if self._reader.has_next and self._reader.buffered_bytes > self._limits.early_bytes:
            self._hold_reading(_EARLY)

    def eof_received(self) -> bool:
        """True keeps the connection open for writing: a client may end its side behind its request."""
        self._is_half_closed = True
        if not self._is_busy:
            self.transport.close()
        return True

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 how it was lost makes no difference
        self._drop_act()
        self._forget_body()
        self.player.leave(self)

    def pause_writing(self) -> None:
        self._is_full = True
        if self._tunnel is not None:
            self._hold_reading(_CLIENT)
        if self._act is not None:
            self._act.pause()

    def resume_writing(self) -> None:
        self._is_full = False
        self._since_s = self._loop.time()
        self._read_on(_CLIENT)
        if self._act is not None:
            self._act.resume()
        elif not self._is_busy:
            self._next_request()

    # --- called by the player

    @property
    def goes_on(self) -> bool:
        """Whether the client takes another answer on this connection."""
        return self._head is not None and self._head.keeps_alive

    def play(self, score: Score) -> None:
        if self.transport.is_closing():
            return
        if self.has_continued:
            score = without_continue(score)
        performance = Performance(self.transport, score, self.player.settings.speed, self.ended)
        self._begin(performance)
        performance.begin(self.began_s, self.asked_s)

    def answer(self, data: bytes) -> None:
        """With a whole answer of the player's own."""
        if not self.transport.is_closing():
            self.transport.write(data)
            self.ended(Ending.GOES_ON)

    def perform(self, act: Act) -> None:
        """`act` writes the answer, and has ended when it says so."""
        self._begin(act)

    def become_tunnel(self, act: Tunnel) -> bytes:
        """From now on `act` gets what the client sends; returns what it has sent already."""
        if self._act is not act:
            self._begin(act)
        self._tunnel = act
        self._read_on(_EARLY)
        return self._reader.become_tunnel()

    def converse(self, script: Script) -> None:
        """Play a WebSocket."""
        if self.transport.is_closing():
            return

        def begin(_ending: Ending) -> None:
            dialogue = Dialogue(self.transport, script, self.player.settings, self)
            dialogue.begin(self.become_tunnel(dialogue))

        handshake = Performance(self.transport, script.handshake, self.player.settings.speed, begin)
        self._begin(handshake)
        handshake.begin(self.began_s, self.asked_s)

    def hold_reading(self, *, is_held: bool) -> None:
        """A tunnel's other side takes no more bytes at the moment."""
        if is_held:
            self._hold_reading(_RECORDER)
        else:
            self._read_on(_RECORDER)

    def missed(self, problem: str) -> None:
        """What a WebSocket's client said was not recorded."""
        assert self._head is not None
        self.player.missed_in(self._head, problem)

    def request_bytes(self) -> bytes:
        """As it came."""
        assert self._head is not None
        return self._head.raw + b"".join(self._body)

    def ended(self, ending: Ending) -> None:
        """The act is over."""
        self._drop_act()
        self._forget_body()
        if self.transport.is_closing():
            return
        if ending is Ending.RESETS:
            self._reset_when_sent(self._loop.time() + self._limits.idle_s)
        elif ending is Ending.CLOSES or not self.goes_on:
            self.transport.close()
        elif self._reader.is_drained:
            self._is_busy = False
            self._next_request()
        else:  # in a turn of its own: answers to many pipelined requests must not nest
            self._loop.call_soon(self._after_answer)

    def check_deadlines(self, now_s: float) -> None:
        """Called about once a second."""
        if self._closes_at_s is not None:
            if now_s >= self._closes_at_s:
                self.transport.abort()
        elif self._is_busy and not self._is_full:
            self._since_s = now_s  # it waits for us
        elif self._reader.partial_head and now_s - self._since_s > self._limits.head_read_s:
            self._refuse("the request's head did not arrive in time", 408)
        elif now_s - self._since_s > self._limits.idle_s:
            self.transport.abort()

    # --- inside

    def _advance(self, data: bytes | None) -> None:
        """Take what arrived, or (None) what waits behind the last request."""
        try:
            events = self._reader.next_message() if data is None else self._reader.feed(data)
        except HeadError as error:
            self._refuse(str(error), error.status)
        except FramingError as error:
            self._refuse(str(error), 400)
        else:
            if self._tunnel is None:
                self._take(events)
            else:
                for event in events:
                    if isinstance(event, bytes) and self._tunnel is not None:
                        self._tunnel.client_sent(event)

    def _take(self, events: list[RequestEvent]) -> None:
        for event in events:
            if isinstance(event, RequestHead):
                self._head = event
                self.began_s = self._loop.time()
                self.has_continued = False
                self._is_busy = False
            elif isinstance(event, bytes):
                if not self._hold(event):
                    return
            elif event is END:
                self._ask()
                return
        if self._head is not None and events[:1] == [self._head] and b"100-continue" in self._head.tokens(b"expect"):
            self.has_continued = True
            self.transport.write(CONTINUE)

    def _hold(self, piece: bytes) -> bool:
        """False: the request is refused for its size."""
        self._body.append(piece)
        return self._count(len(piece))

    def _count(self, size: int) -> bool:
        self._held_bytes += size
        self.player.held_bytes += size
        self._since_s = self._loop.time()
        if self._held_bytes > self._limits.body_bytes:
            self._refuse(f"the request's body has more than {self._limits.body_bytes} bytes", 413)
        elif self.player.held_bytes > self._limits.unanswered_bytes:
            self._refuse("too much is being asked at the same time; try again later", 503)
        else:
            return True
        return False

    def _ask(self) -> None:
        assert self._head is not None
        self._is_busy = True
        self.asked_s = self._loop.time()
        question = Question(self._head, b"".join(self._body))
        unpacked_bytes = len(question.content) - self._held_bytes
        if unpacked_bytes <= 0 or self._count(unpacked_bytes):
            self.player.asked(self, question)

    def _begin(self, act: Act) -> None:
        self._drop_act()
        self._act = act
        if self._is_full:
            act.pause()

    def _drop_act(self) -> None:
        act, self._act, self._tunnel = self._act, None, None
        if act is not None:
            act.stop()

    def _forget_body(self) -> None:
        self.player.held_bytes -= self._held_bytes
        self._body, self._held_bytes = [], 0

    def _after_answer(self) -> None:
        self._is_busy = False
        self._next_request()

    def _next_request(self) -> None:
        if self.transport.is_closing() or self._closes_at_s is not None or self._is_full:
            return  # one who does not take its answers gets no more of them until it does
        self._since_s = self._loop.time()
        self._read_on(_EARLY)
        self._advance(None)
        if self._is_half_closed and not self._is_busy:
            self.transport.close()

    def _refuse(self, problem: str, status: int) -> None:
        """Answer, and end the connection: what else comes cannot be trusted, or is not wanted."""
        self._drop_act()
        self._forget_body()
        self._is_busy = False
        self.player.refused(status, problem)
        self._closes_at_s = self._loop.time() + self._limits.linger_s
        self.transport.write(problem_answer(status, problem))
        with contextlib.suppress(OSError):
            self.transport.write_eof()
        self._read_on(_EARLY | _CLIENT | _RECORDER)

    def _hold_reading(self, reason: int) -> None:
        if not self._holds and not self.transport.is_closing():
            self.transport.pause_reading()
        self._holds |= reason

    def _read_on(self, reasons: int) -> None:
        if self._holds & reasons:
            self._holds &= ~reasons
            if not self._holds and not self.transport.is_closing():
                self.transport.resume_reading()

    def _reset_when_sent(self, until_s: float) -> None:
        """RST throws away what has not left yet."""
        if self.transport.is_closing():
            return
        if self._loop.time() < until_s and _unsent_bytes(self.transport):
            self._loop.call_later(_LOOK_S, self._reset_when_sent, until_s)
            return
        with contextlib.suppress(OSError):
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self.transport.abort()


def _unsent_bytes(transport: asyncio.WriteTransport) -> int:
    """In the process, and in the system where that can be told (Linux: tcp(7), SIOCOUTQ)."""
    waiting = transport.get_write_buffer_size()
    if waiting or sys.platform != "linux":
        return waiting
    import fcntl  # noqa: PLC0415 does not exist for Windows
    import termios  # noqa: PLC0415 as fcntl

    count = fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, b"\0\0\0\0")
    return int.from_bytes(count, sys.byteorder)
