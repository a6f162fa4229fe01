"""What a dialect is: how one API of one provider says its requests and answers. One file per dialect in dialects/.

    matches()         whether a request is of this dialect, by the end of its path and its shape
    asked()           the request in the normal form
    answered()        a whole answer in the normal form
    stream()          a fresh reader that is fed a streamed answer event by event, and then tells the same

A dialect is pure and has no state but its readers'. What it is given may be cut, hostile or nonsense: it takes what has
the right shape (shapes.py) and passes over the rest. It may raise ValueError, TypeError, KeyError or RecursionError:
decode.py makes a problem of that. docs/decoders.md shows how to add one.
"""

from typing import Any, NamedTuple, Protocol

import msgspec

from traffic.llm.call import Chunk, Message, ProviderError, Tool, Usage
from traffic.llm.events import Event


class RequestView(NamedTuple):
    """A request as a dialect sees it."""

    method: str
    path: str  # upstream's, percent-decoded, without the query
    query: dict[str, str]
    headers: dict[str, str]  # by name in lower case; the first of several
    document: Any  # the JSON body; None: it has none

    def posts_to(self, end: str | tuple[str, ...], *fields: str) -> bool:
        """Whether it is a POST to a path with this end, behind any prefix, whose document has one of these fields. A
        body that is no JSON, or was cut, tells nothing about its fields.
        """
        if self.method != "POST" or not self.path.rstrip("/").endswith(end):
            return False
        document = self.document
        return document is None or (isinstance(document, dict) and any(field in document for field in fields))


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Fields as in LlmCall."""

    model: str | None = None
    stream: bool = False
    parameters: dict[str, Any] = {}
    tools: tuple[Tool, ...] = ()
    input: tuple[Message, ...] = ()
    session: str | None = None
    session_source: str | None = None
    previous_response_id: str | None = None


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """Fields as in LlmCall. `ended`: it came to its end by the dialect's own sign, an error included."""

    response_model: str | None = None
    response_id: str | None = None
    output: tuple[Message, ...] = ()
    finish_reason: str | None = None
    usage: Usage = Usage()
    reported_cost_usd: float | None = None
    reported_cost_source: str | None = None  # "reported: usage.cost"
    error: ProviderError | None = None
    ended: bool = True


class StreamReader(Protocol):
    def feed(self, event: Event) -> list[Chunk]:
        """Take one event; what it added to the answer, [] for nothing."""
        ...

    def answered(self) -> Answered:
        """What came so far; may be asked at any time."""
        ...


class Dialect(Protocol):
    name: str  # "openai.chat"
    operation: str
    framing: str  # of a streamed answer: "sse" (also of one that comes as the elements of one list), "ndjson"

    def matches(self, request: RequestView) -> bool: ...

    def asked(self, request: RequestView) -> Asked: ...

    def answered(self, document: Any) -> Answered: ...

    def stream(self) -> StreamReader: ...
