"""`recorder replay`: sends a recorded request again.

The answer's body goes to stdout as it comes, all else to stderr.
"""

import asyncio
import secrets
import sys
from pathlib import Path

import click

from commands.command_group import examples
from commands.plain_text import plain, plain_bytes
from replay.resend import Changes, Field, ResendError, prepare, resend
from traffic.capture.redact import Redactor


@click.command(
    "replay",
    epilog=examples(
        "recorder replay logs/2026-09-13_02-11-09.123_092d0424_request.bin",
        "recorder replay FILE_request.bin --to http://localhost:1234",
        'recorder replay FILE_request.bin --to https://api.openai.com --header "Authorization: Bearer $OPENAI_API_KEY"',
    ),
)
@click.argument("file", metavar="FILE_request.bin", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--to", metavar="URL", help="Send it to this base URL; the recorded path and query are appended.")
@click.option("--via", metavar="URL", help="Send it through the recorder at this URL, with the path the client called.")
@click.option("--header", "headers", metavar="'NAME: VALUE'", multiple=True, help="Replace or add a header.")
@click.option("--query", metavar="NAME=VALUE", multiple=True, help="Replace a query parameter of the URL.")
def replay_command(
    file: Path, to: str | None, via: str | None, headers: tuple[str, ...], query: tuple[str, ...]
) -> None:
    """Send a recorded request again and stream the answer.

    By default it goes where the client sent it: through the recorder, which records it anew. Secrets in recordings are
    redacted: to another machine than this one, give them again with --header or --query.
    """
    if to is not None and via is not None:
        raise click.UsageError("--to and --via exclude each other")
    changes = Changes(to, via, _pairs(headers, ":", "--header"), _pairs(query, "=", "--query"))
    try:
        request = prepare(file.read_bytes(), changes)
        _say(f"{request.method} to {request.origin}, {len(request.data):,} bytes")
        if request.has_redacted_secrets:
            _say("its secrets are redacted and go as they stand in the recording")
        asyncio.run(resend(request, _print_head, _print_body))
    except OSError as error:
        raise click.ClickException(f"{file}: {error.strerror}") from None
    except ResendError as error:
        raise click.ClickException(plain(str(error))) from None


def _pairs(texts: tuple[str, ...], separator: str, option: str) -> list[Field]:
    pairs: list[Field] = []
    for text in texts:
        name, found, value = text.partition(separator)
        if not found or not name.strip():
            raise click.UsageError(f"{option} takes NAME{separator}VALUE")  # the text may be a secret: not repeated
        pairs.append((name.strip().encode(), value.strip().encode()))
    return pairs


def _say(text: str) -> None:
    click.echo(click.style(f"-- {text}", dim=True), err=True)


def _print_head(raw: bytes) -> None:
    """Cookies that the answer sets are secrets as well; the key is thrown away, as nobody looks for them again."""
    shown, _ = Redactor(secrets.token_bytes(16)).head(raw, "response")
    click.echo(plain_bytes(shown.removesuffix(b"\r\n\r\n")) + "\n", err=True)


def _print_body(piece: bytes) -> None:
    sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()
