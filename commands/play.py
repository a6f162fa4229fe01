"""`recorder play`: serves recordings in the place of their upstreams."""

import asyncio
import errno
import math
import re
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import click

from commands.command_group import examples
from commands.config_option import load_or_exit
from commands.diagnostics import report_loop_error
from commands.event_loop import allow_open_files, loop_factory, settle_memory, stop_on_signals
from commands.ignore_option import ignore_option
from commands.plain_text import plain
from commands.play_lines import PlayLines
from commands.progress import progress
from commands.public_bind import insecure_public_bind_option
from commands.selection import Selection, selection_options
from commands.supervisor import CONFIG_EXIT_CODE
from replay.exchange_files import write_exchange
from replay.play.library import Library
from replay.play.server import Player
from replay.play.settings import INSTANT, PlaySettings
from traffic.llm.registry import find_dialects
from traffic.public_bind import PublicBindError

OnMiss = Literal["fail", "forward", "record"]


@dataclass(frozen=True, slots=True)
class _Show:
    """What is played, and how."""

    library: Library
    name: str
    settings: PlaySettings
    on_miss: OnMiss
    is_quiet: bool
    config_path: Path | None


def _speed(_context: click.Context, _parameter: click.Parameter, text: str) -> float:
    if text == "instant":
        return INSTANT
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)x?", text)
    if match is None or not 0.01 <= float(match[1]) <= 1_000_000:
        raise click.BadParameter(f"expected a speed such as 1x, 10x or 0.5x, or instant; got {text!r}")
    return float(match[1])


@click.command(
    "play",
    epilog=examples(
        "recorder play                                  the configured folder of recordings",
        "recorder play logs --port 5602 --speed instant",
        "recorder play --query 'model=gpt-4o since=2h' --ignore temperature",
        "recorder play cassettes --on-miss record       grows by what is not recorded yet",
    ),
)
@selection_options
@click.option("--host", default="localhost", show_default=True, help="Where to listen.")
@click.option("--port", type=click.IntRange(0, 65535), default=5601, show_default=True, help="0 takes a free one.")
@insecure_public_bind_option
@click.option(
    "--speed", metavar="1x|10x|instant", default="1x", show_default=True, callback=_speed, help="Of the recorded times."
)
@click.option(
    "--match",
    type=click.Choice(("exact", "masked", "prefix")),
    default="masked",
    show_default=True,
    help="How alike a request must be to the recorded one; prefix: conversations that begin alike, too.",
)
@ignore_option("A part of JSON bodies that need not be the same, as in messages[0].content or ..id.")
@click.option(
    "--repeat",
    type=click.Choice(("last", "again", "never")),
    default="last",
    show_default=True,
    help="What follows the last recording of the same request: it once more, all from the first on, or a miss.",
)
@click.option(
    "--on-miss",
    type=click.Choice(("fail", "forward", "record")),
    default="fail",
    show_default=True,
    help="What no recording answers: 404; or to the upstream by the configured routes; or that, and recorded.",
)
@click.option("-q", "--quiet", "is_quiet", is_flag=True, help="Tell of misses alone.")
def play_command(selection: Selection, on_miss: OnMiss, *, is_quiet: bool, **options: Any) -> None:
    """Serve recordings in the place of their upstreams.

    What to play is a folder of recordings (default: the configured one), or anything else that selects exchanges.
    Clients take the player's address instead of the recorder's, with the same paths, or instead of the upstream's.
    Bytes, boundaries and times are the recorded ones; the same request again gets the next recording of it.
    """
    settings = PlaySettings(**options)
    with _folder(selection, on_miss) as (folder, name):
        library = Library(folder, with_recorders_own=on_miss != "record")  # which asks an upstream again
        try:
            with progress("reading") as tell:
                library.refresh(tell)
        except OSError as error:
            raise click.ClickException(f"{plain(name)}: {error.strerror or error}") from None
        if not library.entries and on_miss == "fail":
            raise click.ClickException(_nothing_to_play(library, name))
        show = _Show(library, name, settings, on_miss, is_quiet, selection.source.config_path)
        allow_open_files()
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            code = runner.run(_play(show))
    raise SystemExit(code)


@contextmanager
def _folder(selection: Selection, on_miss: OnMiss) -> Iterator[tuple[Path, str]]:
    """A folder to play, and what to call it: the one that is given, or a temporary one with what is selected."""
    given = [Path(each) for each in selection.references]
    if selection.filters is None and not given:
        given = [selection.source.log_dir or load_or_exit(selection.source.config_path, quiet=True).ingest.log_dir]
    if selection.filters is None and len(given) == 1 and (given[0].is_dir() or on_miss == "record"):
        if on_miss == "record":
            _make(given[0])
        yield given[0], str(given[0])
    elif on_miss == "record":
        raise click.UsageError("--on-miss record adds to a folder of recordings: give one, and nothing else")
    elif selection.is_empty:
        raise click.UsageError(f"there is no folder {plain(str(given[0]))}: name what to play, or record something")
    else:
        with tempfile.TemporaryDirectory(prefix="recorder-play-") as temporary:
            _copy(selection, Path(temporary))
            yield Path(temporary), _name(selection)


def _name(selection: Selection) -> str:
    """Of what is played, where that is no folder."""
    first, *others = [*selection.references, *(["the query"] if selection.filters is not None else [])]
    return f"{first} and {len(others)} more" if others else first


def _copy(selection: Selection, folder: Path) -> None:
    known: set[str] = set()
    try:
        for exchange in selection.exchanges():
            if exchange.metadata.id not in known:  # what is selected twice is played once
                known.add(exchange.metadata.id)
                write_exchange(folder, exchange)
    except OSError as error:
        text = f"what is to be played cannot be unpacked to {folder}: {error.strerror or error}"
        raise click.ClickException(f"{text}; TMPDIR names another place") from None


def _make(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise click.UsageError(f"{plain(str(folder))}: {error.strerror}") from None


def _nothing_to_play(library: Library, name: str) -> str:
    if library.unplayable:
        return f"{plain(name)}: none of the {library.unplayable} exchanges has a whole request and an answer"
    return f"{plain(name)}: there are no recordings; --on-miss record makes some"


async def _play(show: _Show) -> int:
    asyncio.get_running_loop().set_exception_handler(report_loop_error)
    stop = asyncio.Event()
    stop_on_signals(stop)
    lines = PlayLines(is_quiet=show.is_quiet)
    settings = show.settings
    try:
        async with _misses(show) as address:
            settings = replace(settings, forward_to=address, is_growing=show.on_miss == "record")
            dialects = find_dialects(lambda problem: click.echo(f"warning: {problem}", err=True)).dialects
            async with Player(show.library, settings, dialects, lines.tell) as player:
                click.echo(_start_text(show, player.url))
                settle_memory()
                await stop.wait()
    except PublicBindError as error:
        click.echo(f"Error: {error}", err=True)
        return CONFIG_EXIT_CODE
    except OSError as error:
        click.echo(f"Error: {_explained(error, settings)}", err=True)
        return 1
    lines.flush()
    return 0


@asynccontextmanager
async def _misses(show: _Show) -> AsyncIterator[tuple[str, int] | None]:
    if show.on_miss == "fail":
        yield None
        return
    from commands.play_misses import forwarding, recording  # noqa: PLC0415 the services, which playing alone needs not

    configuration = load_or_exit(show.config_path, quiet=True)
    beside: Callable[[], AbstractAsyncContextManager[tuple[str, int]]] = (
        (lambda: forwarding(configuration))
        if show.on_miss == "forward"
        else (lambda: recording(configuration, show.library.folder))
    )
    async with beside() as address:
        yield address


def _start_text(show: _Show, url: str) -> str:
    count, unplayable = len(show.library.entries), show.library.unplayable
    speed = "without waiting" if show.settings.speed == math.inf else f"at {show.settings.speed:g}x"
    text = f"plays {count:,} recording{'' if count == 1 else 's'} of {plain(show.name)} at {url}, {speed}"
    return f"{text}; {unplayable:,} without a whole request or an answer are left out" if unplayable else text


def _explained(error: OSError, settings: PlaySettings) -> str:
    where = f"{settings.host}:{settings.port}"
    if error.errno == errno.EADDRINUSE:
        return f"{where} is already in use, as by a recorder; stop that, or give another --port"
    if error.errno == errno.EACCES and error.filename is None:
        return f"not allowed to listen on {where}; give a --port above 1023"
    if error.filename is not None:
        return f"{plain(str(error.filename))}: {error.strerror}"
    return f"{where}: {error.strerror or error}"
