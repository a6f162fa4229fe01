"""Who may ask the ingest server: the checks before every endpoint, and the headers on every answer.

In this order: the name that it is called by (DNS rebinding, see traffic/hosts.py), the page that asks (CSRF), the key.
A key opens every endpoint but `/health`, which needs none; journals take a link key where there are any. No answer
shows a key. Called by the app for each request; by the server at start and when the configuration is read again.
"""

from collections.abc import Awaitable, Callable, Iterator
from typing import Final

from aiohttp import web

from ingest_server.answers import plain_text
from ingest_server.settings import IngestSettings
from traffic.hosts import OwnNames
from traffic.keys import KeyRing

HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
OPEN: Final = "open"  # the name of a route that needs no key
LINK: Final = "link"  # the name of the route that recorders send journals to
_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="ingest server"'}
_SHOWN_CHARACTERS_MAX: Final = 200

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Guard:
    def __init__(self, settings: IngestSettings) -> None:
        self.configure(settings)

    def configure(self, settings: IngestSettings) -> None:
        """Take over the names and keys of `settings`; requests from now on are judged by them."""
        self._names = OwnNames(settings.host, settings.allowed_hosts)
        self._keys = KeyRing(settings.keys), "ingest.keys"
        self._link_keys = (KeyRing(settings.link_keys), "ingest.link_keys") if settings.link_keys else self._keys

    @web.middleware
    async def check(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        return self._refusal(request) or await handler(request)

    def _refusal(self, request: web.Request) -> web.Response | None:
        hosts = request.headers.getall("Host", [])
        if len(hosts) != 1:
            return plain_text(400, "a request has one Host header")
        if not self._names.accepts(hosts[0]):
            text = "ask for localhost or its address, or add the name to ingest.allowed_hosts"
            return plain_text(403, f"the host {_shown(hosts[0])!r} is not this server: {text}")
        origin = request.headers.get("Origin")
        if origin is not None and not _is_of_own_page(origin, request.scheme, hosts[0]):
            return plain_text(403, f"requests from pages of {_shown(origin)} are refused")
        if _is_embedded_elsewhere(request):
            return plain_text(403, "requests from pages of other sites are refused")
        return self._ask_for_key(request)

    def _ask_for_key(self, request: web.Request) -> web.Response | None:
        route = request.match_info.route.name
        ring, setting = self._link_keys if route == LINK else self._keys
        if route == OPEN or not ring:
            return None
        candidates = list(_keys_in(request))
        if any([ring.match(candidate) for candidate in candidates]):  # noqa: C419 (every one takes its time)
            return None
        if candidates:
            return plain_text(401, f"the key that was sent is none of {setting}", _CHALLENGE)
        text = "send one as `x-recorder-key: KEY` or `Authorization: Bearer KEY`"
        return plain_text(401, f"this wants a key of {setting}: {text}", _CHALLENGE)


async def add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    """HEADERS on an answer that does not say otherwise."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)


def _is_of_own_page(origin: str, scheme: str, host: str) -> bool:
    """Whether `origin` is this server's. An https one is, too, where a proxy adds the TLS."""
    return origin.lower() in (f"{scheme}://{host}".lower(), f"https://{host}".lower())


def _is_embedded_elsewhere(request: web.Request) -> bool:
    """Whether a page of another site fetches this without saying its origin, as an image or a script (W3C Fetch
    Metadata); a link that someone follows is not that.
    """
    site, mode = request.headers.get("Sec-Fetch-Site"), request.headers.get("Sec-Fetch-Mode")
    return site in ("cross-site", "same-site") and mode != "navigate"


def _keys_in(request: web.Request) -> Iterator[bytes]:
    for value in request.headers.getall("X-Recorder-Key", []):
        yield _as_sent(value.strip())
    for value in request.headers.getall("Authorization", []):
        scheme, _, credential = value.partition(" ")
        if scheme.lower() == "bearer":
            yield _as_sent(credential.strip())


def _as_sent(value: str) -> bytes:
    return value.encode("utf-8", "surrogateescape")


def _shown(text: str) -> str:
    """What a message may quote of a host or an origin: no user, no password, not without end."""
    return text.rpartition("@")[2][:_SHOWN_CHARACTERS_MAX]
