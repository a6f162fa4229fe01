"""How a process that serves runs: its event loop, its signals, its open files, its memory. Called by what serves."""

import asyncio
import contextlib
import gc
import os
import signal
from collections.abc import Callable
from types import FrameType

# After start: what is there stays, and a proxied exchange makes no cycles that need frequent collections.
GC_THRESHOLDS = (50_000, 50, 100)


def allow_open_files() -> None:
    """As many as the system lets the process have: shells often ask for 1024, and an exchange has two connections."""
    with contextlib.suppress(ImportError, ValueError, OSError):  # not on Windows; some systems refuse "unlimited"
        import resource  # noqa: PLC0415 does not exist for Windows

        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 does not exist for Windows
    except ImportError:
        return None
    return uvloop.new_event_loop


def settle_memory() -> None:
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


def stop_on_signals(stop: asyncio.Event) -> None:
    """The first one sets `stop`, the second one ends the process at once."""
    loop = asyncio.get_running_loop()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            os._exit(1)  # the second one; the journal holds what was recorded
        loop.call_soon_threadsafe(stop.set)

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
