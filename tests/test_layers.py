"""Who may import whom: the table of rooms, and a test that reads every import and fails on any that it does not list.

A room is a folder or a module at the top level, or a folder within one that has rules of its own. A module belongs to
the deepest room of the table that holds it; a folder with Python files and no room fails. `bench/` and `tests/` are
free. Lines of the table change together with the README's map.
"""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

_ROOT: Final = Path(__file__).parent.parent
_FREE: Final = frozenset({"bench", "tests"})


@dataclass(frozen=True, slots=True)
class Room:
    imports: frozenset[str]  # other rooms; those within them are included
    third_party: frozenset[str] | None = None  # None: any


_SHARED: Final = frozenset({"httptools", "msgspec", "brotli", "zstandard"})
_SERVICES: Final = frozenset({"traffic", "recorder", "ingest_server", "replay"})
_ROOMS: Final = {
    "traffic": Room(frozenset(), _SHARED),
    "traffic.http1": Room(frozenset(), _SHARED),
    "traffic.capture": Room(frozenset({"traffic.http1"}), _SHARED | {"cryptography"}),
    "traffic.llm": Room(frozenset({"traffic.http1", "traffic.capture"}), _SHARED | {"genai_prices"}),
    "traffic.export": Room(
        frozenset({"traffic.http1", "traffic.capture", "traffic.llm"}), _SHARED | {"warcio", "duckdb"}
    ),
    "recorder": Room(frozenset({"traffic"})),
    "ingest_server": Room(frozenset({"traffic"})),
    "replay": Room(frozenset({"traffic"})),
    "commands": Room(_SERVICES),
    "recorded_llm": Room(_SERVICES),
    "cli": Room(_SERVICES | {"commands"}),
}
# What reaches outside the process or asks for the time: never in traffic/, which is pure.
_IMPURE: Final = frozenset(
    {"asyncio", "http", "multiprocessing", "random", "selectors", "socket", "ssl", "subprocess", "threading", "time"}
)
_PURE: Final = frozenset({"time.gmtime", "time.strftime"})  # of those: what only formats a time that it is given


def room_of(module: str) -> str | None:
    """The deepest room that holds the dotted name; None: it is of no room."""
    parts = module.split(".")
    names = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((name for name in names if name in _ROOMS), None)


def imports_of(source: str, module: str, *, is_package: bool) -> Iterator[tuple[int, str]]:
    """Line and absolute dotted name of each import, those inside functions included."""
    package = module.split(".") if is_package else module.split(".")[:-1]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = [*base, *([node.module] if node.module else [])]
            for alias in node.names:  # the name may be a module: `from traffic import http1`
                yield node.lineno, ".".join([*stem, alias.name])


def problem_with(importer: str, imported: str) -> str | None:
    """Why a module of the room `importer` may not import the dotted name; None: it may."""
    room = _ROOMS[importer]
    top = imported.partition(".")[0]
    if top in _FREE:
        return f"{importer} may not import {top}"
    if top in {name.partition(".")[0] for name in _ROOMS}:
        target = room_of(imported)
        assert target is not None
        if target == importer or any(target == name or target.startswith(f"{name}.") for name in room.imports):
            return None
        return f"{importer} may not import {target}"
    if top in sys.stdlib_module_names:
        is_pure = importer.partition(".")[0] == "traffic"
        is_banned = is_pure and top in _IMPURE and imported not in _PURE
        return f"{importer} is pure and may not import {imported}" if is_banned else None
    if room.third_party is not None and top not in room.third_party:
        return f"{importer} may not import the third-party package {top}"
    return None


def problems_in(source: str, module: str, *, is_package: bool = False) -> list[str]:
    room = room_of(module)
    if room is None:
        return [f"{module} belongs to no room of the table"]
    problems: dict[str, None] = {}
    for line, imported in imports_of(source, module, is_package=is_package):
        problem = problem_with(room, imported)
        if problem is not None:
            problems[f"{module}:{line}: {problem}"] = None
    return list(problems)


def _modules() -> Iterator[tuple[str, Path]]:
    """Dotted name and file of every module that belongs to the product."""
    folders = (path.parent for path in _ROOT.glob("*/__init__.py") if path.parent.name not in _FREE)
    paths = [*_ROOT.glob("*.py"), *(path for folder in folders for path in folder.rglob("*.py"))]
    for path in sorted(paths):
        parts = path.relative_to(_ROOT).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def test_every_import_is_one_that_the_table_of_rooms_lists() -> None:
    problems = [
        problem
        for module, path in _modules()
        for problem in problems_in(path.read_text("utf-8"), module, is_package=path.name == "__init__.py")
    ]
    assert problems == []


def test_every_room_of_the_table_exists() -> None:
    assert set(_ROOMS) <= {module for module, _ in _modules()}


@pytest.mark.parametrize(
    ("module", "source", "problems"),
    [
        ("recorder.server", "import asyncio, aiohttp\nfrom traffic.http1.head import RequestHead", []),
        ("recorder.relay.plan", "from recorder.settings import Route\nfrom .flow import Flow\nfrom . import dial", []),
        ("commands.up", "from recorder.server import Recorder\nimport ingest_server.server", []),
        ("cli", "from commands.up import up", []),
        ("traffic.capture.metadata", "from traffic.http1 import head\nimport msgspec, pathlib", []),
        ("traffic.http1.head", "from .framing import Body\nimport httptools", []),
        ("recorder.server", "import replay", ["recorder.server:1: recorder may not import replay"]),
        (
            "recorder.server",
            "def start():\n    from ingest_server.store import Store",
            ["recorder.server:2: recorder may not import ingest_server"],
        ),
        ("replay.sender", "import recorder.settings", ["replay.sender:1: replay may not import recorder"]),
        ("recorder.server", "from commands import up", ["recorder.server:1: recorder may not import commands"]),
        ("commands.up", "import cli", ["commands.up:1: commands may not import cli"]),
        ("recorder.server", "import tests.wire", ["recorder.server:1: recorder may not import tests"]),
        (
            "traffic.http1.head",
            "from traffic.capture.frames import Frame, Kind",
            ["traffic.http1.head:1: traffic.http1 may not import traffic.capture"],
        ),
        (
            "traffic.http1.head",
            "from ..capture import frames",
            ["traffic.http1.head:1: traffic.http1 may not import traffic.capture"],
        ),
        (
            "traffic.http1.head",
            "from traffic import capture",
            ["traffic.http1.head:1: traffic.http1 may not import traffic.capture"],
        ),
        (
            "traffic.capture.redact",
            "import recorder",
            ["traffic.capture.redact:1: traffic.capture may not import recorder"],
        ),
        (
            "traffic.capture.names",
            "import time\nfrom time import gmtime, monotonic",
            [
                "traffic.capture.names:1: traffic.capture is pure and may not import time",
                "traffic.capture.names:2: traffic.capture is pure and may not import time.monotonic",
            ],
        ),
        (
            "traffic.http1.head",
            "from pydantic import BaseModel",
            ["traffic.http1.head:1: traffic.http1 may not import the third-party package pydantic"],
        ),
        ("gateway.server", "import os", ["gateway.server belongs to no room of the table"]),
    ],
)
def test_imports_are_judged_by_the_rooms_of_importer_and_imported(
    module: str, source: str, problems: list[str]
) -> None:
    assert problems_in(source, module) == problems


def test_relative_imports_of_a_package_start_at_the_package_itself() -> None:
    source = "from . import dial\nfrom .head import RequestHead\nfrom ..capture import frames"
    assert problems_in(source, "traffic.http1", is_package=True) == [
        "traffic.http1:3: traffic.http1 may not import traffic.capture"
    ]
