"""`recorder up`, `proxy` or `ingest` as a user starts it, on the ports and folders of a stage."""

import asyncio
import contextlib
import signal
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.faults.stage import Stage

_CLI = Path(__file__).parents[2] / "cli.py"


class Command:
    def __init__(self, stage: Stage, name: str, *, grace_s: float = 5) -> None:
        self._name = name
        self._config = stage.log_dir.with_name("config.yaml")
        self._config.write_text(
            f"server: {{host: 127.0.0.1, port: {stage.recorder_port}, grace_s: {grace_s}}}\n"
            f"ingest: {{host: 127.0.0.1, port: {stage.ingest_port}, log_dir: {stage.log_dir.name}}}\n"
            f"capture: {{journal_dir: {stage.journal_dir.name}}}\n"
            f'logging: {{console: false, server_url: "http://127.0.0.1:{stage.ingest_port}"}}\n'
            f'routes: {{lm: {{pattern: "/lm/", destination: "http://127.0.0.1:{stage.upstream.port}/"}}}}\n'
        )
        self.process: asyncio.subprocess.Process

    async def __aenter__(self) -> Self:
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, str(_CLI), self._name, "--config", str(self._config), stdout=asyncio.subprocess.DEVNULL
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()

    async def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return await self.process.wait()

    def child(self, name: str) -> int | None:
        """The process id of the child of `up` that runs this command."""
        for children in Path(f"/proc/{self.process.pid}/task").glob("*/children"):
            for pid in map(int, children.read_text().split()):
                with contextlib.suppress(OSError):
                    words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                    if name.encode() in words:
                        return pid
        return None
