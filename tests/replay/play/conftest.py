"""What depends on an event loop's own ways runs on both: the command plays on uvloop, other programs on their own."""

import asyncio
import sys
from collections.abc import Callable, Mapping

import pytest

ON_BOTH_LOOPS = ("test_server.py", "test_dialogue.py", "test_passing.py")


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    loops: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
    if sys.platform != "win32" and item.path.name in ON_BOTH_LOOPS:
        import uvloop

        loops["uvloop"] = uvloop.new_event_loop
    return loops
