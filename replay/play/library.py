"""The recordings that are played: in memory a digest and a few words of each, and of those played last their bytes.

What can be played is an exchange that has ended, with a whole request and an answer. It is found under the target that
its client gave the recorder, and under the one that went upstream. `refresh` reads a folder, and what has come into one
that grows. Everything that reads files runs in one thread of the player's, and what it changes is
complete before it can be seen: the event loop only looks up.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from replay.log_folder import list_folder
from replay.play.question import Question, key_of, recorded_targets
from replay.play.score import Score, score_of
from replay.recordings import RecordingError, read_exchange
from traffic.capture import names
from traffic.capture.exchange import RecordedExchange
from traffic.capture.metadata import Metadata
from traffic.http1.framing import FramingError
from traffic.http1.head import HeadError, RequestHead
from traffic.http1.limits import UNLIMITED
from traffic.http1.message import END, RequestReader

SCORES_BYTES_MAX: Final = 64 * 1024 * 1024
_PIECE_BYTES: Final = 200  # what one takes in memory beside its bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """One recording."""

    path: Path  # what the names of its files begin with
    id: str
    started_at: str
    method: str
    targets: tuple[str, ...]
    body_bytes: int  # of the request, without framing and compression

    def read(self) -> RecordedExchange:
        """Raises RecordingError."""
        return read_exchange(self.path)

    def question(self) -> Question:
        """Raises RecordingError."""
        found = question_of(self.read())
        if found is None:
            raise RecordingError(f"{self.path}: its request is not whole any more")
        return found


class Library:
    def __init__(self, folder: Path, *, with_recorders_own: bool = True) -> None:
        """`with_recorders_own`: also answers that were the recorder's, as where it reached no upstream."""
        self.folder = folder
        self._with_recorders_own = with_recorders_own
        self.entries: list[Entry] = []  # oldest first
        self.unplayable = 0
        self._was_read = False
        self._stems: set[str] = set()
        self._by_key: dict[bytes, tuple[Entry, ...]] = {}
        self._scores: OrderedDict[Path, Score] = OrderedDict()
        self._scores_bytes = 0
        self._lock = threading.Lock()  # of the scores

    def refresh(self, tell: Callable[[int, int], None] | None = None) -> int:
        """Take up what has come into the folder; how many exchanges that have ended. Raises OSError. `tell` hears how
        many were read, and of how many.
        """
        new = [stem for stem in list_folder(self.folder, None).stems if stem not in self._stems]
        if self._was_read:  # what comes without metadata is still being written; what was there is another recorder's
            new = [stem for stem in new if (self.folder / f"{stem}{names.METADATA}").exists()]
        self._was_read = True
        known, added = len(self._stems), list[Entry]()
        by_key: dict[bytes, list[Entry]] = {}
        for place, stem in enumerate(new):
            if tell is not None:
                tell(place, len(new))
            try:
                exchange = read_exchange(self.folder / stem)
            except RecordingError:
                continue  # it is being written, or deleted: the next look tells
            if exchange.metadata.request.sha256 is not None:  # else it is still being recorded
                self._stems.add(stem)
                question = question_of(exchange) if self._has_an_answer(exchange) else None
                if question is None:
                    self.unplayable += 1
                    continue
                entry = _entry(self.folder / stem, exchange.metadata, question)
                added.append(entry)
                spelling = question.spelling()
                for target in entry.targets:
                    by_key.setdefault(key_of(entry.method, target, spelling), []).append(entry)
        self.entries = sorted([*self.entries, *added], key=age)
        for key, entries in by_key.items():
            self._by_key[key] = tuple(sorted((*self._by_key.get(key, ()), *entries), key=age))
        return len(self._stems) - known

    def _has_an_answer(self, exchange: RecordedExchange) -> bool:
        return bool(exchange.response) and (self._with_recorders_own or exchange.metadata.answered_by != "recorder")

    def exact(self, key: bytes) -> tuple[Entry, ...]:
        """Those of the same question, oldest first."""
        return self._by_key.get(key, ())

    def at(self, method: str, target: str) -> list[Entry]:
        return [entry for entry in self.entries if entry.method == method and target in entry.targets]

    def score_at_hand(self, entry: Entry) -> Score | None:
        """Without reading a file."""
        with self._lock:
            score = self._scores.get(entry.path)
            if score is not None:
                self._scores.move_to_end(entry.path)
            return score

    def score(self, entry: Entry) -> Score:
        """Raises RecordingError."""
        score = self.score_at_hand(entry)
        if score is None:
            score = score_of(entry.read())
            self._keep(entry, score)
        return score

    def _keep(self, entry: Entry, score: Score) -> None:
        cost = _cost(score)
        if cost > SCORES_BYTES_MAX // 4:
            return
        with self._lock:
            self._scores[entry.path] = score
            self._scores_bytes += cost
            while self._scores_bytes > SCORES_BYTES_MAX:
                _, oldest = self._scores.popitem(last=False)
                self._scores_bytes -= _cost(oldest)


def _entry(path: Path, facts: Metadata, question: Question) -> Entry:
    targets = recorded_targets(question.head)
    return Entry(path, facts.id, facts.started_at, question.method, targets, len(question.content))


def question_of(exchange: RecordedExchange) -> Question | None:
    """None: the recorded request is not whole, or no request."""
    reader = RequestReader(UNLIMITED)
    try:
        events = reader.feed(exchange.request)
    except (HeadError, FramingError):
        return None
    if not events or not isinstance(events[0], RequestHead):
        return None
    head = events[0]
    if events[-1] is not END:
        return None
    return Question(head, b"".join(event for event in events if isinstance(event, bytes)))


def age(entry: Entry) -> tuple[str, str]:
    """By which entries are sorted."""
    return entry.started_at, entry.id


def _cost(score: Score) -> int:
    return score.size + _PIECE_BYTES * len(score.pieces)
