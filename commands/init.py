"""`recorder init`: writes the commented configuration file that the built-in defaults come from."""

from pathlib import Path

import click

from commands.command_group import examples
from commands.config_file import built_in_text


@click.command("init", epilog=examples("recorder init", "recorder init other.yaml"))
@click.argument("file", type=click.Path(path_type=Path), default=Path("config.yaml"))
@click.option("--force", is_flag=True, help="Overwrite a file that exists.")
def init_command(file: Path, *, force: bool) -> None:
    """Write a commented configuration to FILE (default: config.yaml)."""
    try:
        with file.open("w" if force else "x", encoding="utf-8") as output:
            output.write(built_in_text())
    except FileExistsError:
        raise click.ClickException(f"{file} exists already; --force overwrites it") from None
    except OSError as error:
        raise click.ClickException(f"{file}: {error.strerror}") from None
    click.echo(f"wrote {file}; `recorder check --config {file}` shows what it does")
