"""The `--config` option, and how a command gets its configuration or ends with exit code 2."""

import os
from collections.abc import Collection
from pathlib import Path

import click

from commands.config_file import ConfigError, Configuration, load_config

config_option = click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    help="The configuration file. Default: $CONFIG_PATH, else ./config.yaml, else built-in defaults.",
)


def load_or_exit(path: Path | None, serves: Collection[str] = (), *, quiet: bool = False) -> Configuration:
    """Prints every error of the configuration on stderr, one a line, and exits 2; else its warnings, unless `quiet`."""
    try:
        configuration = load_config(path, os.environ, serves)
    except ConfigError as error:
        for message in error.messages:
            click.echo(message, err=True)
        raise SystemExit(2) from None
    for warning in configuration.warnings if not quiet else ():
        click.echo(f"warning: {warning}", err=True)
    return configuration
