"""The ingest server's settings. Built by the config loader or by a program that embeds it; frozen."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from traffic.keys import Key


@dataclass(frozen=True, slots=True)
class IngestLimits:
    """Bounds of what those who may reach the server can make grow."""

    connections: int = 1_000  # a recorder uses one, a listener of the live feed one
    idle_s: float = 30.0  # for a head, from its connection's start or the last answer; between two pieces of a body
    listeners: int = 100  # of the live feed
    journals: int = 1_000  # in memory; one at rest makes room for another
    open_exchanges: int = 50_000  # of one journal; above a recorder's limits.connections


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files of the listener's TLS."""

    cert: Path  # the certificate, and behind it those that lead to its authority
    key: Path  # not encrypted


@dataclass(frozen=True, slots=True)
class Retention:
    """Which recordings are deleted, the oldest first; without either limit none are."""

    max_age_s: float | None = None  # since an exchange began
    max_bytes: int | None = None  # of all files of recordings together
    keep_errors: bool = False  # spares those that are not complete, or have a status of 400 or more


@dataclass(frozen=True, slots=True)
class Otlp:
    """Where the spans of calls go: OTLP over HTTP."""

    endpoint: str  # "http://localhost:4318"; "/v1/traces" is added
    headers: dict[str, str] = field(default_factory=dict, repr=False)  # sent with each request; they may hold keys
    content: bool = False  # prompts and answers, too


@dataclass(frozen=True, slots=True)
class IndexSettings:
    """What is derived from recordings."""

    enabled: bool = True
    prices: dict[str, dict[str, float]] = field(default_factory=dict)  # by model; USD per million tokens, by their kind
    observers: tuple[str, ...] = ()  # "module:Class", told of each call
    print_calls: bool = False  # a line of JSON on stdout per call that has ended
    otlp: Otlp | None = None


@dataclass(frozen=True, slots=True)
class IngestSettings:
    host: str = "localhost"
    port: int = 8080  # 0: a free one
    log_dir: Path = Path("logs")
    layout: Literal["flat", "daily"] = "flat"  # daily: a folder per UTC day
    redact: bool = True  # replace secrets in what comes through the simple door
    key_dir: Path = Path(".journal")  # holds the redaction key; outside log_dir
    keys: tuple[Key, ...] = ()  # of readers and of programs that hand in exchanges
    link_keys: tuple[Key, ...] = ()  # of recorders: who may send journals
    allowed_hosts: tuple[str, ...] = ()  # names beside `host` and loopback's by which it may be called
    insecure_public_bind: bool = False  # listen on more than loopback without keys
    limits: IngestLimits = IngestLimits()
    tls: TlsFiles | None = None  # None: plain HTTP
    retention: Retention = Retention()
    index: IndexSettings = IndexSettings()
