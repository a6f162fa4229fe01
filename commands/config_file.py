"""The one loader of the configuration: finds the file, reads it, and builds the settings of the servers.

Rules: the file is the one that `--config` names, else CONFIG_PATH, else ./config.yaml, else the defaults that are built
in: the shipped config.yaml. A `.env` beside the file adds variables; the real environment goes before it and is never
written to. Every error of the file is reported at once, each with its line. Relative paths are relative to the file.

    name, text ─▶ config_yaml ─▶ config_validation ─▶ own_ports, outbound_proxy, config_warnings ─▶ settings ─▶ routes

Called by the commands with `os.environ`; nothing else reads YAML or the environment.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

from dotenv import dotenv_values

from commands.config_schema import Config, RouteSection, TlsSection
from commands.config_validation import validate
from commands.config_warnings import find_likely_mistakes
from commands.config_yaml import Document, Finding, Location, YamlError, read_document
from commands.outbound_proxy import read_outbound_proxy
from commands.own_ports import OwnPort, find_loops, own_ports
from commands.tls_files import TlsFindings
from ingest_server.settings import IndexSettings, IngestLimits, IngestSettings, Otlp, Retention
from ingest_server.settings import TlsFiles as IngestTls
from recorder.routing.routes import build_table
from recorder.routing.table import RoutingError
from recorder.settings import Capture, Console, Limits, OutboundProxy, RecorderSettings, Route, Timeouts
from recorder.settings import TlsFiles as RecorderTls
from traffic.capture.vault import Vault
from traffic.http1.limits import MessageLimits
from traffic.keys import Key, is_hashed

BUILT_IN = "built-in config.yaml"


@dataclass(frozen=True, slots=True)
class Configuration:
    recorder: RecorderSettings
    ingest: IngestSettings
    path: Path | None  # None: the built-in defaults
    warnings: list[str]
    vault: Vault  # where it is, or would be
    reader_key: str | None = field(default=None, repr=False)  # one of ingest.keys, where the file holds it unhashed
    route_keys: Mapping[str, str] = field(default_factory=dict, repr=False)  # what replays send, by the routes' names


class ConfigError(Exception):
    """`messages` holds every error, each a line that begins with the file and the line number."""

    def __init__(self, messages: Iterable[str]) -> None:
        self.messages = list(messages)
        super().__init__("\n".join(self.messages))


def load_config(path: Path | None, environ: Mapping[str, str], serves: Collection[str] = ()) -> Configuration:
    """Raises ConfigError. `path` is what `--config` named; the TLS files of the sections that `serves` names ("server",
    "ingest") are checked as well.
    """
    path = _find(path, environ)
    if path is None:
        hint = "there is no config.yaml here, so the built-in defaults apply; `recorder init` writes them to a file"
        return _load(_Source(BUILT_IN, built_in_text(), Path(), None), environ, [hint], serves)
    text = _read_text(path)
    environ = {**_read_dotenv(path.parent / ".env"), **environ}
    return _load(_Source(str(path), text, path.parent, path), environ, [], serves)


def built_in_text() -> str:
    """The shipped config.yaml: beside the packages in a checkout, inside this one in a wheel."""
    packaged = Path(__file__).with_name("default_config.yaml")
    return (packaged if packaged.exists() else Path(__file__).parent.parent / "config.yaml").read_text("utf-8")


def _find(path: Path | None, environ: Mapping[str, str]) -> Path | None:
    if path is None and environ.get("CONFIG_PATH"):
        path = Path(environ["CONFIG_PATH"])
        if not path.exists():
            raise ConfigError([f"{path}: no such file; CONFIG_PATH names it"])
    return path or (Path("config.yaml") if Path("config.yaml").exists() else None)


def _read_text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError([f"{path}:{line}: not UTF-8 text"]) from None
    except FileNotFoundError:
        raise ConfigError([f"{path}: no such file; `recorder init {path}` writes one"]) from None
    except OSError as error:
        raise ConfigError([f"{path}: {error.strerror}"]) from None


def _read_dotenv(path: Path) -> dict[str, str]:
    try:
        values = dotenv_values(path, interpolate=False)  # interpolation would read os.environ
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}: {error.strerror if isinstance(error, OSError) else 'not UTF-8 text'}"]) from None
    return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True, slots=True)
class _Source:
    name: str  # for messages
    text: str
    folder: Path  # what relative paths are relative to
    path: Path | None


def _load(source: _Source, environ: Mapping[str, str], hints: list[str], serves: Collection[str]) -> Configuration:
    try:
        document = read_document(source.text, environ)
    except YamlError as error:
        raise ConfigError([f"{source.name}:{error.line}: {error}"]) from None
    config, invalid = validate(document.value)
    proxy, proxy_findings = read_outbound_proxy(config.http_client, environ, _listening(config))
    settings = _Settings(config, document, source)
    recorder, ingest = settings.recorder(proxy), settings.ingest()
    tls = TlsFindings(recorder, ingest, serves)
    findings = [
        *document.findings,
        *_new(invalid, document.findings),
        *find_loops(config),
        *proxy_findings,
        *tls.errors,
        *_find_misplaced(recorder.capture, ingest.log_dir.resolve()),
    ]
    errors = _messages(findings, document, source.name)
    try:
        build_table(replace(recorder, port=0, forbidden_ports=frozenset()))  # find_loops saw to the own ports
    except RoutingError as error:
        errors += error.messages
    if errors:
        raise ConfigError(errors)
    warnings = _messages([*find_likely_mistakes(config), *tls.warnings], document, source.name)
    keys = settings.reader_key(), settings.route_keys()
    return Configuration(recorder, ingest, source.path, hints + warnings, settings.vault(), *keys)


def _find_misplaced(capture: Capture, log_dir: Path) -> Iterator[Finding]:
    """Secrets, and keys to them, that would be shared together with recordings, or with each other."""
    places = {"journal_dir": (capture.journal_dir, "the key behind redacted secrets")}
    if (vault := capture.vault) is not None:
        places |= {"vault_file": (vault.file, "secrets"), "vault_key_file": (vault.key_file, "the vault's key")}
        if vault.file.resolve().parent == vault.key_file.resolve().parent:
            text = "must be in another folder than capture.vault_file: who copies that one would have both"
            yield ("capture", "vault_key_file"), text
    for key, (path, what) in places.items():
        if path.resolve().is_relative_to(log_dir):
            yield ("capture", key), f"must be outside ingest.log_dir: it holds {what}"


def _new(findings: list[Finding], known: list[Finding]) -> list[Finding]:
    """Without what follows from an unset variable or the like: its value is None, which is wrong in its own way."""
    places = {location for location, _ in known}
    return [finding for finding in findings if finding[0] not in places]


def _messages(findings: Iterable[Finding], document: Document, name: str) -> list[str]:
    located = sorted(((document.line(location), location, text) for location, text in findings), key=lambda it: it[0])
    return [f"{name}:{line}: {_dotted(location)}{text}" for line, location, text in located]


def _dotted(location: Location) -> str:
    if not location:
        return ""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)[1:] + ": "


def _keys(values: Mapping[str, str]) -> tuple[Key, ...]:
    return tuple(Key.parse(name, value) for name, value in values.items())


def _listening(config: Config) -> OwnPort:
    return OwnPort("server.port", config.server.host, config.server.port)


@dataclass(frozen=True, slots=True)
class _Settings:
    config: Config
    document: Document
    source: _Source

    def recorder(self, proxy: OutboundProxy) -> RecorderSettings:
        config = self.config
        server, capture = config.server, config.capture
        return RecorderSettings(
            host=server.host,
            port=server.port,
            tls=None if server.tls is None else RecorderTls(*self.tls_files(server.tls)),
            not_found=server.not_found,
            dynamic_ports=server.dynamic_ports,
            forbidden_ports=frozenset(own.port for own in own_ports(config) if own.key != "server.port"),
            via=server.via,
            log_unmatched=config.logging.default,
            default_timeouts=Timeouts(config.timeouts.connect_s, config.timeouts.idle_s),
            routes=tuple(self.route(name, route) for name, route in config.routes.items()),
            proxy=proxy,
            console=Console(config.logging.console, config.logging.format),
            capture=Capture(
                server_url=config.logging.server_url,
                journal_dir=self.folder(capture.journal_dir),
                journal_bytes_max=capture.journal_bytes_max,
                when_full=capture.when_full,
                durability=capture.durability,
                fsync=capture.fsync,
                on_failure=capture.on_failure,
                redact=capture.redact == "default",
                vault=self.vault() if capture.vault and capture.redact == "default" else None,
                server_ca=None if capture.server_ca is None else self.folder(capture.server_ca),
                link_key=capture.link_key,
            ),
            keys=_keys(server.keys),
            allowed_hosts=server.allowed_hosts,
            limits=self.limits(),
            grace_s=server.grace_s,
        )

    def limits(self) -> Limits:
        values = self.config.limits.model_dump()
        message = MessageLimits(**{field.name: values.pop(field.name) for field in fields(MessageLimits)})
        return Limits(**values, message=message)

    def route(self, name: str, route: RouteSection) -> Route:
        config, timeouts = self.config, route.timeouts
        return Route(
            name=name,
            pattern=route.pattern,
            destination=route.destination,
            log=config.logging.default if route.logging is None else route.logging,
            verify_ssl=config.verify_ssl if route.verify_ssl is None else route.verify_ssl,
            timeouts=Timeouts(
                timeouts.connect_s or config.timeouts.connect_s,
                timeouts.idle_s or config.timeouts.idle_s,
            ),
            preserve_host=route.preserve_host,
            on_client_disconnect=route.on_client_disconnect,
            provider=route.provider,
            where=f"{self.source.name}:{self.document.line(('routes', name, 'pattern'))}",
        )

    def ingest(self) -> IngestSettings:
        ingest, capture = self.config.ingest, self.config.capture
        return IngestSettings(
            host=ingest.host,
            port=ingest.port,
            tls=None if ingest.tls is None else IngestTls(*self.tls_files(ingest.tls)),
            log_dir=self.folder(ingest.log_dir),
            layout=ingest.layout,
            redact=capture.redact == "default",
            key_dir=self.folder(capture.journal_dir),
            keys=_keys(ingest.keys),
            link_keys=_keys(ingest.link_keys) + _keys(self.own_link_key()),
            allowed_hosts=ingest.allowed_hosts,
            limits=IngestLimits(**ingest.limits.model_dump()),
            retention=Retention(
                max_age_s=ingest.retention.max_age,
                max_bytes=ingest.retention.max_bytes,
                keep_errors="errors" in ingest.retention.keep,
            ),
            index=self.index(),
        )

    def index(self) -> IndexSettings:
        config, otlp = self.config, self.config.export.otlp
        return IndexSettings(
            enabled=config.ingest.index,
            prices={model: price.model_dump(exclude_none=True) for model, price in config.prices.items()},
            observers=config.observers,
            print_calls=config.logging.metrics,
            otlp=None if otlp is None else Otlp(otlp.endpoint, otlp.headers, otlp.content),
        )

    def vault(self) -> Vault:
        return Vault(self.folder(self.config.capture.vault_file), self.folder(self.config.capture.vault_key_file))

    def reader_key(self) -> str | None:
        keys = self.config.ingest.keys.values()
        return next((key for key in keys if not is_hashed(key)), None)

    def route_keys(self) -> dict[str, str]:
        return {name: route.key for name, route in self.config.routes.items() if route.key}

    def own_link_key(self) -> dict[str, str]:
        """Of the recorder with the same configuration."""
        key = self.config.capture.link_key
        return {} if key is None else {"capture.link_key": key}

    def tls_files(self, tls: TlsSection) -> tuple[Path, Path]:
        return self.folder(tls.cert), self.folder(tls.key)

    def folder(self, text: str) -> Path:
        return self.source.folder / Path(text).expanduser()
