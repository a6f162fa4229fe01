"""`recorder reindex`: decodes recordings again and makes the index anew: a running server does it, or this process."""

import time
from datetime import UTC, datetime

import click

from commands.api_client import ApiClient, AskError
from commands.command_group import examples
from commands.progress import progress
from commands.source import Folder, Source, source_options

LOOK_S = 0.5  # how often a server is asked how far it is


@click.command(
    "reindex",
    epilog=examples(
        "recorder reindex                       after prices have changed",
        "recorder reindex --decoder-changed     after an update: only what another version decoded",
        "recorder reindex --since 7d",
    ),
)
@click.option("--since", metavar="MOMENT", help="Only exchanges that began then or later: 2h, 7d, 2026-09-13.")
@click.option(
    "--decoder-changed", is_flag=True, help="Only what another version, other decoders or other prices decoded."
)
@source_options
def reindex_command(source: Source, since: str | None, *, decoder_changed: bool) -> None:
    """Decode recordings again and make the index anew.

    The recordings stay as they are. A running server does it beside its work; Ctrl-C leaves it at that.
    """
    found = source.find()
    if isinstance(found, ApiClient):
        _by_server(found, since, decoder_changed=decoder_changed)
    else:
        _in_folder(found, since, decoder_changed=decoder_changed)


def _by_server(api: ApiClient, since: str | None, *, decoder_changed: bool) -> None:
    asked = [("since", since)] if since is not None else []
    status = api.reindex([*asked, ("decoder_changed", "true" if decoder_changed else "false")])
    with progress("decoding again") as tell:
        while status.state not in ("ready", "catching up", "off"):
            if tell is not None and status.total:
                tell(status.done or 0, status.total)
            time.sleep(LOOK_S)
            status = api.index()
    click.echo(_done(status.indexed or 0))


def _in_folder(folder: Folder, since: str | None, *, decoder_changed: bool) -> None:
    from commands.folder_index import open_index  # noqa: PLC0415 the decoders, which asking a server does without
    from ingest_server.index.catch_up import Scope  # noqa: PLC0415
    from ingest_server.index.schema import index_path  # noqa: PLC0415

    since_us = _read_moment(since)
    with open_index(folder.log_dir, folder.settings.index) as (path, index):
        if index is None:
            raise AskError(f"an ingest server is at work on {folder.log_dir}: --server asks it to decode again")
        if path != index_path(folder.log_dir):
            raise AskError(f"the index in {folder.log_dir} cannot be written")
        other_than = index.fingerprint if decoder_changed else None
        index.catch_up(scope=Scope(since_us, not decoder_changed, other_than))
        click.echo(_done(index.count))


def _read_moment(since: str | None) -> int | None:
    from ingest_server.index.filters import FilterError, read_filters  # noqa: PLC0415 as above

    if since is None:
        return None
    try:
        return read_filters([("since", since)], int(datetime.now(UTC).timestamp() * 1e6)).since_us
    except FilterError as error:
        raise click.UsageError(str(error)) from None


def _done(count: int) -> str:
    return f"the index is up to date: {'1 exchange is' if count == 1 else f'{count:,} exchanges are'} in it"
