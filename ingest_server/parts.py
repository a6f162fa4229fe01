"""What `/health/detailed` of the ingest server says of its parts."""

import shutil
import time
from collections.abc import Iterator

from ingest_server.indexer import IndexStatus
from ingest_server.ledger import Report
from ingest_server.writer import WAITING_MAX, Writer
from traffic.health import Part, State, disk_part

SLOW_S = 5.0  # a batch that takes longer shows that the disk has trouble
STUCK_S = 30.0
WAITING_FOR_INDEX = 1000  # exchanges; with more it does not keep up
RECENT_NS = 60 * 1_000_000_000  # a write error counts for so long after the disk works again


def parts(writer: Writer, log_dir: str, report: Report) -> Iterator[Part]:
    yield _writer_part(writer)
    yield _errors_part(writer)
    yield disk_part(_free_bytes(log_dir), log_dir)
    for recorder in report.recorders:
        status: State = "degraded" if recorder.state == "silent" or recorder.unexplained else "ok"
        contact = "none since the start" if recorder.last_contact_s is None else f"{recorder.last_contact_s:.0f} s ago"
        yield Part(f"recorder {recorder.name}", status, f"{recorder.state}, last contact {contact}")


def index_parts(status: IndexStatus) -> Iterator[Part]:
    """Nothing where there is no index; never failing, for no recording depends on it."""
    if status.state == "off":
        return
    text = f"{status.state}, {status.waiting:,} exchanges wait"
    if status.problem is not None:
        yield Part("index", "degraded", f"{text}: the indexer {status.problem}")
    else:
        yield Part("index", "degraded" if status.waiting > WAITING_FOR_INDEX else "ok", text)


def _writer_part(writer: Writer) -> Part:
    busy_s = writer.busy_s
    text = f"{writer.waiting} of at most {WAITING_MAX} pieces wait"
    if busy_s > SLOW_S:
        return Part(
            "writer", "failing" if busy_s > STUCK_S else "degraded", f"{text}; the disk has taken {busy_s:.0f} s"
        )
    return Part("writer", "ok", text)


def _errors_part(writer: Writer) -> Part:
    if writer.last_error is None:
        return Part("writes", "ok", "no write has failed")
    text, at_ns = writer.last_error
    age_ns = time.time_ns() - at_ns
    if not writer.is_sound:
        return Part("writes", "failing", f"recordings cannot be written: {text}")
    return Part("writes", "degraded" if age_ns < RECENT_NS else "ok", f"last error {age_ns // 10**9} s ago: {text}")


def _free_bytes(log_dir: str) -> int | None:
    try:
        return shutil.disk_usage(log_dir).free
    except OSError:
        return None
