"""A recorder or an ingest server in a process of its own, to be killed.

python -m tests.e2e.service recorder '{"port": 0, ...}'      prints its port once it listens; SIGTERM stops it
"""

import asyncio
import os
import resource
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
import uvloop

from ingest_server.server import IngestServer
from ingest_server.settings import IngestSettings
from recorder.server import Recorder
from recorder.settings import RecorderSettings

ROOT = Path(__file__).parents[2]


class Service:
    """`file_bytes_max`: no file of the process can grow beyond it (RLIMIT_FSIZE), until `lift_limit`.
    `environment`: variables beside those of this process.
    """

    def __init__(
        self,
        settings: RecorderSettings | IngestSettings,
        file_bytes_max: int | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._settings = settings
        self._file_bytes_max = file_bytes_max
        self._environment = {**os.environ, **environment} if environment else None
        self._process: asyncio.subprocess.Process | None = None
        self.port = 0

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        role = "recorder" if isinstance(self._settings, RecorderSettings) else "ingest"
        text = msgspec.json.encode(self._settings, enc_hook=str).decode()
        limit = [] if self._file_bytes_max is None else [str(self._file_bytes_max)]
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.e2e.service",
            role,
            text,
            *limit,
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            env=self._environment,
        )
        assert self._process.stdout is not None
        self.port = int(await self._process.stdout.readline())

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            await self.kill()
        await self.stop()

    async def kill(self) -> None:
        """Kill -9"""
        assert self._process is not None
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    async def stop(self) -> None:
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
            await self._process.communicate()
            assert self._process.returncode == 0

    def lift_limit(self) -> None:
        """The disk has room again."""
        assert self._process is not None
        resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def _from_text(kind: type, value: Any) -> Any:
    assert kind is Path
    return Path(value)


async def _run(role: str, text: str) -> None:
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    service: Recorder | IngestServer
    if role == "recorder":
        service = Recorder(msgspec.json.decode(text, type=RecorderSettings, dec_hook=_from_text))
    else:
        service = IngestServer(msgspec.json.decode(text, type=IngestSettings, dec_hook=_from_text))
    async with service:
        print(service.port, flush=True)
        await stopped.wait()


if __name__ == "__main__":
    if len(sys.argv) > 3:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
    uvloop.run(_run(sys.argv[1], sys.argv[2]))
