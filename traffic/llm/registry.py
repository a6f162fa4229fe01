"""The dialects that decode: those that installed packages register, then the built-in ones.

A package registers a class, or an instance, in the entry points that pyproject.toml lists under its name:

    [project.entry-points."llm_flight_recorder.dialects"]
    acme = "acme_dialect:AcmeChat"

What is registered and is no dialect is left out; an error of it costs that exchange its call, and one while it looks
at a request costs it its place. `warn` is told, once each. Called where a Decoder is made.
"""

from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final, NamedTuple, TypeVar

from traffic.llm.call import Chunk
from traffic.llm.dialect import Answered, Asked, Dialect, RequestView, StreamReader
from traffic.llm.dialects import BUILT_IN
from traffic.llm.events import Event

GROUP: Final = "llm_flight_recorder.dialects"
FRAMINGS: Final = ("sse", "ndjson")

Warn = Callable[[str], None]
_Answer = TypeVar("_Answer")


class Registry(NamedTuple):
    dialects: tuple[Dialect, ...]
    registered: tuple[str, ...]  # "acme of llm-acme 1.0": what another decoding may differ by


def find_dialects(warn: Warn) -> Registry:
    found = [each for entry in sorted(entry_points(group=GROUP)) if (each := _loaded(entry, warn)) is not None]
    return Registry((*found, *BUILT_IN), tuple(each.whose for each in found))


def _loaded(entry: EntryPoint, warn: Warn) -> "_Registered | None":
    package = entry.dist.name if entry.dist is not None else "?"
    whose = f"{entry.name} of {package} {entry.dist.version if entry.dist is not None else '?'}"
    try:
        registered = entry.load()
        dialect = registered() if isinstance(registered, type) else registered
    except Exception as error:  # noqa: BLE001 whatever a stranger's module raises
        problem: str | None = f"{entry.value} cannot be loaded: {type(error).__name__}: {error}"
    else:
        problem = _problem_with(dialect)
        if problem is None:
            return _Registered(dialect, whose, warn)
        problem = f"{entry.value} is no dialect: {problem}"
    warn(f"the dialect {whose} is left out: {problem}; update or uninstall {package}")
    return None


def _problem_with(dialect: Any) -> str | None:
    for name in ("name", "operation", "framing"):
        if not isinstance(getattr(dialect, name, None), str):
            return f"its {name} is no text"
    if dialect.framing not in FRAMINGS:
        return f"its framing is {dialect.framing!r}, not one of {', '.join(FRAMINGS)}"
    for name in ("matches", "asked", "answered", "stream"):
        if not callable(getattr(dialect, name, None)):
            return f"it has no {name}()"
    return None


class _Registered:
    """A stranger's dialect: each of its errors becomes a ValueError, which is a problem of that exchange."""

    def __init__(self, dialect: Any, whose: str, warn: Warn) -> None:
        self.name: str = dialect.name
        self.operation: str = dialect.operation
        self.framing: str = dialect.framing
        self.whose = whose
        self._dialect = dialect
        self._warn = warn
        self._is_left_out = False

    def matches(self, request: RequestView) -> bool:
        if self._is_left_out:
            return False
        try:
            return bool(self._dialect.matches(request))
        except Exception as error:  # noqa: BLE001 whatever it raises; without its words, which may quote the request
            self._is_left_out = True
            self._warn(f"the dialect {self.whose} is left out from now on: matches() raised {type(error).__name__}")
            return False

    def asked(self, request: RequestView) -> Asked:
        return _call(Asked, self.name, self._dialect, "asked", request)

    def answered(self, document: Any) -> Answered:
        return _call(Answered, self.name, self._dialect, "answered", document)

    def stream(self) -> StreamReader:
        return _Reader(f"a stream of {self.name}", _call(object, self.name, self._dialect, "stream"))


class _Reader:
    def __init__(self, name: str, reader: object) -> None:
        self._name = name
        self._reader = reader

    def feed(self, event: Event) -> list[Chunk]:
        return _call(list, self._name, self._reader, "feed", event)

    def answered(self) -> Answered:
        return _call(Answered, self._name, self._reader, "answered")


def _call(kind: type[_Answer], name: str, stranger: object, method: str, *arguments: Any) -> _Answer:
    try:
        answer = getattr(stranger, method)(*arguments)
    except Exception as error:
        raise ValueError(f"{name}: {method}() raised {type(error).__name__}") from error
    if not isinstance(answer, kind):
        raise TypeError(f"{name}: {method}() gave {type(answer).__name__}, not {kind.__name__}")
    return answer
