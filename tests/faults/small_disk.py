"""A disk that is full for real: a small tmpfs where this process may mount one, else a limit on every file's size.

tmpfs          ENOSPC, as on any full disk; room returns when it is mounted again, larger
RLIMIT_FSIZE   EFBIG on the file that reaches the limit; works unprivileged; room returns when the limit is lifted
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.service import Service


@dataclass(frozen=True, slots=True)
class SmallDisk:
    kind: str
    folder: Path
    file_bytes_max: int | None  # for the service's start

    @property
    def is_full(self) -> bool:
        if self.file_bytes_max is None:
            return os.statvfs(self.folder).f_bavail == 0
        sizes = (path.stat().st_size for path in self.folder.rglob("*") if path.is_file())
        return max(sizes, default=0) >= self.file_bytes_max

    def make_room(self, service: Service) -> None:
        if self.file_bytes_max is None:
            _mount("remount,size=512m", self.folder)
        else:
            service.lift_limit()


@contextmanager
def small_disk(folder: Path, size_bytes: int) -> Iterator[SmallDisk]:
    """`folder` is made."""
    folder.mkdir(mode=0o700, parents=True)
    if sys.platform == "linux" and os.geteuid() == 0 and _mount(f"size={size_bytes},mode=700", folder):
        try:
            print("full disk: a tmpfs")
            yield SmallDisk("tmpfs", folder, None)
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)
    else:
        print("full disk: RLIMIT_FSIZE")
        yield SmallDisk("limit", folder, size_bytes)


def _mount(options: str, folder: Path) -> bool:
    argv: list[str | Path] = ["mount", "-t", "tmpfs", "-o", options, "recorder-test", folder]
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0
