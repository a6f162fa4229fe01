"""Reads a stored response by a dialect: one document, or a stream of events. Called by decode.py.

A response may be none of the dialect's: cut, a web server's page, an error in JSON where a stream was asked for. What
can be understood of it is.
"""

import codecs
import re
from collections.abc import Iterator
from html import unescape
from typing import Final, NamedTuple

import msgspec

from traffic.capture.recording import Recording
from traffic.http1.head import ResponseHead
from traffic.llm.call import Chunk, ProviderError
from traffic.llm.dialect import Answered, Asked, Dialect, StreamReader
from traffic.llm.documents import read_document
from traffic.llm.events import EVENTS_MAX, Event
from traffic.llm.streams import NDJSON, READERS, Framing
from traffic.llm.timeline import content_marks

MALFORMED: Final = (ValueError, TypeError, LookupError, AttributeError, RecursionError, OverflowError)
CHUNKS_MAX: Final = EVENTS_MAX  # an event may hold many pieces
_SSE_STARTS: Final = (b"data:", b"event:", b"id:", b"retry:", b":")
_TITLE: Final = re.compile(r"<title[^>]{0,100}>([^<]{1,500})</title", re.IGNORECASE)
_WORDS_MAX: Final = 500  # characters of a page that say what went wrong


class Answer(NamedTuple):
    answered: Answered
    chunks: list[Chunk]  # of a stream
    is_stream: bool


Arrivals = list[tuple[int, float]]


def read_answer(
    dialect: Dialect, asked: Asked, recording: Recording, arrivals: Arrivals, problems: list[str]
) -> Answer:
    """Raises nothing: what cannot be decoded is told in `problems`."""
    if not isinstance(recording.head, ResponseHead):
        problems += recording.problems
        return Answer(Answered(ended=False), [], asked.stream)
    content_type = recording.content_type.partition(";")[0].strip()
    framing = framing_of(dialect, asked, content_type, recording.content)
    is_page = recording.head.status >= 400 and not recording.problems  # whole, and not what was asked for
    answered, chunks = Answered(ended=False), list[Chunk]()
    try:
        if framing is None:
            answered = dialect.answered(read_document(recording.content))
        else:
            events = READERS[framing](recording.content, content_marks(recording, arrivals))
            answered = _read_stream(dialect.stream(), events, chunks, problems)
    except MALFORMED as error:
        if not is_page:
            problems.append(f"the response cannot be decoded: {short(error)}")
    if is_page and answered.error is None:
        error_in_words = ProviderError(None, str(recording.head.status), _words(recording.head, recording.content))
        answered = msgspec.structs.replace(answered, error=error_in_words, ended=True)
    if not answered.ended:
        problems += recording.problems
    return Answer(answered, chunks, asked.stream or framing is not None)


def framing_of(dialect: Dialect, asked: Asked, content_type: str, content: bytes) -> Framing | None:
    """How the answer is streamed; None: it is one document, as errors are whatever was asked for."""
    start = content[:64].removeprefix(codecs.BOM_UTF8).lstrip()
    if dialect.framing == "ndjson":
        return "ndjson" if content_type in NDJSON or (asked.stream and _is_lines(content)) else None
    if start.startswith(b"{"):
        return None
    if content_type == "text/event-stream" or start.startswith(_SSE_STARTS):
        return "sse"
    return "list" if asked.stream and start.startswith(b"[") else None


def _is_lines(content: bytes) -> bool:
    """More than one, and the first a document."""
    first, _, rest = content.partition(b"\n")
    if not rest.strip():
        return False
    try:
        read_document(first)
    except (ValueError, RecursionError):
        return False
    return True


def _read_stream(reader: StreamReader, events: Iterator[Event], chunks: list[Chunk], problems: list[str]) -> Answered:
    """Adds to `chunks`. Of events that cannot be decoded the first is told."""
    is_told = False
    for number, event in enumerate(events):
        if number == EVENTS_MAX:
            problems.append(f"only the first {EVENTS_MAX:,} events are decoded")
            break
        if len(chunks) >= CHUNKS_MAX:
            problems.append(f"only the first {CHUNKS_MAX:,} pieces are decoded")
            break
        try:
            chunks += reader.feed(event)
        except MALFORMED as error:
            if not is_told and event.is_whole:
                problems.append(f"an event cannot be decoded: {short(error)}")
                is_told = True
    return reader.answered()


def _words(head: ResponseHead, content: bytes) -> str:
    """What a page, or a text, says of an error."""
    text = content[:8_192].decode("utf-8", "replace")
    title = _TITLE.search(text)
    if title is not None:
        text = unescape(title[1])
    elif text.lstrip().startswith("<"):
        text = ""
    words = " ".join(text.split())[:_WORDS_MAX]
    return words or head.reason.decode("latin-1")


def short(error: Exception) -> str:
    return (str(error) or type(error).__name__)[:200]
