"""What the figures were measured on: the machine and the versions. No paths, no host name. Called by the report."""

import os
import platform
import re
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bench.peers import PROJECT, nginx_path

_PACKAGES = ("llm-flight-recorder", "uvloop", "httptools", "msgspec", "aiohttp")


def describe_machine(folder: Path) -> list[str]:
    """One line each; `folder` is where the recordings of the run went."""
    processor = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return [
        f"{processor[1] if processor else platform.machine()}, {os.cpu_count()} cores, {memory_gib:.0f} GiB of memory",
        f"{_distribution()}, Linux {platform.release()}, files on {_file_system(folder)}",
    ]


def describe_versions() -> list[str]:
    lines = [f"{platform.python_implementation()} {platform.python_version()}"]
    for package in _PACKAGES:
        try:
            lines.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            lines.append(f"{package} not installed")
    if commit := _output(["git", "-C", str(PROJECT), "describe", "--always", "--dirty"]):
        lines.append(f"commit {commit}")
    if path := nginx_path():
        lines.append(_output([path, "-v"]).removeprefix("nginx version: "))
    if wrk := _output(["wrk", "-v"]):
        lines.append(wrk.partition(" [")[0])
    return lines


def _distribution() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        return platform.system()


def _file_system(folder: Path) -> str:
    """The type of the file system that holds `folder`: the mount point with the longest matching path decides."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    holding = [(len(fields[1]), fields[2]) for fields in mounts if folder.is_relative_to(fields[1])]
    return max(holding)[1]


def _output(argv: list[str]) -> str:
    """What a short command prints, on either stream; empty where it isn't installed."""
    try:
        ended = subprocess.run(argv, capture_output=True, text=True, timeout=10, check=False)
    except OSError:
        return ""
    return (ended.stdout + ended.stderr).partition("\n")[0].strip()
