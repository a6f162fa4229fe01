"""The indexer's process: `python -m ingest_server.index`, started by the ingest server alone. orders.py: how they talk.

It gives way to all others (nice), ends at once with its stdin, however the server ended, and leaves signals to the
server: Ctrl-C and a stop of the service reach both. What anybody here prints goes to stderr: stdout is the server's.
"""

import contextlib
import logging
import os
import queue
import signal
import sqlite3
import sys
import threading

from ingest_server.index import orders
from ingest_server.index.orders import Answer, Begin, Failed, Order, Stop, Told
from ingest_server.index.worker import Worker
from ingest_server.index.writer import IndexLostError

NICENESS = 15
_READ_BYTES = 256 * 1024


class _Output:
    """The way to the server."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()

    def send(self, answer: Answer) -> None:
        rest = memoryview(orders.encode(answer))
        with self._lock:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]


class _ToServer(logging.Handler):
    """Log records become the server's. Of an error that nobody expected they tell the type and the place, never its
    words: those may quote what was recorded.
    """

    def __init__(self, output: _Output) -> None:
        super().__init__()
        self._output = output

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            text = f"{text}: {_place(record.exc_info[1])}"
        self._output.send(Told(record.levelno, text))


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = "" if trace is None else f" in {trace.tb_frame.f_code.co_qualname}, line {trace.tb_lineno}"
    return f"{type(error).__qualname__}{where}"


def _read(descriptor: int, inbox: "queue.SimpleQueue[Order]") -> None:
    """Orders, from a thread of its own, so that the end of stdin is seen whatever the worker does."""
    frames = orders.Frames()
    order: Order | None = None
    while data := os.read(descriptor, _READ_BYTES):
        for payload in frames.feed(data):
            order = orders.decode_order(payload)
            inbox.put(order)
    if not isinstance(order, Stop):
        os._exit(1)  # the server is gone: its next start goes on from the files


def _take_streams() -> tuple[int, _Output]:
    """Stdin and stdout for the server alone: what an observer prints, or reads, must not get between."""
    orders_from, answers_to = os.dup(0), os.dup(1)
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    return orders_from, _Output(answers_to)


def _give_way() -> None:
    os.umask(0o077)
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):  # not all on Windows
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    with contextlib.suppress(OSError, AttributeError):
        os.nice(NICENESS)


def _fail(output: _Output, text: str) -> int:
    with contextlib.suppress(OSError):  # the server is gone
        output.send(Failed(text))
    return 1


def main() -> int:
    _give_way()
    orders_from, output = _take_streams()
    log = logging.getLogger("ingest_server")
    log.addHandler(_ToServer(output))
    log.setLevel(logging.INFO)
    log.propagate = False  # an observer may set up logging for itself
    inbox: queue.SimpleQueue[Order] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(orders_from, inbox), name="orders", daemon=True).start()
    begin = inbox.get()
    assert isinstance(begin, Begin)
    try:
        Worker(begin, inbox, output.send).run()
    except IndexLostError as error:
        return _fail(output, f"found the index lost: {error}")
    except (OSError, sqlite3.Error) as error:
        return _fail(output, f"cannot write the index: {error}")
    except Exception as error:  # noqa: BLE001 (whatever it is, the next one goes on from the files)
        return _fail(output, f"failed: {_place(error)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
