"""What one endpoint is: its place, what it takes and what it answers. operations.py lists all of them; the app makes
its routes of that list, openapi.py the document.
"""

from typing import Any, Final, NamedTuple

from ingest_server.index.filters import Parameter

JSON: Final = "application/json"
TEXT: Final = "text/plain"
BYTES: Final = "application/octet-stream"
EVENTS: Final = "text/event-stream"


class Answer(NamedTuple):
    text: str
    content_type: str = TEXT
    shape: Any = str  # of JSON: a type that msgspec knows


class Operation(NamedTuple):
    name: str
    method: str
    path: str
    summary: str
    answers: dict[int, Answer]
    query: tuple[Parameter, ...] = ()
    headers: tuple[Parameter, ...] = ()
    body: Answer | None = None  # what it takes
    allows_head: bool = True
    guarded_as: str | None = None  # guard.OPEN, guard.LINK; None: it wants a key of ingest.keys
