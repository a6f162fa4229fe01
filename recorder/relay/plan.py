"""What to do with a request, decided from its head alone and before anything is sent: pure, no sockets.

The relay acts on the Plan: it forwards, or answers itself. Every refusal says what was wrong and what to do.
"""

from dataclasses import dataclass

from recorder.routing.routes import Destination, Own, RouteTarget, Target, dynamic_target
from recorder.routing.table import Redirect, RoutingTable
from recorder.routing.target import TargetError, TargetParts, join_target, leaves_prefix, split_target
from recorder.settings import RecorderSettings, Route
from traffic.capture.events import ExchangeError
from traffic.http1.head import TARGET_BYTES_MAX, RequestHead


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the recorder's own."""

    status: int
    text: str
    error: ExchangeError | None = None
    location: bytes | None = None


@dataclass(frozen=True, slots=True)
class Forward:
    destination: Destination
    target: bytes
    route: Route

    @property
    def url(self) -> str:
        authority = self.destination.authority.decode("latin-1")
        return f"{self.destination.scheme}://{authority}{self.target.decode('latin-1')}"


@dataclass(frozen=True, slots=True)
class Plan:
    """`action` is what to do; `route` is None where none matched."""

    action: Forward | Answer | Own
    route: str | None
    pattern: str | None
    is_recorded: bool


def make_plan(settings: RecorderSettings, table: RoutingTable[Target], head: RequestHead) -> Plan:
    try:
        parts = split_target(head.target)
    except TargetError as error:
        return _refuse(settings, 400, str(error))
    if len(head.target) > TARGET_BYTES_MAX:
        return _refuse(settings, 414, f"the request target has more than {TARGET_BYTES_MAX} bytes")
    if parts.form == "authority":
        return _refuse(settings, 501, "CONNECT is not offered: set the recorder as the base URL, not as a proxy")
    match = table.match(head.method, parts.authority or head.value(b"host"), parts.path)
    if match is None:
        return _not_found(settings)
    if isinstance(match, Redirect):
        query = b"" if parts.query is None else b"?" + parts.query
        answer = Answer(308, "the route's path ends with a slash", location=parts.path + b"/" + query)
        return Plan(answer, None, None, settings.log_unmatched)
    if isinstance(match.value, RouteTarget):
        return _forward(match.value, match.pattern, parts, parts.path[match.prefix_length :])
    if match.value is Own.DYNAMIC:
        decided = dynamic_target(settings, parts.path[match.prefix_length :])
        if isinstance(decided, str):
            return _refuse(settings, 404, decided)
        return _forward(decided.target, match.pattern, parts, decided.rest)
    if match.value is Own.NOT_FOUND:
        return _not_found(settings)
    return Plan(match.value, None, match.pattern, is_recorded=False)


def _forward(target: RouteTarget, pattern: str, parts: TargetParts, rest: bytes) -> Plan:
    route = target.route
    if leaves_prefix(rest):
        error = ExchangeError("bad_request", "request_head", "client", "dot segments lead out of the route's prefix")
        return Plan(Answer(400, error.detail, error), route.name, pattern, route.log)
    upstream = join_target(target.destination.path, rest, parts.query)
    return Plan(Forward(target.destination, upstream, route), route.name, pattern, route.log)


def _refuse(settings: RecorderSettings, status: int, text: str) -> Plan:
    error = ExchangeError("bad_request", "request_head", "client", text)
    return Plan(Answer(status, text, error), None, None, settings.log_unmatched)


def _not_found(settings: RecorderSettings) -> Plan:
    routes = "\n".join(f"  {route.pattern}  ->  {route.destination}" for route in settings.routes)
    text = f"no route matches this path; the recorder's routes are:\n{routes or '  (none)'}"
    return Plan(Answer(404, text), None, None, settings.log_unmatched)
