"""The recorder's routing table: the user's routes and its own endpoints, so that conflicts between them show at start.

Everything here is decided from the settings alone. The server builds the table once; the config loader may build it to
find errors; the listening side asks `dynamic_target` about `/proxy/<port>/`.
"""

import re
import string
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv6Address, ip_address
from typing import Final
from urllib.parse import quote, urlsplit

from recorder.settings import RecorderSettings, Route

from .table import Entry, RoutingError, RoutingTable

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_PORT: Final = re.compile(rb"[1-9][0-9]{0,4}")
_OWN_WHERE: Final = "the recorder's own endpoint"

Origin = tuple[str, str, int, bool]


@dataclass(frozen=True, slots=True)
class Destination:
    scheme: str  # "http" or "https"
    host: str  # to connect to: lower case, IDNA, IPv6 without brackets
    port: int
    path: bytes  # percent-encoded, begins with "/"
    verify_ssl: bool = True
    is_tls: bool = field(init=False)
    authority: bytes = field(init=False)  # the Host line's value: the port only where it is not the scheme's own
    origin: Origin = field(init=False)  # connections may be shared where it is the same

    def __post_init__(self) -> None:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _DEFAULT_PORTS[self.scheme] else f":{self.port}"
        object.__setattr__(self, "is_tls", self.scheme == "https")
        object.__setattr__(self, "authority", f"{host}{port}".encode())
        object.__setattr__(self, "origin", (self.scheme, self.host, self.port, self.verify_ssl))


@dataclass(frozen=True, slots=True)
class RouteTarget:
    route: Route
    destination: Destination


class Own(Enum):
    """What the recorder itself answers, and the door to the dynamic routes."""

    HEALTH = "health"
    HEALTH_DETAILED = "health_detailed"
    METRICS = "metrics"
    NOT_FOUND = "not_found"
    DYNAMIC = "dynamic"


Target = RouteTarget | Own


@dataclass(frozen=True, slots=True)
class DynamicTarget:
    target: RouteTarget
    rest: bytes  # of the raw path, behind the port's slash; not yet checked for dot segments


def parse_destination(url: str, *, verify_ssl: bool = True) -> Destination:
    """Read a route's destination; raises ValueError with what to write instead."""
    if "@" in "/".join(url.split("/")[:3]):
        raise ValueError("it holds a user name or password; leave them out, clients send credentials in their headers")
    try:
        parts = urlsplit(url)
        port = parts.port
        host = (parts.hostname or "").encode("idna").decode() if parts.netloc else ""
    except ValueError as error:
        raise ValueError(f'"{url}" is no URL: {error}') from None
    if parts.scheme not in _DEFAULT_PORTS or not host:
        raise ValueError(f'"{url}" must begin with http:// or https:// and a host')
    if "?" in url or "#" in url:
        raise ValueError(f'"{url}" holds a query or a fragment; leave it out, the client\'s query is passed on')
    if port == 0:
        raise ValueError(f'"{url}": port 0 cannot be reached')
    path = quote(parts.path, safe=string.punctuation).encode() or b"/"
    return Destination(parts.scheme, host, port or _DEFAULT_PORTS[parts.scheme], path, verify_ssl)


def build_table(settings: RecorderSettings) -> RoutingTable[Target]:
    """Raises RoutingError with everything that is wrong with patterns and destinations."""
    entries: list[Entry[Target]] = []
    messages: list[str] = []
    for route in settings.routes:
        where = f"{route.where}: routes.{route.name}" if route.where else f"routes.{route.name}"
        value: Target = Own.NOT_FOUND  # stands in for a wrong destination, so that its pattern is judged all the same
        try:
            value = RouteTarget(route, _checked_destination(route, settings))
        except ValueError as error:
            messages.append(f"{where}.destination: {error}")
        entries.append(Entry(route.pattern, value, where))
    try:
        table = RoutingTable([*entries, *_own_entries(settings)])
    except RoutingError as error:
        messages += error.messages
    if messages:
        raise RoutingError(messages)
    return table


def dynamic_target(settings: RecorderSettings, path_rest: bytes) -> DynamicTarget | str:
    """Where `/proxy/<port>/...` leads, or the reason why it leads nowhere. `path_rest` begins with the port."""
    written, _, rest = path_rest.partition(b"/")
    port = int(written) if _PORT.fullmatch(written) else 0
    if not 0 < port < 65_536:
        return "/proxy/ must be followed by a port and a path, as in /proxy/11434/v1/models"
    if port in _own_ports(settings):
        return f"port {port} is the recorder's or its ingest server's own"
    if not any(port in ports for ports in settings.dynamic_ports):
        return f"port {port} is not in server.dynamic_ports"
    destination = Destination("http", "127.0.0.1", port, b"/")
    route = Route(
        name="proxy",
        pattern="/proxy/",
        destination=f"http://127.0.0.1:{port}/",
        log=settings.log_unmatched,
        timeouts=settings.default_timeouts,
    )
    return DynamicTarget(RouteTarget(route, destination), rest)


def _own_entries(settings: RecorderSettings) -> list[Entry[Target]]:
    entries: list[Entry[Target]] = [
        Entry("GET /health", Own.HEALTH, _OWN_WHERE),
        Entry("GET /health/detailed", Own.HEALTH_DETAILED, _OWN_WHERE),
        Entry("GET /metrics", Own.METRICS, _OWN_WHERE),
        Entry(settings.not_found, Own.NOT_FOUND, "server.not_found"),
    ]
    if settings.dynamic_ports:
        entries.append(Entry("/proxy/", Own.DYNAMIC, "server.dynamic_ports"))
    return entries


def _checked_destination(route: Route, settings: RecorderSettings) -> Destination:
    destination = parse_destination(route.destination, verify_ssl=route.verify_ssl)
    if destination.port in _own_ports(settings) and _is_this_machine(destination.host, settings):
        raise ValueError(
            f"\"{route.destination}\" is the recorder's or its ingest server's own port; "
            "requests would go round in circles: name the LLM server's"
        )
    return destination


def _own_ports(settings: RecorderSettings) -> frozenset[int]:
    return settings.forbidden_ports | {settings.port}


def _is_this_machine(host: str, settings: RecorderSettings) -> bool:
    if host in ("localhost", settings.host.lower()) or host.endswith(".localhost"):
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_loopback or address.is_unspecified
