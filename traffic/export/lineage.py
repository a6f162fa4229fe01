"""Which exchange of an export an exchange continues, and the session it belongs to, as the index finds it.

    its client named the session        that is its session
    it names a response it continues    the exchange with that response is its parent
    else it repeats a conversation      its parent is the latest exchange whose messages are the longest beginning of
                                        its own; of those with one name, or of one client's key, only
    none of these                       it is the first of a session of its own, which has its id for a name

Parents come before what continues them: an export is in the order of time. About 500 bytes of memory per call. One
made by each format that tells of sessions.
"""

from typing import NamedTuple

from traffic.capture.metadata import Metadata
from traffic.export.spans import Place
from traffic.llm.call import LlmCall
from traffic.llm.sessions import Prefix, session_facts


class _Known(NamedTuple):
    id: str
    session: str


_Whose = tuple[str, str | None]  # a session's name, or a key's


class Lineage:
    def __init__(self) -> None:
        self._by_messages: dict[tuple[_Whose, int], _Known] = {}
        self._by_answer: dict[tuple[_Whose, int, int], _Known] = {}  # messages and what was answered
        self._by_response: dict[str, _Known] = {}

    def place(self, facts: Metadata, call: LlmCall) -> Place:
        found = session_facts(call)
        whose = ("session", call.session) if call.session is not None else ("key", facts.key)
        parent = self._by_response.get(found.previous_response_id or "") or self._repeated(whose, found.prefixes)
        session = call.session or (parent.session if parent is not None else facts.id)
        known = _Known(facts.id, session)
        if found.request_hash is not None:
            self._by_messages[whose, found.request_hash] = known
            if found.answer_hash is not None:
                self._by_answer[whose, found.request_hash, found.answer_hash] = known
        if call.response_id:
            self._by_response[call.response_id] = known
        return Place(session, parent.id if parent is not None else None)

    def _repeated(self, whose: _Whose, prefixes: tuple[Prefix, ...]) -> _Known | None:
        for request_hash, answer_hash, *_ in prefixes:
            known = self._by_answer.get((whose, request_hash, answer_hash)) or self._by_messages.get(
                (whose, request_hash)
            )
            if known is not None:
                return known
        return None
