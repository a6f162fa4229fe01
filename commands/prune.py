"""`recorder prune`: retention by hand. The same policy and the same way to delete as in the ingest server, which may be
running meanwhile: what it is still writing stays.
"""

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import click

from commands.command_group import examples
from commands.config_option import config_option, load_or_exit
from commands.config_values import parse_bytes, parse_duration
from commands.plain_text import plain
from commands.running_server import has_looked
from ingest_server import deletion
from ingest_server.selection import CHUNK, Selection, Victim
from ingest_server.settings import Retention
from ingest_server.sweeper import DELETIONS_PER_S
from recorder.console import size
from replay.locks import is_locked
from traffic.capture import names


def _parsed(parse: Callable[[object], Any]) -> Callable[[click.Context, click.Parameter, str | None], Any]:
    """A value as in the configuration file."""

    def convert(_context: click.Context, _parameter: click.Parameter, value: str | None) -> Any:
        try:
            return None if value is None else parse(value)
        except ValueError as error:
            raise click.BadParameter(str(error)) from None

    return convert


@click.command(
    "prune",
    epilog=examples(
        "recorder prune --dry-run                     what ingest.retention would delete",
        "recorder prune --max-age 30d --keep errors",
        "recorder prune --max-bytes 50GiB --yes",
    ),
)
@config_option
@click.option(
    "--max-age", metavar="TIME", callback=_parsed(parse_duration), help="Delete what began longer ago: 12h, 30d."
)
@click.option(
    "--max-bytes",
    metavar="SIZE",
    callback=_parsed(parse_bytes),
    help="Delete the oldest until all take at most this: 50GiB.",
)
@click.option("--keep", type=click.Choice(["errors"]), help="Spare what is not complete or has a status from 400 on.")
@click.option("--log-dir", type=click.Path(path_type=Path), help="The recordings. Default: ingest.log_dir.")
@click.option("--dry-run", is_flag=True, help="Only tell what would go.")
@click.option("--yes", is_flag=True, help="Do not ask on a terminal.")
def prune_command(config_path: Path | None, log_dir: Path | None, *, dry_run: bool, yes: bool, **given: Any) -> None:
    """Delete old recordings, whole exchanges, the oldest first.

    Without --max-age and --max-bytes as ingest.retention says. What is still being recorded stays, or ended within the
    last ten seconds; an ingest server may be running meanwhile.
    """
    prune = _resolve(config_path, log_dir, **given)
    try:
        if dry_run or (sys.stdin.isatty() and not yes):
            would_go = prune.look()
            if dry_run or not would_go.count or not click.confirm("Delete them for good?"):
                return
            prune.delete(would_go.count)
        else:
            prune.delete(None)
        if is_locked(prune.log_dir / ".ingest" / "lock"):
            is_told = log_dir is None and has_looked(config_path)
            if not is_told:
                click.echo(
                    "the ingest server at work here goes on listing what is deleted, until its next start", err=True
                )
    except OSError as error:
        raise click.ClickException(f"{plain(str(error.filename or prune.log_dir))}: {error.strerror}") from None


def _resolve(
    config_path: Path | None, log_dir: Path | None, max_age: float | None, max_bytes: int | None, keep: str | None
) -> "_Prune":
    """Limits that are given replace those of the configuration; what it keeps is kept in any case."""
    policy = Retention()
    if log_dir is None:
        ingest = load_or_exit(config_path, quiet=True).ingest
        log_dir, policy = ingest.log_dir, ingest.retention
    if max_age is not None or max_bytes is not None:
        policy = replace(policy, max_age_s=max_age, max_bytes=max_bytes)
    if policy.max_age_s is None and policy.max_bytes is None:
        raise click.UsageError("nothing says what to delete: give --max-age or --max-bytes, or set ingest.retention")
    if not log_dir.is_dir():
        raise click.UsageError(f"{plain(str(log_dir))}: no such folder")
    return _Prune(log_dir, replace(policy, keep_errors=policy.keep_errors or keep == "errors"), time.time())


@dataclass(slots=True)
class _Sum:
    count: int = 0
    bytes: int = 0
    oldest: str = ""
    newest: str = ""

    def add(self, victim: Victim) -> None:
        start = os.path.basename(victim.stem)[:23]  # noqa: PTH119 (a text path)
        self.count += 1
        self.bytes += victim.bytes
        self.oldest = self.oldest or start
        self.newest = start

    def show(self, done: str) -> None:
        if self.count:
            click.echo(f"{_exchanges(self.count)}, {size(self.bytes)}, {done}: {self.oldest} to {self.newest}")
        else:
            click.echo(f"nothing {done}")


@dataclass(frozen=True, slots=True)
class _Prune:
    log_dir: Path
    policy: Retention
    now_s: float

    def look(self) -> _Sum:
        selection = Selection(self.log_dir, self.policy)
        total = _Sum()
        for victim in selection.victims(self.now_s):
            total.add(victim)
        total.show("would go")
        _show_spared(selection)
        return total

    def delete(self, count_max: int | None) -> None:
        """At most that many; at the server's own pace where one is running."""
        root = f"{self.log_dir}{os.sep}"
        deletion.prepare_deletions(root)
        rest_s = CHUNK / DELETIONS_PER_S if is_locked(self.log_dir / ".ingest" / "lock") else 0.0
        selection = Selection(self.log_dir, self.policy)
        total = _Sum()
        for victim in islice(selection.victims(self.now_s), count_max):
            if deletion.delete(root, victim.stem):
                total.add(victim)
            if total.count % CHUNK == 0:
                time.sleep(rest_s)
        deletion.remove_empty_days(root, names.day(int((self.now_s - 86_400) * 1e9)))
        total.show("deleted")
        _show_spared(selection)


def _show_spared(selection: Selection) -> None:
    for count, why in ((selection.open, "still being recorded, or just ended"), (selection.kept, "errors are kept")):
        if count:
            click.echo(f"{_exchanges(count)} stay: {why}" if count != 1 else f"1 exchange stays: {why}")


def _exchanges(count: int) -> str:
    return "1 exchange" if count == 1 else f"{count:,} exchanges"
