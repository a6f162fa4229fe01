"""The text of an answer while it arrives: of a stream as its events tell it, of one document at its end; and behind it
a line for each call of a tool, `→ NAME ARGUMENTS`.

What no dialect knows, errors, documents without either, and what is longer than an event or a document can be go as
they are, without their compression. Called by `recorder replay`.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Final

from traffic.http1.head import ResponseHead
from traffic.http1.unpacking import unpacker_of
from traffic.llm.answer import MALFORMED, framing_of
from traffic.llm.call import ToolCall
from traffic.llm.decode import BODY_BYTES_MAX
from traffic.llm.dialect import Answered, Asked, Dialect, StreamReader
from traffic.llm.documents import read_document
from traffic.llm.events import Event, list_events, ndjson_events, sse_events
from traffic.llm.request import read_request
from traffic.llm.streams import NDJSON, READERS, Framing

_EVENT_BYTES_MAX: Final = 16 * 1024 * 1024
_START_BYTES: Final = 8  # of content, by which a stream of events is told from a document


def live_answer(dialects: Iterable[Dialect], method: str, request: bytes) -> "LiveAnswer":
    """The answer to `request`, raw."""
    view = read_request(method, request[:BODY_BYTES_MAX], BODY_BYTES_MAX, [])
    for dialect in dialects:
        if dialect.matches(view):
            try:
                return LiveAnswer(dialect, dialect.asked(view))
            except MALFORMED:
                return LiveAnswer(dialect, Asked())
    return LiveAnswer(None, Asked())


class LiveAnswer:
    """Its begin() is called with the final head, then feed() with the body's data, then end(). feed() and end() give
    what is to be shown, in UTF-8 where it is text; feed() raises ValueError where compressed data is corrupt.
    """

    def __init__(self, dialect: Dialect | None, asked: Asked) -> None:
        self._dialect = dialect
        self._asked = asked
        self._content_type = ""
        self._unpacker = unpacker_of("")
        self._held = bytearray()  # of which nothing was shown yet
        self._framing: Framing | None = None
        self._reader: StreamReader | None = None  # of a stream, once it is known to be one
        self._is_at_line_start = True
        self._told = 0  # elements of the one list that a stream is: it is read again and again

    def begin(self, head: ResponseHead) -> None:
        self._unpacker = unpacker_of(b",".join(head.values(b"content-encoding")).decode("latin-1"))
        self._content_type = (head.value(b"content-type") or b"").decode("latin-1").lower().partition(";")[0].strip()
        if head.status >= 400:
            self._dialect = None

    def feed(self, data: bytes) -> Iterator[bytes]:
        for piece in self._unpacker.feed(data):
            if self._dialect is None:
                yield piece
                continue
            self._held += piece
            if self._reader is None and len(self._held.lstrip()) >= _START_BYTES:
                self._find_framing(self._dialect)
            if self._reader is not None:
                yield from self._texts(self._reader, self._whole_events())
            if len(self._held) > (BODY_BYTES_MAX if self._reader is None else _EVENT_BYTES_MAX):
                yield bytes(self._held)
                self._held, self._dialect, self._reader = bytearray(), None, None

    def end(self) -> Iterator[bytes]:
        content, self._held = bytes(self._held), bytearray()
        if self._reader is not None and self._framing is not None:
            yield from self._texts(self._reader, islice(READERS[self._framing](content, []), self._told, None))
            yield from self._calls(self._reader.answered)
        elif content:
            yield from self._document_texts(content) or [content]

    def _find_framing(self, dialect: Dialect) -> None:
        """Else it may be a document."""
        if dialect.framing == "ndjson":
            self._framing = "ndjson" if self._asked.stream or self._content_type in NDJSON else None
        else:
            self._framing = framing_of(dialect, self._asked, self._content_type, bytes(self._held))
        if self._framing is not None:
            self._reader = dialect.stream()

    def _whole_events(self) -> Iterator[Event]:
        """Those that are there to their ends, and no more."""
        if self._framing == "list":
            elements = [each for each in list_events(bytes(self._held), []) if each.is_whole]
            yield from elements[self._told :]
            self._told = len(elements)
            return
        ends = _ENDS_OF_LINE if self._framing == "ndjson" else _ENDS_OF_EVENT
        end = max(place + len(mark) if (place := self._held.rfind(mark)) >= 0 else 0 for mark in ends)
        content, self._held = bytes(self._held[:end]), self._held[end:]
        yield from ndjson_events(content, []) if self._framing == "ndjson" else sse_events(content, [])

    def _document_texts(self, content: bytes) -> list[bytes]:
        assert self._dialect is not None
        try:
            answered = self._dialect.answered(read_document(content))
        except MALFORMED:
            return []
        text = "\n".join(message.text for message in answered.output if message.text)
        self._is_at_line_start = not text or text.endswith("\n")
        calls = self._calls(lambda: answered)
        return [text.encode("utf-8", "replace"), *calls] if text else list(calls)

    def _calls(self, answered: Callable[[], Answered]) -> Iterator[bytes]:
        try:
            parts = [part for message in answered().output for part in message.parts]
        except MALFORMED:
            return
        lines = [f"→ {part.name} {part.arguments.strip()}".rstrip() for part in parts if isinstance(part, ToolCall)]
        if lines:
            yield (("" if self._is_at_line_start else "\n") + "\n".join(lines)).encode("utf-8", "replace")

    def _texts(self, reader: StreamReader, events: Iterator[Event]) -> Iterator[bytes]:
        for event in events:
            try:
                chunks = reader.feed(event)
            except MALFORMED:
                continue
            for chunk in chunks:
                if chunk.kind in ("text", "refusal") and chunk.text:
                    self._is_at_line_start = chunk.text.endswith("\n")
                    yield chunk.text.encode("utf-8", "replace")


_ENDS_OF_LINE: Final = (b"\n",)
_ENDS_OF_EVENT: Final = (b"\n\n", b"\n\r\n", b"\r\r")
