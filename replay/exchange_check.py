"""Checks one recording: its three files are there, and what the metadata says is true of the bytes.

What must hold, in this order; the first thing wrong with a file is its fault:

    metadata    valid by the schema; `completed: true` without error; names, folder and start agree
    both files  as long as `bytes` says, and with that SHA-256 (while the exchange runs: at least that long)
    arrivals    rise, begin at 0, lie inside the file
    framing     of complete exchanges: heads parse, bodies end where they say. Not of what other programs handed in
                through the simple door: those bytes are kept as they were given

Called by verify.py, and for what is to be stored.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from typing import Literal

from replay.log_folder import blocks, read, why
from traffic.capture import metadata, names
from traffic.capture.exchange import RecordedExchange
from traffic.capture.message_check import MessageCheck
from traffic.capture.metadata import Metadata, RequestFields, ResponseFields

State = Literal["complete", "incomplete", "open", "invalid"]


@dataclass(frozen=True, slots=True)
class Fault:
    """`file` is relative to the folder that was checked."""

    file: str
    problem: str


@dataclass(frozen=True, slots=True)
class Checked:
    stem: str
    state: State
    id: str = ""
    bytes: int = 0  # of both `.bin` files
    faults: tuple[Fault, ...] = ()


def check_exchange(root: str, stem: str) -> Checked | None:
    """None where not one of the files is there any more. Never raises for what a file holds or is."""
    try:
        facts = _describe(root, stem)
    except (OSError, ValueError, RecursionError) as error:
        return _without_metadata(root, stem, why(error) if isinstance(error, OSError) else _malformed(error))
    check = _FilesCheck(facts, lambda part: blocks(root + stem + part))
    problems = {names.METADATA: _identity_problem(stem, facts), **check.problems()}
    faults = tuple(Fault(stem + part, problem) for part, problem in problems.items() if problem is not None)
    state: State = "complete" if facts.completed else "incomplete" if facts.error else "open"
    return Checked(stem, state, facts.id, check.bytes, faults)


def problem_with(exchange: RecordedExchange) -> str | None:
    """Why it would be at fault, were it stored as it is: it may come from anybody."""
    facts = exchange.metadata
    data = {names.REQUEST: exchange.request, names.RESPONSE: exchange.response}
    try:
        _refuse_contradiction(facts)
    except ValueError as error:
        return _malformed(error)
    problems = _FilesCheck(facts, lambda part: [data[part]]).problems()
    found = ((part[1:-4], problem) for part, problem in problems.items() if problem is not None)
    return next((f"its {side} {problem}" for side, problem in found), None)


def _describe(root: str, stem: str) -> Metadata:
    facts = metadata.decode(read(root + stem + names.METADATA, metadata.BYTES_MAX))
    _refuse_contradiction(facts)
    return facts


def _refuse_contradiction(facts: Metadata) -> None:
    if facts.completed and facts.error is not None:
        raise ValueError("it says `completed: true` beside an error")


def _malformed(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "is no valid metadata: it is nested too deeply"
    return f"is no valid metadata: {error}"


def _without_metadata(root: str, stem: str, problem: str) -> Checked | None:
    problems = {names.METADATA: problem}
    for part in (names.REQUEST, names.RESPONSE):
        try:
            next(blocks(root + stem + part), b"")
        except OSError as error:
            problems[part] = why(error)
    if set(problems.values()) == {"is missing"} and len(problems) == 3:
        return None
    return Checked(stem, "invalid", faults=tuple(Fault(stem + part, text) for part, text in problems.items()))


def _identity_problem(stem: str, facts: Metadata) -> str | None:
    """Whether the names are those of this exchange."""
    start = facts.started_at.replace("T", "_").replace(":", "-")[:23]
    name = stem[-32:]
    if name[:23] != start:
        return f"it says that the exchange started at {facts.started_at}, its name says {name[:23]}"
    if name[24:] != names.short_id(facts.id) and name[24:] not in names.other_digits(facts.id):
        return f"it is of the exchange {facts.id}, whose digits are not in its name"
    return None


class _FilesCheck:
    """Reads both `.bin` files once, in blocks."""

    def __init__(self, facts: Metadata, blocks_of: Callable[[str], Iterable[bytes]]) -> None:
        self.bytes = 0
        self._blocks_of = blocks_of
        self._facts = facts
        # an upstream's answer without an upstream's URL: both halves came through the simple door
        is_from_door = facts.answered_by == "upstream" and facts.upstream_url is None
        self._judges_framing = facts.completed and not is_from_door

    def problems(self) -> dict[str, str | None]:
        facts = self._facts
        request = MessageCheck() if self._judges_framing else None
        found = {names.REQUEST: self._problem(names.REQUEST, facts.request, request)}
        method = (request.method if request else None) or facts.method
        response = MessageCheck(answers=method) if self._judges_framing else None
        found[names.RESPONSE] = self._problem(names.RESPONSE, facts.response, response)
        if request is not None and response is not None:
            is_tunnel = response.status == 101
            found[names.REQUEST] = found[names.REQUEST] or request.problem(is_tunnel=is_tunnel)
            found[names.RESPONSE] = found[names.RESPONSE] or response.problem() or self._status_problem(response)
        return found

    def _problem(self, part: str, told: RequestFields | ResponseFields, message: MessageCheck | None) -> str | None:
        digest = sha256()
        size = 0
        try:
            for block in self._blocks_of(part):
                size += len(block)
                digest.update(block)
                if message is not None:
                    message.feed(block)
        except OSError as error:
            return why(error)
        self.bytes += size
        return next(self._count_problems(told, size, digest.hexdigest()), None)

    def _count_problems(self, told: RequestFields | ResponseFields, size: int, digest: str) -> Iterator[str]:
        facts = self._facts
        if told.sha256 is not None:
            if size != told.bytes:
                yield f"has {size:,} bytes, where the metadata says {told.bytes:,}"
            if digest != told.sha256:
                yield f"has the SHA-256 {digest}, where the metadata says {told.sha256}"
            yield from _arrival_problems(told.arrivals, size)
        elif facts.completed or (facts.error is not None and told.bytes):
            yield "has no SHA-256 in the metadata, although the exchange has ended"
        elif size < told.bytes:
            yield f"has {size:,} bytes, where the metadata says {told.bytes:,} or more"

    def _status_problem(self, response: MessageCheck) -> str | None:
        if response.status == self._facts.response.status:
            return None
        return f"answers with status {response.status}, where the metadata says {self._facts.response.status}"


def _arrival_problems(arrivals: list[tuple[int, float]], size: int) -> Iterator[str]:
    offsets = [offset for offset, _ in arrivals]
    times = [at_ms for _, at_ms in arrivals]
    if offsets[:1] != ([0] if size else []) or any(one >= two for one, two in pairwise(offsets)):
        yield "has arrivals in the metadata whose offsets do not begin at 0 and rise"
    elif offsets and offsets[-1] >= size:
        yield "has arrivals in the metadata that lie behind its end"
    elif any(one > two for one, two in pairwise(times)):
        yield "has arrivals in the metadata whose times fall"
