"""One exchange while its frames arrive: the bytes not yet in its files, and what its metadata will say.

The usual one begins and ends within one flush: its sides are written whole, hashed and read for their heads at once. A
long one is flushed piece by piece; between flushes only its counts, hash state and head stay in memory.
"""

from hashlib import sha256

from ingest_server import files, sidecar
from ingest_server.sidecar import Kept, Opened, Progress
from traffic.capture import metadata, names
from traffic.capture.events import ExchangeError, Finished, Started
from traffic.capture.metadata import HEADS_BYTES_MAX, Arrivals, Headers, Metadata, Stored


class Side:
    """One `.bin` file. `end`: bytes accepted; `saved`: bytes in the file; the difference is in `buffers`."""

    __slots__ = ("_hash", "_head", "arrivals", "buffers", "end", "headers", "lost", "saved", "status", "suffix")

    def __init__(self, suffix: str) -> None:
        self.suffix = suffix
        self.end = 0
        self.saved = 0
        self.lost = 0  # bytes behind a hole: not stored, what is stored stays a true beginning
        self.buffers: list[files.Data] = []
        self.arrivals: Arrivals = []  # since the last sidecar record
        self.headers: Headers = []
        self.status: int | None = None
        self._hash = sha256()
        self._head: bytes | None = b""  # None: read, or given up

    def take(self, offset: int, at_us: int, payload: memoryview) -> None:
        """Add one frame's bytes; those that are here already (a repetition) are passed over."""
        size = len(payload)
        if offset == self.end and not self.lost:
            self.buffers.append(payload)
            self.arrivals.append((offset, at_us))
            self.end += size
        elif offset + size > self.end:
            self.lost += size

    def drain(self) -> files.Data:
        """The bytes to write at `saved`, hashed and read for the head; the caller writes them."""
        buffers = self.buffers
        data = buffers[0] if len(buffers) == 1 else b"".join(buffers)
        self.buffers = []
        self.absorb(data)
        return data

    def absorb(self, data: files.Data) -> None:
        """Count what stands in the file, or is about to."""
        self._hash.update(data)
        if self._head is not None:
            self._read_head(bytes(data[:HEADS_BYTES_MAX]))
        self.saved += len(data)

    def stored(self, arrivals: Arrivals, *, final: bool) -> Stored:
        return Stored(self.headers, self.status, self.saved, self._hash.hexdigest() if final else None, arrivals)

    def _read_head(self, data: bytes) -> None:
        head = self._head + data if self._head else data
        found: tuple[int | None, Headers] | None
        if self.suffix == names.REQUEST:
            headers = metadata.request_headers(head)
            found = None if headers is None else (None, headers)
        else:
            found = metadata.response_status(head)
        if found is not None:
            self.status, self.headers = found
        self._head = head if found is None and len(head) < HEADS_BYTES_MAX else None


class Exchange:
    """`stem` names the files once they exist; `kept` is the sidecar's path once that exists.

    `dirty_from` and `dirty_since_s` tell where in the journal, and when, the first byte was taken that no flush has
    written yet.
    """

    __slots__ = (
        "dirty_from", "dirty_since_s", "error", "finished", "kept", "number", "request", "response", "started", "stem",
    )  # fmt: skip

    def __init__(self, number: int, started: Started) -> None:
        self.number = number
        self.started = started
        self.request = Side(names.REQUEST)
        self.response = Side(names.RESPONSE)
        self.finished: Finished | None = None
        self.error: ExchangeError | None = None
        self.stem: str | None = None
        self.kept: str | None = None
        self.dirty_from = 0
        self.dirty_since_s = 0.0

    def finish(self, finished: Finished) -> None:
        self.finished = finished
        self.error = finished.error
        if finished.completed:
            differing = abs(finished.request_bytes - self.request.end), abs(finished.response_bytes - self.response.end)
            if missing := finished.dropped_bytes + sum(differing):
                detail = f"{missing} bytes of what was sent and received are not in the files"
                self.error = ExchangeError("capture_gap", "capture", "recorder", detail)

    def write_out(self, where: files.Files) -> None:
        """Bring the files of an open exchange up to what was taken; its metadata is written when the files are made."""
        if self.stem is None:
            self._create(where, final=False)
        else:
            self._extend(where, self.stem)

    def conclude(self, where: files.Files) -> tuple[Metadata, str]:
        """Bring the files of an exchange that has ended to their final state; returns what they say, and their stem."""
        if self.stem is None:
            return self._create(where, final=True)
        self._extend(where, self.stem)
        facts = self._metadata(final=True)
        where.describe(self.stem, metadata.encode(facts), fresh=False)
        return facts, self.stem

    def _create(self, where: files.Files, *, final: bool) -> tuple[Metadata, str]:
        started = self.started
        stem, fresh = where.create(started.started_ns, started.id, self.request.drain(), self.response.drain())
        facts = self._metadata(final=final)
        where.describe(stem, metadata.encode(facts), fresh=fresh)
        if not fresh:
            where.cut_behind(stem, self.request.saved, self.response.saved)
        self.stem = stem
        return facts, stem

    def _extend(self, where: files.Files, stem: str) -> None:
        for side in (self.request, self.response):
            if side.buffers:
                at = side.saved
                files.write_at(f"{where.root}{stem}{side.suffix}", at, side.drain())

    def keep(self, path: str) -> None:
        """Note in the sidecar at `path` what write_out has written since the last time."""
        assert self.stem is not None
        if self.kept is None:
            opened = sidecar.encode(Opened(self.stem, self.started))
            files.write_over(path, sidecar.encode_record(Kept.OPENED, 0, opened) + self._progress())
        else:
            files.append(path, self._progress())
        self.kept = path

    def keep_end(self, path: str, position: int) -> None:
        """Note there what conclude has written, and where in the journal the exchange ended: behind its last frame."""
        files.append(path, self._progress() + sidecar.encode_record(Kept.ENDED, position, b""))

    def _progress(self) -> bytes:
        """The sidecar's record of what is written, with the arrivals since the last one."""
        request, response = self.request, self.response
        progress = Progress(request.saved, response.saved, request.arrivals, response.arrivals)
        request.arrivals = []
        response.arrivals = []
        return sidecar.encode_record(Kept.PROGRESS, 0, sidecar.encode(progress))

    def _metadata(self, *, final: bool) -> Metadata:
        request, response = self._arrivals() if final else (self.request.arrivals, self.response.arrivals)
        return metadata.build(
            self.started,
            self.finished,
            self.error,
            self.request.stored(request, final=final),
            self.response.stored(response, final=final),
        )

    def _arrivals(self) -> tuple[Arrivals, Arrivals]:
        if self.kept is None:
            for side in (self.request, self.response):
                metadata.thin(side.arrivals)
            return self.request.arrivals, self.response.arrivals
        request: Arrivals = []
        response: Arrivals = []
        for record in sidecar.read(self.kept):
            if record.kind == Kept.PROGRESS:
                progress = sidecar.decode_progress(record.payload)
                request += progress.request_arrivals
                response += progress.response_arrivals
                metadata.thin(request)
                metadata.thin(response)
        request += self.request.arrivals
        response += self.response.arrivals
        metadata.thin(request)
        metadata.thin(response)
        return request, response


def restore(where: files.Files, number: int, path: str, stored: int) -> Exchange | None:
    """The exchange that a sidecar tells of; None (and the sidecar is gone) where it had ended before `stored`."""
    exchange: Exchange | None = None
    ends = (0, 0)
    for record in sidecar.read(path):
        if record.kind == Kept.OPENED:
            opened = sidecar.decode_opened(record.payload)
            if opened is None:
                break
            exchange = Exchange(number, opened.started)
            exchange.stem = opened.stem
            exchange.kept = path
        elif record.kind == Kept.PROGRESS:
            progress = sidecar.decode_progress(record.payload)
            ends = (progress.request_end, progress.response_end)
        elif record.kind == Kept.ENDED and record.offset <= stored:
            exchange = None
            break
    if exchange is None or exchange.stem is None:
        files.remove(path)
        return None
    where.prepare_for(exchange.stem)
    for side, end in zip((exchange.request, exchange.response), ends, strict=True):
        _reread(side, f"{where.root}{exchange.stem}{side.suffix}", end)
    return exchange


def _reread(side: Side, path: str, end: int) -> None:
    side.end = files.cut(path, end)
    side.lost = end - side.end
    if side.end == 0:
        files.write_start(path, b"")  # it may be missing
    else:
        for block in files.read_in_blocks(path, side.end):
            side.absorb(block)
