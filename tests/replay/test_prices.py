"""replay/prices.py: what a replay is expected to cost, and what it turned out to."""

import json

import pytest
from msgspec.structs import replace

from replay.preparation import Prepared
from replay.prices import ReplayPrices, charges
from replay.sender import Request
from traffic.capture import foreign
from traffic.capture.exchange import RecordedExchange
from traffic.capture.metadata import ErrorFields
from traffic.llm.decode import Decoder
from traffic.llm.dialects import BUILT_IN

OPENAI = "https://api.openai.com"
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
OWN = {"our-own": {"input": 10.0, "output": 20.0}}
PRICES = ReplayPrices(Decoder(BUILT_IN, OWN))


def request(model: str) -> bytes:
    body = json.dumps({"model": model, "messages": []}).encode()
    return HEAD % len(body) + body


def exchange(
    model: str = "gpt-4o", upstream: str | None = OPENAI, status: int = 200, **usage: object
) -> RecordedExchange:
    """With 1,000 output tokens, unless `usage` is given."""
    told = usage or {"prompt_tokens": 0, "completion_tokens": 1000, "total_tokens": 1000}
    body = json.dumps({"object": "chat.completion", "model": model, "choices": [], "usage": told}).encode()
    response = b"HTTP/1.1 %d -\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)
    facts = foreign.describe(request(model), response, 1_789_265_469_000_000_000)
    return RecordedExchange(replace(facts, upstream_url=upstream), request(model), response)


def prepared(model: str, reaches: str = OPENAI) -> Prepared:
    return Prepared(Request("a", 80, False, "POST", request(model)), "http://a/", reaches, [])


@pytest.mark.parametrize(
    ("recorded", "sent", "expected"),
    [
        (exchange(), prepared("gpt-4o"), 0.01),
        (exchange(), prepared("gpt-4o-mini"), 0.0006),  # the recorded tokens, at the price of the model now asked for
        (exchange(), prepared("our-own"), 0.02),
        (exchange(), prepared("unheard-of"), None),
        (exchange(upstream="http://localhost:1234/"), prepared("gpt-4o"), 0.01),
        (exchange(cost=0.5, completion_tokens=1), prepared("gpt-4o"), 0.5),  # as the provider said
        (exchange(cost=0.5, completion_tokens=1000), prepared("gpt-4o-mini"), 0.0006),
        (exchange(nothing=0), prepared("gpt-4o"), None),
    ],
)
def test_a_replay_is_expected_to_cost_what_its_recording_did(
    recorded: RecordedExchange, sent: Prepared, expected: float | None
) -> None:
    found = PRICES.expected_usd(recorded, sent)
    assert found == (None if expected is None else pytest.approx(expected))


def test_an_answer_tells_what_it_cost() -> None:
    assert PRICES.found_usd(exchange(upstream=None), OPENAI) == pytest.approx(0.01)
    assert PRICES.found_usd(exchange(nothing=0), OPENAI) is None
    assert PRICES.found_usd(exchange(status=429, nothing=0), OPENAI) == 0


@pytest.mark.parametrize(("phase", "cost"), [("connect", 0.0), ("response_body", None)])
def test_a_request_that_did_not_arrive_costs_nothing(phase: str, cost: float | None) -> None:
    error = ErrorFields("upstream_reset", phase, "upstream", "")
    cut = exchange(nothing=0)
    assert PRICES.found_usd(cut._replace(metadata=replace(cut.metadata, error=error)), OPENAI) == cost


def test_providers_charge_and_other_machines_do_not() -> None:
    assert charges("https://api.openai.com")
    assert charges("https://openrouter.ai")
    assert not charges("http://localhost:1234")
    assert not charges("http://models.example:8000")
