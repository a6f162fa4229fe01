"""The addresses of host names, looked up in threads of its own: an event loop has few threads for that, which one slow
name server would fill for everybody. Who asks for a place that is being looked up gets the same answer.

Called by dial.py and proxy.py.
"""

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from typing import TypeVar

ProtocolT = TypeVar("ProtocolT", bound=asyncio.Protocol)

Place = tuple[str, int]


class TooManyLookupsError(Exception):
    pass


class Resolver:
    """`lookups_max`: at the same time; may be changed at any time."""

    def __init__(self, lookups_max: int) -> None:
        self.lookups_max = lookups_max
        self._running: dict[Place, asyncio.Future[list[str] | OSError]] = {}

    async def addresses(self, host: str, port: int) -> list[str]:
        """In the order in which to try them. Raises OSError, mostly socket.gaierror, and TooManyLookupsError."""
        if _is_address(host):
            return [host]
        place = host, port
        if place not in self._running:
            if len(self._running) >= self.lookups_max:
                raise TooManyLookupsError(f"{len(self._running)} host names are being looked up already")
            loop = asyncio.get_running_loop()
            threading.Thread(target=self._look_up, args=(loop, place), name="resolver", daemon=True).start()
            self._running[place] = loop.create_future()  # a thread that cannot start leaves nothing to wait for
        found = await asyncio.shield(self._running[place])  # one that gives up does not end it for the others
        if isinstance(found, OSError):
            raise found
        return found

    def _look_up(self, loop: asyncio.AbstractEventLoop, place: Place) -> None:
        found: list[str] | OSError
        try:
            found = [_text(*entry[4]) for entry in socket.getaddrinfo(*place, type=socket.SOCK_STREAM)]
        except OSError as error:
            found = error
        except UnicodeError:
            found = socket.gaierror(socket.EAI_NONAME, "no host can have that name")
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(self._found, place, found)

    def _found(self, place: Place, found: list[str] | OSError) -> None:
        self._running.pop(place).set_result(found)


async def connect(
    resolver: Resolver, place: Place, make_protocol: Callable[[], ProtocolT], tls: ssl.SSLContext | None
) -> tuple[asyncio.BaseTransport, ProtocolT]:
    """A connection to the first address of `place` that takes one, within TLS if there is a context for it.

    Raises OSError and TooManyLookupsError.
    """
    host, port = place
    loop, failure = asyncio.get_running_loop(), OSError("the name has no address")
    for number, address in enumerate(await resolver.addresses(host, port)):
        try:
            return await loop.create_connection(
                make_protocol, address, port, ssl=tls, server_hostname=host if tls is not None else None
            )
        except ssl.SSLError:
            raise
        except OSError as error:
            failure = failure if number else error
    raise failure


def _is_address(host: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        with contextlib.suppress(OSError):
            socket.inet_pton(family, host.partition("%")[0])
            return True
    return False


def _text(address: str, _port: int, _flow: int = 0, scope: int = 0) -> str:
    """Link-local addresses mean nothing without their interface."""
    return f"{address}%{scope}" if scope else address
