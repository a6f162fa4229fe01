"""What an exchange's own messages say of where it comes from: hashes by which those that it continues are found, and by
which others find it. Called by entry.py; lineage.py looks them up.
"""

from hashlib import blake2b
from typing import NamedTuple

from traffic.llm.call import LlmCall
from traffic.llm.sessions import NAME_CHARACTERS_MAX, Prefix, session_facts


class Origin(NamedTuple):
    request_hash: int | None = None
    answer_hash: int | None = None
    base_hash: int | None = None  # of its direct parent's messages, or of the response that it names
    prefixes: tuple[Prefix, ...] = ()  # the longest first
    previous_response_id: str | None = None


UNKNOWN = Origin()


def origin_of(call: LlmCall, session: str | None, key: str | None) -> Origin:
    """`session`: the name that the client gave, `key`: that of the key which it brought. Exchanges of one session, and
    those of one key without a session, continue each other only: many users begin with the same words, and get the same
    answer. So that name is part of the hashes.
    """
    _, _, previous, request_hash, answer_hash, prefixes = session_facts(call)
    whose = f"session {session}" if session is not None else f"key {key}" if key is not None else None
    if whose is not None:
        salt = hash_of(whose)
        prefixes = tuple(
            each._replace(request_hash=each.request_hash ^ salt, answer_hash=each.answer_hash ^ salt)
            for each in prefixes
        )
        request_hash = request_hash ^ salt if request_hash is not None else None
        answer_hash = answer_hash ^ salt if answer_hash is not None else None
    base_hash = prefixes[0].request_hash if prefixes else None
    if previous is not None:
        previous = previous[:NAME_CHARACTERS_MAX]
        base_hash = hash_of(previous)
    return Origin(request_hash, answer_hash, base_hash, prefixes, previous)


def hash_of(text: str) -> int:
    return int.from_bytes(blake2b(text.encode("utf-8", "replace"), digest_size=8).digest(), "big", signed=True)
