"""Counts the lines of `gaps.ndjson`: what was not recorded, as the ingest server learned of it. Called by verify.py."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import msgspec

from replay.exchange_check import Fault
from replay.log_folder import open_file, why
from traffic.capture import names

NAME = "gaps.ndjson"
LINE_BYTES_MAX = 64 * 1024


class _Line(msgspec.Struct):
    at: str
    journal: str
    reason: str
    exchanges: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Gaps:
    lines: int = 0
    lost_exchanges: int = 0
    fault: Fault | None = None  # the first


_decode = msgspec.json.Decoder(_Line).decode


def read_gaps(log_dir: str, since_ns: int | None, *, is_running: bool) -> Gaps:
    """`is_running`: an ingest server may be writing the last line at this moment."""
    try:
        descriptor = open_file(f"{log_dir}{os.sep}{NAME}")
    except FileNotFoundError:
        return Gaps()
    except OSError as error:
        return Gaps(fault=Fault(NAME, why(error)))
    since = "" if since_ns is None else names.iso(since_ns)
    lines = lost_exchanges = 0
    fault = None
    with os.fdopen(descriptor, "rb") as file:
        for number, line in enumerate(_lines(file), 1):
            try:
                gap = _decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                if fault is None and (line.endswith(b"\n") or not is_running):
                    fault = Fault(NAME, f"line {number} is no gap record")
                continue
            if gap.at >= since:
                lines += 1
                lost_exchanges += gap.exchanges
    return Gaps(lines, lost_exchanges, fault)


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Lines, or parts of one that is longer than any gap record."""
    while line := file.readline(LINE_BYTES_MAX):
        yield line
