"""What becomes of the files of an exchange, whole or not. What dialects say is in the tests of each."""

from typing import Any

import msgspec
import pytest

from tests.traffic.llm.example import Example, decode, raw, sse
from traffic.capture.exchange import RecordedExchange
from traffic.llm.call import Cost, Message, ProviderError, Text, Timing, Usage
from traffic.llm.decode import Decoder
from traffic.llm.dialects import BUILT_IN

PATH = "/v1/chat/completions"
ASKED = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}]}
STREAM = ASKED | {"stream": True}
USAGE = {"prompt_tokens": 1000, "completion_tokens": 100}
ANSWER: dict[str, Any] = {
    "id": "chatcmpl-1",
    "model": "gpt-4o-2024-08-06",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Yes"}, "finish_reason": "stop"}],
    "usage": USAGE,
}
JSON = msgspec.json.encode(ANSWER)


def delta(text: str) -> dict[str, Any]:
    return {"model": "gpt-4o", "choices": [{"index": 0, "delta": {"role": "assistant", "content": text}}]}


def chat(answer: bytes = JSON, content_type: str = "application/json", **changes: Any) -> RecordedExchange:
    return raw(Example(PATH, changes.pop("asked", ASKED), answer, content_type, **changes))


def with_facts(exchange: RecordedExchange, **changes: Any) -> RecordedExchange:
    return exchange._replace(metadata=msgspec.structs.replace(exchange.metadata, **changes))


# --- who, for how much, how fast ------------------------------------------------------------------------------------


def test_the_hosts_provider_and_its_price_stand_in_the_call() -> None:
    call = decode(chat(host="api.openai.com")).call
    assert (call.provider, call.provider_source) == ("openai", "host")
    assert call.cost == Cost(0.0035, "genai-prices: openai/gpt-4o")


def test_a_local_server_that_serves_a_known_model_has_its_price_and_tells_why() -> None:
    call = decode(chat(host="127.0.0.1:1234")).call
    assert (call.provider, call.provider_source) == ("openai", "model")
    assert call.cost == Cost(0.0035, "genai-prices: openai/gpt-4o")


def test_the_routes_provider_goes_before_host_and_model() -> None:
    call = decode(with_facts(chat(host="api.openai.com"), provider="lmstudio")).call
    assert (call.provider, call.provider_source, call.cost) == ("lmstudio", "route", None)


def test_what_came_by_the_simple_door_has_the_provider_of_its_host() -> None:
    call = decode(with_facts(chat(host="openrouter.ai"), upstream_url=None)).call
    assert (call.provider, call.provider_source) == ("openrouter", "host")


def test_the_configurations_prices_apply() -> None:
    decoder = Decoder(BUILT_IN, {"gpt-4o": {"input": 1, "output": 10}})
    decoded = decoder.decode(chat(host="api.openai.com"))
    assert decoded is not None
    assert decoded.call.cost == Cost(0.002, "prices: gpt-4o")


@pytest.mark.parametrize("wrong", [-1, 1e300, True, "0.1", None, [1]])
def test_what_the_provider_reports_goes_before_all_prices_unless_it_is_none(wrong: Any) -> None:
    exchange = chat(msgspec.json.encode(ANSWER | {"usage": USAGE | {"cost": 0.25}}))
    assert decode(exchange).call.cost == Cost(0.25, "reported: usage.cost")
    cost = decode(chat(msgspec.json.encode(ANSWER | {"usage": USAGE | {"cost": wrong}}))).call.cost
    assert cost == Cost(0.0035, "genai-prices: openai/gpt-4o")


def test_a_cost_of_nothing_that_the_provider_reports_is_one() -> None:
    assert decode(chat(msgspec.json.encode(ANSWER | {"usage": USAGE | {"cost": 0}}))).call.cost == Cost(
        0.0, "reported: usage.cost"
    )


def test_without_usage_there_is_no_cost() -> None:
    call = decode(chat(msgspec.json.encode(ANSWER | {"usage": None}))).call
    assert (call.usage, call.cost) == (Usage(), None)


def test_a_stream_is_timed_by_the_reads_that_completed_its_events() -> None:
    """One block a millisecond, each an event long."""
    events = [sse(delta("x" * 10)) for _ in range(5)] + [sse({"choices": [], "usage": USAGE}, b"[DONE]")]
    block = len(events[0])
    call = decode(raw(Example(PATH, STREAM, b"".join(events), "text/event-stream"), block_bytes=block)).call
    assert call.timing == Timing(2.0, 25_000.0, 1.0, 1.0, 1.0)
    assert decode(chat()).call.timing == Timing()


def test_the_clients_header_names_the_session_before_the_body_does() -> None:
    asked = ASKED | {"user": "u"}
    call = decode(chat(asked=asked, headers=(("X-Session-Id", "run 7"),))).call
    assert (call.session, call.session_source) == ("run 7", "header: x-session-id")
    call = decode(chat(asked=asked)).call
    assert (call.session, call.session_source) == ("u", "user")


# --- answers that are not what was asked for ------------------------------------------------------------------------


def test_an_error_document_may_answer_a_request_for_a_stream() -> None:
    error = b'{"error": {"message": "Slow down", "type": "rate_limit", "code": null}}'
    for content_type in ("application/json", "text/event-stream"):
        call = decode(chat(error, content_type, asked=STREAM, status=429)).call
        assert call.error == ProviderError("rate_limit", None, "Slow down")
        assert (call.stream, call.truncated, call.problems) == (True, False, ())


@pytest.mark.parametrize(
    ("page", "content_type", "message"),
    [
        (b"<html><head><title>502 Bad &amp; Gateway</title></head>...", "text/html", "502 Bad & Gateway"),
        (b"upstream connect error\n or  disconnect", "text/plain", "upstream connect error or disconnect"),
        (b"<!doctype html><h1>no title", "text/html", "Told"),
        (b"", "text/html", "Told"),
        (b'{"who": "knows"}', "application/json", '{"who": "knows"}'),
        (b"\xff\xfe" + b"x" * 10_000, "text/plain", "\ufffd\ufffd" + "x" * 498),
    ],
)
def test_a_page_of_a_server_in_between_is_an_error(page: bytes, content_type: str, message: str) -> None:
    call = decode(chat(page, content_type, asked=STREAM, status=502)).call
    assert call.error == ProviderError(None, "502", message)
    assert (call.truncated, call.problems, call.output) == (False, (), ())


def test_a_page_instead_of_an_answer_is_a_problem() -> None:
    call = decode(chat(b"<html>Please log in", "text/html")).call
    assert call.problems == ("the response cannot be decoded: JSON is malformed: invalid character (byte 0)",)
    assert (call.truncated, call.error) == (True, None)


def test_a_stream_is_known_by_its_beginning_where_its_type_is_wrong() -> None:
    stream = sse(b": hello", delta("Yes"), b"[DONE]")
    for content_type in ("text/plain", "application/octet-stream", ""):
        call = decode(chat(stream, content_type, asked=STREAM)).call
        assert (call.output, call.truncated) == ((Message("assistant", (Text("Yes"),)),), False)


def test_lines_are_known_by_the_first_where_their_type_is_wrong() -> None:
    lines = b'{"message":{"content":"Y"},"done":false}\n{"message":{"content":"es"},"done":true}\n'
    asked = ASKED | {"stream": True}
    call = decode(raw(Example("/api/chat", asked, lines, "application/json"))).call
    assert (call.output, call.stream, call.truncated) == ((Message("assistant", (Text("Yes"),)),), True, False)


def test_an_answer_behind_interim_ones_is_read() -> None:
    exchange = chat()
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    assert decode(exchange._replace(response=interim + exchange.response)).call.output == decode(exchange).call.output


# --- what is not all there ------------------------------------------------------------------------------------------


def test_without_an_answer_the_request_is_decoded() -> None:
    for exchange in (chat()._replace(response=b""), with_facts(chat(), answered_by="recorder")):
        call = decode(exchange).call
        assert (call.model, call.output, call.error, call.truncated, call.problems) == ("gpt-4o", (), None, True, ())


def test_an_answer_cut_in_its_head_says_so() -> None:
    call = decode(chat()._replace(response=b"HTTP/1.1 200 OK\r\nContent-")).call
    assert (call.truncated, call.problems) == (True, ("the recording ends inside the head",))


def test_a_cut_document_says_how_far_it_came() -> None:
    call = decode(chat()._replace(response=b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + JSON[:40])).call
    assert call.problems == (
        "the response cannot be decoded: Input data was truncated",
        "the body is cut: 40 of 500 bytes are here",
    )


def test_a_cut_error_is_a_problem_and_no_error() -> None:
    exchange = chat(b'{"error": {"message": "Slow down"}}', status=429)
    call = decode(exchange._replace(response=exchange.response[:-20])).call
    assert (call.error, call.truncated, len(call.problems)) == (None, True, 2)


def test_a_broken_event_costs_itself_and_the_first_is_told() -> None:
    stream = sse(delta("Y"), b"{broken", b"{again", delta("es"), b"[DONE]")
    call = decode(chat(stream, "text/event-stream", asked=STREAM)).call
    assert call.output == (Message("assistant", (Text("Yes"),)),)
    assert call.problems == ("an event cannot be decoded: JSON is malformed: object keys must be strings (byte 1)",)
    assert not call.truncated


def test_a_request_that_is_no_json_is_known_by_its_path() -> None:
    call = decode(chat(asked=b'{"model": "gpt-4o", "mess')).call
    assert call.problems == ("the request cannot be decoded: Input data was truncated",)
    assert (call.model, call.response_model) == (None, "gpt-4o-2024-08-06")


def test_a_request_without_a_valid_head_is_no_call() -> None:
    assert Decoder(BUILT_IN).decode(chat()._replace(request=b"POST /v1/chat/completions")) is None
    assert Decoder(BUILT_IN).decode(chat()._replace(request=b"")) is None


def test_a_request_as_sent_through_a_proxy_is_known() -> None:
    exchange = chat()
    request = exchange.request.replace(b"POST /v1", b"POST http://127.0.0.1:1/v1", 1)
    assert decode(exchange._replace(request=request)).call.model == "gpt-4o"


def test_numbers_that_no_machine_holds_are_told_as_they_are_and_counted_by_nobody() -> None:
    usage = {"prompt_tokens": 10**30, "completion_tokens": 1e308, "cost": 10**400}
    call = decode(chat(msgspec.json.encode(ANSWER | {"usage": usage}), asked=ASKED | {"seed": 10**30})).call
    assert (call.parameters, call.usage, call.cost) == ({"seed": 10**30}, Usage(), None)
    msgspec.json.encode(call)


# --- the fingerprint ------------------------------------------------------------------------------------------------


def test_the_fingerprint_changes_with_dialects_and_prices_and_nothing_else() -> None:
    prices = {"a": {"input": 1.0, "output": 2.0}, "b": {"input": 1.0}}
    reordered = {"b": {"input": 1.0}, "a": {"output": 2.0, "input": 1.0}}
    same = {Decoder(BUILT_IN, prices).fingerprint, Decoder(list(BUILT_IN), reordered).fingerprint}
    different = [
        Decoder(BUILT_IN),
        Decoder(BUILT_IN[1:]),
        Decoder(BUILT_IN, {"a": {"input": 1.0}}),
        Decoder(BUILT_IN, registered=("acme of llm-acme 1.0",)),
        Decoder(BUILT_IN, registered=("acme of llm-acme 1.1",)),
    ]
    assert len(same) == 1
    assert len({*same, *(decoder.fingerprint for decoder in different)}) == 6
