"""What `/health/detailed` of the recorder says of its parts, from figures that are at hand: it waits for nothing."""

import time
from collections.abc import Iterator

from recorder.capture.journal import Journal
from recorder.capture.queue import FrameQueue
from recorder.capture.report import Reporter
from recorder.capture.shipper import Shipper
from recorder.capture.vault import VaultKeeper
from recorder.console import size
from recorder.relay.upstream_errors import UpstreamErrors
from traffic.health import Part, disk_part

RECENT_S = 60.0  # an upstream's error counts for so long


class CaptureParts:
    """The parts on the way from the tap to the ingest server."""

    def __init__(
        self, journal: Journal, queue: FrameQueue, shipper: Shipper, reporter: Reporter, vault: VaultKeeper | None
    ) -> None:
        self._journal = journal
        self._queue = queue
        self._shipper = shipper
        self._reporter = reporter
        self._vault = vault

    def all(self) -> Iterator[Part]:
        yield self._journal_part()
        yield self._queue_part()
        yield self._link_part()
        if self._vault is not None:
            yield _vault_part(self._vault)
        yield disk_part(self._reporter.disk_free_bytes, str(self._journal.folder.parent))

    def _journal_part(self) -> Part:
        if self._queue.failure:
            return Part("journal", "failing", f"it cannot be written: {self._queue.failure}")
        text = f"{size(self._shipper.waiting_bytes)} wait for the ingest server"
        if (age_s := self._shipper.oldest_waiting_s) is not None:
            text += f", the oldest for {age_s:.0f} s"
        return Part("journal", "failing" if self._queue.drops == "journal_full" else "ok", text)

    def _queue_part(self) -> Part:
        text = f"{size(self._queue.waiting_bytes)} wait in memory for the journal"
        if self._queue.drops:
            return Part("queue", "failing", f"{text}; recordings are dropped: {self._queue.drops}")
        if self._queue.blocks:
            return Part("queue", "degraded", f"{text}; connections are held back until there is room")
        return Part("queue", "ok", text)

    def _link_part(self) -> Part:
        last_s = self._shipper.last_contact_s
        contact = "the ingest server has not answered yet"
        if last_s is not None:
            contact = f"the ingest server answered last {time.monotonic() - last_s:.0f} s ago"
        if self._shipper.failure:
            return Part("link", "degraded", f"{self._shipper.failure}; {contact}")
        return Part("link", "degraded" if last_s is None else "ok", contact)


def _vault_part(keeper: VaultKeeper) -> Part:
    if keeper.failure:
        return Part("vault", "degraded", f"it keeps no secrets: {keeper.failure}")
    return Part("vault", "ok", f"redacted secrets are kept in {keeper.vault.file}")


def upstream_parts(errors: UpstreamErrors) -> Iterator[Part]:
    """One for each route whose upstream has failed since the start."""
    for route, error in errors.latest.items():
        age_s = time.monotonic() - error.at_s
        text = f"last error {age_s:.0f} s ago: {error.text}"
        yield Part(f"upstream {route}", "degraded" if age_s < RECENT_S else "ok", text)
