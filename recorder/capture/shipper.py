"""Ships journals to the ingest server, in one thread: from the acknowledged offset on, forever, at least once.

    PUT /v1/journals/{journal}/{offset}     body: the journal's bytes from there; X-Journal-Oldest: the oldest held;
                                            X-Recorder-Status: what the recorder tells of itself;
                                            Authorization: the link key, where there is one
    200 {"next": N, "stored": M}            go on at N; everything below M is in files and may be deleted here
    409 {"next": N, "stored": M}            that offset was not the one wanted: go on at N, or at the oldest held
    401                                     the link key is refused: say so once, and try again as below
    422, or 200 with N the offset of PUT    the frame there is damaged: go on behind it, which leaves a gap record
    anything else, or no answer             try again, with jittered backoff of at most 2 s

The bytes go from the file to the socket by sendfile where the system can. Journals left behind by earlier runs come
first. Where there is nothing to ship, a PUT without a body each few seconds tells the recorder's status all the same.
"""

import contextlib
import http
import http.client
import json
import logging
import random
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import BinaryIO
from urllib.parse import urlsplit

from recorder.relay.tls import link_context, tls_problem
from recorder.settings import Capture
from traffic.capture import status as recorder_status

from .journal import Journal

BATCH_BYTES = 8 * 1024 * 1024
INTERVAL_S = 0.05  # between batches, so that small exchanges share one
BACKOFF_S_MAX = 2.0
CONNECT_TIMEOUT_S = 5.0
REPLY_TIMEOUT_S = 30.0
IDLE_WAIT_S = 1.0
REPLY_BYTES_MAX = 64 * 1024
SHOWN_CHARACTERS_MAX = 200  # of an answer that is not understood
TELL_INTERVAL_S = 3.0  # while there is nothing to ship

log = logging.getLogger(__name__)


class Shipper:
    def __init__(self, settings: Capture, live: Journal, left_behind: list[Journal]) -> None:
        parts = urlsplit(settings.server_url)
        self._settings = settings
        self._is_tls = parts.scheme == "https"
        self._host = parts.hostname or "localhost"
        self._port = parts.port or (443 if self._is_tls else 80)
        self._base = parts.path.rstrip("/")
        self._live = live
        self._connection: http.client.HTTPConnection | None = None
        self._in_use: socket.socket | None = None  # while an answer is awaited
        self._stop_at: float | None = None
        self._oldest = 0  # what lies before it in the journal being shipped is damaged
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="shipper", daemon=True)
        self.status: Callable[[], recorder_status.RecorderStatus] | None = None  # to tell in each PUT
        self.last_contact_s: float | None = None  # time.monotonic() of the server's last answer
        self.failure: str | None = None  # why the link does not work at the moment
        self._is_refused = False  # for want of the right link key, since it last took something
        self.waiting_journals = left_behind  # each leaves when it is stored

    def configure(self, settings: Capture) -> None:
        """From now on, `server_url` apart."""
        self._settings = settings

    @property
    def left_behind_bytes(self) -> int:
        return sum(journal.bytes_on_disk for journal in self.waiting_journals)

    @property
    def waiting_bytes(self) -> int:
        """In all journals, not yet stored."""
        return self._live.unstored_bytes + sum(journal.unstored_bytes for journal in list(self.waiting_journals))

    @property
    def oldest_waiting_s(self) -> float | None:
        """How long the oldest of these bytes has waited."""
        ages_s = [journal.oldest_unstored_s for journal in [self._live, *self.waiting_journals]]
        return max((age_s for age_s in ages_s if age_s is not None), default=None)

    def start(self) -> None:
        self._thread.start()

    def stop(self, deadline_s: float) -> None:
        """Ship what is there, for at most `deadline_s` and only while the server answers; blocks.

        Where it takes no connection, up to CONNECT_TIMEOUT_S longer.
        """
        self._stop_at = time.monotonic() + deadline_s
        self._wake.set()
        self._live.wake()
        self._thread.join(deadline_s)
        in_use = self._in_use
        if in_use is not None:  # what is awaited does not come
            with contextlib.suppress(OSError):
                in_use.shutdown(socket.SHUT_RDWR)
        self._thread.join()

    def _run(self) -> None:
        for journal in list(self.waiting_journals):
            try:
                journal.recover()
                if not journal.is_closed:
                    journal.close("recorder_crash")
                if self._ship(journal):
                    journal.delete()
                    self.waiting_journals.remove(journal)
            except OSError as error:
                log.error("the journal %s of an earlier run cannot be shipped: %s", journal.id, error)
        if self._ship(self._live):
            self._live.delete()
        if self._connection is not None:
            self._connection.close()

    def _ship(self, journal: Journal) -> bool:
        """Until a closed journal is stored (True), or it is time to stop (False)."""
        offset, stored, backoff_s = journal.oldest, -1, 0.05
        self._oldest = 0
        is_agreed = False  # a PUT without body asks where to go on, so that no large body is sent in vain
        refused_at = -1
        while True:
            available = journal.wait_beyond(offset, 0.0 if self._stop_at else IDLE_WAIT_S)
            if journal.is_closed and stored >= journal.end:
                return True
            if self._is_late() or (self._stop_at and self.failure):
                return False
            if not available and stored >= offset and (self._stop_at or not self._is_time_to_tell()):
                if self._stop_at:  # all that there is has been stored; nobody closes this journal any more
                    return False
                continue
            sent_at, sent_bytes = offset, available if is_agreed else 0
            try:
                status, reply = self._put(journal, offset, sent_bytes)
                if status in (200, 409):
                    offset, stored = self._take_reply(journal, reply)
            except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
                self._note_failure(_shown(self._in_words(error)))
                is_agreed = False
                backoff_s = self._back_off(backoff_s)
                continue
            # Without a whole frame in all that was sent, the length of the first is damaged.
            if status == 422 or (status == 200 and sent_bytes and offset == sent_at):
                if offset == refused_at:  # asked again, the server wants nothing before it
                    offset = self._skip_damage(journal, offset)
                    refused_at = -1
                else:
                    refused_at = offset
                is_agreed = False
                continue
            if status not in (200, 409):
                self._note_answer(status, _shown(reply.decode("utf-8", "replace")))
                backoff_s = self._back_off(backoff_s)
                continue
            self.failure, backoff_s, is_agreed, self._is_refused = None, 0.05, True, False
            self._wake.wait(INTERVAL_S)

    def _skip_damage(self, journal: Journal, offset: int) -> int:
        behind = journal.behind_damage(offset)
        log.error("the journal %s is damaged: its bytes %d to %d are lost", journal.id, offset, behind)
        self._oldest = behind
        if journal.is_closed and behind == journal.end:  # its end was in there
            journal.is_closed = False
            journal.close("recorder_crash")
        return behind

    def _take_reply(self, journal: Journal, reply: bytes) -> tuple[int, int]:
        answer = json.loads(reply)
        following, stored = int(answer["next"]), int(answer["stored"])
        if following > journal.end:  # this journal lost its tail after the server had it
            journal.is_closed = False
            journal.close("recorder_crash", at=following)
        journal.delete_below(stored)
        return max(following, journal.oldest), stored

    def _put(self, journal: Journal, offset: int, available: int) -> tuple[int, bytes]:
        count = 0
        file: BinaryIO | None = None
        if available:
            file, position, held = journal.open_at(offset)
            count = min(available, held, BATCH_BYTES)
        connection, self._connection = self._connection, None  # it comes back when the exchange on it is whole
        if connection is not None and _is_readable(connection.sock):  # the server has ended it, unused for too long
            connection.close()
            connection = None
        try:
            if connection is None:
                connection = self._new_connection()
                connection.connect()
                connection.sock.settimeout(REPLY_TIMEOUT_S)
            self._in_use = connection.sock
            connection.putrequest("PUT", f"{self._base}/v1/journals/{journal.id}/{offset}", skip_accept_encoding=True)
            connection.putheader("Content-Length", str(count))
            connection.putheader("Content-Type", "application/octet-stream")
            connection.putheader("X-Journal-Oldest", str(max(journal.oldest, self._oldest)))
            if self._settings.link_key is not None:
                connection.putheader("Authorization", f"Bearer {self._settings.link_key}")
            if self.status is not None:
                connection.putheader(recorder_status.HEADER, recorder_status.encode(self.status()))
            connection.endheaders()
            if file is not None:
                connection.sock.sendfile(file, position, count)
            response = connection.getresponse()
            reply = response.read(REPLY_BYTES_MAX)
        except BaseException:
            if connection is not None:
                connection.close()
            raise
        finally:
            self._in_use = None
            if file is not None:
                file.close()
        if response.will_close or not response.isclosed():  # not at its end
            connection.close()
        else:
            self._connection = connection
        self.last_contact_s = time.monotonic()
        return response.status, reply

    def _new_connection(self) -> http.client.HTTPConnection:
        if not self._is_tls:
            return http.client.HTTPConnection(self._host, self._port, timeout=CONNECT_TIMEOUT_S)
        trust = link_context(self._settings.server_ca)  # read for each connection: it may have been renewed
        return http.client.HTTPSConnection(self._host, self._port, timeout=CONNECT_TIMEOUT_S, context=trust)

    def _in_words(self, error: Exception) -> str:
        if isinstance(error, ssl.SSLError):
            hint = "; capture.server_ca names its authority" if isinstance(error, ssl.SSLCertVerificationError) else ""
            return f"no TLS with it: {tls_problem(error)}{hint}"
        return f"{type(error).__name__}: {error}"

    def _note_answer(self, status: int, text: str) -> None:
        if status != http.HTTPStatus.UNAUTHORIZED:
            self._note_failure(f"it answered {status}: {text}")
            return
        has_key = self._settings.link_key is not None
        problem = (
            "capture.link_key is refused" if has_key else "a link key is asked for, and capture.link_key is not set"
        )
        if not self._is_refused:  # whatever failed before it
            log.error(
                "%s: the ingest server at %s answered: %s; recordings wait in the journal",
                problem,
                self._settings.server_url,
                text,
            )
        self._is_refused, self.failure = True, f"{problem}: {text}"

    def _note_failure(self, problem: str) -> None:
        if self.failure is None:
            log.warning(
                "the ingest server at %s takes no recordings (%s); they wait in the journal",
                self._settings.server_url,
                problem,
            )
        self.failure = problem

    def _back_off(self, backoff_s: float) -> float:
        self._wake.wait(backoff_s * random.uniform(0.5, 1.0))  # noqa: S311 jitter is no secret
        return min(backoff_s * 2, BACKOFF_S_MAX)

    def _is_time_to_tell(self) -> bool:
        last_s = self.last_contact_s
        return self.status is not None and (last_s is None or time.monotonic() - last_s >= TELL_INTERVAL_S)

    def _is_late(self) -> bool:
        return self._stop_at is not None and time.monotonic() >= self._stop_at


def _is_readable(sock: socket.socket) -> bool:
    """Whether something came that nobody asked for, such as the end."""
    with selectors.DefaultSelector() as selector:
        selector.register(sock, selectors.EVENT_READ)
        return bool(selector.select(0))


def _shown(text: str) -> str:
    """What a message may quote of what the server sent: one line, the beginning."""
    text = " ".join(text.split())
    text = "".join(character if character.isprintable() else "?" for character in text)
    return text if len(text) <= SHOWN_CHARACTERS_MAX else f"{text[:SHOWN_CHARACTERS_MAX]}…"
