"""`recorder hash-key`: from a key to the hash that a configuration may hold in its place.

Rules: a key is never an argument, as other users see those; and nothing prints a key that was typed in.
"""

import secrets
import sys

import click

from commands.command_group import examples
from traffic.keys import check_key, hash_key

PREFIX = "rk-"  # says whose key it is to whoever finds one
RANDOM_BYTES = 32


@click.command(
    "hash-key",
    epilog=examples(
        "recorder hash-key --generate           a new key, shown once on stderr; its hash on stdout",
        "recorder hash-key                      asks for a key, without echo",
        "recorder hash-key < key.txt",
    ),
)
@click.option("--generate", is_flag=True, help="Make a new key.")
def hash_key_command(*, generate: bool) -> None:
    """Print the hash of a key, for server.keys, ingest.keys and ingest.link_keys.

    Reads the key from a prompt, or the first line of stdin.
    """
    key = PREFIX + secrets.token_urlsafe(RANDOM_BYTES) if generate else _read()
    try:
        check_key(key)
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    if generate:
        click.echo(f"the key, which is shown this once: {key}", err=True)
    click.echo(hash_key(key))


def _read() -> str:
    if sys.stdin.isatty():
        typed: str = click.prompt("Key", hide_input=True, confirmation_prompt=True, err=True)
        return typed
    return sys.stdin.buffer.readline().rstrip(b"\r\n").decode("latin-1")
