"""A recorder and its ingest server in a thread of their own, for as long as the block runs. Called by session.py."""

import asyncio
import threading
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Final

from ingest_server.server import IngestServer
from ingest_server.settings import IndexSettings, IngestSettings
from recorder.server import Recorder
from recorder.settings import Capture, Console, RecorderSettings, Route

HOST: Final = "127.0.0.1"
GRACE_S: Final = 2.0  # for exchanges that the test left open


@contextmanager
def recording(base_urls: Mapping[str, str], log_dir: Path, journal_dir: Path) -> Iterator[Recorder]:
    """Its route NAME is at /NAME. At the end what was recorded is in `log_dir`.

    Raises OSError, and ValueError for a base URL that is none.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="recorder", daemon=True)
    thread.start()
    services = AsyncExitStack()
    try:
        yield asyncio.run_coroutine_threadsafe(_start(services, base_urls, log_dir, journal_dir), loop).result()
    finally:
        asyncio.run_coroutine_threadsafe(_stop(services), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _start(services: AsyncExitStack, base_urls: Mapping[str, str], log_dir: Path, journal_dir: Path) -> Recorder:
    index = IndexSettings(enabled=False)
    ingest_settings = IngestSettings(host=HOST, port=0, log_dir=log_dir, key_dir=journal_dir, index=index)
    ingest = await services.enter_async_context(IngestServer(ingest_settings))
    settings = RecorderSettings(
        host=HOST,
        port=0,
        routes=tuple(Route(name, f"/{name}/", url) for name, url in base_urls.items()),
        console=Console(enabled=False),
        capture=Capture(server_url=f"http://{HOST}:{ingest.port}", journal_dir=journal_dir),
        grace_s=GRACE_S,
    )
    return await services.enter_async_context(Recorder(settings))


async def _stop(services: AsyncExitStack) -> None:
    await services.aclose()
    await asyncio.get_running_loop().shutdown_default_executor()
