"""Prints the answer to a replayed request while it arrives: its text, or its bytes, on stdout; all else on stderr.

On a terminal nothing in it can act on the terminal (plain_text.py); elsewhere it is not changed. Called by
`recorder replay`.
"""

import codecs
import secrets
import sys

import click

from commands.figures import duration
from commands.plain_text import plain, plain_bytes
from replay.answer import Reply
from traffic.capture.redact import Redactor
from traffic.http1.head import ResponseHead, parse_response_head
from traffic.http1.limits import UNLIMITED
from traffic.llm.live_answer import LiveAnswer


def say(text: str) -> None:
    for line in plain(text).split("\n"):
        click.echo(click.style(f"-- {line}", dim=True), err=True)


class AnswerOutput:
    """Of one answer: `head` and `body` are called with what arrives, then `end`."""

    def __init__(self, live: LiveAnswer | None) -> None:
        """None: the bytes of its body."""
        self._live = live
        self._output = _TerminalOutput() if sys.stdout.isatty() else _PipeOutput()

    def head(self, raw: bytes) -> None:
        head = parse_response_head(raw, UNLIMITED)
        is_final = head.status >= 200 or head.status == 101
        if self._live is None:
            click.echo(_shown_head(raw) + "\n", err=True)
        elif is_final:
            say(plain_bytes(raw.partition(b"\r\n")[0]))
            self._begin(self._live, head)

    def body(self, data: bytes) -> None:
        if self._live is None:
            self._output.write(data)
            return
        try:
            for piece in self._live.feed(data):
                self._output.write(piece)
        except ValueError as error:
            self._show_bytes(f"the answer's compression cannot be undone: {error}")
            self._output.write(data)

    def end(self, reply: Reply) -> None:
        if self._live is not None:
            for piece in self._live.end():
                self._output.write(piece)
        self._output.end()
        if not self._output.is_at_line_start and (self._live is not None or sys.stdout.isatty()):
            self._output.write(b"\n")
        if reply.error is None:
            total, first = reply.durations_ms.total, reply.durations_ms.first_byte
            say(f"{reply.size_bytes:,} bytes in {duration(total)}, the first after {duration(first)}")

    def _begin(self, live: LiveAnswer, head: ResponseHead) -> None:
        try:
            live.begin(head)
        except ValueError as error:
            self._show_bytes(str(error))

    def _show_bytes(self, why: str) -> None:
        say(f"{why}; its bytes are shown as they come")
        self._live = None


def _shown_head(raw: bytes) -> str:
    """Cookies that the answer sets are secrets as well; the key is thrown away, as nobody looks for them again."""
    shown, _ = Redactor(secrets.token_bytes(16)).head(raw, "response")
    return plain_bytes(shown.removesuffix(b"\r\n\r\n"))


class _PipeOutput:
    def __init__(self) -> None:
        self.is_at_line_start = True

    def write(self, data: bytes) -> None:
        if data:
            self.is_at_line_start = data.endswith(b"\n")
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()

    def end(self) -> None:
        pass


class _TerminalOutput:
    def __init__(self) -> None:
        self.is_at_line_start = True
        self._decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")

    def write(self, data: bytes) -> None:
        self._show(self._decoder.decode(data))

    def end(self) -> None:
        self._show(self._decoder.decode(b"", final=True))

    def _show(self, text: str) -> None:
        if text:
            self.is_at_line_start = text.endswith("\n")
            sys.stdout.write(plain(text.replace("\r\n", "\n")))
            sys.stdout.flush()
