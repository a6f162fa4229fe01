"""`add_up`: after any fault, what the client counted, what the upstream saw and what was stored must agree.

    the client       the store
    finished         one complete record: the upstream's bytes and the request that the upstream saw, by hash
    broken           one record: complete, or the beginning of those bytes and why it is incomplete
    refused          one record of the recorder's own answer

First `replay.verify` checks every recording, journal and gap record by itself. Then: nothing stands twice, nothing open
is left, nothing is there that no client sent. What may be missing is said by `Allowed`, and each of those must be
counted in a gap record.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from replay.verify import verify
from tests.faults.client import CountingClient, Entry, Outcome
from tests.faults.orders import Order
from tests.faults.upstream import CountingUpstream

SHOWN_MAX = 10
TUNNEL_END_S = 1.0


@dataclass(frozen=True, slots=True)
class Kill:
    """SIGKILL of a recorder: time.monotonic() before it was sent, and when the process was gone."""

    sent_s: float
    gone_s: float


@dataclass(frozen=True, slots=True)
class Allowed:
    """What a fault may cost.

    kills       of the recorder: what it carried then is incomplete, and its last write may be torn
    window_s    what the client saw so long before a kill may be missing too: 0 under `write_ahead`
    drops       exchanges may be missing or incomplete where gap records count them
    damage      of the journal: as drops, and an exchange may have lost its end, so that it ends as the journal does
    """

    kills: Sequence[Kill] = ()
    window_s: float = 0.0
    drops: bool = False
    damage: bool = False

    def may_be_missing(self, entry: Entry) -> bool:
        """A start is in the journal's queue before the upstream gets a byte, so long before the client's first."""
        return any(
            entry.began_s <= kill.gone_s
            and (entry.first_byte_s is None or entry.first_byte_s >= kill.sent_s - self.window_s)
            for kill in self.kills
        )

    def may_be_cut(self, entry: Entry, window_s: float) -> bool:
        return any(entry.began_s <= kill.gone_s and entry.ended_s >= kill.sent_s - window_s for kill in self.kills)


@dataclass(slots=True)
class Sums:
    sent: int = 0
    complete: int = 0
    incomplete: Counter[str] = field(default_factory=Counter)  # by the error's name
    dropped: int = 0  # counted in gap records
    lost_with_kill: int = 0  # without a record, though the upstream saw them: in the moment before a kill, `batched`
    never_arrived: int = 0  # without a record, and the upstream never saw them
    bytes: int = 0
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Record:
    path: Path  # of its metadata
    facts: dict[str, Any]

    @property
    def error(self) -> str | None:
        return self.facts["error"]["name"] if self.facts["error"] else None

    def read(self, side: str) -> bytes:
        stem = self.path.name.removesuffix("_metadata.json")
        return self.path.with_name(f"{stem}_{side}.bin").read_bytes()

    def sent_request(self) -> bytes:
        """Without the line that the recorder adds to its recording."""
        head, end, body = self.read("request").partition(b"\r\n\r\n")
        head, _, added = head.rpartition(b"\r\n")
        assert added.startswith(b"X-Proxy-Path: "), added
        return head + end + body


def add_up(
    client: CountingClient, upstream: CountingUpstream, log_dir: Path, journal_dir: Path, allowed: Allowed
) -> Sums:
    """The sums of a run whose services are stopped; fails with everything that does not agree."""
    report = verify(log_dir, journal_dir)
    sums = Sums(problems=[f"{fault.file} {fault.problem}" for fault in report.faults])
    if report.waiting_bytes:
        sums.problems.append(f"{report.waiting_bytes} bytes wait in journals")
    records = _records(log_dir, sums)
    for name, entry in client.entries.items():
        order = Order.find(f"/{name}".encode())
        assert order is not None
        sums.sent += 1
        record = records.pop(name, None)
        if record is None:
            _count_missing(name, entry, upstream, allowed, sums)
        else:
            _judge(order, entry, record, upstream, allowed, sums)
    sums.problems += [f"{name}: recorded, but nobody sent it" for name in records]
    _judge_gaps(log_dir, allowed, sums)
    assert not sums.problems, "\n".join([f"{len(sums.problems)} problems", *sums.problems[:SHOWN_MAX]])
    return sums


def _records(log_dir: Path, sums: Sums) -> dict[str, Record]:
    records: dict[str, Record] = {}
    for path in log_dir.rglob("*_metadata.json"):
        record = Record(path, json.loads(path.read_bytes()))
        order = Order.find(record.facts["url"].encode())
        if order is None:
            sums.problems.append(f"{path.name}: of no order: {record.facts['url']}")
        elif order.id in records:
            sums.problems.append(f"{order.id}: recorded twice")
        else:
            records[order.id] = record
    return records


def _count_missing(name: str, entry: Entry, upstream: CountingUpstream, allowed: Allowed, sums: Sums) -> None:
    if (allowed.drops or allowed.damage) and not allowed.kills:
        sums.dropped += 1
    elif not allowed.may_be_missing(entry):
        sums.problems.append(f"{name}: {entry.outcome.name.lower()}, and there is no record")
    elif name not in upstream.seen:
        sums.never_arrived += 1
    elif allowed.window_s:
        sums.lost_with_kill += 1
    else:
        sums.problems.append(f"{name}: the upstream saw it, and there is no record")


def _judge(
    order: Order, entry: Entry, record: Record, upstream: CountingUpstream, allowed: Allowed, sums: Sums
) -> None:
    sums.bytes += record.facts["request"]["bytes"] + record.facts["response"]["bytes"]
    response = record.read("response")
    problem: str | None = None
    if record.facts["completed"]:
        sums.complete += 1
        problem = _problem_with_complete(order, entry, record, response, upstream)
    elif record.error is None:
        problem = "still open"
    else:
        sums.incomplete[record.error] += 1
        problem = _problem_with_incomplete(order, entry, record, response, allowed)
    if problem is not None:
        sums.problems.append(f"{order.id}: {problem}")


def _problem_with_complete(
    order: Order, entry: Entry, record: Record, response: bytes, upstream: CountingUpstream
) -> str | None:
    if entry.outcome is Outcome.REFUSED:
        return "refused, and recorded as complete"
    if _sha256(response) != _sha256(b"".join(order.response())):
        return "complete, and not the upstream's bytes"
    if upstream.seen[order.id] != 1:
        return f"the upstream saw it {upstream.seen[order.id]} times"
    if _sha256(record.sent_request()) != upstream.requests.get(order.id):
        return "complete, and not the request that the upstream saw"
    return None


def _problem_with_incomplete(
    order: Order, entry: Entry, record: Record, response: bytes, allowed: Allowed
) -> str | None:
    if entry.outcome is Outcome.REFUSED:
        return None if record.facts["answered_by"] == "recorder" else "refused, and recorded as the upstream's answer"
    if record.facts["answered_by"] != "recorder" and not b"".join(order.response()).startswith(response):
        return "incomplete, and not the beginning of the upstream's bytes"
    if allowed.damage and record.error in ("capture_gap", "shutdown", "recorder_crash"):
        return None
    if record.error == "capture_gap":
        return None if allowed.drops else "bytes were dropped"
    if record.error == "recorder_crash":
        return _problem_with_killed(order, entry, len(response), allowed)
    if entry.outcome is Outcome.FINISHED:
        return f"finished, and recorded as {record.error}"
    return None


def _problem_with_killed(order: Order, entry: Entry, response_bytes: int, allowed: Allowed) -> str | None:
    # A tunnel is over for the recorder when the client has closed it, a moment after the client got everything.
    window_s = TUNNEL_END_S if order.kind == "websocket" else allowed.window_s
    if not allowed.may_be_cut(entry, window_s):
        return "recorder_crash, and no kill fell into it"
    if window_s == 0 and entry.outcome is Outcome.FINISHED:
        return "the client had it all, and it is recorded as cut"
    if allowed.window_s == 0 and response_bytes < entry.received_bytes:
        return f"the client had {entry.received_bytes} bytes, the record {response_bytes}"
    return None


def gap_lines(log_dir: Path) -> Iterator[dict[str, Any]]:
    path = log_dir / "gaps.ndjson"
    if path.exists():
        yield from map(json.loads, path.read_text().splitlines())


def _judge_gaps(log_dir: Path, allowed: Allowed, sums: Sums) -> None:
    gaps = [gap for gap in gap_lines(log_dir) if not (allowed.kills and gap["reason"] == "journal_torn")]
    counted = sum(gap["exchanges"] for gap in gaps)
    if gaps and not (allowed.drops or allowed.damage):
        sums.problems.append(f"unexpected gap records: {gaps[:3]}")
    elif counted != sums.dropped:
        sums.problems.append(f"{sums.dropped} exchanges are missing, gap records count {counted}")


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()
