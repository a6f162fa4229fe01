"""The events of a streamed answer with the times at which they arrived, whichever dialect they are of, or none at all.

Called by the API and by `recorder show --events`.
"""

from collections.abc import Iterator
from typing import Literal, NamedTuple

from traffic.capture.metadata import Metadata
from traffic.capture.recording import Recording
from traffic.llm.events import Event, list_events, ndjson_events, sse_events
from traffic.llm.timeline import content_marks

Framing = Literal["sse", "ndjson", "list"]

_NDJSON = ("application/x-ndjson", "application/ndjson", "application/jsonl")
_READERS = {"sse": sse_events, "ndjson": ndjson_events, "list": list_events}


class Stream(NamedTuple):
    framing: Framing
    events: Iterator[Event]


def stream_of(facts: Metadata, response: Recording) -> Stream | None:
    """None: the answer is no stream of events."""
    framing = _framing(facts, response)
    if framing is None:
        return None
    return Stream(framing, _READERS[framing](response.content, content_marks(response, facts.response.arrivals)))


def _framing(facts: Metadata, response: Recording) -> Framing | None:
    kind = response.content_type.partition(";")[0].strip()
    if kind == "text/event-stream":
        return "sse"
    if kind in _NDJSON:
        return "ndjson"
    is_growing = facts.url.partition("?")[0].endswith(":streamGenerateContent")  # Gemini's, without alt=sse
    return "list" if is_growing and response.content.startswith(b"[") else None
