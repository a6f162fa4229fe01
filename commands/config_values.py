"""Single values of the configuration file: from text to a checked value, or a ValueError that says what was expected.

Called by the models in commands/config_schema.py; commands/outbound_proxy.py checks URLs of the environment with it.
"""

import ipaddress
import re
from collections.abc import Callable
from urllib.parse import urlsplit

from recorder.routing.pattern import parse_pattern
from recorder.routing.routes import parse_destination
from recorder.settings import PROXY_PORTS
from traffic.keys import Key, check_key

_UNITS = {"": 1, "B": 1}
_UNITS |= {f"{letter}B": 1000**power for power, letter in enumerate("KMGT", 1)}
_UNITS |= {f"{letter}iB": 1024**power for power, letter in enumerate("KMGT", 1)}

_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def parse_bytes(value: object) -> object:
    """`2GiB`, `500MB`, `4096` as a number of bytes."""
    match = re.fullmatch(r"([0-9]+) ?([KMGT]?i?B|)", str(value))
    if match is None or match[2] not in _UNITS:
        raise ValueError(f"expected a size such as 2GiB, 500MB or a number of bytes{got(value)}")
    return int(match[1]) * _UNITS[match[2]]


def parse_duration(value: object) -> float:
    """`90s`, `45m`, `12h`, `30d` in seconds."""
    match = re.fullmatch(r"([0-9]{1,9}) ?([smhd])", str(value))
    if match is None:
        raise ValueError(f"expected a duration such as 30d, 12h, 45m or 90s{got(value)}")
    return int(match[1]) * _SECONDS[match[2]]


def parse_port_range(value: object) -> range:
    match = re.fullmatch(r"([0-9]{1,5})(?:-([0-9]{1,5}))?", str(value))
    ports = range(int(match[1]), int(match[2] or match[1]) + 1) if match else range(0)
    if not ports or ports[0] < 1 or ports[-1] > 65535:
        raise ValueError(f'expected a port such as 8000, or a range such as "9000-9010"{got(value)}')
    return ports


def check_host(host: str) -> str:
    if ":" in host:
        try:
            ipaddress.IPv6Address(host)
        except ValueError:
            raise ValueError(f"expected a host name or an address, without a port or brackets{got(host)}") from None
    elif not re.fullmatch(r"[A-Za-z0-9._-]+", host):
        raise ValueError(f"expected a host name or an address{got(host)}")
    return host


def check_own_path(path: str) -> str:
    if not re.fullmatch(r"/(?:[^/\s?#%{}]+/)*", path):
        raise ValueError(f"expected a path that starts and ends with '/'{got(path)}")
    return path


def check_name(whose: str) -> Callable[[str], str]:
    def check(name: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9._-]+", name):
            raise ValueError(f"{whose} holds letters, digits, '.', '_' and '-' only")
        return name

    return check


def check_observer(text: str) -> str:
    module, _, name = text.partition(":")
    if not (name.isidentifier() and all(part.isidentifier() for part in module.split("."))):
        raise ValueError(f"expected a class such as package.module:Class{got(text)}")
    return text


def check_key_value(value: str) -> str:
    """A key, or the hash of one."""
    Key.parse("", value)
    return value


def check_link_key(key: str) -> str:
    if key.startswith("sha256:"):
        raise ValueError("expected the key itself, which the recorder has to send; its hash is for ingest.link_keys")
    check_key(key)
    return key


def check_route_key(key: str) -> str:
    """Of a provider; an empty one, as a variable without a value gives it, is none."""
    if key and not re.fullmatch(r"[\x21-\x7e]+", key):
        raise ValueError("expected visible ASCII characters without spaces, as keys have")
    return key


def check_pattern(text: str) -> str:
    parse_pattern(text)
    return text


def check_upstream_url(url: str) -> str:
    _check_characters(url)
    parse_destination(url)
    return url


def check_proxy_url(url: str) -> str:
    """No message shows the URL: it may hold a password."""
    _check_characters(url)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("not a URL: its host or port is malformed") from None
    if parts.scheme not in PROXY_PORTS or "://" not in url:
        raise ValueError("expected a URL that starts with http://, https://, socks5:// or socks5h://")
    if not parts.hostname or port == 0:
        raise ValueError("the URL names no host and port that can be reached")
    if parts.path not in ("", "/") or "?" in url or "#" in url:
        raise ValueError("a proxy's URL has no path, query or fragment")
    return url


def _check_characters(url: str) -> None:
    if not url.isprintable() or " " in url:
        raise ValueError("a URL must not hold spaces or control characters")


def check_redact(value: object) -> object:
    if value not in ("default", []):
        raise ValueError(f"expected default, or [] to record secrets as they are{got(value)}")
    return value


def got(value: object) -> str:
    names: dict[type, str] = {dict: "keys with values", list: "a list", type(None): "nothing"}
    return f", got {names.get(type(value)) or repr(value)}"
