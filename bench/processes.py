"""The processes of a benchmark: started on one core, sampled through /proc, stopped by their own id.

Called by the peers and the cases. Linux only: CPU time and memory are read from /proc/<pid>.
"""

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

PEER_CORE = 0  # the proxy under test and what belongs to it
LOAD_CORE = 1  # load generator, upstream and the harness itself
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
STOP_TIMEOUT_S = 20.0


class BenchError(RuntimeError):
    """A run gave no figure; the text says why."""


class Process:
    """One started program, pinned to a core; it and its children count as one, unless it is told to count alone."""

    def __init__(self, popen: subprocess.Popen[str], name: str, *, alone: bool = False) -> None:
        self._popen = popen
        self._alone = alone
        self.pid = popen.pid
        self.name = name

    def cpu_s(self) -> float:
        """CPU seconds so far, user and system, all threads, all living children."""
        return sum(map(_cpu_s, self._counted()))

    def children_cpu_s(self) -> float:
        return sum(map(_cpu_s, self._tree()[1:]))

    def children_peak_rss_bytes(self) -> int:
        """Since their start."""
        return sum(_status_bytes(pid, "VmHWM") for pid in self._tree()[1:])

    def rss_bytes(self) -> int:
        return sum(_status_bytes(pid, "VmRSS") for pid in self._counted())

    def peak_rss_bytes(self) -> int:
        """The highest memory since `reset_peak`."""
        return sum(_status_bytes(pid, "VmHWM") for pid in self._counted())

    def reset_peak(self) -> None:
        for pid in self._counted():
            Path(f"/proc/{pid}/clear_refs").write_text("5")  # proc_pid_clear_refs(5): resets VmHWM

    def read_line(self) -> str:
        """The next line that the process prints; it must have been started with `piped`."""
        assert self._popen.stdout is not None
        line = self._popen.stdout.readline()
        if not line:
            raise BenchError(f"{self.name} ended with {self._popen.wait()} before it had said everything")
        return line.rstrip("\n")

    def read_figures(self) -> dict[str, float]:
        figures: dict[str, float] = json.loads(self.read_line())
        return figures

    def wait(self, timeout_s: float) -> None:
        try:
            status = self._popen.wait(timeout_s)
        except subprocess.TimeoutExpired as error:
            raise BenchError(f"{self.name} did not end within {timeout_s:.0f} s") from error
        if status:
            raise BenchError(f"{self.name} ended with {status}")

    def ended(self) -> bool:
        return self._popen.poll() is not None

    def stop(self) -> None:
        if self._popen.poll() is None:
            self._popen.send_signal(signal.SIGTERM)
            try:
                self._popen.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._popen.kill()
                self._popen.wait()
        if self._popen.stdout is not None:
            self._popen.stdout.close()

    def _counted(self) -> list[int]:
        return [self.pid] if self._alone else self._tree()

    def _tree(self) -> list[int]:
        pids = [self.pid]
        for pid in pids:  # grows while it is walked
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                pids.extend(map(int, children.read_text().split()))
        return pids


@contextmanager
def started(
    argv: Sequence[str | Path], core: int, output: Path | None = None, *, alone: bool = False
) -> Iterator[Process]:
    """Run `argv` on `core`; its output goes to the file `output`, or line by line to `read_line`.

    In a process group of its own, so that Ctrl-C reaches only the harness, which then stops everything in order; not in
    a session of its own, because Linux schedules sessions against each other (sched(7), autogroup) whatever they yield.
    """
    sink: IO[str] | int = output.open("a") if output else subprocess.PIPE
    popen = subprocess.Popen(
        [str(part) for part in argv],
        stdin=subprocess.DEVNULL,
        stdout=sink,
        stderr=subprocess.STDOUT if output else None,
        text=True,
        process_group=0,
    )
    words = [Path(part).name for part in map(str, argv[:3])]  # reports hold no paths of this machine
    process = Process(popen, " ".join(words), alone=alone)
    try:
        os.sched_setaffinity(popen.pid, {core})
        yield process
    finally:
        process.stop()
        if not isinstance(sink, int):
            sink.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def await_listening(process: Process, port: int, output: Path, timeout_s: float = 20.0) -> None:
    """Return as soon as something accepts on `port`; raise with the process's output where it ends before that."""
    limit_s = time.monotonic() + timeout_s
    while time.monotonic() < limit_s:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.ended():
            break
        time.sleep(0.001)
    raise BenchError(f"nothing listens on the port given to {output.stem}; its output:\n{output.read_text()[-2000:]}")


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (
        int(fields[11]) + int(fields[12])
    ) / TICKS_PER_S  # proc_pid_stat(5): utime and stime, counted behind the name


def _status_bytes(pid: int, key: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1]) * 1024
    return 0
