"""The stage of the fault tests, and the seed of what is random in them: printed, and set by RECORDER_FAULT_SEED."""

import os
import random
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pytest
import pytest_asyncio

from tests.faults.stage import SEED_VARIABLE, Stage


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], object]]:
    import uvloop

    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
def seed(record_property: Callable[[str, object], None]) -> int:
    chosen = int(os.environ.get(SEED_VARIABLE) or random.randrange(10**6))
    print(f"{SEED_VARIABLE}={chosen}")  # pytest shows it when the test fails
    record_property("seed", chosen)
    return chosen


@pytest_asyncio.fixture
async def stage(tmp_path: Path, seed: int) -> AsyncIterator[Stage]:
    async with Stage(tmp_path, seed) as stage:
        yield stage
