"""Outbound proxies: which one leads to an upstream, and the way through it. Called by dial.py.

    http://                   CONNECT (RFC 9110 §9.3.6)
    https://                  the same within TLS to the proxy, whose certificate is always checked
    socks5://, socks5h://     RFC 1928; the recorder or the proxy looks the upstream's name up

TLS to an upstream is made within the way: the proxy sees ciphertext. Nobody but the proxy sees its user and password.
"""

import asyncio
import contextlib
import ssl
from base64 import b64encode
from collections.abc import Callable
from typing import Final, TypeVar, cast
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined,unused-ignore]

from recorder.routing.routes import Destination
from recorder.settings import PROXY_PORTS, OutboundProxy
from traffic.http1.head import HeadError, head_end, parse_response_head

from .resolver import Resolver, connect
from .tls import tls_context, tls_problem

ProtocolT = TypeVar("ProtocolT", bound=asyncio.Protocol)

_REPLY_BYTES_MAX: Final = 64 * 1024


class OutboundProxyError(Exception):
    """The proxy is at fault, or refused. `name` is the recorded error's."""

    def __init__(self, detail: str, name: str = "proxy_failure") -> None:
        super().__init__(detail)
        self.name = name
        self.detail = detail


def proxy_for(destination: Destination, proxy: OutboundProxy) -> str | None:
    """The URL of the proxy that leads to `destination`, None for a direct connection."""
    url = proxy.https_url if destination.is_tls else proxy.http_url
    if url is None:
        return None
    place = f"{destination.host}:{destination.port}"
    return None if proxy_bypass_environment(place, {"no": proxy.no_proxy}) else url


async def connect_through(
    proxy_url: str,
    destination: Destination,
    context: ssl.SSLContext | None,
    resolver: Resolver,
    make_protocol: Callable[[], ProtocolT],
) -> ProtocolT:
    """Connect to `destination`, within TLS if there is a `context`.

    Raises OutboundProxyError, and OSError for what lies behind the proxy.
    """
    url = urlsplit(proxy_url)
    through = _through_connect if url.scheme in ("http", "https") else _through_socks
    return await through(url, destination, context, resolver, make_protocol)


async def _through_connect(
    url: SplitResult,
    destination: Destination,
    context: ssl.SSLContext | None,
    resolver: Resolver,
    make_protocol: Callable[[], ProtocolT],
) -> ProtocolT:
    host, port = _place(url)
    outer = tls_context(verify=True) if url.scheme == "https" else None
    try:
        connected, way = await connect(resolver, (host, port), _Way, outer)
    except ssl.SSLError as error:
        raise OutboundProxyError(
            f"no TLS with the outbound proxy {host}:{port}: {tls_problem(error)}", "tls_failure"
        ) from error
    except OSError as error:
        raise _unreachable(host, port, error) from error
    transport = cast("asyncio.Transport", connected)
    try:
        transport.write(_connect_request(url, destination))
        _check_reply(await way.reply)
        if context is not None:
            transport = await _start_tls(transport, context, destination.host)
        return way.lead_to(make_protocol(), transport)
    except BaseException:
        with contextlib.suppress(AttributeError):  # of a TLS transport that has ended, in some versions of asyncio
            cast("asyncio.Transport", connected).abort()
        raise


async def _start_tls(transport: asyncio.Transport, context: ssl.SSLContext, host: str) -> asyncio.Transport:
    loop = asyncio.get_running_loop()
    try:
        within = await loop.start_tls(transport, transport.get_protocol(), context, server_hostname=host)
    except TypeError as error:  # a TLS failure within TLS before Python 3.11.8, 3.12.2 (gh-113214)
        if isinstance(error.__context__, ssl.SSLError):
            raise error.__context__ from None
        raise
    if within is None:
        raise ConnectionResetError("it ended before TLS stood")
    return within


async def _through_socks(
    url: SplitResult,
    destination: Destination,
    context: ssl.SSLContext | None,
    resolver: Resolver,
    make_protocol: Callable[[], ProtocolT],
) -> ProtocolT:
    from python_socks import ProxyConnectionError, ProxyError, ProxyType  # noqa: PLC0415 only where one is used
    from python_socks.async_.asyncio import Proxy  # noqa: PLC0415

    host, port = _place(url)
    user, password = unquote(url.username or ""), unquote(url.password or "")
    upstream_host = destination.host
    if url.scheme == "socks5":
        upstream_host = (await resolver.addresses(upstream_host, destination.port))[0]
    proxy = Proxy(ProxyType.SOCKS5, host, port, user, password, rdns=True)
    try:
        connected = await proxy.connect(dest_host=upstream_host, dest_port=destination.port)
    except ProxyError as error:
        raise OutboundProxyError(f"the outbound proxy did not connect: {error}") from error
    except ProxyConnectionError as error:
        cause = error.__cause__
        raise _unreachable(host, port, cause if isinstance(cause, OSError) else error) from error
    server_hostname = destination.host if context else None
    _, protocol = await asyncio.get_running_loop().create_connection(
        make_protocol, sock=connected, ssl=context, server_hostname=server_hostname
    )
    return protocol


class _Way(asyncio.Protocol):
    """Holds the connection until it stands as a whole; only then does the upstream's protocol get to know of it."""

    def __init__(self) -> None:
        self.reply: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._received = bytearray()
        self._is_lost = False
        self._led_to: asyncio.Protocol | None = None

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self.reply.done():
            return
        end = head_end(self._received)
        if end >= 0:
            self.reply.set_result(bytes(self._received[:end]))
            del self._received[:end]
        elif len(self._received) > _REPLY_BYTES_MAX:
            self.reply.set_exception(OutboundProxyError("the outbound proxy's answer to CONNECT has no end"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_lost = True
        if self._led_to is not None:  # the loss was on its way when the connection was handed over
            self._led_to.connection_lost(exc)
        elif not self.reply.done():
            self.reply.set_exception(OutboundProxyError("the outbound proxy closed the connection without an answer"))

    def lead_to(self, protocol: ProtocolT, transport: asyncio.Transport) -> ProtocolT:
        if self._is_lost or self._received or transport.is_closing():
            raise ConnectionResetError("it ended, or spoke, before any request")
        self._led_to = protocol
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        return protocol


def _connect_request(url: SplitResult, destination: Destination) -> bytes:
    host = f"[{destination.host}]" if ":" in destination.host else destination.host
    lines = [f"CONNECT {host}:{destination.port} HTTP/1.1", f"Host: {host}:{destination.port}"]
    if url.username:
        userinfo = f"{unquote(url.username)}:{unquote(url.password or '')}"
        lines.append(f"Proxy-Authorization: Basic {b64encode(userinfo.encode()).decode()}")
    return "\r\n".join([*lines, "", ""]).encode()


def _check_reply(raw: bytes) -> None:
    try:
        head = parse_response_head(raw)
    except HeadError as error:
        raise OutboundProxyError(f"the outbound proxy's answer to CONNECT is not HTTP: {error}") from error
    if not 200 <= head.status < 300:
        reason = head.reason.decode("ascii", "replace")
        raise OutboundProxyError(f"the outbound proxy did not connect: {head.status} {reason}")


def _place(url: SplitResult) -> tuple[str, int]:
    return url.hostname or "", url.port or PROXY_PORTS[url.scheme]


def _unreachable(host: str, port: int, error: OSError) -> OutboundProxyError:
    return OutboundProxyError(f"no connection to the outbound proxy {host}:{port}: {error.strerror or error}")
