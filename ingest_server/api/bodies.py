"""What one exchange said, from its files: the request and the response as stored or decoded, and a stream's events.

Called for the paths below /v1/exchanges/{ref}.
"""

import itertools
from collections.abc import Awaitable, Callable
from functools import partial
from typing import BinaryIO, Final

import msgspec
from aiohttp import web

from ingest_server.api import parameters
from ingest_server.api.parameters import DECODED, EVENTS_LIMIT, EVENTS_START
from ingest_server.api.recordings import Recordings
from ingest_server.api.sending import BYTES, Sender, harmless
from ingest_server.index.reference import Found
from traffic.capture import names
from traffic.capture.metadata import Metadata
from traffic.capture.recording import Recording, read_recording
from traffic.llm.decode import BODY_BYTES_MAX
from traffic.llm.streams import Framing, stream_of

EVENTS: Final = 10_000  # where nobody says how many
_PROBLEM_CHARACTERS_MAX: Final = 500

_encode = msgspec.json.Encoder().encode


class StreamEvent(msgspec.Struct, frozen=True):
    at_ms: float | None  # when its last byte arrived, since the exchange's start
    event: str | None  # the name that the stream gives it
    id: str | None
    data: str
    is_whole: bool  # False: the recording ends inside


class StreamEvents(msgspec.Struct, frozen=True):
    framing: Framing | None  # None: the response is no stream of events
    events: list[StreamEvent]
    next: int | None  # the `start` of the next page
    problems: list[str]  # what could not be read of the response, in words


class Bodies:
    def __init__(
        self,
        recordings: Recordings,
        sender: Sender,
        find: Callable[[web.Request], Awaitable[Found]],
    ) -> None:
        """`find` names the exchange that a path means; raises AnswerError."""
        self._recordings = recordings
        self._threads = sender.threads
        self._sender = sender
        self._find = find

    async def request(self, request: web.Request) -> web.StreamResponse:
        return await self._send(request, names.REQUEST)

    async def response(self, request: web.Request) -> web.StreamResponse:
        return await self._send(request, names.RESPONSE)

    async def _send(self, request: web.Request, part: str) -> web.StreamResponse:
        is_decoded = parameters.read(request, (DECODED,)).get("decoded", False)
        found = await self._find(request)
        if is_decoded:
            return await self._send_decoded(request, found.stem, part)
        file, size = await self._threads.run(partial(self._recordings.open, found.stem, part))
        return await self._sender.send(request, file, size, _headers(found.stem, part, BYTES))

    async def _send_decoded(self, request: web.Request, stem: str, part: str) -> web.StreamResponse:
        async with self._threads.holding_a_recording():
            content, size, headers = await self._threads.run(partial(self._decoded, stem, part))
        return await self._sender.send(request, content, size, headers)

    def _decoded(self, stem: str, part: str) -> tuple[BinaryIO, int, dict[str, str]]:
        recording = self._decode(stem, part)
        headers = _headers(stem, part.removesuffix(".bin"), harmless(recording.content_type))
        if recording.problems:
            problem = ascii("; ".join(recording.problems))[1:-1]
            headers["X-Recording-Problem"] = problem[:_PROBLEM_CHARACTERS_MAX]
        return self._sender.put_aside(recording.content), len(recording.content), headers

    async def events(self, request: web.Request) -> web.Response:
        asked = parameters.read(request, (EVENTS_LIMIT, EVENTS_START))
        found = await self._find(request)
        start, limit = asked.get("start", 0), asked.get("limit", EVENTS)
        async with self._threads.holding_a_recording():
            body = await self._threads.run(partial(self._events, found.stem, start, limit))
        return web.Response(body=body, content_type="application/json")

    def _events(self, stem: str, start: int, limit: int) -> BinaryIO:
        return self._sender.put_aside(_encode(self._found_events(stem, start, limit)))

    def _found_events(self, stem: str, start: int, limit: int) -> StreamEvents:
        facts, _ = self._recordings.metadata(stem)
        recording = self._decode(stem, names.RESPONSE, facts)
        stream = stream_of(facts, recording)
        problems = list(recording.problems)
        if stream is None:
            return StreamEvents(None, [], None, problems)
        found = list(itertools.islice(stream.events, start, start + limit + 1))
        events = [
            StreamEvent(event.at_ms, event.name, event.id, event.data.decode("utf-8", "replace"), event.is_whole)
            for event in found[:limit]
        ]
        return StreamEvents(stream.framing, events, start + limit if len(found) > limit else None, problems)

    def _decode(self, stem: str, part: str, facts: Metadata | None = None) -> Recording:
        facts = facts or self._recordings.metadata(stem)[0]
        raw = self._recordings.read(stem, part, BODY_BYTES_MAX)
        return read_recording(raw, facts.method, BODY_BYTES_MAX)


def _headers(stem: str, ending: str, content_type: str) -> dict[str, str]:
    name = stem.replace("\\", "/").rpartition("/")[2] + ending
    return {"Content-Type": content_type, "Content-Disposition": f'attachment; filename="{name}"'}
