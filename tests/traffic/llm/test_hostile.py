"""A hostile or broken body costs bounded time and memory and a problem of its own exchange; decoding never raises."""

import gzip
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.traffic.llm.example import CODINGS, DECODER, sse
from tests.traffic.llm.seeds import CHAT_DELTA, SEEDS, files
from traffic.capture.exchange import RecordedExchange
from traffic.http1 import content
from traffic.llm import answer, decode, events
from traffic.llm.call import Chunk, LlmCall
from traffic.llm.decode import Decoder
from traffic.llm.dialects import BUILT_IN
from traffic.llm.sessions import session_facts

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("1" * 30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def check(exchange: RecordedExchange) -> None:
    """It decodes, and everybody behind can work with what came out."""
    decoded = DECODER.decode(exchange)
    if decoded is not None:
        written = msgspec.json.encode(decoded.call)
        assert msgspec.json.decode(written, type=LlmCall) is not None
        assert all(isinstance(chunk, Chunk) for chunk in decoded.chunks)
        figures = [getattr(decoded.call.usage, name) for name in decoded.call.usage.__struct_fields__[:-1]]
        assert all(figure is None or 0 <= figure <= 2**53 * 4 for figure in figures)
        session_facts(decoded.call)


@st.composite
def mutated(draw: st.DrawFn, document: Any) -> Any:
    """With one of the values anywhere within it replaced by any other."""
    if isinstance(document, bytes) or draw(st.integers(0, 4)) == 0:
        return draw(_JSON)
    if isinstance(document, dict) and document:
        name = draw(st.sampled_from(sorted(document)))
        return document | {name: draw(mutated(document[name]))}
    if isinstance(document, list) and document:
        place = draw(st.integers(0, len(document) - 1))
        return [*document[:place], draw(mutated(document[place])), *document[place + 1 :]]
    return draw(_JSON)


def test_the_seeds_are_of_all_dialects_and_without_a_problem() -> None:
    calls = [decoded.call for seed in SEEDS if (decoded := DECODER.decode(files(*seed))) is not None]
    assert len(calls) == len(SEEDS)
    assert {call.dialect for call in calls} == {dialect.name for dialect in BUILT_IN}
    assert [call.problems for call in calls] == [()] * len(SEEDS)


@given(st.sampled_from(SEEDS), st.data())
def test_any_value_anywhere_may_be_any_other(seed: tuple[str, Any, list[Any], str], data: st.DataObject) -> None:
    path, asked, answers, kind = seed
    place = data.draw(st.integers(0, len(answers) - 1))
    wrong = [*answers[:place], data.draw(mutated(answers[place])), *answers[place + 1 :]]
    check(files(path, data.draw(mutated(asked)), wrong, kind))


@given(st.sampled_from(SEEDS), st.sampled_from(sorted(CODINGS)), st.data())
def test_any_byte_of_the_files_may_be_any_other(
    seed: tuple[str, Any, list[Any], str], coding: str, data: st.DataObject
) -> None:
    exchange = files(*seed, coding)
    sides = []
    for side in (exchange.request, exchange.response):
        broken = bytearray(side)
        for place, value in data.draw(
            st.lists(st.tuples(st.integers(0, len(side) - 1), st.integers(0, 255)), max_size=4)
        ):
            broken[place] = value
        cut = data.draw(st.integers(0, len(side)) | st.just(len(side)))
        sides.append(bytes(broken[:cut]))
    check(exchange._replace(request=sides[0], response=sides[1]))


@given(st.sampled_from(SEEDS), st.binary(), st.sampled_from([*sorted(CODINGS), "gzip, br", "nonsense"]))
def test_an_answer_may_be_any_bytes(seed: tuple[str, Any, list[Any], str], body: bytes, coding: str) -> None:
    exchange = files(*seed)
    head = exchange.response.partition(b"\r\n\r\n")[0].replace(b"Transfer-Encoding: chunked", b"X: y")
    for response in (b"%b\r\nContent-Encoding: %b\r\n\r\n%b" % (head, coding.encode(), body), body):
        check(exchange._replace(response=response))


@given(st.lists(st.tuples(st.integers(0, 2**40), st.floats(0, 1e12)), max_size=20), st.sampled_from(SEEDS))
def test_arrivals_may_be_any_numbers(arrivals: list[tuple[int, float]], seed: tuple[str, Any, list[Any], str]) -> None:
    exchange = files(*seed, "gzip")
    facts = replace(exchange.metadata, response=replace(exchange.metadata.response, arrivals=arrivals))
    check(exchange._replace(metadata=facts))


# --- bounds ---------------------------------------------------------------------------------------------------------

STREAM = "text/event-stream"
JSON = "application/json"
TOO_DEEP = "maximum recursion depth exceeded while deserializing an object"
TOO_MUCH = "its values would take more than 128 MiB of memory"
MANY = 3_000_000


def answered(body: bytes, content_type: str, coding: str = "") -> LlmCall:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\n"
    head += f"Content-Encoding: {coding}\r\n\r\n" if coding else "\r\n"
    exchange = files(*SEEDS[1])._replace(response=head.encode() + body)
    decoded = DECODER.decode(exchange)
    assert decoded is not None
    return decoded.call


ATTACKS: list[tuple[str, bytes, str, tuple[str, ...]]] = [
    ("an endless line", b"data: " + b"x" * 20_000_000, STREAM, ()),
    ("an endless string", b'data: {"a": "' + b"x" * 20_000_000, STREAM, ()),
    ("empty lines", b"\n" * 20_000_000, STREAM, ()),
    ("comments", b":\n" * 10_000_000, STREAM, ()),
    ("an event of many lines", b"data\n" * 5_000_000, STREAM, ()),
    ("nesting", b"[" * 1_000_000, JSON, ()),
    ("nesting in an object", b'{"a":' * 500_000, JSON, (f"the response cannot be decoded: {TOO_DEEP}",)),
    ("a deep event", b"data:" + b"[" * 1_000_000 + b"\n\n", STREAM, (f"an event cannot be decoded: {TOO_DEEP}",)),
    (
        "many values",
        b'{"choices":[' + b"{}," * MANY + b"{}]}",
        JSON,
        (f"the response cannot be decoded: {TOO_MUCH}",),
    ),
    ("many elements", b"[" + b"{}," * MANY + b"{}]", JSON, (f"an event cannot be decoded: {TOO_MUCH}",)),
    ("a gigantic number", b'{"a":' + b"9" * 5_000_000 + b"}", JSON, (
        "the response cannot be decoded: Integer value out of range - at `$[...]`",
    )),
]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "content_type", "problems"), [each[1:] for each in ATTACKS], ids=[x[0] for x in ATTACKS]
)
def test_a_body_that_is_made_to_hurt_is_a_problem_of_its_exchange(
    body: bytes, content_type: str, problems: tuple[str, ...]
) -> None:
    call = answered(body, content_type)
    assert (call.problems, call.truncated, call.output) == (problems, True, ())
    assert call.input


def test_of_a_million_events_the_first_are_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answer, "EVENTS_MAX", 20_000)
    call = answered(sse(CHAT_DELTA) * 1_000_000, STREAM)
    assert call.problems == ("only the first 20,000 events are decoded",)
    assert len(call.output[0].text) == 20_000
    assert call.truncated


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
@pytest.mark.parametrize("side", ["request", "response"])
def test_of_a_bomb_no_more_than_the_limit_is_unpacked(coding: str, side: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "BODY_BYTES_MAX", 1_000_000)
    bomb = CODINGS[coding](b'{"messages": "' + b" " * 50_000_000 + b'"}')
    if side == "response":
        call = answered(bomb, JSON, coding)
        problems = [
            "the response cannot be decoded: Input data was truncated",
            "only the first 1000000 bytes were unpacked",
        ]
    else:
        head = f"POST /v1/messages HTTP/1.1\r\nHost: a\r\nContent-Encoding: {coding}\r\n"
        head += f"Content-Length: {len(bomb)}\r\n\r\n"
        decoded = DECODER.decode(files(*SEEDS[7])._replace(request=head.encode() + bomb))
        assert decoded is not None
        call = decoded.call
        problems = [
            "the request cannot be decoded: only the first 1000000 bytes were unpacked; Input data was truncated"
        ]
    assert list(call.problems) == problems


def test_of_a_file_beyond_the_limit_the_beginning_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "BODY_BYTES_MAX", 10_000)
    call = answered(sse(CHAT_DELTA) * 1_000, STREAM)
    assert call.truncated
    assert 50 < len(call.output[0].text) < 200


def test_bombs_in_bombs_and_chunks_of_one_byte_and_interim_responses_come_to_an_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(content, "_CHUNKS_MAX", 10_000)
    inner = gzip.compress(bytes(10_000_000))
    assert answered(gzip.compress(inner), JSON, "gzip, gzip").truncated
    exchange = files(*SEEDS[1])
    chunks = (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        + b"1\r\nx\r\n" * 100_000
    )
    interim = b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100_000
    for response, problem in (
        (chunks, "the body is cut: its last chunk is missing"),
        (interim, "the recording ends inside the head"),
    ):
        decoded = Decoder(BUILT_IN).decode(exchange._replace(response=response))
        assert decoded is not None
        assert decoded.call.problems == (problem,)


def test_the_limits_are_those_that_the_documentation_names() -> None:
    assert (decode.BODY_BYTES_MAX, events.EVENTS_MAX) == (64 * 1024 * 1024, 250_000)
