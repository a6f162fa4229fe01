"""The examples of the dialects' tests: the files made of them read back as what was meant."""

import pytest

from tests.e2e.scripted import connect
from tests.traffic.llm.example import CODINGS, Example, ndjson, raw, sse
from tests.traffic.llm.overheard import Overheard
from traffic.capture.recording import read_recording

EXAMPLE = Example("/v1/x?y=z", {"a": "ü"}, sse(b": hello", {"b": 1}, ("end", {}), b"[DONE]"), "text/event-stream")


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("block_bytes", [1, 7, 100_000])
def test_files_hold_the_documents_in_each_coding_and_chunk_size(coding: str, block_bytes: int) -> None:
    facts, request, response = raw(EXAMPLE, coding, block_bytes)
    asked, answered = read_recording(request), read_recording(response)
    assert (asked.content, asked.problems) == ('{"a": "ü"}'.encode(), ())
    assert (answered.content, answered.problems) == (EXAMPLE.answer, ())
    assert (facts.request.bytes, facts.response.bytes) == (len(request), len(response))
    assert [response[offset] for offset, _ in facts.response.arrivals][:2] == [
        ord("H"),
        response[len(answered.head_bytes)],
    ]


def test_events_and_lines_stand_as_they_are_sent() -> None:
    assert EXAMPLE.answer == b': hello\n\ndata: {"b": 1}\n\nevent: end\ndata: {}\n\ndata: [DONE]\n\n'
    assert ndjson({"a": 1}, b"broken") == b'{"a": 1}\nbroken\n'


async def test_what_a_client_said_before_the_played_answer_is_the_request() -> None:
    async with Overheard(EXAMPLE) as overheard:
        client = await connect(int(overheard.url.rpartition(":")[2]))
        await client.send(b"POST /v1/y HTTP/1.1\r\nX-A: b\r\nContent-Length: 2\r\n\r\n{}")
        answer = await client.read_message()
        facts, request, response = overheard.raw
        await client.leave()
    assert answer == response == raw(EXAMPLE).response
    assert request.endswith(b"\r\n\r\n{}")
    assert (facts.method, facts.upstream_url) == ("POST", "https://llm.test/v1/y")
    assert facts.request.headers == [("X-A", "b"), ("Content-Length", "2")]
