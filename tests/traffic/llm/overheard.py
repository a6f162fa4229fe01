"""A real SDK before a real socket that plays an example's answer, and the files of what both said: a dialect's oracle.

async with Overheard(example) as overheard:
    completion = await openai.AsyncOpenAI(base_url=f"{overheard.url}/v1", ...).chat.completions.create(...)
call = decode(overheard.raw).call
"""

from types import TracebackType
from typing import Self

from msgspec.structs import replace

from tests.e2e.scripted import ScriptedUpstream, answers
from tests.traffic.llm.example import Example, raw
from traffic.capture.exchange import RecordedExchange
from traffic.capture.metadata import RequestFields, request_headers


class Overheard:
    """Plays the example's answer, whatever is asked; one exchange."""

    def __init__(self, example: Example, coding: str = "") -> None:
        self._exchange = raw(example, coding)
        self._upstream = ScriptedUpstream(answers(self._exchange.response))

    async def __aenter__(self) -> Self:
        await self._upstream.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._upstream.__aexit__(kind, error, trace)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._upstream.port}"

    @property
    def raw(self) -> RecordedExchange:
        """With the request as the SDK sent it."""
        (client,) = self._upstream.peers
        request = bytes(client.received)
        line = request.partition(b"\r\n")[0].decode().split(" ")
        facts = self._exchange.metadata
        fields = RequestFields(request_headers(request) or [], len(request), None, facts.request.arrivals)
        facts = replace(facts, method=line[0], upstream_url=f"https://llm.test{line[1]}", request=fields)
        return RecordedExchange(facts, request, self._exchange.response)
