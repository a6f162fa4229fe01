"""The options by which commands choose exchanges: one per filter of the API, made of the same table.

A filter `min_tokens` is the option `--min-tokens`. What is wrong with a value is said before anybody is asked.
Called by the commands that list, search and sum up.
"""

import time
from collections.abc import Callable, Collection
from typing import Any, TypeVar

import click

from ingest_server.index.filters import PARAMETERS, Parameter

Values = list[tuple[str, str]]  # names and texts, as in the API's query string
_METAVARS = {"since": "TIME", "until": "TIME", "q": "WORDS", "tool": "NAME", "key": "NAME"}
_BY_NAME = {parameter.name: parameter for parameter in PARAMETERS}
_Function = TypeVar("_Function", bound=Callable[..., Any])


def filter_options(without: Collection[str] = ()) -> Callable[[_Function], _Function]:
    """Decorates a command's function; `without`: filters that it takes in another way."""

    def decorate(function: _Function) -> _Function:
        for parameter in reversed(PARAMETERS):
            if parameter.name not in without:
                function = _option(parameter)(function)
        return function

    return decorate


def given(options: dict[str, Any]) -> Values:
    """Those of a command's keyword arguments that are filters, and were given."""
    return [(name, value) for name, value in options.items() if name in _BY_NAME and value is not None]


def _option(parameter: Parameter) -> Callable[[_Function], _Function]:
    return click.option(
        "--" + parameter.name.replace("_", "-"),
        parameter.name,
        metavar=_METAVARS.get(parameter.name) or parameter.name.rpartition("_")[2].upper(),
        callback=lambda _context, _option, text: checked(parameter.name, text),
        help=f"{parameter.help} Example: {parameter.example}",
    )


def checked(name: str, text: str | None) -> str | None:
    """Raises click.BadParameter where the filter of that name cannot be so."""
    if text is not None:
        parameter = _BY_NAME[name]
        try:
            parameter.kind.read(text, time.time_ns() // 1000)
        except (ValueError, OverflowError):
            raise click.BadParameter(f"expected {parameter.kind.expects}, got {text!r}") from None
    return text
