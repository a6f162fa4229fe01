"""`recorder proxy` and `recorder ingest`: one service as a process.

A first SIGTERM or Ctrl-C stops it gracefully, a second one at once; SIGHUP has it read its
configuration again. With --exit-with-parent (how `recorder up` starts them) the end of stdin stops it gracefully as
well: the pipe ends when the parent closes it, or dies, on every system. Such a child says that it is ready by one line
of JSON on stderr: {"ready": true, "port": 5601}.
"""

import asyncio
import errno
import json
import os
import sys
import threading
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from commands.command_group import examples
from commands.config_file import Configuration, load_config
from commands.config_option import config_option, load_or_exit
from commands.diagnostics import report_loop_error
from commands.event_loop import allow_open_files, loop_factory, settle_memory, stop_on_signals
from commands.public_bind import insecure_public_bind_option, with_insecure_public_bind
from commands.reload import HangUps, keep_reloading, reloaded_text
from commands.start_text import ingest_text, recorder_text
from commands.supervisor import CONFIG_EXIT_CODE
from recorder.tasks import TaskOwner
from traffic.public_bind import PublicBindError

if TYPE_CHECKING:
    from ingest_server.server import IngestServer
    from recorder.server import Recorder

exit_with_parent_option = click.option("--exit-with-parent", is_flag=True, hidden=True)


@dataclass(frozen=True, slots=True)
class Service:
    server: "Recorder | IngestServer"
    section: str  # of the configuration: "server" or "ingest"
    address: str
    text: Callable[[int], Iterable[str]]  # what to tell when it listens, by its port
    text_to_stderr: bool
    read: Callable[[], Configuration]  # again, at a SIGHUP
    reload: Callable[[Configuration], Awaitable[tuple[str, ...]]]


@click.command("proxy", epilog=examples("recorder proxy --config config.yaml"))
@config_option
@insecure_public_bind_option
@exit_with_parent_option
def proxy_command(config_path: Path | None, *, insecure_public_bind: bool, exit_with_parent: bool) -> None:
    """Start the recorder alone.

    It forwards requests and sends recordings to the ingest server that logging.server_url names.
    """
    configuration = with_insecure_public_bind(
        load_or_exit(config_path, ("server",), quiet=exit_with_parent), insecure_public_bind
    )
    from recorder.server import Recorder  # noqa: PLC0415 not needed to report a wrong configuration

    settings = configuration.recorder
    address = f"{settings.host}:{settings.port}"
    is_json = settings.console.format == "json"
    sends_to = f"recordings are sent to {settings.capture.server_url}"
    recorder = Recorder(settings)
    service = Service(
        recorder,
        "server",
        address,
        lambda port: [*recorder_text(settings, port), sends_to],
        is_json,
        lambda: _read_again(configuration.path, "server", insecure_public_bind),
        lambda configuration: recorder.reload(configuration.recorder),
    )
    _serve(service, exit_with_parent)


@click.command("ingest", epilog=examples("recorder ingest --config config.yaml"))
@config_option
@insecure_public_bind_option
@exit_with_parent_option
def ingest_command(config_path: Path | None, *, insecure_public_bind: bool, exit_with_parent: bool) -> None:
    """Start the ingest server alone.

    It takes recordings from recorders and stores them as files.
    """
    configuration = with_insecure_public_bind(
        load_or_exit(config_path, ("ingest",), quiet=exit_with_parent), insecure_public_bind
    )
    from ingest_server.server import IngestServer  # noqa: PLC0415 imports aiohttp, which `proxy` does without

    settings = configuration.ingest
    address = f"{settings.host}:{settings.port}"
    server = IngestServer(settings, gives_way=True)
    service = Service(
        server,
        "ingest",
        address,
        lambda port: ingest_text(settings, port),
        False,
        lambda: _read_again(configuration.path, "ingest", insecure_public_bind),
        lambda configuration: server.reload(configuration.ingest),
    )
    _serve(service, exit_with_parent)


def _read_again(path: Path | None, section: str, insecure_public_bind: bool) -> Configuration:
    """`path` is the file that was read at the start: one that is gone is an error, and no return to the defaults."""
    return with_insecure_public_bind(load_config(path, os.environ, (section,)), insecure_public_bind)


def _serve(service: Service, is_child: bool) -> None:
    os.umask(0o077)  # what a service writes is for its owner alone, whatever the shell says
    allow_open_files()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        code = runner.run(_run(service, is_child))
    raise SystemExit(code)


async def _run(service: Service, is_child: bool) -> int:
    asyncio.get_running_loop().set_exception_handler(report_loop_error)
    stop = asyncio.Event()
    stop_on_signals(stop)
    hang_ups, tasks = HangUps(stop), TaskOwner()
    try:
        await service.server.start()
    except PublicBindError as error:
        click.echo(f"Error: {error}", err=True)
        return CONFIG_EXIT_CODE
    except (OSError, ValueError) as error:
        click.echo(f"Error: {explain(error, service.section, service.address)}", err=True)
        return 1

    async def take_over(configuration: Configuration) -> list[str]:
        waiting = await service.reload(configuration)
        return reloaded_text(service.section, configuration, waiting, quiet=is_child)

    tasks.start(keep_reloading(hang_ups, service.read, take_over))
    _tell_ready(service, stop, is_child)
    settle_memory()
    await stop.wait()
    await tasks.stop()
    await service.server.stop()
    return 0


def explain(error: Exception, section: str, address: str) -> str:
    """One line that names the configuration's key to change, where one can help."""
    if isinstance(error, OSError):
        if error.filename is not None:
            return f"{error.filename}: {error.strerror}; ingest.log_dir and capture.journal_dir name the folders"
        if error.errno == errno.EADDRINUSE:
            return f"{section}.port: {address} is already in use; stop what uses it, or set another {section}.port"
        if error.errno == errno.EACCES:
            return f"{section}.port: not allowed to listen on {address}; set {section}.port to one above 1023"
        if error.errno is not None:
            return f"{section}.host: cannot listen on {address}: {error.strerror}"
    return str(error)


def _tell_ready(service: Service, stop: asyncio.Event, is_child: bool) -> None:
    if is_child:
        _stop_at_end_of_stdin(stop)
        print(json.dumps({"ready": True, "port": service.server.port}), file=sys.stderr, flush=True)
        return
    for line in service.text(service.server.port):
        click.echo(line, err=service.text_to_stderr)


def _stop_at_end_of_stdin(stop: asyncio.Event) -> None:
    """By a thread: event loops cannot wait for a pipe on every system."""
    loop = asyncio.get_running_loop()

    def wait_for_end() -> None:
        while os.read(0, 4096):
            pass
        loop.call_soon_threadsafe(stop.set)

    threading.Thread(target=wait_for_end, name="parent", daemon=True).start()
