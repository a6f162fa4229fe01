"""Keeps the secrets that redaction replaces (`capture.vault`), off the data path.

`redactor_for` gives the redactor of what goes to one upstream: it tells of each secret of a request, and one that was
not told of within REFRESH_S goes to a thread that writes the vault. Rules: a vault that cannot be written costs no
request and no recording; that is logged once, shown in `/health/detailed`, and tried again. What waits, and what is
remembered, is bounded. Called by the transcript.
"""

import functools
import logging
import queue
import threading
import time

from traffic.capture.events import Redaction
from traffic.capture.redact import Redactor
from traffic.capture.vault import SECRETS_MAX, Sighting, Vault, VaultError

REFRESH_S = 3600.0  # how exact the vault's `last seen` is
RETRY_S = 10.0  # after a failure
WAITING_MAX = 256
SECRET_BYTES_MAX = 16 * 1024  # far beyond any credential; a longer one is not kept

log = logging.getLogger(__name__)


class VaultKeeper:
    def __init__(self, vault: Vault, redaction_key: bytes) -> None:
        self.vault = vault
        self.failure: str | None = None  # why the vault takes nothing at the moment
        self._redaction_key = redaction_key
        self._redactors: dict[str, Redactor] = {}  # by origin: there are as many as upstreams
        self._due_s: dict[tuple[str, str], float] = {}  # when a placeholder, with its origin, is to be written again
        self._waiting: queue.SimpleQueue[Sighting | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="vault", daemon=True)
        self._thread.start()

    def redactor_for(self, origin: str) -> Redactor:
        """For what goes to the upstream with that scheme, host and port, as traffic.capture.vault.origin_of has it."""
        redactor = self._redactors.get(origin)
        if redactor is None:
            redactor = self._redactors[origin] = Redactor(self._redaction_key, functools.partial(self._notice, origin))
        return redactor

    def stop(self, deadline_s: float) -> None:
        """Write what waits."""
        self._waiting.put(None)
        self._thread.join(deadline_s)

    def _notice(self, origin: str, redaction: Redaction, secret: bytes) -> None:
        if not redaction.where.startswith("request."):  # no replay sends what an upstream sets
            return
        now_s, known = time.time(), (redaction.placeholder, origin)
        if now_s < self._due_s.get(known, 0.0):
            return
        if self._waiting.qsize() >= WAITING_MAX or len(secret) > SECRET_BYTES_MAX:
            return
        if len(self._due_s) >= SECRETS_MAX:
            self._due_s.clear()
        self._due_s[known] = now_s + REFRESH_S
        self._waiting.put(Sighting(redaction.placeholder, origin, redaction.where, secret, int(now_s)))

    def _run(self) -> None:
        while (first := self._waiting.get()) is not None:
            sightings, is_last = [first], False
            while not self._waiting.empty():
                following = self._waiting.get()
                if following is None:
                    is_last = True
                    break
                sightings.append(following)
            self._write(sightings)
            if is_last:
                return

    def _write(self, sightings: list[Sighting]) -> None:
        try:
            self.vault.keep(sightings)
        except VaultError as error:
            if self.failure is None:
                log.error("the vault keeps no secrets: %s; recordings go on without", error)
            self.failure = str(error)
            for each in sightings:
                self._due_s[each.placeholder, each.origin] = time.time() + RETRY_S
        else:
            self.failure = None
