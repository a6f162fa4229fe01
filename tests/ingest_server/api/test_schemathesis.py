"""Whatever is asked by the OpenAPI document, and whatever is not, is answered as the document says."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any, Final

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from ingest_server.api.openapi import document
from ingest_server.api.operations import OPERATIONS
from ingest_server.server import IngestServer
from ingest_server.settings import IngestSettings
from tests.ingest_server.api.conftest import keep
from tests.ingest_server.api.stock import ALL

# /v1/live never ends; test_live.py listens to it.
SCHEMA = schemathesis.openapi.from_dict(document(OPERATIONS)).exclude(operation_id="listen")
EXAMPLES = 20  # of each endpoint
# What no schema can say: which bytes are frames, and how long a recording is that a range is asked of.
NOT_CHECKED: Final[dict[str, list[Any]]] = {
    "PUT /v1/journals/{journal}/{offset}": [positive_data_acceptance],
    "GET /v1/exchanges/{ref}/request": [positive_data_acceptance],
    "GET /v1/exchanges/{ref}/response": [positive_data_acceptance],
}


@pytest.fixture(scope="module")
def base_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a server in a thread of its own, which has recordings."""
    folder = tmp_path_factory.mktemp("schemathesis")
    loop, ready, end = asyncio.new_event_loop(), threading.Event(), asyncio.Event()
    urls: list[str] = []

    async def serve() -> None:
        own = IngestSettings(port=0, log_dir=folder / "logs", key_dir=folder / "key")
        keep(own, *ALL)
        async with IngestServer(own) as server:
            urls.append(f"http://127.0.0.1:{server.port}")
            ready.set()
            await end.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert ready.wait(30)
    yield urls[0]
    loop.call_soon_threadsafe(end.set)
    thread.join(30)
    loop.close()


@SCHEMA.parametrize()
@settings(
    max_examples=EXAMPLES, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
def test_every_answer_is_one_that_the_document_describes(case: schemathesis.Case[Any], base_url: str) -> None:
    case.call_and_validate(base_url=base_url, excluded_checks=NOT_CHECKED.get(case.operation.label, []))
