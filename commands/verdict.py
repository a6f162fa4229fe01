"""How the commands that compare end, so that a CI job can rely on it, and what they print before.

0   the same, as far as it matters
1   a difference matters
2   trouble: nothing could be compared
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import click
import msgspec

from commands.columns import stdout_console, terminal_width
from commands.comparison_text import lines_of
from commands.conversation import print_lines
from commands.plain_text import plain
from replay.compare import Comparison
from replay.json_path import JsonPathError

SAME: Final = 0
DIFFERENT: Final = 1
TROUBLE: Final = 2


class TroubleError(click.ClickException):
    exit_code = TROUBLE


@contextmanager
def trouble() -> Iterator[None]:
    """What ends a command within has exit code 2."""
    try:
        yield
    except click.UsageError:  # has that exit code, and shows the usage
        raise
    except click.ClickException as error:
        raise TroubleError(error.message) from None
    except click.Abort:  # the answer to a question was no
        raise TroubleError("nothing was compared, as nothing was sent") from None
    except JsonPathError as error:  # a mask that cannot be used on these bodies
        raise TroubleError(plain(str(error))) from None


def print_comparison(comparison: Comparison, *, as_json: bool) -> None:
    if as_json:
        same = msgspec.json.encode(comparison.is_same)
        click.echo(b'{"same":' + same + b"," + msgspec.json.encode(comparison)[1:])
        return
    console = stdout_console()
    print_lines(lines_of(comparison, terminal_width(console)), console)
