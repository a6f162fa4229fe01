"""Whose name a Host header holds, and whether an address is this machine's alone. Pure: looks nothing up.

A web page can make a name of its own lead to this machine (DNS rebinding); all that then gives it away is the Host
header. It cannot do so with an address, nor with a name that it does not own. Called by both services for their own
pages, and by public_bind.py.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class OwnNames:
    """The names by which a service may be called: loopback's, the `host` that it listens on, and the `allowed` ones.

    Where it listens on all addresses, each address is its own.
    """

    host: str
    allowed: tuple[str, ...] = ()

    def accepts(self, authority: str) -> bool:
        """Whether a Host header's value is one of them, with any port: ports are forwarded."""
        name = host_of(authority)
        if name is None:
            return False
        if is_loopback(name) or name in (_plain(self.host), *map(_plain, self.allowed)):
            return True
        return _listens_everywhere(self.host) and _address(name) is not None


def host_of(authority: str) -> str | None:
    """`Example.com.:80` -> `example.com`; None where there is no host."""
    try:
        parts = urlsplit(f"//{authority}")
        _ = parts.port
    except ValueError:
        return None
    is_bare = parts.netloc == authority and "@" not in authority
    return _plain(parts.hostname) if is_bare and parts.hostname else None


def is_loopback(host: str) -> bool:
    """Of a name, or an address without brackets."""
    name = _plain(host)
    if name == "localhost" or name.endswith(".localhost"):
        return True
    address = _address(name)
    return address is not None and address.is_loopback


def _listens_everywhere(host: str) -> bool:
    address = _address(host)
    return not host or (address is not None and address.is_unspecified)


def _plain(name: str) -> str:
    return name.lower().removesuffix(".")


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
