"""`recorder verify`: whether the recordings are what their metadata says and nothing waits, and each fault found.

The progress bar goes to stderr, on a terminal only; what is said of the recordings to stdout. Exits 1 with faults.
"""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import click
import msgspec

from commands.command_group import examples
from commands.config_option import config_option, load_or_exit
from commands.config_values import parse_duration
from commands.plain_text import plain
from commands.progress import progress
from recorder.console import size
from replay.verify import Report, verify


class _Folders(NamedTuple):
    log_dir: Path
    journal_dir: Path | None


@click.command(
    "verify",
    epilog=examples(
        "recorder verify",
        "recorder verify --since 2h",
        "recorder verify --log-dir copied/logs --since 2026-09-13T02:11:09Z --json",
    ),
)
@config_option
@click.option("--since", metavar="TIME", help="Only what began since then: 45m, 2h, 7d, or a date and time (UTC).")
@click.option("--log-dir", type=click.Path(path_type=Path), help="The recordings. Default: ingest.log_dir.")
@click.option(
    "--journal-dir",
    type=click.Path(path_type=Path),
    help="Where recorders keep what is not stored yet. Default: capture.journal_dir; none with --log-dir.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def verify_command(
    config_path: Path | None, since: str | None, log_dir: Path | None, journal_dir: Path | None, *, as_json: bool
) -> None:
    """Check recordings: every byte, hash and message, pairs of files, gaps, and that nothing waits in a journal.

    May run beside the services. Exits 1 if there is any fault.
    """
    since_ns = None if since is None else _moment(since, time.time_ns())
    folders = _folders(config_path, log_dir, journal_dir)
    began_s = time.monotonic()
    try:
        with progress("verifying") as tell:
            report = verify(folders.log_dir, folders.journal_dir, since_ns, tell)
    except OSError as error:
        raise click.UsageError(f"{plain(str(error.filename or folders.log_dir))}: {error.strerror}") from None
    if as_json:
        click.echo(msgspec.json.encode(report))
    else:
        for line in _summary(report, folders, time.monotonic() - began_s):
            click.echo(line)
    if report.faults:
        raise SystemExit(1)


def _folders(config_path: Path | None, log_dir: Path | None, journal_dir: Path | None) -> _Folders:
    if log_dir is not None:
        return _Folders(log_dir, journal_dir)
    configuration = load_or_exit(config_path, quiet=True)
    return _Folders(configuration.ingest.log_dir, journal_dir or configuration.recorder.capture.journal_dir)


def _moment(text: str, now_ns: int) -> int:
    try:
        return now_ns - int(parse_duration(text) * 1e9)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(
            f"expected a time ago such as 45m, 2h or 7d, or a moment such as 2026-09-13T02:11:09Z, got {text!r}",
            param_hint="--since",
        ) from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1e9)


def _summary(report: Report, folders: _Folders, took_s: float) -> Iterator[str]:
    yield f"{plain(str(folders.log_dir))}: {_count(report.exchanges, 'exchange')}, {size(report.bytes)}"
    damaged = report.exchanges - report.complete - report.incomplete - report.open
    shown = f", {damaged:,} damaged" if damaged else ""
    yield f"{report.complete:,} complete, {report.incomplete:,} incomplete, {report.open:,} open{shown}"
    if report.gaps:
        yield f"{_count(report.gaps, 'gap record')}: {_count(report.lost_exchanges, 'exchange')} not recorded"
    if report.waiting_bytes:
        yield f"{size(report.waiting_bytes)} in the journal, not stored yet"
    for fault in report.faults:
        yield click.style(plain(fault.file), fg="red") + f": {plain(fault.problem)}"
    found = _count(len(report.faults), "fault") if report.faults else "no faults"
    yield click.style(found, fg="red" if report.faults else "green", bold=True) + f", in {took_s:.1f} s"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
