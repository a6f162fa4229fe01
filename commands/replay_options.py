"""The options that say how an exchange is sent again: `replay_options` gives a command a Preparation.

Used below `selection_options`, whose configuration file it reads: the recorder's address, the routes, and their keys.
"""

import json
import os
import re
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, NoReturn

import click

from commands.base_urls import server_url
from commands.config_file import Configuration
from commands.config_option import load_or_exit
from commands.plain_text import plain
from commands.selection import Selection
from recorder.routing.routes import Own, RouteTarget, build_table, dynamic_target
from recorder.routing.table import Match
from replay.credentials import Credentials
from replay.destination import Configured, Taken, Wish
from replay.edits import Edits, Field
from replay.json_path import JsonPath, JsonPathError
from replay.json_path import parse as parse_path
from replay.preparation import Preparation
from replay.replay_error import ReplayError


def replay_options(function: Callable[..., None]) -> Callable[..., None]:
    """The command's function gets `preparation`."""

    @click.option("--to", metavar="URL|ROUTE", help="Send it to this base URL, or where this configured route leads.")
    @click.option("--via", metavar="URL", help="Send it through the recorder at this URL.")
    @click.option("--direct", "is_direct", is_flag=True, help="Send it to the upstream that it went to; not recorded.")
    @click.option(
        "--set",
        "sets",
        metavar="PATH=VALUE",
        multiple=True,
        callback=lambda _context, _option, texts: [_assignment(text) for text in texts],
        help="Edit the JSON body: temperature=0, messages[-1].content=@FILE. VALUE is JSON, else text.",
    )
    @click.option("--header", "headers", metavar="'NAME: VALUE'", multiple=True, help="Replace or add a header.")
    @click.option("--drop-header", "dropped", metavar="NAME", multiple=True, help="Leave a header out.")
    @click.option("--param", "parameters", metavar="NAME=VALUE", multiple=True, help="Replace a parameter of the URL.")
    @wraps(function)
    def command(
        *,
        selection: Selection,
        sets: list[tuple[JsonPath, Any]],
        headers: tuple[str, ...],
        dropped: tuple[str, ...],
        parameters: tuple[str, ...],
        **options: Any,
    ) -> None:
        wish = Wish(options.pop("to"), options.pop("via"), options.pop("is_direct"))
        if sum((wish.to is not None, wish.via is not None, wish.is_direct)) > 1:
            raise click.UsageError("--to, --via and --direct exclude each other")
        fields = _pairs(headers, ":", "--header")
        edits = Edits(sets, fields, [os.fsencode(name) for name in dropped], _pairs(parameters, "=", "--param"))
        try:
            edits.check()
        except ReplayError as error:
            raise click.UsageError(plain(str(error))) from None
        configuration = load_or_exit(selection.source.config_path, quiet=True)
        function(selection=selection, preparation=preparation_of(configuration, wish, edits), **options)

    return command


def preparation_of(configuration: Configuration, wish: Wish, edits: Edits) -> Preparation:
    recorder = configuration.recorder
    destinations = {route.name: route.destination for route in recorder.routes}
    table = build_table(recorder)

    def taking(method: str, host: bytes, path: bytes) -> Taken | None:
        match = table.match(method, host, path)
        if not isinstance(match, Match):
            return None
        rest = path[match.prefix_length :]
        if isinstance(match.value, RouteTarget):
            return Taken(match.value.route.destination, rest, match.value.route.name)
        dynamic = dynamic_target(recorder, rest) if match.value is Own.DYNAMIC else ""
        return None if isinstance(dynamic, str) else Taken(dynamic.target.route.destination, dynamic.rest)

    has_address = configuration.path is not None and recorder.port
    configured = Configured(server_url(recorder, recorder.port) if has_address else None, destinations, taking)
    credentials = Credentials(os.environ, destinations, configuration.route_keys, configuration.vault.secret_of)
    return Preparation(wish, edits, configured, credentials)


def _assignment(text: str) -> tuple[JsonPath, Any]:
    """Split at the first `=` with a path before it: a path may hold some in its filters."""
    problem = "expected PATH=VALUE, as in temperature=0 or messages[-1].content=@prompt.txt"
    for equals in re.finditer("=", text):
        try:
            return parse_path(text[: equals.start()]), _value(text[equals.end() :])
        except JsonPathError as error:
            problem = str(error)
    raise click.BadParameter(plain(problem))


def _value(text: str) -> Any:
    """JSON, else text. Of a file: JSON where its name says so, else text."""
    if text.startswith("@"):
        return _content(Path(text[1:]))
    try:
        return json.loads(text, parse_constant=_refuse)
    except ValueError:
        return text


def _content(file: Path) -> Any:
    try:
        content = file.read_text("utf-8")
        return json.loads(content, parse_constant=_refuse) if file.suffix == ".json" else content
    except OSError as error:
        problem = error.strerror
    except UnicodeDecodeError:
        problem = "not UTF-8 text"
    except ValueError as error:
        problem = f"not JSON: {error}"
    raise click.BadParameter(plain(f"{file}: {problem}"))


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no value of JSON")


def _pairs(texts: tuple[str, ...], separator: str, option: str) -> list[Field]:
    pairs: list[Field] = []
    for text in texts:
        name, found, value = text.partition(separator)
        if not found or not name.strip():
            raise click.UsageError(f"{option} takes NAME{separator}VALUE")  # the text may be a secret: not repeated
        pairs.append((os.fsencode(name.strip()), os.fsencode(value.strip())))
    return pairs
