"""Where a replay goes, decided from the recording, the user's wish and the configuration before anything is sent. Pure.

    nothing said   through the recorder, with the path of X-Proxy-Path: at --via, else at the configured address, else
                   at that line's own
    --direct       where the recorder sent it: to the recorded upstream_url
    --to URL       to that base URL: the recorded upstream path is appended
    --to ROUTE     to the destination of that configured route: what was behind the recorded route's pattern is appended

Some base URLs hold the API's version (https://api.openai.com/v1/), others leave it to the path: with --to it stands in
the new one once.

`reaches` is the origin at which a credential arrives in the end, as far as can be known: behind a recorder that of the
upstream. A recording may come from anybody: what it says of itself is believed only where it cannot lead a credential
astray. So a recorder that the recording alone names, on another machine, is taken for an upstream.
"""

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from replay.replay_error import ReplayError, UnfitError
from traffic.capture.metadata import Metadata
from traffic.capture.recording import PROXY_PATH
from traffic.capture.vault import origin_of
from traffic.http1.head import RequestHead

DEFAULT_PORTS = {"http": 80, "https": 443}
_VERSION_AT_END = re.compile(rb"/(v[0-9]+[a-z0-9]*)/?\Z")
_VERSION_AT_START = re.compile(rb"\Av[0-9]+[a-z0-9]*(?:/|(?=\?)|\Z)")


class Taken(NamedTuple):
    destination: str  # the URL that the recorder puts in the place of the pattern
    rest: bytes  # of the path, behind the route's pattern
    route: str | None = None


def _takes_nothing(_method: str, _host: bytes, _path: bytes) -> Taken | None:
    return None


@dataclass(frozen=True, slots=True)
class Configured:
    """What the configuration says."""

    recorder_url: str | None = None  # None: there is no configuration file
    destinations: Mapping[str, str] = field(default_factory=dict)  # of the routes, by their names
    taking: Callable[[str, bytes, bytes], Taken | None] = (
        _takes_nothing  # where the recorder sends method, host and path
    )


@dataclass(frozen=True, slots=True)
class Wish:
    """At most one of them."""

    to: str | None = None
    via: str | None = None
    is_direct: bool = False


@dataclass(frozen=True, slots=True)
class Destination:
    origin: str  # that is called; origins are as the vault's origin_of() writes them
    authority: str  # of the Host line
    target: bytes
    reaches: str
    is_recorder: bool = False
    route: str | None = None  # whose key comes before those of other routes to the same origin


def find_destination(wish: Wish, head: RequestHead, facts: Metadata, configured: Configured) -> Destination:
    """Raises ReplayError."""
    if wish.is_direct:
        if facts.upstream_url is None:
            raise UnfitError("the recording does not tell to which upstream it went; give --to URL")
        return _at(split_url(facts.upstream_url), head.target, facts.route)
    if wish.to is None:
        return _through_the_recorder(wish.via, head, facts, configured)
    if wish.to in configured.destinations:
        base = split_url(configured.destinations[wish.to])
        return _at(base, _joined(base.path.encode(), _behind_the_route(head, facts, configured)), wish.to)
    if "://" not in wish.to:
        names = ", ".join(configured.destinations) or "none"
        raise ReplayError(f"--to {wish.to}: neither a URL nor a configured route; the routes are: {names}")
    base = _split_base(wish.to, "--to")
    target = _joined(base.path.encode(), head.target[1:]) if head.target.startswith(b"/") else head.target
    return _at(base, target, facts.route)


def _at(url: SplitResult, target: bytes, route: str | None) -> Destination:
    origin = origin_of(url.geturl())
    return Destination(origin, _authority(origin), target, origin, route=route)


def _authority(origin: str) -> str:
    return origin.partition("://")[2]


def _through_the_recorder(via: str | None, head: RequestHead, facts: Metadata, configured: Configured) -> Destination:
    """The configured recorder is called by the name that the client called it: routes may be for one host."""
    called, target = _proxy_path(head)
    name = origin_of(called.geturl())
    chosen = via or configured.recorder_url
    if chosen is None and not is_loopback(called):
        return Destination(name, _authority(name), target, name, is_recorder=True)
    base = called if chosen is None else _split_base(chosen, "--via")
    origin = origin_of(base.geturl())
    authority = _authority(origin if via else name)
    prefix = b"" if chosen is None else base.path.rstrip("/").encode()
    taken = configured.taking(head.method, authority.encode(), target.partition(b"?")[0])
    upstream, route = (taken.destination, taken.route) if taken is not None else (facts.upstream_url, facts.route)
    reaches = origin if upstream is None else origin_of(split_url(upstream).geturl())
    return Destination(origin, authority, prefix + target, reaches, is_recorder=True, route=route)


def _proxy_path(head: RequestHead) -> tuple[SplitResult, bytes]:
    """The URL that the client called, and its target."""
    recorded = head.values(PROXY_PATH)
    if not recorded:
        raise UnfitError("the recording has no X-Proxy-Path line that tells where it was sent; give --to URL")
    return split_url(recorded[-1].decode("latin-1")), b"/" + recorded[-1].partition(b"://")[2].partition(b"/")[2]


def _behind_the_route(head: RequestHead, facts: Metadata, configured: Configured) -> bytes:
    """With the query; with the API's version where the recorded route's destination held it."""
    whole = head.target.removeprefix(b"/")
    if not head.values(PROXY_PATH):
        return whole
    called, target = _proxy_path(head)
    path, mark, query = target.partition(b"?")
    prefix = "/" + (facts.pattern or "").partition("/")[2].removesuffix("{$}")
    if facts.pattern and path.startswith(prefix.encode()):
        rest = path[len(prefix) :]
    else:
        taken = configured.taking(head.method, called.netloc.encode("latin-1"), path)
        if taken is None:
            return whole
        rest = taken.rest
    upstream_path = head.target.partition(b"?")[0]
    version = _VERSION_AT_END.search(upstream_path.removesuffix(rest)) if upstream_path.endswith(rest) else None
    return (version[1] + b"/" if version else b"") + rest + mark + query


def _joined(base: bytes, rest: bytes) -> bytes:
    """The version at the end of the one and at the start of the other are the same."""
    if _VERSION_AT_END.search(base):
        rest = _VERSION_AT_START.sub(b"", rest, count=1)
    if not rest or rest.startswith(b"?"):
        return (base or b"/") + rest
    return base.removesuffix(b"/") + b"/" + rest


def _split_base(url: str, option: str) -> SplitResult:
    """Raises ReplayError, also for what would not be sent."""
    base = split_url(url)
    if base.username is not None or base.query or base.fragment:
        raise ReplayError(f"{option} takes no user, query or fragment in its URL; --header and --param give keys")
    return base


def split_url(url: str) -> SplitResult:
    """Raises ReplayError."""
    try:
        parts = urlsplit(url)
        if parts.scheme in DEFAULT_PORTS and parts.hostname and parts.port != 0 and origin_of(url):
            return parts
    except ValueError:  # the port is no number, or the host none that there can be
        pass
    raise ReplayError(f"not a URL such as http://localhost:5601: {url}")


def is_loopback(url: SplitResult) -> bool:
    host = url.hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
