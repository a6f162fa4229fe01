"""Opening connections to upstreams: DNS, TCP, an outbound proxy where one is set, TLS; and naming what went wrong.

A failure is never retried with less: no certificate check is left out that the settings ask for.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from functools import cache
from typing import TypeVar
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined,unused-ignore]

from recorder.routing.routes import Destination
from recorder.settings import OutboundProxy
from traffic.capture.events import ExchangeError

ProtocolT = TypeVar("ProtocolT", bound=asyncio.Protocol)


class DialError(Exception):
    """No connection. `status` is what the client gets: 502, or 504 when it took too long."""

    def __init__(self, status: int, error: ExchangeError) -> None:
        super().__init__(error.detail)
        self.status = status
        self.error = error


async def dial(
    destination: Destination, proxy: OutboundProxy, timeout_s: float, make_protocol: Callable[[], ProtocolT]
) -> ProtocolT:
    """Connect within `timeout_s` seconds, TLS included; raises DialError."""
    place = f"{destination.host}:{destination.port}"
    loop = asyncio.get_running_loop()
    context = tls_context(verify=destination.verify_ssl) if destination.is_tls else None
    server_hostname = destination.host if context else None
    try:
        async with asyncio.timeout(timeout_s):
            proxy_url = proxy_for(destination, proxy)
            if proxy_url is None:
                _, protocol = await loop.create_connection(
                    make_protocol, destination.host, destination.port, ssl=context, server_hostname=server_hostname
                )
            else:
                connected = await _through_proxy(proxy_url, destination)
                _, protocol = await loop.create_connection(
                    make_protocol, sock=connected, ssl=context, server_hostname=server_hostname
                )
    except TimeoutError:
        raise _failure("upstream_timeout", f"no connection to {place} within {timeout_s:g} s", 504) from None
    except socket.gaierror as error:
        raise _failure("dns_failure", f"the name {destination.host} cannot be resolved: {error.strerror}") from error
    except ssl.SSLError as error:
        raise _failure("tls_failure", f"no TLS with {place}: {_tls_problem(error)}") from error
    except ConnectionRefusedError as error:
        raise _failure("upstream_refused", f"{place} refused the connection: is the server running?") from error
    except OSError as error:
        raise _failure("upstream_unreachable", f"no connection to {place}: {error.strerror or error}") from error
    return protocol


def proxy_for(destination: Destination, proxy: OutboundProxy) -> str | None:
    """The URL of the proxy that leads to `destination`, None for a direct connection."""
    url = proxy.https_url if destination.is_tls else proxy.http_url
    if url is None:
        return None
    place = f"{destination.host}:{destination.port}"
    return None if proxy_bypass_environment(place, {"no": proxy.no_proxy}) else url


@cache
def tls_context(*, verify: bool) -> ssl.SSLContext:
    """The system's trust store; HTTP/1.1 alone is offered."""
    if verify:
        import truststore  # noqa: PLC0415 only where a TLS upstream is used

        context: ssl.SSLContext = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    return context


async def _through_proxy(proxy_url: str, destination: Destination) -> socket.socket:
    from python_socks import ProxyError  # noqa: PLC0415 only where an outbound proxy is used
    from python_socks.async_.asyncio import Proxy  # noqa: PLC0415

    scheme, _, rest = proxy_url.partition("://")
    if scheme == "https":  # never without the TLS that the operator asked for
        raise _failure("proxy_failure", "an outbound proxy with https:// is not possible: use http:// or socks5://")
    # socks5h:// differs from socks5:// in who resolves the name.
    is_remote_dns = scheme in ("socks5h", "http")
    proxy = Proxy.from_url(f"{scheme.removesuffix('h')}://{rest}", rdns=is_remote_dns)
    try:
        return await proxy.connect(dest_host=destination.host, dest_port=destination.port)
    except ProxyError as error:
        raise _failure("proxy_failure", f"the outbound proxy did not connect: {error}") from error


def _failure(name: str, detail: str, status: int = 502) -> DialError:
    return DialError(status, ExchangeError(name, "connect", "network", detail))


def _tls_problem(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted ({error.verify_message}); verify_ssl: false accepts any"
    return error.reason or str(error)
