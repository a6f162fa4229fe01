"""Runs the services as child processes: starts them in order, restarts one that crashes, stops them in reverse.

A child leaves the terminal's process group, so that Ctrl-C reaches this process alone, which then stops the children
one by one. It does so by ending their stdin: that works on every system, and happens as well when this process is
killed. Their stdout is passed down (a terminal stays one); their stderr comes through here, as it tells who is ready.

A child that fails before it was ever ready, or because of its configuration, is final: everything stops. After any
other end it is started again, ever less often. Called by `recorder up` and `recorder run`.
"""

import asyncio
import contextlib
import json
import logging
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from recorder.tasks import TaskOwner

CONFIG_EXIT_CODE = 2
RESTART_FIRST_S, RESTART_MAX_S = 0.5, 30.0
STEADY_S = 60.0  # a child that ran this long starts with the first pause again
STOP_S = 20.0  # beyond the grace period that running exchanges get
LINE_BYTES_MAX = 2**20

_CLI = Path(__file__).resolve().parent.parent / "cli.py"
_NEW_GROUP = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)  # Windows

log = logging.getLogger(__name__)


class ChildFailedError(Exception):
    """A child ended before it was ready. `has_told`: why, on stderr. `is_final`: it would do so again."""

    def __init__(self, name: str, code: int) -> None:
        super().__init__(f"{name} {_ending(code)} at its start")
        self.has_told = code > 0
        self.is_final = code == CONFIG_EXIT_CODE


class Child:
    """One service. `arguments` follow cli.py on its command line; `name` is for messages."""

    def __init__(self, name: str, arguments: Sequence[str], output: BinaryIO | None) -> None:
        self.name = name
        self.port = 0
        self._arguments = arguments
        self._output = output  # for its stdout and stderr; None: this process's own
        self._process: asyncio.subprocess.Process | None = None
        self._is_ready = False
        self._reloads_when_ready = False
        self._tasks = TaskOwner()

    async def start(self) -> None:
        """Raises ChildFailedError."""
        self._is_ready = False
        process = self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(_CLI),
            *self._arguments,
            stdin=subprocess.PIPE,
            stdout=self._output,
            stderr=subprocess.PIPE,
            start_new_session=True,
            creationflags=_NEW_GROUP,
            limit=LINE_BYTES_MAX,
        )
        ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        assert process.stderr is not None
        self._tasks.start(self._pass_on(process.stderr, ready))
        self.port = await ready
        if not self.port:
            code = await process.wait()
            raise ChildFailedError(self.name, code)
        self._is_ready = True
        if self._reloads_when_ready:
            self.reload()

    def reload(self) -> None:
        """Have it read its configuration again. At its start it does not know the signal yet, and would end."""
        self._reloads_when_ready = not self._is_ready
        if self._is_ready and self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGHUP)

    async def wait(self) -> int:
        assert self._process is not None
        return await self._process.wait()

    async def stop(self, deadline_s: float) -> bool:
        """Whether it ended by itself, and well."""
        process = self._process
        if process is None:
            return True
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(deadline_s):
                code = await process.wait()
        except TimeoutError:
            log.error("%s did not stop within %.0f s and is killed", self.name, deadline_s)
            self.kill()
            code = await process.wait()
        await self._tasks.stop()
        return code == 0

    def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    async def _pass_on(self, stderr: asyncio.StreamReader, ready: "asyncio.Future[int]") -> None:
        """Hand on its stderr, to people until it is ready; `ready` gets the port, or 0 when it ends before."""
        sink: BinaryIO = sys.stderr.buffer
        try:
            while line := await stderr.readline():
                if not ready.done() and line.startswith(b'{"ready":'):
                    ready.set_result(json.loads(line)["port"])
                    sink = self._output or sink
                else:
                    sink.write(line)
                    sink.flush()
        finally:
            if not ready.done():
                ready.set_result(0)


class Supervisor:
    """`grace_s` is how long running exchanges may take to end at a stop."""

    def __init__(self, children: Sequence[Child], grace_s: float) -> None:
        self._children = children
        self._grace_s = grace_s

    async def start(self) -> None:
        """Each when the one before it is ready. Raises ChildFailedError."""
        for child in self._children:
            await child.start()

    async def keep(self) -> None:
        """Restart what crashes, until cancelled. Raises an ExceptionGroup of a ChildFailedError that is final."""
        async with asyncio.TaskGroup() as group:
            for child in self._children:
                group.create_task(_keep(child))

    def reload(self, grace_s: float) -> None:
        """Have each read its configuration again."""
        self._grace_s = grace_s
        for child in self._children:
            child.reload()

    async def stop(self) -> bool:
        """The last started first. Whether all ended well."""
        ended_well = [await child.stop(self._grace_s + STOP_S) for child in reversed(self._children)]
        return all(ended_well)

    def kill(self) -> None:
        for child in self._children:
            child.kill()


async def _keep(child: Child) -> None:
    pause_s = RESTART_FIRST_S
    while True:
        ready_at_s = time.monotonic()
        code = await child.wait()
        if time.monotonic() - ready_at_s > STEADY_S:
            pause_s = RESTART_FIRST_S
        reason = f"{child.name} {_ending(code)}"
        while True:
            wait_s = pause_s * random.uniform(0.8, 1.2)  # noqa: S311 no secret
            log.error("%s; it is started again in %.1f s", reason, wait_s)
            await asyncio.sleep(wait_s)
            pause_s = min(pause_s * 2, RESTART_MAX_S)
            try:
                await child.start()
                log.warning("%s runs again", child.name)
                break
            except ChildFailedError as error:
                if error.is_final:
                    raise
                reason = str(error)


def _ending(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"
