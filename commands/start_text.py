"""What a start tells: the routes, the base URL to copy for each, and where recordings go. Called by up and services."""

from collections.abc import Iterator

from commands.base_urls import base_url, server_url, variable_of
from ingest_server.settings import IngestSettings
from recorder.settings import RecorderSettings


def recorder_text(settings: RecorderSettings, port: int) -> Iterator[str]:
    yield f"recorder listens on {server_url(settings, port)}"
    rows = [(route, variable_of(route)) for route in settings.routes]
    pattern_width = max((len(route.pattern) for route in settings.routes), default=0)
    width = max((len(route.destination) for route in settings.routes), default=0)
    for route, variable in rows:
        url = base_url(route, variable, settings, port)
        copy = "" if url is None else f"{variable}={url}"
        mark = "" if route.log else "  [no-log]"
        yield f"  {route.pattern:{pattern_width}}  {route.destination:{width}}  {copy}{mark}".rstrip()
    if settings.dynamic_ports:
        yield f"  /proxy/<port>/ reaches the ports of server.dynamic_ports: {_ports(settings)}"


def ingest_text(settings: IngestSettings, port: int) -> Iterator[str]:
    yield f"ingest server listens on {server_url(settings, port)}; recordings go to {settings.log_dir.resolve()}"


def _ports(settings: RecorderSettings) -> str:
    spans = settings.dynamic_ports
    return ", ".join(str(span[0]) if len(span) == 1 else f"{span[0]}-{span[-1]}" for span in spans)
