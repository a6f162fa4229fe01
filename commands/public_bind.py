"""What the commands do about listening for other machines without keys: they refuse, unless told to go on.

The services check again when they start, as they may be embedded. Called by check, up, proxy and ingest.
"""

import socket
from collections.abc import Iterator
from dataclasses import replace

import click

from commands.config_file import Configuration
from traffic.public_bind import PublicBindError, check_bind

insecure_public_bind_option = click.option(
    "--insecure-public-bind",
    is_flag=True,
    help="Let other machines in without keys, as in a container that is published on 127.0.0.1 only.",
)


def with_insecure_public_bind(configuration: Configuration, is_allowed: bool) -> Configuration:
    return replace(
        configuration,
        recorder=replace(configuration.recorder, insecure_public_bind=is_allowed),
        ingest=replace(configuration.ingest, insecure_public_bind=is_allowed),
    )


def exit_if_open(configuration: Configuration) -> None:
    """With every problem on stderr and exit code 2."""
    problems = list(find_open_binds(configuration))
    for problem in problems:
        click.echo(f"Error: {problem}", err=True)
    if problems:
        raise SystemExit(2)


def find_open_binds(configuration: Configuration) -> Iterator[str]:
    for section, settings in (("server", configuration.recorder), ("ingest", configuration.ingest)):
        try:
            check_bind(section, settings, _addresses(settings.host))
        except PublicBindError as error:
            yield str(error)


def _addresses(host: str) -> set[str]:
    """Of a name that leads nowhere: none; the service that shall listen there says so."""
    try:
        found = socket.getaddrinfo(host or None, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError:
        return set()
    return {str(address[0]) for *_, address in found}
