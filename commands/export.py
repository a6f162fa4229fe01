"""`recorder export`: recordings in the formats of others (traffic/export/), into a file or to stdout.

Secrets are replaced as `capture.redact` says, where that has not been done: files may come from anybody. What cannot be
read, or has no place in a format, is left out and told on stderr. What is lost that way, because it cannot be read,
makes exit code 1.
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import click

from commands.command_group import examples
from commands.config_option import load_or_exit
from commands.output_file import output_file
from commands.plain_text import plain
from commands.progress import progress
from commands.selection import Selection, selection_options, warn
from ingest_server.settings import IngestSettings
from traffic.capture.exchange import RecordedExchange
from traffic.capture.redact import Redactor, load_redaction_key
from traffic.capture.redact_exchange import redact_exchange
from traffic.export.formats import FORMATS, Format
from traffic.export.missing import MissingError
from traffic.llm.decode import Decoder
from traffic.llm.registry import find_dialects

_FORMATS: Final = "\b\nFormats:\n" + "\n".join(f"  {row.name:11}{row.help}" for row in FORMATS.values())


@click.command(
    "export",
    epilog=_FORMATS
    + "\n\n"
    + examples(
        "recorder export --out all.har",
        "recorder export last --format curl",
        "recorder export --query 'model=gpt-4o since=2d' --format openai-ft --out train.jsonl",
        "recorder export logs/ --format jsonl | jq .call.usage",
    ),
)
@click.option(
    "--format",
    "name",
    metavar="FORMAT",
    type=click.Choice(list(FORMATS)),
    help="One of those below. Default: what the extension of --out tells.",
)
@click.option(
    "--out", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False), help="Where to. Default: stdout."
)
@click.option("--content", is_flag=True, help="With otlp: prompts and answers as well.")
@selection_options
def export_command(selection: Selection, name: str | None, out: Path | None, *, content: bool) -> None:
    """Write recordings in another format: all of them, or those that are asked for, oldest first.

    ID is an exchange's, or its first digits (four or more), `last` for the newest, `last~2` for two before it. PATH is
    one of an exchange's files, a bundle, or a folder of recordings. docs/export.md says what is in each format.
    """
    out = None if out == Path("-") else out
    form = _format(name, out)
    if content and "with_content" not in form.options:
        raise click.UsageError(f"--content is for {_names('with_content')}")
    if form.is_binary and out is None and sys.stdout.isatty():
        raise click.UsageError(f"{form.name} is nothing for a terminal: give --out FILE{form.extension}, or a pipe")
    export = _Export(selection, _without_secrets(load_or_exit(selection.source.config_path, quiet=True).ingest))
    try:
        with output_file(out, needs_a_file=form.needs_a_file) as file:
            options: dict[str, Any] = {"with_content": True} if content else {}
            left_out = form.writer()(export, file, _decoder(selection), **options) or {}
    except MissingError as error:
        raise click.ClickException(str(error)) from None
    _tell(export, dict(left_out), out)
    if export.unreadable:
        raise SystemExit(1)


class _Export:
    """The exchanges, counted as they pass."""

    def __init__(self, selection: Selection, redact: Callable[[RecordedExchange], RecordedExchange]) -> None:
        self._selection = selection
        self._redact = redact
        self.count = 0
        self.unreadable = 0

    def __iter__(self) -> Iterator[RecordedExchange]:
        with progress("exporting") as tell:
            for exchange in self._exchanges():
                yield self._redact(exchange)
                self.count += 1
                if tell is not None:
                    tell(self.count, 0)

    def _exchanges(self) -> Iterable[RecordedExchange]:
        selection = self._selection
        return selection.everything(self._pass_over) if selection.is_empty else selection.exchanges(self._pass_over)

    def _pass_over(self, problem: str) -> None:
        self.unreadable += 1
        warn(problem)


def _without_secrets(ingest: IngestSettings) -> Callable[[RecordedExchange], RecordedExchange]:
    """Files that others wrote may hold some. The key is loaded, or made, where one is found."""
    if not ingest.redact:
        return lambda exchange: exchange
    search = Redactor(b"")

    @cache
    def redactor() -> Redactor:
        try:
            return Redactor(load_redaction_key(ingest.key_dir))
        except OSError as error:
            text = f"there is no key for replacing the secrets in what is exported: {ingest.key_dir}: {error.strerror}"
            raise click.ClickException(plain(text)) from None

    def redact(exchange: RecordedExchange) -> RecordedExchange:
        return exchange if redact_exchange(exchange, search) is exchange else redact_exchange(exchange, redactor())

    return redact


def _format(name: str | None, out: Path | None) -> Format:
    if name is not None:
        return FORMATS[name]
    if out is None:
        raise click.UsageError(f"give --format: {', '.join(FORMATS)}")
    fitting = [row for row in FORMATS.values() if out.name.lower().endswith(row.extension)]
    if not fitting:
        raise click.UsageError(f"what {plain(out.name)} should be is not known: give --format, {', '.join(FORMATS)}")
    return max(fitting, key=lambda row: len(row.extension))


def _names(option: str) -> str:
    return ", ".join(row.name for row in FORMATS.values() if option in row.options)


def _decoder(selection: Selection) -> Decoder:
    prices = load_or_exit(selection.source.config_path, quiet=True).ingest.index.prices
    registry = find_dialects(lambda problem: click.echo(plain(problem), err=True))
    return Decoder(registry.dialects, prices, registry.registered)


def _tell(export: _Export, left_out: dict[str, int], out: Path | None) -> None:
    """On stderr; nothing of a pipe where all went well."""
    written = export.count - sum(left_out.values())
    if out is not None or written < export.count or not written:
        where = f" to {plain(str(out))}" if out is not None else ""
        click.echo(f"{written:,} of {_exchanges(export.count)} exported{where}", err=True)
    for reason, count in left_out.items():
        if count:
            click.echo(f"left out: {count:,}, {reason}", err=True)
    if export.unreadable:
        click.echo(f"passed over: {_exchanges(export.unreadable)} that cannot be read, named above", err=True)


def _exchanges(count: int) -> str:
    return f"{count:,} exchange{'' if count == 1 else 's'}"
