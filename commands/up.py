"""`recorder up`: the ingest server and the recorder as two supervised processes."""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import BinaryIO

import click

from commands.command_group import examples
from commands.config_file import ConfigError, Configuration, load_config
from commands.config_option import config_option, load_or_exit
from commands.public_bind import exit_if_open, find_open_binds, insecure_public_bind_option, with_insecure_public_bind
from commands.reload import HangUps, keep_reloading
from commands.start_text import ingest_text, recorder_text
from commands.supervisor import Child, ChildFailedError, Supervisor
from recorder.tasks import TaskOwner


@click.command("up", epilog=examples("recorder up", "recorder up --config config.yaml"))
@config_option
@insecure_public_bind_option
@click.pass_context
def up_command(context: click.Context, config_path: Path | None, *, insecure_public_bind: bool) -> None:
    """Start the recorder and the ingest server, and keep them running.

    Prints the base URL to copy for each route. Ctrl-C or SIGTERM stops gracefully: running exchanges may end; a second
    one stops at once. SIGHUP has both read the configuration again.
    """
    configuration = with_insecure_public_bind(load_or_exit(config_path, ("server", "ingest")), insecure_public_bind)
    exit_if_open(configuration)
    ingest, proxy = make_children(context, configuration, ["ingest", "proxy"], None)
    supervisor = Supervisor([ingest, proxy], configuration.recorder.grace_s)

    def read() -> Configuration:
        return _read_again(configuration.path, insecure_public_bind)

    raise SystemExit(asyncio.run(_run(configuration, supervisor, ingest, proxy, read)))


def _read_again(path: Path | None, insecure_public_bind: bool) -> Configuration:
    """Here already, so that errors are told once and neither service takes over what the other refuses."""
    configuration = load_config(path, os.environ, ("server", "ingest"))
    configuration = with_insecure_public_bind(configuration, insecure_public_bind)
    problems = [f"Error: {problem}" for problem in find_open_binds(configuration)]
    if problems:
        raise ConfigError(problems)
    return configuration


def make_children(
    context: click.Context, configuration: Configuration, names: list[str], output: BinaryIO | None
) -> list[Child]:
    """The services as children that read the same configuration and tell as much as this process does."""
    parent = context.find_root()
    before = ["--log-level", parent.params["log_level"]]
    behind = ["--exit-with-parent"]
    if configuration.recorder.insecure_public_bind:
        behind += ["--insecure-public-bind"]
    if configuration.path is not None:
        behind += ["--config", str(configuration.path)]
    return [Child(name, [*before, name, *behind], output) for name in names]


async def _run(
    configuration: Configuration,
    supervisor: Supervisor,
    ingest: Child,
    proxy: Child,
    read: Callable[[], Configuration],
) -> int:
    stop, failure = asyncio.Event(), None
    _stop_on_signals(stop, supervisor)
    hang_ups, tasks = HangUps(stop), TaskOwner()

    async def take_over(found: Configuration) -> list[str]:
        supervisor.reload(found.recorder.grace_s)
        return [f"warning: {warning}" for warning in found.warnings]

    tasks.start(keep_reloading(hang_ups, read, take_over))
    try:
        async with asyncio.TaskGroup() as group:
            running = group.create_task(_start_and_keep(configuration, supervisor, ingest, proxy))
            await stop.wait()
            running.cancel()
    except* ChildFailedError as failures:
        failure = _first(failures)
        if not failure.has_told:
            click.echo(f"Error: {failure}", err=True)
    await tasks.stop()
    ended_well = await supervisor.stop()
    return 0 if ended_well and failure is None else 1


async def _start_and_keep(configuration: Configuration, supervisor: Supervisor, ingest: Child, proxy: Child) -> None:
    await supervisor.start()
    recorder = configuration.recorder
    for line in ingest_text(configuration.ingest, ingest.port):
        click.echo(line, err=recorder.console.format == "json")
    for line in recorder_text(recorder, proxy.port):
        click.echo(line, err=recorder.console.format == "json")
    await supervisor.keep()


def _stop_on_signals(stop: asyncio.Event, supervisor: Supervisor) -> None:
    loop = asyncio.get_running_loop()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(supervisor.kill if stop.is_set() else stop.set)

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)


def _first(group: BaseExceptionGroup[ChildFailedError]) -> ChildFailedError:
    found: BaseException = group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    assert isinstance(found, ChildFailedError)
    return found
