"""The recorder's settings. Built by the config loader or by a program that embeds the recorder; frozen."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True)
class Timeouts:
    connect_s: float = 10.0
    idle_s: float = 600.0  # models think long before the first byte


@dataclass(frozen=True, slots=True)
class Route:
    name: str
    pattern: str  # a ServeMux pattern, see recorder/routing/pattern.py
    destination: str  # http:// or https:// URL without query and fragment
    log: bool = True
    verify_ssl: bool = True
    timeouts: Timeouts = Timeouts()
    preserve_host: bool = False  # send the client's Host instead of the destination's
    on_client_disconnect: Literal["abort", "drain"] = "abort"
    where: str = ""  # "config.yaml:12", for messages about conflicts


@dataclass(frozen=True, slots=True)
class OutboundProxy:
    """How to reach upstreams through a proxy; URLs may be http://, https://, socks5:// or socks5h://."""

    http_url: str | None = None  # for http:// destinations
    https_url: str | None = None  # for https:// destinations
    no_proxy: str = ""  # NO_PROXY syntax: hosts, .suffixes, *; comma-separated


@dataclass(frozen=True, slots=True)
class Console:
    enabled: bool = True
    format: Literal["text", "json"] = "text"


@dataclass(frozen=True, slots=True)
class Capture:
    server_url: str = "http://localhost:8080"
    journal_dir: Path = Path(".journal")
    journal_bytes_max: int = 2 * 1024**3
    when_full: Literal["drop", "block"] = "drop"
    durability: Literal["batched", "write_ahead"] = "batched"
    fsync: Literal["off", "interval"] = "off"
    on_failure: Literal["fail_open", "fail_closed"] = "fail_open"
    redact: bool = True  # replace secrets before they are recorded


@dataclass(frozen=True, slots=True)
class RecorderSettings:
    host: str = "localhost"
    port: int = 5601  # 0: a free one
    not_found: str = "/404/"  # below it the recorder itself answers 404
    dynamic_ports: tuple[range, ...] = ()  # loopback ports that /proxy/<port>/ may reach
    forbidden_ports: frozenset[int] = frozenset()  # the ingest server's; the own port is added at start
    via: bool = False
    log_unmatched: bool = True  # `logging.default`
    default_timeouts: Timeouts = Timeouts()
    routes: tuple[Route, ...] = ()
    proxy: OutboundProxy = OutboundProxy()
    console: Console = Console()
    capture: Capture = field(default_factory=Capture)
    grace_s: float = 30.0  # running exchanges may finish within it after SIGTERM
