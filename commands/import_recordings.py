"""`recorder import`: puts what others have recorded into the folder of recordings, as if it had been recorded here.

Secrets are replaced as `capture.redact` says. What is there already is passed over, what cannot be stored is told on
stderr, and makes exit code 1.
"""

from dataclasses import dataclass
from pathlib import Path

import click

from commands.command_group import examples
from commands.config_option import config_option, load_or_exit
from commands.figures import counted
from commands.plain_text import plain
from commands.progress import progress
from commands.running_server import has_looked
from ingest_server.imports import Imports, Outcome
from ingest_server.settings import IngestSettings
from replay.archives import exchanges_from
from replay.exchange_check import problem_with
from replay.locks import is_locked
from replay.log_folder import list_folder
from replay.recordings import RecordingError
from traffic.capture.exchange import RecordedExchange
from traffic.capture.redact import Redactor, load_redaction_key
from traffic.capture.redact_exchange import redact_exchange

PROBLEMS_SHOWN = 20  # of each file; the rest is counted


@click.command(
    "import",
    epilog=examples(
        "recorder import session.har",
        "recorder import crawl.warc.gz from-a-colleague.zip",
        "recorder import /mnt/backup/logs --log-dir logs",
    ),
)
@click.argument("paths", metavar="FILE|DIR...", nargs=-1, required=True, type=click.Path(path_type=Path))
@config_option
@click.option("--log-dir", type=click.Path(path_type=Path), help="Where to. Default: ingest.log_dir.")
def import_command(paths: tuple[Path, ...], config_path: Path | None, log_dir: Path | None) -> None:
    """Take recordings in: from HAR files, WARC files, bundles and other folders of recordings.

    What a file is, its content tells. Secrets are replaced as capture.redact says. An exchange that is here already is
    passed over; another one with the same id is left out. An ingest server may be running meanwhile.
    """
    ingest = load_or_exit(config_path, quiet=True).ingest
    folder = log_dir or ingest.log_dir
    for path in paths:
        if path.is_dir() and path.resolve() == folder.resolve():
            raise click.UsageError(f"{plain(str(path))} is the folder to import into: name another one with --log-dir")
    try:
        taking = _open(folder, ingest)
        counts = [taking.take(path) for path in paths]
    except OSError as error:
        raise click.ClickException(f"{plain(str(error.filename or folder))}: {error.strerror}") from None
    stored = sum(count.stored for count in counts)
    if len(paths) > 1:
        click.echo(f"{counted(stored, 'exchange')} imported in all")
    if stored and is_locked(folder / ".ingest" / "lock") and not (log_dir is None and has_looked(config_path)):
        click.echo("the ingest server at work here shows them after `recorder reindex`, or its next start", err=True)
    if any(count.problems or count.is_unread for count in counts):
        raise SystemExit(1)


@dataclass(slots=True)
class _Count:
    """Of one file or folder."""

    name: str
    stored: int = 0
    here: int = 0
    problems: int = 0
    is_unread: bool = False  # up to its end

    def tell(self, problem: str) -> None:
        self.problems += 1
        if self.problems <= PROBLEMS_SHOWN:
            click.echo(f"left out: {plain(problem)}", err=True)

    @property
    def text(self) -> str:
        found = [f"{counted(self.stored, 'exchange')} imported"]
        found += [f"{self.here:,} here already"] if self.here else []
        found += [f"{self.problems:,} left out"] if self.problems else []
        return f"{self.name}: {', '.join(found)}"


def _open(folder: Path, ingest: IngestSettings) -> "_Taking":
    stems = list_folder(folder, None).stems if folder.exists() else []
    imports = Imports(folder, stems, daily=ingest.layout == "daily")
    return _Taking(imports, Redactor(load_redaction_key(ingest.key_dir)) if ingest.redact else None)


@dataclass(frozen=True, slots=True)
class _Taking:
    imports: Imports
    redactor: Redactor | None

    def take(self, path: Path) -> _Count:
        """Raises OSError where the folder cannot be written."""
        count = _Count(plain(str(path)))
        with progress("importing") as tell:
            try:
                for number, exchange in enumerate(exchanges_from(path, count.tell), 1):
                    self._take_one(exchange, count)
                    if tell is not None:
                        tell(number, 0)
            except RecordingError as error:
                count.is_unread = True
                click.echo(f"Error: {plain(str(error))}", err=True)
        if not count.is_unread or count.stored or count.here:
            click.echo(count.text)
        return count

    def _take_one(self, exchange: RecordedExchange, count: _Count) -> None:
        facts = exchange.metadata
        try:
            problem = problem_with(exchange) if facts.completed or facts.error else _RUNNING
            if problem is None:
                found = exchange if self.redactor is None else redact_exchange(exchange, self.redactor)
                outcome = self.imports.put(found)
                count.stored += outcome is Outcome.STORED
                count.here += outcome is Outcome.HERE
                problem = _OTHER if outcome is Outcome.OTHER else None
        except ValueError as error:
            problem = str(error)
        if problem is not None:
            count.tell(f"{count.name}: {facts.id}: {problem}")


_RUNNING = "had not ended when it was written there"
_OTHER = "an exchange with this id and other content is here already, and stays as it is"
