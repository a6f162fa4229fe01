"""The recorder's settings. Built by the config loader or by a program that embeds the recorder; frozen."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from traffic.capture.vault import Vault
from traffic.http1.limits import DEFAULT_LIMITS, MessageLimits
from traffic.keys import Key


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
    provider: str | None = None  # who serves it: "openrouter", "openai", ...; None: the destination or the model tells
    where: str = ""  # "config.yaml:12", for messages about conflicts


PROXY_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}  # of each scheme, where a URL names none


@dataclass(frozen=True, slots=True)
class OutboundProxy:
    """How to reach upstreams through a proxy; URLs may be http://, https://, socks5:// or socks5h://."""

    http_url: str | None = None  # for http:// destinations
    https_url: str | None = None  # for https:// destinations
    no_proxy: str = ""  # NO_PROXY syntax: hosts, .suffixes, *; comma-separated


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files of a listener's TLS."""

    cert: Path  # the certificate, and behind it those that lead to its authority
    key: Path  # not encrypted


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
    vault: Vault | None = None  # where what was replaced is kept; None: nowhere
    server_ca: Path | None = None  # PEM: who certifies an https ingest server; None: the system's trust store
    link_key: str | None = field(default=None, repr=False)  # what the recorder shows to the ingest server


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of what a client or an upstream can make grow; docs/configuration.md gives the reason for each default."""

    connections: int = 20_000  # of clients
    connections_per_client: int = 15_000  # of one address
    upstream_connections: int = 10_000  # open, per origin
    idle_upstream_connections: int = 256  # kept for reuse, per origin
    upstream_keep_alive_s: float = 15.0  # an unused upstream connection is closed after it
    client_idle_s: float = 600.0  # a client connection without a request is closed after it
    head_read_s: float = 30.0  # from a head's first byte to its last
    exchange_s: float = 86_400.0  # from a request's first byte to its response's last; also of a tunnel
    message: MessageLimits = DEFAULT_LIMITS
    interim_responses: int = 100  # before the final one
    linger_s: float = 2.0  # a refused request's body is read and thrown away for so long
    drain_bytes: int = 1024 * 1024  # of a body that goes nowhere because the recorder itself answered
    abandoned_bytes: int = 64 * 1024 * 1024  # read on after a client left, under on_client_disconnect: drain
    early_bytes: int = 64 * 1024  # taken from a client before its upstream connection stands
    replay_bytes: int = 64 * 1024  # of an idempotent request, kept to send it again on a fresh connection
    queue_bytes: int = 32 * 1024 * 1024  # in memory, on their way into the journal
    name_lookups: int = 64  # at the same time
    plans: int = 512  # decisions about requests that are kept for the next request of the kind


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
    limits: Limits = Limits()
    keys: tuple[Key, ...] = ()  # of clients; none: whoever reaches the port may use it
    allowed_hosts: tuple[str, ...] = ()  # names beside `host` and loopback's by which own pages may be called
    insecure_public_bind: bool = False  # listen on more than loopback without keys
    grace_s: float = 30.0  # running exchanges may finish within it after SIGTERM
    tls: TlsFiles | None = None  # None: clients speak plain HTTP
