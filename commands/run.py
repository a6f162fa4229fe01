"""`recorder run`: one command with its traffic recorded. What of the services is not running yet runs as long as it."""

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import BinaryIO

import click

from commands.ask import health
from commands.base_urls import server_url, variables_for
from commands.command_group import examples
from commands.config_file import Configuration
from commands.config_option import config_option, load_or_exit
from commands.supervisor import Child, ChildFailedError, Supervisor
from commands.up import make_children
from recorder.settings import Route
from recorder.tasks import TaskOwner

LOG_NAME = "run.log"  # in capture.journal_dir
CANNOT_RUN, NOT_FOUND = 126, 127  # as shells report a command that they cannot start

_FORWARDED = [signal.SIGTERM] if sys.platform == "win32" else [signal.SIGTERM, signal.SIGHUP]


@click.command(
    "run",
    epilog=examples(
        "recorder run -- python my_script.py", "recorder run --route lmstudio -- my-coding-agent --model qwen"
    ),
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@config_option
@click.option(
    "--route", "route_name", metavar="NAME", help="The route for OpenAI clients. Default: the first that fits."
)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_context
def run_command(
    context: click.Context, config_path: Path | None, route_name: str | None, command: tuple[str, ...]
) -> None:
    """Run COMMAND with its base-URL variables set, so that its LLM traffic is recorded.

    Starts the recorder and the ingest server where they don't run yet, and stops them when COMMAND ends. Ends with the
    exit code of COMMAND.
    """
    configuration = load_or_exit(config_path)
    route = _find_route(configuration.recorder.routes, route_name)
    program = shutil.which(command[0])
    if program is None:
        click.echo(f"Error: {command[0]}: no such command", err=True)
        raise SystemExit(NOT_FOUND)
    names = _not_running(configuration)
    code = asyncio.run(_Run(configuration, route, [program, *command[1:]]).run(context, names))
    raise SystemExit(code)


def _find_route(routes: Sequence[Route], name: str | None) -> Route | None:
    if name is None:
        return None
    for route in routes:
        if route.name == name:
            return route
    known = ", ".join(route.name for route in routes)
    raise click.UsageError(f"--route {name}: no such route; the configuration has {known or 'none'}")


def _not_running(configuration: Configuration) -> list[str]:
    recorder = configuration.recorder
    names = []
    if "open_exchanges" not in health(recorder.capture.server_url, recorder.capture.server_ca):
        names.append("ingest")
    own_cert = recorder.tls.cert if recorder.tls is not None else None
    if health(server_url(recorder, recorder.port), own_cert).get("service") != "recorder":
        names.append("proxy")
    return names


class _Run:
    def __init__(self, configuration: Configuration, route: Route | None, command: Sequence[str]) -> None:
        self._configuration = configuration
        self._route = route
        self._command = command

    async def run(self, context: click.Context, names: list[str]) -> int:
        """The exit code of the command, or 1 where the services do not start."""
        if not names:
            return await self._run_command(self._configuration.recorder.port)
        log_path = self._configuration.recorder.capture.journal_dir / LOG_NAME
        with _open_log(log_path) as output:
            children = make_children(context, self._configuration, names, output)
            supervisor = Supervisor(children, self._configuration.recorder.grace_s)
            tasks = TaskOwner()
            try:
                await supervisor.start()
                tasks.start(supervisor.keep())
                _say(f"recordings go to {self._configuration.ingest.log_dir}; the recorder's own lines to {log_path}")
                return await self._run_command(_port(children) or self._configuration.recorder.port)
            except ChildFailedError as error:
                if not error.has_told:
                    click.echo(f"Error: {error}", err=True)
                return 1
            finally:
                await tasks.stop()
                await supervisor.stop()

    async def _run_command(self, port: int) -> int:
        recorder = self._configuration.recorder
        variables = variables_for(recorder, self._route, port)
        for name, value in variables.items():
            _say(f"{name}={value}")
        try:
            process = await asyncio.create_subprocess_exec(*self._command, env={**os.environ, **variables})
        except OSError as error:
            click.echo(f"Error: {self._command[0]}: {error.strerror}", err=True)
            return CANNOT_RUN
        with _signals_passed_on(process):
            code = await process.wait()
        return 128 - code if code < 0 else code


def _port(children: Sequence[Child]) -> int | None:
    return next((child.port for child in children if child.name == "proxy"), None)


def _open_log(path: Path) -> BinaryIO:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")


def _say(text: str) -> None:
    click.echo(click.style(f"recorder: {text}", dim=True), err=True)


@contextmanager
def _signals_passed_on(process: asyncio.subprocess.Process) -> Iterator[None]:
    """While the command runs, signals are its own. A terminal sends Ctrl-C to it as well: it must not get it twice."""
    has_terminal = any(os.isatty(descriptor) for descriptor in (0, 1, 2))

    def on_signal(number: int, _frame: FrameType | None) -> None:
        if process.returncode is None and not (number == signal.SIGINT and has_terminal):
            process.send_signal(number)

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, *_FORWARDED)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
