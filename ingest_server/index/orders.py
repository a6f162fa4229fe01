"""What the ingest server and its indexer say to each other over the indexer's stdin and stdout: frames of a length
(four bytes, big-endian) and a msgpack object of that length.

    server ─▶ indexer    Begin, first; then Concluded, Gone, CatchUp, Reindex, Watch in any order; Stop, last
    indexer ─▶ server    Ready, first; then an Indexed per commit, Progress and Told whenever there is something to tell

The indexer answers each Concluded in order, by the number of stems that it is done with.
"""

from collections.abc import Iterator

import msgspec

from ingest_server.index.call_sums import CallSums
from ingest_server.index.summary import ExchangeSummary
from ingest_server.settings import IndexSettings

FRAME_BYTES_MAX = 256 * 1024 * 1024
_LENGTH_BYTES = 4


class Begin(msgspec.Struct, frozen=True, tag=True):
    log_dir: str
    settings: IndexSettings
    started_ns: int  # since when what ends is counted in the metrics: wall clock
    is_watched: bool


class Concluded(msgspec.Struct, frozen=True, tag=True):
    """Exchanges whose files are final."""

    stems: list[str]


class Gone(msgspec.Struct, frozen=True, tag=True):
    """Exchanges whose files have been deleted."""

    stems: list[str]


class CatchUp(msgspec.Struct, frozen=True, tag=True):
    """Bring the index up to the files, from that start of an exchange on; None: all of them."""

    since_us: int | None


class Reindex(msgspec.Struct, frozen=True, tag=True):
    """Decode again what is in the index, from that start of an exchange on."""

    since_us: int | None
    decoder_changed: bool  # only what another decoder, or other prices, made


class Watch(msgspec.Struct, frozen=True, tag=True):
    """Whether summaries are wanted."""

    is_watched: bool


class Stop(msgspec.Struct, frozen=True, tag=True):
    """Do what was told, leave what is not, and end."""


class Ready(msgspec.Struct, frozen=True, tag=True):
    """The index is open."""

    indexed: int  # exchanges in it


class Indexed(msgspec.Struct, frozen=True, tag=True):
    """A commit."""

    concluded: int  # of the stems told by Concluded, so many more
    indexed: int  # exchanges in the index now
    summaries: list[ExchangeSummary]
    lines: list[bytes]  # for stdout
    sums: list[CallSums]


class Progress(msgspec.Struct, frozen=True, tag=True):
    """Of a CatchUp or a Reindex; the last one of each has `ended`."""

    job: str  # "catch up", "reindex"
    done: int
    total: int
    ended: bool = False


class Failed(msgspec.Struct, frozen=True, tag=True):
    """It ends, because of this."""

    text: str


class Told(msgspec.Struct, frozen=True, tag=True):
    """For the log."""

    level: int
    text: str


Order = Begin | Concluded | Gone | CatchUp | Reindex | Watch | Stop
Answer = Ready | Indexed | Progress | Failed | Told

_encoder = msgspec.msgpack.Encoder()
decode_order = msgspec.msgpack.Decoder(Order).decode
decode_answer = msgspec.msgpack.Decoder(Answer).decode


def encode(message: Order | Answer) -> bytes:
    payload = _encoder.encode(message)
    return len(payload).to_bytes(_LENGTH_BYTES, "big") + payload


class Frames:
    """Cuts a stream of bytes into the payloads of its frames."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Raises ValueError for a length that nobody sends."""
        rest = self._rest
        rest += data
        start = 0
        while len(rest) - start >= _LENGTH_BYTES:
            begin = start + _LENGTH_BYTES
            end = begin + int.from_bytes(rest[start:begin], "big")
            if end - begin > FRAME_BYTES_MAX:
                raise ValueError(f"a frame of {end - begin} bytes")
            if end > len(rest):
                break
            yield bytes(rest[begin:end])
            start = end
        del rest[:start]
