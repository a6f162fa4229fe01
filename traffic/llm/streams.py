"""The events of a streamed answer with the times at which they arrived, whichever dialect they are of, or none at all.

Called by the API. answer.py, which knows the dialect, reads events of the same framings.
"""

from collections.abc import Callable, Iterator
from typing import Final, Literal, NamedTuple

from traffic.capture.metadata import Metadata
from traffic.capture.recording import Recording
from traffic.llm.events import Event, Marks, list_events, ndjson_events, sse_events
from traffic.llm.timeline import content_marks

Framing = Literal["sse", "ndjson", "list"]

NDJSON: Final = ("application/x-ndjson", "application/ndjson", "application/jsonl")
READERS: Final[dict[Framing, Callable[[bytes, Marks], Iterator[Event]]]] = {
    "sse": sse_events,
    "ndjson": ndjson_events,
    "list": list_events,
}
_SSE_STARTS: Final = (b"data: ", b"data:{", b"event:")  # of a stream whose type says something else


class Stream(NamedTuple):
    framing: Framing
    events: Iterator[Event]


def stream_of(facts: Metadata, response: Recording) -> Stream | None:
    """None: the answer is no stream of events."""
    framing = _framing(facts, response)
    if framing is None:
        return None
    return Stream(framing, READERS[framing](response.content, content_marks(response, facts.response.arrivals)))


def _framing(facts: Metadata, response: Recording) -> Framing | None:
    kind = response.content_type.partition(";")[0].strip()
    if kind == "text/event-stream" or response.content.startswith(_SSE_STARTS):
        return "sse"
    if kind in NDJSON:
        return "ndjson"
    is_growing = facts.url.partition("?")[0].endswith(":streamGenerateContent")  # Gemini's, without alt=sse
    return "list" if is_growing and response.content.startswith(b"[") else None
