"""What the store counts and tells: read by /health, /metrics and the live feed. Written by the writer alone."""

from dataclasses import dataclass, field

from traffic.capture.events import Started
from traffic.capture.metadata import Metadata

Event = tuple[str, object]  # name, and what makes a JSON object


@dataclass(slots=True)
class Tally:
    started: int = 0
    completed: int = 0
    incomplete: int = 0
    stored_bytes: int = 0  # of the `.bin` files of exchanges that have ended
    gaps: int = 0
    lost_exchanges: int = 0
    lost_bytes: int = 0
    write_errors: int = 0
    open_exchanges: int = 0
    watched: bool = False  # someone listens: collect events
    events: list[Event] = field(default_factory=list)
    indexed: bool = False  # there is an index: collect stems
    concluded: list[str] = field(default_factory=list)  # stems of exchanges whose files are final

    def tell_started(self, started: Started) -> None:
        self.started += 1
        if self.watched:
            self.events.append(
                ("started", {"id": started.id, "method": started.method, "url": started.url, "route": started.route})
            )

    def tell_finished(self, facts: Metadata, stem: str) -> None:
        self.stored_bytes += facts.request.bytes + facts.response.bytes
        if facts.completed:
            self.completed += 1
        else:
            self.incomplete += 1
        if self.watched:
            self.events.append(("finished", _finished_fields(facts)))
        if self.indexed:
            self.concluded.append(stem)

    def take_events(self) -> list[Event]:
        events, self.events = self.events, []
        return events

    def take_concluded(self) -> list[str]:
        concluded, self.concluded = self.concluded, []
        return concluded


def _finished_fields(facts: Metadata) -> dict[str, object]:
    return {
        "id": facts.id,
        "method": facts.method,
        "url": facts.url,
        "route": facts.route,
        "status": facts.response.status,
        "completed": facts.completed,
        "error": facts.error.name if facts.error else None,
        "durations_ms": facts.durations_ms,
        "request_bytes": facts.request.bytes,
        "response_bytes": facts.response.bytes,
    }
