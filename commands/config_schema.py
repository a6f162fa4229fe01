"""What the configuration file may hold: keys, types and defaults.

The models validate the text that commands/config_yaml.py read, and nothing else: the settings that the servers run on
are the frozen dataclasses that commands/config_file.py builds from them. A key without a value counts as not given.
docs/configuration.md lists every key here with its default; a test compares.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, model_validator

from commands.config_values import (
    check_host,
    check_key_value,
    check_link_key,
    check_name,
    check_observer,
    check_own_path,
    check_pattern,
    check_proxy_url,
    check_redact,
    check_route_key,
    check_upstream_url,
    parse_bytes,
    parse_duration,
    parse_port_range,
)
from recorder.settings import Limits

Text = Annotated[str, Field(min_length=1)]
Host = Annotated[str, AfterValidator(check_host)]
Port = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
UpstreamUrl = Annotated[str, AfterValidator(check_upstream_url)]
PortRange = Annotated[range, PlainValidator(parse_port_range)]
Bytes = Annotated[int, BeforeValidator(parse_bytes), Field(gt=0)]
Count = Annotated[int, Field(gt=0)]
UsdPerMillion = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Observer = Annotated[str, AfterValidator(check_observer)]
RouteName = Annotated[str, AfterValidator(check_name("a route's name"))]
Keys = dict[Annotated[str, AfterValidator(check_name("a key's name"))], Annotated[str, AfterValidator(check_key_value)]]


SECRET_KEYS = frozenset({"keys", "link_keys", "link_key", "headers", "key"})  # what they hold is never shown


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)  # it may be a key

    @model_validator(mode="before")
    @classmethod
    def _leave_out_empty(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        return {key: value for key, value in values.items() if value is not None or key not in cls.model_fields}


class TlsSection(Section):
    cert: Text
    key: Text


class ServerSection(Section):
    host: Host = "localhost"
    port: Port = 5601
    tls: TlsSection | None = None
    not_found: Annotated[str, AfterValidator(check_own_path)] = "/404/"
    dynamic_ports: tuple[PortRange, ...] = ()
    via: bool = False
    keys: Keys = {}
    allowed_hosts: tuple[Host, ...] = ()
    grace_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 30.0


class LoggingSection(Section):
    console: bool = True
    format: Literal["text", "json"] = "text"
    server_url: UpstreamUrl = "http://localhost:8080"
    default: bool = True
    metrics: bool = False


class IngestLimitsSection(Section):
    connections: Count = 1_000
    idle_s: Seconds = 30.0
    listeners: Count = 100
    journals: Count = 1_000
    open_exchanges: Count = 50_000


class RetentionSection(Section):
    max_age: Annotated[float, BeforeValidator(parse_duration), Field(gt=0)] | None = None
    max_bytes: Bytes | None = None
    keep: tuple[Literal["errors"], ...] = ()


class IngestSection(Section):
    host: Host = "localhost"
    port: Port = 8080
    tls: TlsSection | None = None
    log_dir: Text = "logs"
    layout: Literal["flat", "daily"] = "flat"
    index: bool = True
    keys: Keys = {}
    link_keys: Keys = {}
    allowed_hosts: tuple[Host, ...] = ()
    limits: IngestLimitsSection = IngestLimitsSection()
    retention: RetentionSection = RetentionSection()


class CaptureSection(Section):
    redact: Annotated[Literal["default"] | list[str], PlainValidator(check_redact)] = "default"
    vault: bool = False
    vault_file: Text = "~/.local/state/llm-flight-recorder/vault.sqlite"
    vault_key_file: Text = "~/.config/llm-flight-recorder/vault.key"
    journal_dir: Text = ".journal"
    journal_bytes_max: Bytes = 2 * 1024**3
    when_full: Literal["drop", "block"] = "drop"
    durability: Literal["batched", "write_ahead"] = "batched"
    fsync: Literal["off", "interval"] = "off"
    on_failure: Literal["fail_open", "fail_closed"] = "fail_open"
    server_ca: Text | None = None
    link_key: Annotated[str, AfterValidator(check_link_key)] | None = None


class TimeoutsSection(Section):
    connect_s: Seconds = 10.0
    idle_s: Seconds = 600.0


_LIMITS = Limits()


class LimitsSection(Section):
    connections: Count = _LIMITS.connections
    connections_per_client: Count = _LIMITS.connections_per_client
    upstream_connections: Count = _LIMITS.upstream_connections
    idle_upstream_connections: Count = _LIMITS.idle_upstream_connections
    name_lookups: Count = _LIMITS.name_lookups
    client_idle_s: Seconds = _LIMITS.client_idle_s
    head_read_s: Seconds = _LIMITS.head_read_s
    exchange_s: Seconds = _LIMITS.exchange_s
    upstream_keep_alive_s: Seconds = _LIMITS.upstream_keep_alive_s
    linger_s: Seconds = _LIMITS.linger_s
    head_bytes: Bytes = _LIMITS.message.head_bytes
    target_bytes: Annotated[Bytes, Field(ge=8000)] = _LIMITS.message.target_bytes  # RFC 9112 §3
    head_fields: Count = _LIMITS.message.head_fields
    chunk_line_bytes: Bytes = _LIMITS.message.chunk_line_bytes
    trailer_bytes: Bytes = _LIMITS.message.trailer_bytes
    interim_responses: Count = _LIMITS.interim_responses
    early_bytes: Bytes = _LIMITS.early_bytes
    replay_bytes: Bytes = _LIMITS.replay_bytes
    drain_bytes: Bytes = _LIMITS.drain_bytes
    abandoned_bytes: Bytes = _LIMITS.abandoned_bytes
    queue_bytes: Bytes = _LIMITS.queue_bytes
    plans: Count = _LIMITS.plans


class HttpClientSection(Section):
    proxy_url: Annotated[str, AfterValidator(check_proxy_url)] | None = None
    proxy_from_environment: bool = False


class PriceSection(Section):
    input: UsdPerMillion
    output: UsdPerMillion | None = None  # None: free, as with embeddings
    cached_input: UsdPerMillion | None = None  # None: as `input`; so is cache_write
    cache_write: UsdPerMillion | None = None


class OtlpSection(Section):
    endpoint: UpstreamUrl
    headers: dict[Text, Text] = {}
    content: bool = False


class ExportSection(Section):
    otlp: OtlpSection | None = None


class RouteTimeoutsSection(Section):
    connect_s: Seconds | None = None  # None: what the top level says
    idle_s: Seconds | None = None


class RouteSection(Section):
    pattern: Annotated[Text, AfterValidator(check_pattern)]
    destination: UpstreamUrl
    logging: bool | None = None  # None: logging.default
    verify_ssl: bool | None = None  # None: what the top level says
    timeouts: RouteTimeoutsSection = RouteTimeoutsSection()
    preserve_host: bool = False
    on_client_disconnect: Literal["abort", "drain"] = "abort"
    provider: Annotated[str, AfterValidator(check_name("a provider's name"))] | None = None
    key: Annotated[str, AfterValidator(check_route_key)] | None = None


class Config(Section):
    server: ServerSection = ServerSection()
    logging: LoggingSection = LoggingSection()
    ingest: IngestSection = IngestSection()
    capture: CaptureSection = CaptureSection()
    verify_ssl: bool = True
    timeouts: TimeoutsSection = TimeoutsSection()
    http_client: HttpClientSection = HttpClientSection()
    limits: LimitsSection = LimitsSection()
    prices: dict[Text, PriceSection] = {}
    observers: tuple[Observer, ...] = ()
    export: ExportSection = ExportSection()
    routes: dict[RouteName, RouteSection] = {}
