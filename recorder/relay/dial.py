"""Opening connections to upstreams: DNS, TCP, an outbound proxy where one is set, TLS; and naming what went wrong.

A failure is never retried with less: no certificate check is left out that the settings ask for.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import TypeVar

from recorder.routing.routes import Destination
from recorder.settings import OutboundProxy
from traffic.capture.events import ExchangeError

from .proxy import OutboundProxyError, connect_through, proxy_for
from .resolver import Resolver, TooManyLookupsError, connect
from .tls import tls_context, tls_problem

ProtocolT = TypeVar("ProtocolT", bound=asyncio.Protocol)


class DialError(Exception):
    """No connection. `status` is what the client gets: 502, 504 when it took too long, 503 at a limit."""

    def __init__(self, status: int, error: ExchangeError) -> None:
        super().__init__(error.detail)
        self.status = status
        self.error = error


async def dial(
    destination: Destination,
    proxy: OutboundProxy,
    resolver: Resolver,
    timeout_s: float,
    make_protocol: Callable[[], ProtocolT],
) -> ProtocolT:
    """Connect within `timeout_s` seconds, TLS included; raises DialError."""
    place = f"{destination.host}:{destination.port}"
    context = tls_context(verify=destination.verify_ssl) if destination.is_tls else None
    try:
        async with asyncio.timeout(timeout_s):
            proxy_url = proxy_for(destination, proxy)
            if proxy_url is None:
                _, protocol = await connect(resolver, (destination.host, destination.port), make_protocol, context)
            else:
                protocol = await connect_through(proxy_url, destination, context, resolver, make_protocol)
    except OutboundProxyError as failure:
        raise _failure(failure.name, failure.detail) from failure
    except TooManyLookupsError as error:
        detail = f"{error}, which is the limit (limits.name_lookups)"
        raise DialError(503, ExchangeError("overloaded", "connect", "recorder", detail)) from error
    except TimeoutError:
        raise _failure("upstream_timeout", f"no connection to {place} within {timeout_s:g} s", 504) from None
    except socket.gaierror as error:
        raise _failure("dns_failure", f"the name {destination.host} cannot be resolved: {error.strerror}") from error
    except ssl.SSLError as error:
        hint = "; verify_ssl: false accepts any" if isinstance(error, ssl.SSLCertVerificationError) else ""
        raise _failure("tls_failure", f"no TLS with {place}: {tls_problem(error)}{hint}") from error
    except ConnectionRefusedError as error:
        raise _failure("upstream_refused", f"{place} refused the connection: is the server running?") from error
    except OSError as error:
        raise _failure("upstream_unreachable", f"no connection to {place}: {error.strerror or error}") from error
    return protocol


def _failure(name: str, detail: str, status: int = 502) -> DialError:
    return DialError(status, ExchangeError(name, "connect", "network", detail))
