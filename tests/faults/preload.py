"""A disk that fails and a clock that jumps, for one running service: preload.c, compiled once, and its control file.

The project asks for a C compiler already (Makefile); Linux alone preloads this way.
"""

import mmap
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

_SOURCE = Path(__file__).with_name("preload.c")
_COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")

needs_preload = pytest.mark.skipif(
    sys.platform != "linux" or _COMPILER is None, reason="injected by LD_PRELOAD: needs Linux and a C compiler"
)


class Preload:
    """`environment` is for the service; `folder`: the files whose writes fail."""

    def __init__(self, tmp_path: Path, folder: Path) -> None:
        assert _COMPILER is not None
        library, control = tmp_path / "preload.so", tmp_path / "control"
        subprocess.run([_COMPILER, "-shared", "-fPIC", "-O1", "-o", library, _SOURCE, "-ldl"], check=True)
        control.write_bytes(bytes(24))
        with control.open("r+b") as file:
            self._control = mmap.mmap(file.fileno(), 24)
        self.environment = {
            "LD_PRELOAD": str(library),
            "FAULT_CONTROL": str(control),
            "FAULT_FOLDER": str(folder.resolve()),
        }

    @property
    def failed(self) -> int:
        """How many writes have failed."""
        return int.from_bytes(self._control[16:], "little")

    def set_clock(self, ahead_s: int) -> None:
        self._control[:8] = struct.pack("=q", ahead_s)

    def fail_writes(self, errno: int) -> None:
        """0: they work again."""
        self._control[8:16] = struct.pack("=q", errno)
