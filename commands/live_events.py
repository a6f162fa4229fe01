"""Listens to an ingest server's live feed, and again each time the connection ends, until the caller has enough.

What happens while nobody listens is not in it: `disconnected` and `connected` tell when that was. Called by
api_client.py.
"""

import http.client
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import msgspec

SILENCE_S = 45.0  # the server sends a line each 15 s
RETRY_S = (0.2, 0.5, 1.0, 2.0)  # then always the last

Connect = Callable[[float], AbstractContextManager[http.client.HTTPResponse]]


# Names of events: `started`, `finished`, `lost` as well.
CALL = "call"  # what was recorded is in the index
CONNECTED, DISCONNECTED = "connected", "disconnected"  # told here


class Event(NamedTuple):
    name: str
    fields: dict[str, Any]


def live_events(connect: Connect) -> Iterator[Event]:
    """`connect` takes the timeout of a read, and raises OSError where nobody answers: at first that is passed on, as
    any other error always is.
    """
    failures = 0
    was_connected = False
    while True:
        try:
            with connect(SILENCE_S) as response:
                failures, was_connected = 0, True
                yield Event(CONNECTED, {})
                yield from _events(response)
                problem = "the connection was closed"
        except (OSError, http.client.HTTPException) as error:
            if not was_connected:
                raise
            problem = getattr(error, "strerror", None) or str(error) or type(error).__name__
        if not failures:
            yield Event(DISCONNECTED, {"problem": problem})
        time.sleep(RETRY_S[min(failures, len(RETRY_S) - 1)])
        failures += 1


def _events(response: http.client.HTTPResponse) -> Iterator[Event]:
    name, data = "", b""
    for line in response:
        field, _, value = line.rstrip(b"\r\n").partition(b": ")
        if field == b"event":
            name = value.decode("utf-8", "replace")
        elif field == b"data":
            data = value
        elif not field and name:
            yield Event(name, msgspec.json.decode(data))
            name, data = "", b""
