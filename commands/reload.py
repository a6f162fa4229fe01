"""SIGHUP: the configuration is read again and goes to what runs, without dropping a connection. POSIX alone.

A terminal that goes away sends SIGHUP as well; that stops what runs in it. Called by up, proxy and ingest.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterable

import click

from commands.config_file import BUILT_IN, ConfigError, Configuration
from recorder.routing.table import RoutingError


class HangUps:
    """SIGHUPs, from now on. Those that come while one is worked on count as one; `stop` is set with the terminal's."""

    def __init__(self, stop: asyncio.Event) -> None:
        self._stop = stop
        self._requested = asyncio.Event()
        self._terminal = next(filter(os.isatty, range(3)), None)
        if sys.platform != "win32":  # as the loop's own: it wakes up for one that comes just before it waits, too
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._on_signal)

    async def next(self) -> None:
        await self._requested.wait()
        self._requested.clear()

    def _on_signal(self) -> None:
        is_gone = self._terminal is not None and not os.isatty(self._terminal)
        (self._stop if is_gone else self._requested).set()


async def keep_reloading(
    hang_ups: HangUps,
    read: Callable[[], Configuration],
    take_over: Callable[[Configuration], Awaitable[Iterable[str]]],
) -> None:
    """For each SIGHUP `read`, in a thread, and `take_over`, which returns what to tell; all goes to stderr."""
    while True:
        await hang_ups.next()
        for line in await _reload(read, take_over):
            click.echo(line, err=True)


async def _reload(
    read: Callable[[], Configuration], take_over: Callable[[Configuration], Awaitable[Iterable[str]]]
) -> Iterable[str]:
    try:
        return await take_over(await asyncio.to_thread(read))
    except (ConfigError, RoutingError) as error:
        problems = error.messages
    except (OSError, ValueError) as error:
        problems = [f"Error: {error}"]
    return [*problems, "the configuration was not reloaded: the old one stays"]


def reloaded_text(section: str, configuration: Configuration, waiting: Iterable[str], *, quiet: bool) -> list[str]:
    """What a service tells that has taken over a configuration; `waiting` are the keys that need a restart."""
    name = {"server": "recorder", "ingest": "ingest server"}[section]
    warnings = [] if quiet else configuration.warnings
    return [
        *(f"warning: {warning}" for warning in warnings),
        *(f"{name}: {key} has changed, which needs a restart" for key in waiting),
        f"{name}: the configuration was reloaded from {configuration.path or BUILT_IN}",
    ]
