"""One exchange as `recorder show` prints it: a heading, what was said, and what came of it.

The API's answer for one exchange is read as ShownExchange. Everything recorded is escaped. Called by `recorder show`.
"""

from collections.abc import Iterator
from typing import Any

import msgspec
from rich.text import Text

from commands.conversation import Line, closing, conversation, settings_of
from commands.plain_text import plain
from traffic.capture.metadata import ErrorFields
from traffic.llm.call import LlmCall


class ShownMetadata(msgspec.Struct, frozen=True):
    """What is read of it."""

    error: ErrorFields | None = None
    upstream_url: str | None = None
    client: str | None = None
    replay_of: str | None = None


class ShownExchange(msgspec.Struct, frozen=True):
    id: str
    started_at: str
    route: str | None
    key: str | None
    method: str
    url: str
    status: int | None
    completed: bool
    duration_ms: float | None
    session: str | None
    parent: str | None
    call: LlmCall | None
    metadata: ShownMetadata


class StreamEvent(msgspec.Struct, frozen=True):
    """As in the API's answer."""

    at_ms: float | None
    event: str | None
    data: str
    is_whole: bool


class StreamEvents(msgspec.Struct, frozen=True):
    """As in the API's answer."""

    framing: str | None  # None: the response is no stream of events
    events: list[StreamEvent]
    next: int | None  # where the next page starts
    problems: list[str]


def heading(shown: ShownExchange) -> Iterator[Line]:
    """The exchange in two lines, and a line for each thing that is not on every exchange."""
    status = "-" if shown.status is None else str(shown.status)
    when = shown.started_at.replace("T", " ").removesuffix("Z") + " UTC"
    yield Line(Text(shown.id, "bold cyan") + Text(f"  {when}", "dim"))
    yield Line(Text(plain(f"{shown.method} {shown.url}")) + Text(f"  {status}", _status_style(shown)))
    for name, value in _facts(shown):
        yield Line(Text(f"{name} ", "dim") + Text(plain(value)))


def lines_of_call(shown: ShownExchange, call: LlmCall) -> Iterator[Line]:
    """`call`: that of the exchange."""
    yield from heading(shown)
    yield from conversation(call)
    yield Line(Text())
    yield from incomplete(shown)
    yield from closing(call, shown.duration_ms)


def incomplete(shown: ShownExchange) -> Iterator[Line]:
    error = shown.metadata.error
    if error is not None:
        text = f"this exchange is incomplete: {error.name} in {error.phase}, by {error.by}: {error.detail}"
        yield Line(Text(plain(text), "red"))
    elif not shown.completed:
        yield Line(Text("this exchange has not ended, or its end was not recorded", "blue"))


def lines_of_events(events: list[StreamEvent], after_ms: float | None) -> Iterator[Line]:
    """When each arrived, how long after the one before (`after_ms`), and what it holds."""
    for event in events:
        gap = "" if event.at_ms is None or after_ms is None else f"+{event.at_ms - after_ms:.1f}"
        at = "-" if event.at_ms is None else f"{event.at_ms:.1f}"
        data = Text(plain(event.data).replace("\n", "\\n"), "" if event.is_whole else "yellow")
        name = Text(plain(f"{event.event} ") if event.event else "", "bold")
        yield Line(Text(f"{at:>10} ms {gap:>10}  ", "dim") + name + data)
        after_ms = event.at_ms


def _facts(shown: ShownExchange) -> Iterator[tuple[str, str]]:
    call = shown.call
    if call is not None:
        served = call.response_model
        model = f"{call.model or '-'}{f' (served as {served})' if served and served != call.model else ''}"
        provider = f" at {call.provider}" if call.provider else ""
        yield "model", f"{model}{provider}, {call.dialect}{', streamed' if call.stream else ''}"
    facts: list[tuple[str, Any]] = [("route", shown.route), ("key", shown.key), ("session", shown.session)]
    named = [(name, value) for name, value in facts if value is not None and value != shown.id]
    if named:
        (name, value), *others = named
        yield name, "  ".join([value, *(f"{name} {value}" for name, value in others)])
    if shown.parent is not None:
        yield "continues", shown.parent
    if shown.metadata.replay_of is not None:
        yield "repeats", shown.metadata.replay_of
    if call is not None:
        yield from settings_of(call)


def _status_style(shown: ShownExchange) -> str:
    status = shown.status or 0
    return "red" if shown.metadata.error is not None or status >= 500 else "yellow" if status >= 400 else "green"
