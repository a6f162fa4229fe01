"""Makes an LlmCall of the three files of an exchange. Pure, and bounded: whatever bodies hold costs limited time and
memory, and at worst a problem in the `problems` of the call. Called by the index, by tools and by tests.

What no dialect recognises is no call: it stays what it is, plain HTTP.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl, unquote

import msgspec

from traffic.capture.metadata import Metadata
from traffic.capture.recording import Recording, read_recording
from traffic.http1.head import RequestHead
from traffic.llm.call import Chunk, LlmCall
from traffic.llm.dialect import Answered, Asked, Dialect, RequestView
from traffic.llm.events import Event, Marks, list_events, ndjson_events, sse_events
from traffic.llm.timeline import content_marks

BODY_BYTES_MAX: Final = 64 * 1024 * 1024

_MALFORMED: Final = (ValueError, TypeError, KeyError, LookupError, AttributeError, RecursionError)
_EVENTS: Final[dict[str, Callable[[bytes, Marks], Iterator[Event]]]] = {
    "sse": sse_events,
    "ndjson": ndjson_events,
    "list": list_events,
}


class Raw(NamedTuple):
    """What the files of an exchange hold."""

    metadata: Metadata
    request: bytes
    response: bytes


class Decoded(NamedTuple):
    call: LlmCall
    chunks: list[Chunk]  # of a streamed answer


class Decoder:
    def __init__(self, dialects: Iterable[Dialect]) -> None:
        """`dialects`: the first that matches decodes."""
        self._dialects = tuple(dialects)

    def decode(self, raw: Raw) -> Decoded | None:
        """None: no call to an LLM, as far as the dialects know."""
        request = read_recording(raw.request)
        problems: list[str] = []
        view = _view(raw.metadata, request, problems)
        dialect = next((each for each in self._dialects if each.matches(view)), None)
        if dialect is None:
            return None
        asked = _asked(dialect, view, problems)
        answer = _Answer(dialect, raw, asked, problems)
        return Decoded(_call(dialect, asked, answer, problems), answer.chunks)


class _Answer:
    """What came back, decoded; empty where nothing came, or only the recorder's own words."""

    def __init__(self, dialect: Dialect, raw: Raw, asked: Asked, problems: list[str]) -> None:
        self.chunks: list[Chunk] = []
        self.answered = Answered(ended=False)
        self.is_stream = asked.stream
        self._problems = problems
        facts = raw.metadata
        if facts.answered_by == "recorder" or not raw.response:
            return
        recording = read_recording(raw.response, facts.method)
        framing = _framing(recording, dialect, asked)
        try:
            if framing is not None:
                self.is_stream = True
                marks = content_marks(recording, facts.response.arrivals)
                self._read_stream(dialect, _EVENTS[framing](recording.content, marks))
            else:
                self.answered = dialect.answered(msgspec.json.decode(recording.content))
        except _MALFORMED as error:
            self._problems.append(f"the response cannot be decoded: {_short(error)}")

    def _read_stream(self, dialect: Dialect, events: Iterator[Event]) -> None:
        reader = dialect.stream()
        wrong = 0
        for event in events:
            try:
                self.chunks += reader.feed(event)
            except _MALFORMED as error:
                wrong += 1
                if wrong == 1 and event.is_whole:
                    self._problems.append(f"an event cannot be decoded: {_short(error)}")
        self.answered = reader.answered()


def _view(facts: Metadata, request: Recording, problems: list[str]) -> RequestView:
    head = request.head
    if not isinstance(head, RequestHead):
        return RequestView(facts.method, "", {}, {}, None)
    path, _, query = head.target.decode("latin-1").partition("?")
    headers: dict[str, str] = {}
    for name, value in facts.request.headers:
        headers.setdefault(name.lower(), value)
    document: Any = None
    if request.content:
        try:
            document = msgspec.json.decode(request.content)
        except _MALFORMED as error:
            problems.append(f"the request cannot be decoded: {_short(error)}")
    return RequestView(facts.method, unquote(path), dict(parse_qsl(query)), headers, document)


def _asked(dialect: Dialect, view: RequestView, problems: list[str]) -> Asked:
    try:
        return dialect.asked(view)
    except _MALFORMED as error:
        problems.append(f"the request cannot be decoded: {_short(error)}")
        return Asked()


def _framing(recording: Recording, dialect: Dialect, asked: Asked) -> str | None:
    """How the answer is streamed; None: it is one document."""
    kind = recording.content_type.partition(";")[0].strip()
    if dialect.framing == "sse":
        if kind == "text/event-stream":
            return "sse"
        is_list = asked.stream and kind == "application/json" and recording.content.startswith(b"[")
        return "list" if is_list else None
    return "ndjson" if kind in ("application/x-ndjson", "application/ndjson", "application/jsonl") else None


def _call(dialect: Dialect, asked: Asked, answer: _Answer, problems: list[str]) -> LlmCall:
    answered = answer.answered
    return LlmCall(
        dialect=dialect.name,
        operation=dialect.operation,
        model=asked.model,
        response_model=answered.response_model,
        response_id=answered.response_id,
        stream=answer.is_stream,
        parameters=asked.parameters,
        tools=asked.tools,
        input=asked.input,
        output=answered.output,
        finish_reason=answered.finish_reason,
        usage=answered.usage,
        error=answered.error,
        truncated=not answered.ended,
        problems=tuple(problems),
        session=asked.session,
        session_source=asked.session_source,
        previous_response_id=asked.previous_response_id,
    )


def _short(error: Exception) -> str:
    return (str(error) or type(error).__name__)[:200]
