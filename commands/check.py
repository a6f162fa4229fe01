"""`recorder check`: what the configuration would do, without doing it. Touches no folder and opens no socket."""

from collections.abc import Iterator
from pathlib import Path

import click

from commands.command_group import examples
from commands.config_file import BUILT_IN, Configuration
from commands.config_option import config_option, load_or_exit
from commands.public_bind import exit_if_open, insecure_public_bind_option, with_insecure_public_bind
from ingest_server.settings import IngestSettings
from recorder.settings import OutboundProxy, RecorderSettings


@click.command("check", epilog=examples("recorder check --config config.yaml"))
@config_option
@insecure_public_bind_option
def check_command(config_path: Path | None, *, insecure_public_bind: bool) -> None:
    """Read the configuration and print what it would do.

    Exits 2 with every error at once, each with its line.
    """
    configuration = with_insecure_public_bind(load_or_exit(config_path, ("server", "ingest")), insecure_public_bind)
    for line in describe(configuration):
        click.echo(line)
    exit_if_open(configuration)


def describe(configuration: Configuration) -> Iterator[str]:
    recorder, ingest = configuration.recorder, configuration.ingest
    capture = recorder.capture
    yield f"config      {configuration.path or BUILT_IN}"
    yield f"recorder    listens on {_url(recorder)}"
    yield f"ingest      listens on {_url(ingest)}"
    yield f"recordings  go to {capture.server_url}, which stores them in {ingest.log_dir} ({ingest.layout})"
    yield f"journal     {capture.journal_dir}, at most {_size(capture.journal_bytes_max)}, then {capture.when_full}"
    yield f"secrets     {'are redacted' if capture.redact else 'are recorded as they are'}"
    if capture.vault is not None:
        yield f"vault       keeps them in {capture.vault.file}, sealed with the key in {capture.vault.key_file}"
    yield from _derived(ingest)
    for name, keys in (("recorder", recorder.keys), ("ingest", ingest.keys), ("link", ingest.link_keys)):
        if keys:
            yield f"keys        {name}: {', '.join(key.name for key in keys)}"
    if recorder.proxy != OutboundProxy():
        yield f"proxies     {_proxies(recorder.proxy)}"
    yield "routes"
    yield from _routes(recorder)


def _derived(ingest: IngestSettings) -> Iterator[str]:
    """What is made of recordings; headers of spans may hold keys, and are not shown."""
    index = ingest.index
    if not index.enabled:
        yield "index       none: recordings are not decoded"
        return
    yield f"index       {ingest.log_dir / '.ingest' / 'index.sqlite'}"
    if index.prices:
        yield f"prices      of {', '.join(index.prices)}; the built-in ones of all other models"
    if index.observers:
        yield f"observers   {', '.join(index.observers)}"
    if index.print_calls:
        yield "calls       are told on stdout, a line of JSON each"
    if index.otlp is not None:
        extent = "with" if index.otlp.content else "without"
        yield f"spans       go to {index.otlp.endpoint}, {extent} prompts and answers"


def _routes(recorder: RecorderSettings) -> Iterator[str]:
    rows = [(route.pattern, f"{route.destination} {_mark(route.log)}") for route in recorder.routes]
    if recorder.dynamic_ports:
        ports = ", ".join(
            f"{ports[0]}-{ports[-1]}" if len(ports) > 1 else str(ports[0]) for ports in recorder.dynamic_ports
        )
        rows.append(("/proxy/<port>/", f"http://127.0.0.1:<port>/ for port {ports} {_mark(recorder.log_unmatched)}"))
    rows.append(("anything else", f"404 {_mark(recorder.log_unmatched)}"))
    width = max(len(pattern) for pattern, _ in rows)
    for pattern, target in rows:
        yield f"  {pattern:{width}} -> {target}"


def _mark(log: bool) -> str:
    return "[log]" if log else "[no-log]"


def _url(settings: RecorderSettings | IngestSettings) -> str:
    name = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"{'http' if settings.tls is None else 'https'}://{name}:{settings.port or '<a free port>'}"


def _size(count: int) -> str:
    """Exact, in the largest unit that divides it."""
    for power, unit in ((4, "TiB"), (3, "GiB"), (2, "MiB"), (1, "KiB")):
        if count % 1024**power == 0:
            return f"{count // 1024**power}{unit}"
    return f"{count} bytes"


def _proxies(proxy: OutboundProxy) -> str:
    """Without user and password."""
    used = [("http", proxy.http_url), ("https", proxy.https_url)]
    parts = [f"{kind}:// through {_without_userinfo(url)}" for kind, url in used if url]
    return ", ".join(parts) + (f", except {proxy.no_proxy}" if proxy.no_proxy else "")


def _without_userinfo(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"
