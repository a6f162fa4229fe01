"""Likely mistakes in a configuration that is valid. Called by commands/config_file.py."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from commands.config_schema import Config, RouteSection
from commands.config_yaml import Finding
from commands.own_ports import host_and_port, is_local

# Where each provider's own documentation puts its OpenAI-compatible API. Providers that answer with and without such a
# path (api.deepseek.com), or whose clients add it themselves (api.anthropic.com), are not here.
_API_PATHS = {
    "api.cerebras.ai": "/v1",
    "api.deepinfra.com": "/v1/openai",
    "api.fireworks.ai": "/inference/v1",
    "api.groq.com": "/openai/v1",
    "api.mistral.ai": "/v1",
    "api.openai.com": "/v1",
    "api.together.xyz": "/v1",
    "api.x.ai": "/v1",
    "integrate.api.nvidia.com": "/v1",
    "openrouter.ai": "/api/v1",
}


def find_likely_mistakes(config: Config) -> Iterator[Finding]:
    if not config.routes and not config.server.dynamic_ports:
        yield ("routes",), "there are none: every request is answered with 404"
    if not config.verify_ssl:
        yield ("verify_ssl",), "certificates of upstreams are not checked"
    host, port = host_and_port(config.logging.server_url)
    if is_local(host) and config.ingest.port not in (0, port):
        text = f"recordings are sent to port {port} of this machine, but ingest.port is {config.ingest.port}"
        yield ("logging", "server_url"), text
    elif is_local(host) and config.ingest.port:
        scheme = config.logging.server_url.partition(":")[0]
        if scheme == "http" and config.ingest.tls is not None:
            yield ("logging", "server_url"), "recordings are sent by http, but ingest.tls makes it https://"
        if scheme == "https" and config.ingest.tls is None:
            yield ("logging", "server_url"), "recordings are sent by https, but ingest.tls is not set"
    if _lacks_link_key(config, host, port):
        text = "there is none, but the ingest server asks for keys: what is recorded would wait in the journal"
        yield ("capture", "link_key"), text
    if config.capture.link_key is not None and config.logging.server_url.startswith("http://") and not is_local(host):
        yield ("capture", "link_key"), "it travels unencrypted; let logging.server_url begin with https://"
    if config.capture.vault and config.capture.redact != "default":
        yield ("capture", "vault"), "it keeps nothing: capture.redact is [], so that nothing is replaced"
    retention = config.ingest.retention
    if retention.keep and retention.max_age is None and retention.max_bytes is None:
        yield ("ingest", "retention", "keep"), "nothing is deleted by itself: there is neither max_age nor max_bytes"
    yield from _index_mistakes(config)
    for name, route in config.routes.items():
        for key, text in _route_mistakes(route):
            yield ("routes", name, key), text


def _index_mistakes(config: Config) -> Iterator[Finding]:
    otlp = config.export.otlp
    if not config.ingest.index:
        derived: list[tuple[tuple[str, ...], object]] = [
            (("logging", "metrics"), config.logging.metrics),
            (("prices",), config.prices),
            (("observers",), config.observers),
            (("export", "otlp"), otlp),
        ]
        for location, value in derived:
            if value:
                yield location, "it has no effect: ingest.index is false, so that no recording is decoded"
    if otlp is None or not otlp.headers or otlp.endpoint.startswith("https://"):
        return
    if not is_local(host_and_port(otlp.endpoint)[0]):
        yield ("export", "otlp", "headers"), "they travel unencrypted; let export.otlp.endpoint begin with https://"


def _lacks_link_key(config: Config, host: str, port: int) -> bool:
    """Of a recorder and an ingest server that this one file configures."""
    ingest = config.ingest
    has_recorder = bool(config.routes or config.server.dynamic_ports)
    asks = bool(ingest.keys or ingest.link_keys)
    return has_recorder and asks and config.capture.link_key is None and is_local(host) and port == ingest.port


def _route_mistakes(route: RouteSection) -> Iterator[tuple[str, str]]:
    place = route.pattern.rpartition(" ")[2]
    host = place.partition("/")[0]
    if re.fullmatch(r"[A-Za-z0-9_-]+", host) and host != "localhost":
        yield "pattern", f"it matches requests to the host {host} only; a path begins with '/': /{place}"
    if not route.pattern.endswith(("/", "/{$}")):
        yield "pattern", f"without a trailing slash it matches no path below it; {route.pattern}/ would"
    if route.verify_ssl is False:
        yield "verify_ssl", "this upstream's certificate is not checked"
    parts = urlsplit(route.destination)
    api_path = _API_PATHS.get(parts.hostname or "", "")
    path = parts.path.rstrip("/")
    strips_a_prefix = not route.pattern.endswith("/") or route.pattern.partition("/")[2] != ""
    if strips_a_prefix and path != api_path and api_path.startswith(path):
        url = f"{parts.scheme}://{parts.netloc}{api_path}/"
        yield "destination", f"the API of {parts.hostname} is below {api_path}, which is missing here; {url} has it"
