"""What a recorder tells of itself in each PUT to the ingest server: the header `X-Recorder-Status`, a JSON object.

It is ASCII and short: what the recorder cannot bound by itself (names, texts of errors) is cut. The recorder encodes,
the ingest server decodes; fields may be added, with defaults.
"""

import msgspec

HEADER = "X-Recorder-Status"
TEXT_MAX = 300


class Dropped(msgspec.Struct):
    """What became of exchanges for one reason."""

    exchanges: int = 0  # of which nothing is recorded
    cut: int = 0  # recorded without some of their bytes
    bytes: int = 0


class RecorderStatus(msgspec.Struct, frozen=True):
    name: str  # "<host name>:<port>": the same after a restart
    pid: int
    version: str
    started_at: str  # ISO, UTC
    journal: str  # UUID of the one that this run writes
    begun: int = 0  # exchanges of which something is recorded, since the start
    finished: int = 0
    dropped: dict[str, Dropped] = {}  # by reason, since the start
    waiting_bytes: int = 0  # in journals, not yet stored
    oldest_waiting_s: float | None = None
    queue_bytes: int = 0  # on their way into the journal
    problem: str | None = None  # why the journal cannot be written, or the ingest server not be reached

    @property
    def in_flight(self) -> int:
        return self.begun - self.finished


def encode(status: RecorderStatus) -> bytes:
    """As the header's value."""
    problem = None if status.problem is None else short(status.problem)
    text = msgspec.json.encode(msgspec.structs.replace(status, name=short(status.name), problem=problem))
    return text.decode().encode("ascii", "replace")


def decode(value: str) -> RecorderStatus | None:
    """None for what is no status: a recording counts more than what is told beside it."""
    try:
        return _decode(value)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return None


def short(text: str) -> str:
    return text if len(text) <= TEXT_MAX else text[: TEXT_MAX - 3] + "..."


_decode = msgspec.json.Decoder(RecorderStatus).decode
