"""Checks what the file holds against the models, and says what is wrong in the words of the file.

pydantic's own messages speak of inputs and types; these speak of keys and values. Called by commands/config_file.py.
"""

import copy
import difflib
import itertools
from collections.abc import Iterator
from typing import Any, get_args, get_origin

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from commands.config_schema import SECRET_KEYS, Config, Section
from commands.config_values import got
from commands.config_yaml import Finding, Location, Value


def validate(value: Value) -> tuple[Config, list[Finding]]:
    """The configuration without what is wrong in it, and every finding: one pass over the file names all errors."""
    try:
        return Config.model_validate({} if value is None else value), []
    except ValidationError as error:
        details = error.errors(include_url=False)
    findings = [(_location(detail), _describe(detail)) for detail in details]
    return Config.model_validate(_without(value, [location for location, _ in findings])), findings


def _location(detail: ErrorDetails) -> Location:
    return tuple(part for part in detail["loc"] if part != "[key]")


def _without(value: Value, locations: list[Location]) -> Value:
    rest = copy.deepcopy(value) if isinstance(value, dict) else {}
    for location in filter(None, locations):
        *around, key = _smallest_removable(location)
        inner: Value = rest
        for step in around:
            inner = inner.get(step) if isinstance(inner, dict) else None
        if isinstance(inner, dict):
            inner.pop(key, None)
    return rest


def _smallest_removable(location: Location) -> tuple[str, ...]:
    """A list goes as a whole, TLS files, a model's prices and the place of spans as well, and a route without its
    pattern or destination.
    """
    keys = tuple(str(part) for part in itertools.takewhile(lambda part: isinstance(part, str), location))
    if keys[0] == "routes":
        is_needed = keys[-1] in ("pattern", "destination")
    else:
        is_needed = keys[0] == "prices" or keys[1:2] in (("tls",), ("otlp",))
    return keys[:2] if is_needed else keys


_EXPECTED = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "finite": "a number",
    "model": "keys with values",
    "dict": "keys with values",
    "tuple": "a list",
    "string": "text",
}
_LIMITS = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than_equal": ("le", "at most"),
}


def _describe(detail: ErrorDetails) -> str:
    context = detail.get("ctx", {})
    match detail["type"]:
        case "value_error":
            return str(context["error"])
        case "missing":
            return "is missing"
        case "extra_forbidden":
            return f"unknown key; {_known_keys(_location(detail))}"
        case kind:
            is_secret = not SECRET_KEYS.isdisjoint(detail["loc"])
            return f"{_expectation(kind, context)}{'' if is_secret else got(detail['input'])}"


def _expectation(kind: str, context: dict[str, Any]) -> str:
    if kind in _LIMITS:
        name, words = _LIMITS[kind]
        return f"must be {words} {context[name]:g}"
    return f"expected {context['expected'] if kind == 'literal_error' else _EXPECTED[kind.partition('_')[0]]}"


def _known_keys(location: Location) -> str:
    """The one that was probably meant, or all of that place."""
    known = list(_model_at(location[:-1]).model_fields)
    for nearest in difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0.5):
        return f"the nearest known one is '{nearest}'"
    return f"known here: {', '.join(known)}"


def _model_at(location: Location) -> type[Section]:
    section: type[Section] = Config
    parts = iter(location)
    for part in parts:
        annotation = section.model_fields[str(part)].annotation
        if get_origin(annotation) is dict:
            next(parts, None)  # a name
        section = next(_sections_in(annotation))
    return section


def _sections_in(annotation: Any) -> Iterator[type[Section]]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for part in get_args(annotation):
        yield from _sections_in(part)
