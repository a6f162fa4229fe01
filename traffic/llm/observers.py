"""Observers: code of the user's own that is told of each call, once the exchange has ended and is decoded.

An observer is an object with any of these methods; they are called in this order, all of one exchange before the next:

    on_request(call)           what was asked
    on_chunk(call, chunk)      each piece of a streamed answer (call.Chunk)
    on_response(call)          there is an answer, and no error: or else
    on_error(call)             of the provider, in the answer or instead of it, or in the exchange
    on_end(call)               always

`call` is an Observed. One whose method raises, or takes too long, is told to `warn` and called no more: nobody else
notices. An observer runs in the process that decodes, so that a slow one delays the index, and nothing else. Called by
the indexer.
"""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Final, NamedTuple

from traffic.capture.metadata import Metadata
from traffic.llm.call import Chunk, LlmCall
from traffic.llm.decode import Decoded

GROUP: Final = "llm_flight_recorder.observers"
HOOKS: Final = ("on_request", "on_chunk", "on_response", "on_error", "on_end")

Warn = Callable[[str], None]


class Observed(NamedTuple):
    exchange: Metadata  # its id, times, route, status, ...
    call: LlmCall


class ObserverError(ValueError):
    """What the configuration names is no observer."""


class OverdueError(BaseException):
    """Raised in an observer that takes too long, which may catch every Exception."""


Limit = Callable[[], AbstractContextManager[None]]  # raises OverdueError in what takes too long within


class Observers:
    """Each of those that work is told; `names` are theirs."""

    def __init__(self, observers: Iterable[tuple[str, object]], warn: Warn, limit: Limit = nullcontext) -> None:
        self._observers = dict(observers)
        self._warn = warn
        self._limit = limit

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._observers)

    def tell(self, exchange: Metadata, decoded: Decoded) -> None:
        """Raises nothing."""
        observed = Observed(exchange, decoded.call)
        for name, observer in tuple(self._observers.items()):
            try:
                with self._limit():
                    _tell(observer, observed, decoded.chunks)
            except BaseException as error:  # noqa: BLE001 whatever a stranger raises, sys.exit() as well
                del self._observers[name]
                # Without an error's words, which may quote the call.
                did = "took too long" if isinstance(error, OverdueError) else f"raised {type(error).__name__}"
                self._warn(f"the observer {name} {did} at exchange {exchange.id} and is called no more")


def load_observers(names: Iterable[str], warn: Warn, limit: Limit = nullcontext) -> Observers:
    """Those that the configuration names, as `module:Class`, and those that installed packages register.

    Raises ObserverError for the former; of the latter, which are entry points, `warn` is told what is left out.
    """
    found = [(name, _named(name)) for name in dict.fromkeys(names)]
    for entry in sorted(entry_points(group=GROUP)):
        package = entry.dist.name if entry.dist is not None else "?"
        whose = f"{entry.name} of {package}"
        try:
            found.append((whose, _made(entry.value, entry.load())))
        except (Exception, SystemExit) as error:  # noqa: BLE001 whatever a stranger's module raises
            reason = str(error) if isinstance(error, ObserverError) else f"{type(error).__name__}: {error}"
            warn(f"the observer {whose} is left out: {reason}; update or uninstall {package}")
    return Observers(found, warn, limit)


def _named(name: str) -> object:
    module, _, attribute = name.partition(":")
    try:
        there = import_module(module)
    except (Exception, SystemExit) as error:
        raise ObserverError(
            f"observers: {name}: its module cannot be imported ({type(error).__name__}: {error}); install its package "
            "where the ingest server runs, or put its folder on PYTHONPATH"
        ) from error
    if not hasattr(there, attribute):
        raise ObserverError(f"observers: {name}: {module} has no {attribute}")
    try:
        return _made(name, getattr(there, attribute))
    except ObserverError as error:
        raise ObserverError(f"observers: {error}") from None
    except (Exception, SystemExit) as error:
        raise ObserverError(f"observers: {name}: {attribute}() raised {type(error).__name__}: {error}") from error


def _made(name: str, registered: Any) -> object:
    """Of a class, an instance."""
    observer = registered() if isinstance(registered, type) else registered
    if not any(callable(getattr(observer, hook, None)) for hook in HOOKS):
        raise ObserverError(f"{name} has none of {', '.join(HOOKS)}")
    return observer


def _tell(observer: Any, observed: Observed, chunks: list[Chunk]) -> None:
    exchange, call = observed
    is_error = call.error is not None or exchange.error is not None or (exchange.response.status or 0) >= 400
    _call(observer, "on_request", observed)
    if hasattr(observer, "on_chunk"):
        for chunk in chunks:
            observer.on_chunk(observed, chunk)
    _call(observer, "on_error" if is_error else "on_response", observed)
    _call(observer, "on_end", observed)


def _call(observer: Any, hook: str, observed: Observed) -> None:
    if hasattr(observer, hook):
        getattr(observer, hook)(observed)
