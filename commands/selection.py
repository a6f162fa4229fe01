"""Which exchanges a command works on: `selection_options` gives it a Selection.

    ID        an exchange's, or four or more of its first digits; last, last~2
    PATH      one of an exchange's three files, what their names begin with, a folder of recordings, or a file that
              holds some: a bundle, HAR, WARC
    --query   the API's filters as words, quoted as in a shell: 'model=gpt-4o since=2h'; all of them have to hold

Ids and filters are asked of a Source (source.py), when the exchanges are read and not before; paths need neither a
server nor an index.
"""

import re
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from typing import Any

import click

from commands.api_client import ApiClient, RefusedError, Values
from commands.pages import newest
from commands.plain_text import plain
from commands.source import Folder, Source, source_options
from ingest_server.index.filters import read_filters
from replay.archives import exchanges_from, is_archive
from replay.recordings import RecordingError, read_exchange
from traffic.capture.exchange import RecordedExchange

_is_reference = re.compile(r"last(?:~\d{1,9})?|[0-9a-fA-F]{4,8}|[0-9a-fA-F]{8}-[0-9a-fA-F-]{0,27}", re.ASCII).fullmatch


def is_path(reference: str) -> bool:
    """A file goes before an exchange whose id begins like its name; a folder does not."""
    return Path(reference).is_file() or not _is_reference(reference)


@dataclass(frozen=True, slots=True)
class Selection:
    references: tuple[str, ...]
    filters: Values | None  # None: there is no --query
    source: Source
    context: click.Context  # an open source is closed with it

    @property
    def is_empty(self) -> bool:
        """Nothing was asked for: what that means is up to the command."""
        return not self.references and self.filters is None

    def exchanges(self, on_problem: Callable[[str], None] | None = None) -> Iterator[RecordedExchange]:
        """Those of the references in the order given, then those that pass the filters; of several, oldest first. What
        `last` means is settled before the first is given. Raises click.ClickException.

        Of many, one that cannot be read is told to `on_problem` and passed over; without that it is an error, but in
        a folder, of which stderr tells it.
        """
        things: list[Path | str] = [Path(each) if is_path(each) else each for each in self.references]
        api: ApiClient | None = None
        if self.filters is not None or not all(isinstance(thing, Path) for thing in things):
            api = self.context.with_resource(self.source.open())
            things = [thing if isinstance(thing, Path) else api.exchange(thing).id for thing in things]
            if self.filters is not None:
                things += [each.id for each in newest(api, self.filters, sys.maxsize)][::-1]
        for thing in things:
            if isinstance(thing, Path):
                yield from _of_path(thing, on_problem or warn)
                continue
            assert api is not None
            try:
                yield api.recorded(thing)
            except RefusedError as error:
                if on_problem is None:
                    raise
                on_problem(f"{thing}: {error.message}")

    def everything(self, on_problem: Callable[[str], None] | None = None) -> Iterator[RecordedExchange]:
        """All that the source has, oldest first: of a folder without an index, which would have to be made."""
        found = self.source.find()
        if isinstance(found, Folder):
            return _of_path(found.log_dir, on_problem or warn)
        return replace(self, references=(), filters=[]).exchanges(on_problem)


def _of_path(path: Path, on_problem: Callable[[str], None]) -> Iterator[RecordedExchange]:
    try:
        yield from exchanges_from(path, on_problem) if path.is_dir() or is_archive(path) else [read_exchange(path)]
    except RecordingError as error:
        may_be_an_id = len(path.parts) == 1 and not path.is_file()
        hint = "; an id has four or more hex digits, or is last or last~2" if may_be_an_id else ""
        raise click.ClickException(plain(f"{error}{hint}")) from None


def warn(problem: str) -> None:
    click.echo(f"passed over: {plain(problem)}", err=True)


def selection_options(function: Callable[..., None]) -> Callable[..., None]:
    """The command's function gets `selection`."""

    @source_options
    @click.argument("references", metavar="[ID|PATH]...", nargs=-1)
    @click.option(
        "--query",
        "filters",
        metavar="FILTERS",
        multiple=True,
        callback=lambda _context, _option, texts: _read_filters(texts),
        help="Exchanges that pass these, as in 'model=gpt-4o since=2h'; `recorder list --help` tells them all.",
    )
    @wraps(function)
    def command(*, references: tuple[str, ...], filters: Values | None, source: Source, **options: Any) -> None:
        function(selection=Selection(references, filters, source, click.get_current_context()), **options)

    return command


def _read_filters(texts: tuple[str, ...]) -> Values | None:
    if not texts:
        return None
    try:
        pairs = [word.partition("=") for text in texts for word in shlex.split(text)]
        values = [(name.replace("-", "_"), value) for name, _, value in pairs]
        read_filters(values, time.time_ns() // 1000)
    except ValueError as error:  # FilterError is one
        raise click.BadParameter(f"{error}; filters are like 'model=gpt-4o since=2h'") from None
    return values
