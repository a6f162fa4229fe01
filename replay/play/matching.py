"""Which recording answers a request. The ladder, from the top; the first step that finds one ends it:

    exact     the same method and target, and the same body, however its JSON is spelled
    masked    the same without what is volatile: the built-in masks of its dialect, and the user's (`--ignore`)
    prefix    only with match: prefix. Of the same method and target: the same messages under other parameters; else
              the longest beginning of the conversation, up to an answer of the assistant, that both have, with as
              many answers behind it as the request has, where there is such a recording

Where a step finds several, the same request gets them one after the other, oldest first; `repeat` says what follows
the last. `exact` is one look-up, done by the event loop; the others read files and are done in the player's thread.
"""

from bisect import insort
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar

from replay.json_path import JsonPathError
from replay.masks import masked
from replay.play.library import Entry, Library, age
from replay.play.question import NoDocumentError, Question, key_of, spelled
from replay.play.settings import PlaySettings
from replay.recordings import RecordingError
from traffic.llm.answer import MALFORMED
from traffic.llm.call import LlmCall
from traffic.llm.dialect import Dialect, RequestView
from traffic.llm.request import view_of
from traffic.llm.sessions import SessionFacts, session_facts

How = Literal["exact", "masked", "prefix"]
_Key = TypeVar("_Key")
_Hash = tuple[str, str, int]  # method, target, and a hash of messages


class Candidates(NamedTuple):
    how: How
    key: object  # of the question as this step sees it: what takes turns
    entries: Sequence[Entry]


class Chosen(NamedTuple):
    how: How
    entry: Entry
    turn: int  # which time this is asked, from 1
    of: int  # how many recordings there are of it


class Turns:
    """How often each question was asked."""

    def __init__(self, repeat: Literal["last", "again", "never"]) -> None:
        self._repeat = repeat
        self._asked: dict[object, int] = {}

    def take(self, candidates: Candidates) -> Chosen | None:
        """None: all were played, and none is played twice."""
        turn = self._asked.get(candidates.key, 0)
        self._asked[candidates.key] = turn + 1
        count = len(candidates.entries)
        if turn < count:
            place = turn
        elif self._repeat == "never":
            return None
        else:
            place = turn % count if self._repeat == "again" else count - 1
        return Chosen(candidates.how, candidates.entries[place], turn + 1, count)


class Matcher:
    def __init__(self, library: Library, settings: PlaySettings, dialects: Sequence[Dialect]) -> None:
        self._library = library
        self._match = settings.match
        self._masks = settings.masks
        self._dialects = tuple(dialects)
        self._masked: dict[bytes, list[Entry]] = {}
        self._were_masked: set[Path] = set()
        self._same: dict[_Hash, list[Entry]] = {}  # by all messages
        self._begun: dict[_Hash, list[Entry]] = {}  # by a beginning
        self._answers: dict[Path, int] = {}  # how many each conversation has

    def exact(self, question: Question) -> Candidates | None:
        key = question.key()
        entries = self._library.exact(key)
        return Candidates("exact", key, entries) if entries else None

    # --- in the player's thread

    def find(self, question: Question) -> Candidates | None:
        """All steps, as the library is now."""
        found = self.exact(question)
        if found is None and self._match != "exact":
            found = self._find_masked(question)
        if found is None and self._match == "prefix":
            found = self._find_prefix(question)
        return found

    def masked_document(self, question: Question) -> object:
        """Raises NoDocumentError."""
        document = question.document()
        dialect = self._dialect(_view(question))
        try:
            return masked(document, self._masks.paths(dialect.name if dialect else None, "request"))
        except JsonPathError as error:
            raise NoDocumentError(str(error)) from None

    def _find_masked(self, question: Question) -> Candidates | None:
        self._mask_library()
        spelling = self._masked_spelling(question)
        if spelling is None:
            return None
        key = key_of(question.method, question.target, spelling)
        entries = self._masked.get(key)
        return Candidates("masked", (b"masked", key), entries) if entries else None

    def _mask_library(self) -> None:
        for entry, question in self._unread(self._were_masked):
            self._were_masked.add(entry.path)
            spelling = self._masked_spelling(question) if question is not None else None
            if spelling is not None:
                for target in entry.targets:
                    _add(self._masked, key_of(entry.method, target, spelling), entry)

    def _unread(self, known: Collection[Path]) -> Iterator[tuple[Entry, Question | None]]:
        """The library's entries that are new, and what was asked; None: it was deleted meanwhile."""
        if len(known) == len(self._library.entries):
            return  # a look at each of many would take longer than the answer
        for entry in self._library.entries:
            if entry.path not in known:
                try:
                    yield entry, entry.question()
                except RecordingError:
                    yield entry, None

    def _masked_spelling(self, question: Question) -> bytes | None:
        try:
            return spelled(self.masked_document(question))
        except NoDocumentError:
            return None

    def _find_prefix(self, question: Question) -> Candidates | None:
        self._read_conversations()
        facts = self._conversation(question)
        if facts is None or facts.request_hash is None:
            return None
        place = question.method, question.target
        same = self._same.get((*place, facts.request_hash))
        if same:
            return Candidates("prefix", (b"same", *place, facts.request_hash), same)
        answers = len(facts.prefixes)
        for prefix in facts.prefixes:
            begun = self._begun.get((*place, prefix.answer_hash), [])
            entries = [entry for entry in begun if self._answers[entry.path] == answers] or begun
            if entries:
                return Candidates("prefix", (b"begun", *place, prefix.answer_hash, answers), entries)
        return None

    def _read_conversations(self) -> None:
        for entry, question in self._unread(self._answers):
            facts = self._conversation(question) if question is not None else None
            self._answers[entry.path] = len(facts.prefixes) if facts is not None else 0
            if facts is None or facts.request_hash is None:
                continue
            for target in entry.targets:
                _add(self._same, (entry.method, target, facts.request_hash), entry)
                for prefix in facts.prefixes:
                    _add(self._begun, (entry.method, target, prefix.answer_hash), entry)

    def _conversation(self, question: Question) -> SessionFacts | None:
        view = _view(question)
        dialect = self._dialect(view)
        if dialect is None:
            return None
        try:
            asked = dialect.asked(view)
        except MALFORMED:
            return None
        return session_facts(LlmCall(dialect=dialect.name, operation=dialect.operation, input=asked.input))

    def _dialect(self, view: RequestView) -> Dialect | None:
        return next((each for each in self._dialects if each.matches(view)), None)


def _add(index: dict[_Key, list[Entry]], key: _Key, entry: Entry) -> None:
    insort(index.setdefault(key, []), entry, key=age)


def _view(question: Question) -> RequestView:
    try:
        document = question.document()
    except NoDocumentError:
        document = None
    return view_of(question.head, question.method, document)
