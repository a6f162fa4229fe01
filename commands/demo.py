"""`recorder demo`: the whole system at work for a moment, in one process, on free ports, without a key or an LLM."""

import asyncio
import tempfile
from pathlib import Path

import click

from commands.command_group import examples


@click.command("demo", epilog=examples("recorder demo", "recorder demo --dir my-first-recordings"))
@click.option(
    "--dir",
    "folder",
    metavar="FOLDER",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where the recordings stay. Default: a new temporary folder.",
)
def demo_command(folder: Path | None) -> None:
    """See the recorder work: no key and no LLM needed.

    Starts a small upstream, the ingest server and the recorder on free ports, sends six exchanges through them (one is
    a 429, one is cut by the upstream), and lists the recordings. Leaves nothing running.
    """
    from commands.demo_exchanges import run_exchanges  # noqa: PLC0415 aiohttp, which `recorder --help` does without

    folder = folder.resolve() if folder is not None else Path(tempfile.mkdtemp(prefix="recorder-demo-"))
    try:
        asyncio.run(run_exchanges(folder, click.echo))
    except OSError as error:
        raise click.ClickException(f"the demo cannot run in {folder}: {error.strerror or error}") from None
    _list_files(folder / "logs")


def _list_files(log_dir: Path) -> None:
    files = sorted(path for path in log_dir.iterdir() if path.is_file())
    click.echo(f"\nRecordings in {log_dir}:")
    width = max((len(file.name) for file in files), default=0)
    for file in files:
        click.echo(f"  {file.name:{width}}  {file.stat().st_size:>6,} bytes")
    shown = next((file for file in files if file.name.endswith("_response.bin")), None)
    if shown is not None:
        click.echo(f"\nRead one:\n  recorder show {shown}")
    click.echo(f"See what was said:\n  recorder list --log-dir {log_dir}\n  recorder show last --log-dir {log_dir}")
    click.echo("Record your own traffic:\n  recorder init && recorder up")
