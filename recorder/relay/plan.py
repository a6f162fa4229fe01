"""What to do with a request, decided from its method, Host and target alone, before anything is sent: pure, no sockets.

The relay acts on the Plan: it forwards, or answers itself. Every refusal says what was wrong and what to do. Clients
send the same few requests again and again, so the latest decisions are kept.
"""

from functools import lru_cache

import msgspec

from recorder.routing.routes import Destination, Own, RouteTarget, Target, dynamic_target
from recorder.routing.table import Redirect, RoutingTable
from recorder.routing.target import TargetError, TargetParts, join_target, leaves_prefix, split_target
from recorder.settings import RecorderSettings, Route
from traffic.capture.events import ExchangeError, Redaction
from traffic.capture.redact import Redactor


class Answer(msgspec.Struct, frozen=True):
    """An answer of the recorder's own."""

    status: int
    text: str
    error: ExchangeError | None = None
    field: bytes | None = None  # one more header line
    reads_on: bool = True  # else what is left of the request is neither recorded nor looked at

    @property
    def name(self) -> str:
        """For the console, which has no upstream to name."""
        return {404: "NOT_FOUND", 308: "REDIRECT"}.get(self.status, "REFUSED")


class Forward(msgspec.Struct, frozen=True):
    destination: Destination
    target: bytes
    host: bytes | None  # to send; None: the client's Host line
    route: Route


class Plan(msgspec.Struct, frozen=True):
    """`action` is what to do; the rest is what is told about it, without secrets, texts in latin-1."""

    action: Forward | Answer | Own | None  # None: the request could not be read
    route: str | None  # None: no route matched
    pattern: str | None
    is_recorded: bool
    path: str = ""  # the client's target
    url: str = ""  # as the client called the recorder
    upstream_url: str | None = None
    recorded_target: bytes = b""
    proxy_path_line: bytes = b""  # that the recorded request gets
    redactions: tuple[Redaction, ...] = ()
    provider: str | None = None  # the route's
    key: str | None = None  # the name of the recorder's key that the request brought
    key_places: frozenset[int] = frozenset()  # of the fields that hold one, among the head's lines


class Planner:
    """`plan(method, host, target)` decides; `host` is the Host header's value, None where there is none."""

    def __init__(
        self, settings: RecorderSettings, table: RoutingTable[Target], redactor: Redactor | None, authority: bytes
    ) -> None:
        self._settings = settings
        self._table = table
        self._redactor = redactor
        self._scheme = "http" if settings.tls is None else "https"
        self._authority = authority  # in URLs of clients that send no Host
        self.plan = lru_cache(settings.limits.plans)(self._plan)

    def retire(self) -> None:
        """It is asked no more: let its memory go at once, without waiting for the garbage collector."""
        del self.plan

    def _plan(self, method: str, host: bytes | None, target: bytes) -> Plan:
        plan = self._decide(method, host, target)
        action = plan.action
        authority = (host or self._authority).decode("latin-1")
        path, redactions = self._shown(target.decode("latin-1"))
        url, _ = self._shown(f"{self._scheme}://{authority}{path}" if path.startswith("/") else path)
        upstream_url, recorded_target = None, path.encode("latin-1")
        if isinstance(action, Forward):
            recorded, _ = self._shown(action.target.decode("latin-1"))
            recorded_target = recorded.encode("latin-1")
            upstream_url = f"{action.destination.scheme}://{action.destination.authority.decode('latin-1')}{recorded}"
        return msgspec.structs.replace(
            plan,
            path=path,
            url=url,
            upstream_url=upstream_url,
            recorded_target=recorded_target,
            proxy_path_line=b"X-Proxy-Path: " + url.encode("latin-1"),
            redactions=tuple(redactions),
        )

    def _shown(self, url: str) -> tuple[str, list[Redaction]]:
        return self._redactor.url(url, "request") if self._redactor else (url, [])

    def _decide(self, method: str, host: bytes | None, target: bytes) -> Plan:
        try:
            parts = split_target(target)
        except TargetError as error:
            return self._refuse(400, str(error))
        if parts.form == "authority" or method == "CONNECT":
            return self._refuse(501, "CONNECT is not offered: set the recorder as the base URL, not as a proxy")
        match = self._table.match(method, parts.authority or host, parts.path)
        if match is None or isinstance(match, Redirect):
            return self._unmatched(parts, is_lacking_slash=match is not None)
        rest = parts.path[match.prefix_length :]
        if isinstance(match.value, RouteTarget):
            return _forward(match.value, match.pattern, parts, rest, host)
        if match.value is Own.DYNAMIC:
            return self._dynamic(match.pattern, parts, rest, host)
        if match.value is Own.NOT_FOUND:
            return self._unmatched(parts, is_lacking_slash=False)
        return Plan(match.value, None, match.pattern, is_recorded=False)

    def _dynamic(self, pattern: str, parts: TargetParts, rest: bytes, host: bytes | None) -> Plan:
        decided = dynamic_target(self._settings, rest)
        if isinstance(decided, str):
            return self._refuse(404, decided)
        return _forward(decided.target, pattern, parts, decided.rest, host)

    def _unmatched(self, parts: TargetParts, *, is_lacking_slash: bool) -> Plan:
        if is_lacking_slash:
            query = b"" if parts.query is None else b"?" + parts.query
            answer = Answer(308, "the route's path ends with a slash", field=b"Location: " + parts.path + b"/" + query)
        else:
            routes = "\n".join(f"  {route.pattern}  ->  {route.destination}" for route in self._settings.routes)
            answer = Answer(404, f"no route matches this path; the recorder's routes are:\n{routes or '  (none)'}")
        return Plan(answer, None, None, self._settings.log_unmatched)

    def _refuse(self, status: int, text: str) -> Plan:
        error = ExchangeError("bad_request", "request_head", "client", text)
        return Plan(Answer(status, text, error), None, None, self._settings.log_unmatched)


def _forward(target: RouteTarget, pattern: str, parts: TargetParts, rest: bytes, host: bytes | None) -> Plan:
    route = target.route
    if leaves_prefix(rest):
        error = ExchangeError("bad_request", "request_head", "client", "dot segments lead out of the route's prefix")
        return Plan(Answer(400, error.detail, error), route.name, pattern, route.log)
    upstream = join_target(target.destination.path, rest, parts.query)
    sent_host: bytes | None = target.destination.authority
    if route.preserve_host and (parts.authority or host):
        sent_host = parts.authority  # RFC 9112 §3.2.2: it replaces the client's Host
    forward = Forward(target.destination, upstream, sent_host, route)
    return Plan(forward, route.name, pattern, route.log, provider=route.provider)
