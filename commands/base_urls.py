"""Which base URL a client gets for a route, and the environment variable in which its kind of client looks for it.

    destination                               kind        variables
    …anthropic.com                            Anthropic   ANTHROPIC_BASE_URL       (its SDK adds /v1)
    generativelanguage.googleapis.com         Gemini      GOOGLE_GEMINI_BASE_URL   (its SDK adds /v1beta)
    port 11434, or a host or route `ollama`   Ollama      OLLAMA_HOST              (its SDK adds /api)
    anything else                             OpenAI      OPENAI_BASE_URL and OPENAI_API_BASE: with the API's version,
                                                          which is added where the destination does not hold it

Called by the commands that print base URLs or set them.
"""

import re
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from ingest_server.settings import IngestSettings
from recorder.settings import RecorderSettings, Route

OPENAI, ANTHROPIC, GEMINI, OLLAMA = "OPENAI_BASE_URL", "ANTHROPIC_BASE_URL", "GOOGLE_GEMINI_BASE_URL", "OLLAMA_HOST"
OPENAI_LEGACY = "OPENAI_API_BASE"  # what older clients read

_VERSION = re.compile(r"/v[0-9]+[a-z0-9]*(/|$)")
_OLLAMA_PORT = 11434
_ANY_ADDRESS = {"": "localhost", "0.0.0.0": "localhost", "::": "localhost"}  # noqa: S104 read, not bound


def server_url(settings: RecorderSettings | IngestSettings, port: int, host: str | None = None) -> str:
    """Where a client on this machine reaches a server. `host`: its name for the client, where that is another one."""
    host = host or _ANY_ADDRESS.get(settings.host, settings.host)
    scheme = "http" if settings.tls is None else "https"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def variable_of(route: Route) -> str:
    """The variable of the route's own kind of client."""
    destination = urlsplit(route.destination)
    host = destination.hostname or ""
    if host == "anthropic.com" or host.endswith(".anthropic.com"):
        return ANTHROPIC
    if host == "generativelanguage.googleapis.com" and "/openai" not in destination.path:
        return GEMINI
    if destination.port == _OLLAMA_PORT or "ollama" in (host, route.name):
        return OPENAI if _VERSION.search(destination.path) else OLLAMA
    return OPENAI


def base_url(route: Route, variable: str, settings: RecorderSettings, port: int) -> str | None:
    """None for a pattern that clients cannot put their own paths behind."""
    method, _, pattern = route.pattern.rpartition(" ")
    if method or not pattern.endswith("/"):
        return None
    pattern_host, _, path = pattern.removesuffix("/").partition("/")
    base = server_url(settings, port, pattern_host or None) + ("/" + path if path else "")
    adds_version = variable == OPENAI and not _VERSION.search(urlsplit(route.destination).path)
    return base + "/v1" if adds_version else base


def variables_for(settings: RecorderSettings, chosen: Route | None, port: int) -> dict[str, str]:
    """The environment of a command: per kind of client the first route of that kind, or the chosen one.

    A chosen Ollama route serves OpenAI clients as well: Ollama speaks their API under /v1.
    """
    variables: dict[str, str] = {}
    for variable, route in _in_order(settings.routes, chosen):
        url = base_url(route, variable, settings, port)
        if url is not None:
            variables.setdefault(variable, url)
    if OPENAI in variables:
        variables[OPENAI_LEGACY] = variables[OPENAI]
    return variables


def _in_order(routes: Sequence[Route], chosen: Route | None) -> Iterator[tuple[str, Route]]:
    if chosen is not None:
        yield variable_of(chosen), chosen
        if variable_of(chosen) == OLLAMA:
            yield OPENAI, chosen
    for route in routes:
        yield variable_of(route), route
