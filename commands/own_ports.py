"""Which hosts and ports are the recorder's own, so that no route, dynamic port or proxy leads back to it.

Rules: a port of 0 means "a free one" and is nobody's yet; a host is this machine's if it is a loopback or unspecified
address, a name below `localhost`, or the host that the server listens on. Called by commands/config_file.py.
"""

import ipaddress
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from commands.config_schema import Config
from commands.config_yaml import Finding
from recorder.settings import PROXY_PORTS


@dataclass(frozen=True, slots=True)
class OwnPort:
    key: str  # the configuration key that sets it
    host: str
    port: int
    owner: str = "the recorder"

    def is_at(self, host: str, port: int) -> bool:
        return port == self.port and (is_local(host) or host.lower() == self.host.lower())


def own_ports(config: Config) -> tuple[OwnPort, ...]:
    """The recorder's port first; then the ingest server's, as the `ingest` section and `logging.server_url` give it."""
    server, ingest = config.server, config.ingest
    ports = [
        OwnPort("server.port", server.host, server.port),
        OwnPort("ingest.port", ingest.host, ingest.port, "the ingest server"),
    ]
    host, port = host_and_port(config.logging.server_url)
    if is_local(host):
        ports.append(OwnPort("logging.server_url", host, port, "the ingest server"))
    return tuple(own for own in ports if own.port)


def find_loops(config: Config) -> Iterator[Finding]:
    """Destinations and dynamic ports that lead back."""
    owned = own_ports(config)
    for name, route in config.routes.items():
        host, port = host_and_port(route.destination)
        own = next((own for own in owned if own.is_at(host, port)), None)
        if own:
            yield ("routes", name, "destination"), f"port {port} is {own.owner}'s own port ({own.key})"
    for index, ports in enumerate(config.server.dynamic_ports):
        own = next((own for own in owned if own.port in ports), None)
        if own:
            yield ("server", "dynamic_ports", index), f"port {own.port} is {own.owner}'s own port ({own.key})"
    if config.server.port and config.server.port == config.ingest.port:
        yield ("ingest", "port"), f"port {config.ingest.port} is the recorder's own port (server.port)"


def host_and_port(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or PROXY_PORTS[parts.scheme]


def is_local(host: str) -> bool:
    name = host.lower().removesuffix(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    address = _address(name)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return address is not None and (address.is_loopback or address.is_unspecified)


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(name))  # 127.1 and 0x7f000001 reach the same place
    except OSError:
        return None
