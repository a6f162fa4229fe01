"""Observers are told of calls in order; one that fails is named once, detached, and felt by nobody."""

import importlib
import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.traffic.llm.example import Example, decode, raw, sse
from traffic.capture.exchange import RecordedExchange
from traffic.capture.metadata import ErrorFields, Metadata
from traffic.llm.call import Chunk, Cost
from traffic.llm.decode import Decoded
from traffic.llm.observers import HOOKS, Observed, ObserverError, Observers, OverdueError, load_observers

DOCUMENT = (Path(__file__).parents[3] / "docs/observers.md").read_text("utf-8")
ASKED = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
PIECES = [{"choices": [{"index": 0, "delta": {"content": text}}]} for text in ("Y", "es")]
INSTALL = "install its package where the ingest server runs, or put its folder on PYTHONPATH"
ID = "092d0424-8b1c-4e5f-9a2b-3c4d5e6f7a8b"


def block(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
    return str(found)


def exchange(status: int = 200) -> tuple[Metadata, Decoded]:
    return with_decoded(
        raw(Example("/v1/chat/completions", ASKED, sse(*PIECES, b"[DONE]"), "text/event-stream", status))
    )


def with_decoded(files: RecordedExchange) -> tuple[Metadata, Decoded]:
    return files.metadata, decode(files)


class Diary:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def on_request(self, call: Observed) -> None:
        self.lines.append(f"request {call.exchange.id} {call.call.model}")

    def on_chunk(self, call: Observed, chunk: Chunk) -> None:
        self.lines.append(f"chunk {call.call.model} {chunk.text}")

    def on_response(self, call: Observed) -> None:
        self.lines.append(f"response {call.call.output[0].text}")

    def on_error(self, call: Observed) -> None:
        self.lines.append(f"error {call.call.error} {call.exchange.error}")

    def on_end(self, call: Observed) -> None:
        self.lines.append(f"end {call.exchange.started_at}")


class Broken:
    def on_request(self, call: Observed) -> None:
        raise ZeroDivisionError(call.call.input)


class Leaving:
    def on_request(self, _call: Observed) -> None:
        sys.exit(3)


def test_what_is_told_of_a_streamed_answer_and_in_which_order() -> None:
    diary = Diary()
    Observers([("diary", diary)], pytest.fail).tell(*exchange())
    assert diary.lines == [
        f"request {ID} gpt-4o",
        "chunk gpt-4o Y",
        "chunk gpt-4o es",
        "response Yes",
        "end 2026-09-13T02:11:09.123456Z",
    ]


def test_an_error_of_the_provider_or_of_the_recording_is_told_instead_of_a_response() -> None:
    facts, decoded = exchange()
    cut = replace(facts, error=ErrorFields("upstream_reset", "response_body", "upstream", "reset"), completed=False)
    for told in (exchange(status=500), (cut, decoded)):
        diary = Diary()
        Observers([("diary", diary)], pytest.fail).tell(*told)
        assert [line.partition(" ")[0] for line in diary.lines] == ["request", "chunk", "chunk", "error", "end"]


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_optional(hook: str) -> None:
    called: list[Any] = []
    observer = type("One", (), {hook: lambda _self, *arguments: called.append(arguments)})()
    Observers([("one", observer)], pytest.fail).tell(*exchange(status=500 if hook == "on_error" else 200))
    assert len(called) == (2 if hook == "on_chunk" else 1)


def test_a_failing_observer_is_named_once_and_detached_and_the_others_go_on() -> None:
    warnings: list[str] = []
    before, after = Diary(), Diary()
    broken = [("broken", Broken()), ("leaving", Leaving())]
    observers = Observers([("before", before), *broken, ("after", after)], warnings.append)
    observers.tell(*exchange())
    observers.tell(*exchange())
    assert len(before.lines) == len(after.lines) == 10
    assert warnings == [
        f"the observer broken raised ZeroDivisionError at exchange {ID} and is called no more",
        f"the observer leaving raised SystemExit at exchange {ID} and is called no more",
    ]
    assert observers.names == ("before", "after")


def test_an_observer_that_takes_too_long_is_detached_whatever_it_catches() -> None:
    class Slow:
        def on_request(self, _observed: Observed) -> None:
            with suppress(Exception):
                raise OverdueError  # as the limit does

    limited: list[str] = []

    @contextmanager
    def limit() -> Iterator[None]:
        limited.append("in")
        yield
        limited.append("out")

    warnings: list[str] = []
    after = Diary()
    observers = Observers([("slow", Slow()), ("after", after)], warnings.append, limit)
    observers.tell(*exchange())
    observers.tell(*exchange())
    assert len(after.lines) == 10
    assert warnings == [f"the observer slow took too long at exchange {ID} and is called no more"]
    assert limited == ["in", "in", "out", "in", "out"]


# --- loading --------------------------------------------------------------------------------------------------------


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where packages are installed; my_package holds the document's example."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "my_package").mkdir()
    (tmp_path / "my_package/watch.py").write_text(block("python"))
    (tmp_path / "my_package/leaving.py").write_text("import sys\nsys.exit(3)\n")
    importlib.invalidate_caches()
    yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0] == "my_package"]:
        del sys.modules[name]


def register(packages: Path, entry_points: str) -> None:
    info = packages / "my_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(entry_points.replace("project.entry-points.", "").replace('"', ""))
    importlib.invalidate_caches()


@pytest.mark.usefixtures("packages")
def test_the_example_of_the_document_does_what_it_says(caplog: pytest.LogCaptureFixture) -> None:
    (name,) = re.findall(r'observers: \["(.*)"\]', block("yaml"))
    observers = load_observers([name, name], pytest.fail)
    assert observers.names == ("my_package.watch:Budget",)
    facts, decoded = exchange()
    dear = Decoded(replace(decoded.call, cost=Cost(4.0, "prices: gpt-4o")), [])
    with caplog.at_level(logging.WARNING):
        for _ in range(4):
            observers.tell(replace(facts, key="laptop"), dear)
            observers.tell(facts, decoded)
    assert caplog.messages == [f"laptop has spent 10 USD, with exchange {ID}"]


def test_an_installed_package_registers_observers(packages: Path) -> None:
    register(packages, block("toml"))
    assert load_observers([], pytest.fail).names == ("budget of my-package",)


def test_a_registered_one_that_is_broken_is_left_out_with_a_warning(packages: Path) -> None:
    register(
        packages, "[llm_flight_recorder.observers]\na = my_package.none:X\nb = logging:INFO\nc = my_package.leaving:X\n"
    )
    warnings: list[str] = []
    assert load_observers([], warnings.append).names == ()
    assert warnings == [
        f"the observer {whose} of my-package is left out: {problem}; update or uninstall my-package"
        for whose, problem in (
            ("a", "ModuleNotFoundError: No module named 'my_package.none'"),
            ("b", "logging:INFO has none of on_request, on_chunk, on_response, on_error, on_end"),
            ("c", "SystemExit: 3"),
        )
    ]


@pytest.mark.usefixtures("packages")
@pytest.mark.parametrize(
    ("name", "problem"),
    [
        (
            "no_such_module:X",
            f"its module cannot be imported (ModuleNotFoundError: No module named 'no_such_module'); {INSTALL}",
        ),
        ("my_package.leaving:X", f"its module cannot be imported (SystemExit: 3); {INSTALL}"),
        ("my_package.watch:Watch", "my_package.watch has no Watch"),
        ("fractions:Fraction.x", "fractions has no Fraction.x"),
        ("pathlib:Path", ""),
        ("http.client:HTTPConnection", "HTTPConnection() raised TypeError: "),
    ],
)
def test_a_wrong_name_in_the_configuration_is_an_error_that_says_what_to_do(name: str, problem: str) -> None:
    with pytest.raises(ObserverError) as caught:
        load_observers([name], pytest.fail)
    if not problem:
        assert str(caught.value) == f"observers: {name} has none of {', '.join(HOOKS)}"
    else:
        assert str(caught.value).startswith(f"observers: {name}: {problem}")
