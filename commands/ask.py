"""Asks one of the two services, as the commands do that want to know how it is."""

import http.client
import json
from pathlib import Path
from urllib.parse import urlsplit

from recorder.relay.tls import link_context

TIMEOUT_S = 2.0
ANSWER_BYTES_MAX = 64 * 1024 * 1024


def ask(url: str, path: str, ca: Path | None, key: str | None = None) -> tuple[int, bytes]:
    """Status and body of a GET. `ca`: who certifies an https server; raises OSError where none answers in HTTP."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    connection = http.client.HTTPConnection(host, parts.port, timeout=TIMEOUT_S)
    try:
        if parts.scheme == "https":
            connection = http.client.HTTPSConnection(host, parts.port, timeout=TIMEOUT_S, context=link_context(ca))
        connection.request("GET", parts.path.rstrip("/") + path, headers={"X-Recorder-Key": key} if key else {})
        response = connection.getresponse()
        return response.status, response.read(ANSWER_BYTES_MAX)
    except (http.client.HTTPException, ValueError) as error:
        raise ConnectionError(f"it does not speak HTTP: {type(error).__name__}") from error
    finally:
        connection.close()


def health(url: str, ca: Path | None) -> dict[str, object]:
    """What a server says of itself; nothing where none answers, or one that is none of ours."""
    try:
        found = json.loads(ask(url, "/health", ca)[1])
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
