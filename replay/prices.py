"""What a replay costs: expected by what its recording cost, and found by what the answer tells.

Called by the commands that replay, where a limit is to be kept or a user to be asked.
"""

from msgspec.structs import replace

from replay.preparation import Prepared
from replay.sender import IDEMPOTENT
from traffic.capture.exchange import RecordedExchange
from traffic.capture.metadata import Metadata
from traffic.llm.call import LlmCall
from traffic.llm.decode import Decoder
from traffic.llm.pricing import Consumed
from traffic.llm.providers import authority_of, find_provider


def charges(reaches: str) -> bool:
    """Whether a provider that is known for being paid answers at that origin."""
    return find_provider(None, authority_of(reaches), ()).name is not None


def is_paid(prepared: Prepared) -> bool:
    """Whether each sending of it is charged for."""
    return prepared.request.method not in IDEMPOTENT and charges(prepared.reaches)


class ReplayPrices:
    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder

    def expected_usd(self, exchange: RecordedExchange, prepared: Prepared) -> float | None:
        """What the tokens of the recording cost where the request goes now, with the model that it asks for now. None:
        nobody knows.
        """
        recorded = self._call(exchange)
        facts = _at(exchange.metadata, prepared.reaches)
        edited = self._call(RecordedExchange(facts, prepared.request.data, exchange.response))
        if recorded is None or edited is None:
            return None
        if (recorded.model, recorded.provider) == (edited.model, edited.provider):
            cost = recorded.cost
        else:
            consumed = Consumed(recorded.usage, edited.provider, (edited.model,), facts.started_at)
            cost = self._decoder.prices.cost(consumed)
        return cost.usd if cost is not None else None

    def found_usd(self, sent: RecordedExchange, reaches: str) -> float | None:
        """Of what was answered. Nobody charges for a request that did not arrive, or for a refusal."""
        error, status = sent.metadata.error, sent.metadata.response.status
        if (error is not None and error.phase == "connect") or (error is None and (status or 0) >= 400):
            return 0.0
        call = self._call(sent._replace(metadata=_at(sent.metadata, reaches)))
        return call.cost.usd if call is not None and call.cost is not None else None

    def _call(self, exchange: RecordedExchange) -> LlmCall | None:
        decoded = self._decoder.decode(exchange)
        return decoded.call if decoded is not None else None


def _at(facts: Metadata, reaches: str) -> Metadata:
    """As if it had been recorded there; only the recorded place has the provider that its route named."""
    is_same = facts.upstream_url is not None and authority_of(facts.upstream_url) == authority_of(reaches)
    return replace(facts, upstream_url=reaches, provider=facts.provider if is_same else None)
