"""Asks one of the two services, as the commands do that want to know how it is, or what it has recorded."""

import http.client
import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from recorder.relay.tls import link_context

TIMEOUT_S = 2.0
ANSWER_BYTES_MAX = 64 * 1024 * 1024


@contextmanager
def answer(
    url: str, path: str, ca: Path | None, key: str | None = None, timeout_s: float = TIMEOUT_S, method: str = "GET"
) -> Iterator[http.client.HTTPResponse]:
    """Its body is still to be read. `ca`: who certifies an https server. Raises OSError where none answers in
    HTTP; reading may raise http.client.HTTPException as well.
    """
    with closing(_connection(url, ca, timeout_s)) as connection:
        try:
            target = urlsplit(url).path.rstrip("/") + path
            connection.request(method, target, headers={"X-Recorder-Key": key} if key else {})
            response = connection.getresponse()
        except (http.client.HTTPException, ValueError) as error:
            raise _no_http(error) from error
        with response:
            yield response


def ask(
    url: str, path: str, ca: Path | None, key: str | None = None, timeout_s: float = TIMEOUT_S
) -> tuple[int, bytes]:
    """Status and body of a GET; raises OSError where none answers in HTTP."""
    with answer(url, path, ca, key, timeout_s) as response:
        try:
            return response.status, response.read(ANSWER_BYTES_MAX)
        except http.client.HTTPException as error:
            raise _no_http(error) from error


def _connection(url: str, ca: Path | None, timeout_s: float) -> http.client.HTTPConnection:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise _no_http(error) from error
    if parts.scheme == "https":
        return http.client.HTTPSConnection(host, port, timeout=timeout_s, context=link_context(ca))
    return http.client.HTTPConnection(host, port, timeout=timeout_s)


def _no_http(error: Exception) -> ConnectionError:
    return ConnectionError(f"it does not speak HTTP: {type(error).__name__}")


def health(url: str, ca: Path | None) -> dict[str, object]:
    """What a server says of itself; nothing where none answers, or one that is none of ours."""
    try:
        found = json.loads(ask(url, "/health", ca)[1])
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
