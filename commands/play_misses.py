"""Where `recorder play` sends what no recording answers: a recorder in the same process, by the configured routes.

    --on-miss forward   it records nothing
    --on-miss record    an ingest server beside it writes what passes into the folder that is played

It is the recorder itself, so that what is added is what `recorder up` would have recorded. Called by play.py.
"""

import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

from commands.config_file import Configuration
from ingest_server.settings import IndexSettings
from recorder.settings import Capture, Console, RecorderSettings

HOST = "127.0.0.1"


@asynccontextmanager
async def forwarding(configuration: Configuration) -> AsyncIterator[tuple[str, int]]:
    """Yields its address."""
    with tempfile.TemporaryDirectory(prefix="recorder-play-") as folder:
        settings = _beside(configuration, Capture(journal_dir=Path(folder)))
        routes = tuple(replace(route, log=False) for route in settings.routes)
        async with _recorder(replace(settings, routes=routes, log_unmatched=False)) as port:
            yield HOST, port


@asynccontextmanager
async def recording(configuration: Configuration, log_dir: Path) -> AsyncIterator[tuple[str, int]]:
    """Yields its address. Raises OSError, as where another ingest server is at work on the folder."""
    from ingest_server.server import IngestServer  # noqa: PLC0415 aiohttp, which playing alone does without

    journal_dir = configuration.recorder.capture.journal_dir
    journal_dir = journal_dir.with_name(f"{journal_dir.name}-play")
    ingest = replace(
        configuration.ingest,
        host=HOST,
        port=0,
        log_dir=log_dir,
        key_dir=journal_dir,
        keys=(),
        link_keys=(),
        tls=None,
        index=IndexSettings(enabled=False),
    )
    async with AsyncExitStack() as stack:
        server = IngestServer(ingest)
        await server.start()
        stack.push_async_callback(server.stop)
        capture = replace(
            configuration.recorder.capture,
            server_url=f"http://{HOST}:{server.port}",
            server_ca=None,
            link_key=None,
            journal_dir=journal_dir,
        )
        yield HOST, await stack.enter_async_context(_recorder(_beside(configuration, capture)))


def _beside(configuration: Configuration, capture: Capture) -> RecorderSettings:
    console = Console(enabled=False)
    return replace(configuration.recorder, host=HOST, port=0, tls=None, console=console, capture=capture)


@asynccontextmanager
async def _recorder(settings: RecorderSettings) -> AsyncIterator[int]:
    from recorder.server import Recorder  # noqa: PLC0415 not needed to play alone

    async with Recorder(settings) as recorder:
        yield recorder.port
