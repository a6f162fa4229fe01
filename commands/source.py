"""Where the commands that look at exchanges get them: from an ingest server's API, or from a folder of recordings, over
which they run that same API for themselves. So both give the same answers.

    --log-dir DIR                    that folder
    --server URL, RECORDER_SERVER    that server, or an error
    neither                          the configured server where one answers, else the configured folder

The configuration's key goes to the configured server alone. `source_options` adds the options to a command, which gets
a Source and opens it when it needs it.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, NamedTuple

import click
from click.core import ParameterSource

from commands.api_client import ApiClient, AskError
from commands.ask import health
from commands.config_option import config_option, load_or_exit
from commands.plain_text import plain
from ingest_server.settings import IngestSettings


@dataclass(frozen=True, slots=True)
class Source:
    config_path: Path | None
    server: str | None
    key: str | None
    log_dir: Path | None

    @contextmanager
    def open(self) -> Iterator[ApiClient]:
        """At the end it says where the answers lacked what the server has not indexed yet."""
        found = self.find()
        if isinstance(found, Folder):
            with _folder(found) as api:
                yield api
            return
        yield found
        try:
            index = found.index()
        except AskError:
            return  # it answered what was asked
        if index.state == "catching up" and (index.done or 0) < (index.total or 0):
            progress = f"{index.done or 0:,} of {index.total:,} recordings"
            click.echo(f"the index is catching up, with {progress} so far: others are missing", err=True)

    def find(self) -> "ApiClient | Folder":
        """Raises AskError where there is neither."""
        configuration = load_or_exit(self.config_path, quiet=True)
        capture, ingest = configuration.recorder.capture, configuration.ingest
        if self.log_dir is not None:
            return Folder(self.log_dir, ingest)
        if self.server is not None:
            return ApiClient(self.server, capture.server_ca, self.key)
        if health(capture.server_url, capture.server_ca):
            return ApiClient(capture.server_url, capture.server_ca, self.key or configuration.reader_key)
        if not ingest.log_dir.is_dir():
            raise AskError(
                f"no ingest server answers at {capture.server_url}, and there is no folder {ingest.log_dir}: "
                "`recorder up` starts one, --server asks another, --log-dir reads another folder"
            )
        click.echo(f"no ingest server answers at {capture.server_url}; reading {plain(str(ingest.log_dir))}", err=True)
        return Folder(ingest.log_dir, ingest)


class Folder(NamedTuple):
    """Of recordings, with the settings by which they are decoded."""

    log_dir: Path
    settings: IngestSettings


def _folder(folder: Folder) -> AbstractContextManager[ApiClient]:
    from commands.folder_api import serving  # noqa: PLC0415 aiohttp and the decoders, which asking a server does without

    return serving(*folder)


def source_options(function: Callable[..., None]) -> Callable[..., None]:
    """The command's function gets `source`."""

    @wraps(function)
    def command(
        *, config_path: Path | None, server: str | None, server_key: str | None, log_dir: Path | None, **options: Any
    ) -> None:
        is_asked_for = click.get_current_context().get_parameter_source("server") is ParameterSource.COMMANDLINE
        if log_dir is not None and is_asked_for:
            raise click.UsageError("--server and --log-dir exclude each other")
        function(source=Source(config_path, server, server_key, log_dir), **options)

    for option in (
        click.option("--log-dir", type=click.Path(path_type=Path), help="Read these recordings; ask no server."),
        click.option(
            "--server-key", metavar="KEY", envvar="RECORDER_KEY", show_envvar=True, help="A key of ingest.keys."
        ),
        click.option(
            "--server", metavar="URL", envvar="RECORDER_SERVER", show_envvar=True, help="The ingest server to ask."
        ),
        config_option,
    ):
        command = option(command)
    return command
