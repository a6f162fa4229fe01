"""Makes an LlmCall of the three files of an exchange. Pure, and bounded: whatever bodies hold costs limited time and
memory, and at worst a problem in the `problems` of the call. Called by the index, by tools and by tests.

What no dialect recognises is no call: it stays what it is, plain HTTP.
"""

from collections.abc import Iterable
from hashlib import blake2b
from importlib.metadata import version
from typing import Final, NamedTuple

import msgspec

from traffic.capture.exchange import RecordedExchange
from traffic.capture.metadata import Metadata
from traffic.capture.recording import read_recording
from traffic.llm.answer import MALFORMED, Answer, read_answer, short
from traffic.llm.call import Chunk, Cost, LlmCall
from traffic.llm.dialect import Answered, Asked, Dialect, RequestView
from traffic.llm.pricing import Consumed, ModelPrices, Prices
from traffic.llm.providers import authority_of, find_provider
from traffic.llm.request import read_request
from traffic.llm.sessions import HEADER_SOURCE, named_session
from traffic.llm.timing import timing_of

VERSION: Final = 2  # raised when the same files decode to something else: what is indexed can be decoded anew
BODY_BYTES_MAX: Final = (
    64 * 1024 * 1024
)  # of each file, and of what a compressed body unpacks to: more is not looked at
_COST_USD_MAX: Final = 1_000_000.0  # a report of more is none


class Decoded(NamedTuple):
    call: LlmCall
    chunks: list[Chunk]  # of a streamed answer


class Decoder:
    def __init__(
        self, dialects: Iterable[Dialect], prices: ModelPrices | None = None, registered: Iterable[str] = ()
    ) -> None:
        """`dialects`: the first that matches decodes; `prices` are the configuration's; `registered` tells of dialects
        that are not ours (registry.Registry).
        """
        self._dialects = tuple(dialects)
        self.prices = Prices(prices or {})
        self.fingerprint = _fingerprint(self._dialects, prices or {}, registered)

    def decode(self, raw: RecordedExchange) -> Decoded | None:
        """None: no call to an LLM, as far as the dialects know. Raises nothing, where metadata.decode() has let the
        metadata pass.
        """
        facts, problems = raw.metadata, list[str]()
        view = read_request(facts.method, raw.request[:BODY_BYTES_MAX], BODY_BYTES_MAX, problems)
        dialect = next((each for each in self._dialects if each.matches(view)), None)
        if dialect is None:
            return None
        asked = _asked(dialect, view, problems)
        if facts.answered_by == "recorder" or not raw.response:
            answer = Answer(Answered(ended=False), [], asked.stream)
        else:
            response = read_recording(raw.response[:BODY_BYTES_MAX], facts.method, BODY_BYTES_MAX)
            answer = read_answer(dialect, asked, response, facts.response.arrivals, problems)
        return Decoded(self._call(facts, view, dialect, (asked, answer), problems), answer.chunks)

    def _call(
        self,
        facts: Metadata,
        view: RequestView,
        dialect: Dialect,
        said: tuple[Asked, Answer],
        problems: list[str],
    ) -> LlmCall:
        asked, (answered, chunks, is_stream) = said
        authority = authority_of(facts.upstream_url) if facts.upstream_url else view.headers.get("host", "")
        provider = find_provider(facts.provider, authority, (asked.model, answered.response_model))
        models = (answered.response_model, asked.model)
        cost = _reported(answered)
        if cost is None:
            cost = self.prices.cost(Consumed(answered.usage, provider.name, models, facts.started_at))
        named = named_session(view.headers)
        return LlmCall(
            provider=provider.name,
            provider_source=provider.source,
            dialect=dialect.name,
            operation=dialect.operation,
            model=asked.model,
            response_model=answered.response_model,
            response_id=answered.response_id,
            stream=is_stream,
            parameters=asked.parameters,
            tools=asked.tools,
            input=asked.input,
            output=answered.output,
            finish_reason=answered.finish_reason,
            usage=answered.usage,
            cost=cost,
            timing=timing_of(chunks, answered.usage.output_tokens),
            error=answered.error,
            truncated=not answered.ended,
            problems=tuple(problems),
            session=named or asked.session,
            session_source=HEADER_SOURCE if named else asked.session_source,
            previous_response_id=asked.previous_response_id,
        )


def _asked(dialect: Dialect, view: RequestView, problems: list[str]) -> Asked:
    try:
        return dialect.asked(view)
    except MALFORMED as error:
        problems.append(f"the request cannot be decoded: {short(error)}")
        return Asked()


def _reported(answered: Answered) -> Cost | None:
    usd = answered.reported_cost_usd
    if usd is None or not 0 <= usd <= _COST_USD_MAX:
        return None
    return Cost(float(usd), answered.reported_cost_source or "reported")


def _fingerprint(dialects: tuple[Dialect, ...], prices: ModelPrices, registered: Iterable[str]) -> str:
    """Two decoders with the same one decode the same to the same."""
    facts = (
        VERSION,
        version("genai-prices"),
        [dialect.name for dialect in dialects],
        sorted(registered),
        sorted((model, sorted(price.items())) for model, price in prices.items()),
    )
    return f"{VERSION}-{blake2b(msgspec.json.encode(facts), digest_size=6).hexdigest()}"
