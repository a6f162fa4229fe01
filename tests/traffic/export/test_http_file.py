"""traffic/export/http_file.py: files that the project's own reader of test.http reads."""

import json
import re
from typing import Any

import pytest
from msgspec.structs import replace

from tests.test_http_file import HttpRequest, parse
from tests.traffic.export.made import KEY, export, numbered, plain
from tests.traffic.llm.example import Example, raw
from traffic.capture.exchange import RecordedExchange
from traffic.capture.metadata import Metadata
from traffic.export.sent_request import NOTHING_TO_SEND

NO_TEXT = "its body is no text for such a file"
ASKED = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}]}


def chat(asked: Any = ASKED, *headers: tuple[str, str], **example: Any) -> RecordedExchange:
    return numbered(1, raw(Example("/v1/chat/completions", asked, b"{}", headers=headers, **example)))


def read(text: str) -> list[HttpRequest]:
    """Variables that stand in a request's own block hold for the file."""
    variables = re.findall(r"^@\w+ = .*\n", text, flags=re.MULTILINE)
    return parse("".join(variables) + "\n" + re.sub(r"^@\w+ = .*\n", "", text, flags=re.MULTILINE))


def requests(*exchanges: RecordedExchange) -> list[HttpRequest]:
    return read(export("http", *exchanges)[0].decode())


def test_a_request_has_a_title_where_it_went_its_lines_and_its_body() -> None:
    first, second = requests(chat(), numbered(2, plain(2)))
    assert first == HttpRequest(
        "2026-09-13T02:11:01.123456Z 00000001-8b1c-4e5f-9a2b-3c4d5e6f7a8b",
        "POST",
        "https://llm.test/v1/chat/completions",
        {"Content-Type": "application/json"},
        json.dumps(ASKED),
    )
    assert (second.method, second.url, second.body) == ("GET", "https://llm.test/health", "")


def test_a_key_is_a_variable_with_one_place_to_put_it() -> None:
    exchanges = [chat(ASKED, ("Authorization", f"Bearer {KEY}"), host="api.openai.com") for _ in range(2)]
    text = export("http", *exchanges)[0].decode()
    assert KEY not in text
    assert text.count("@OPENAI_API_KEY = put-the-key-here\n") == 1
    assert text.count("Authorization: Bearer {{OPENAI_API_KEY}}\n") == 2
    assert [each.headers["Authorization"] for each in read(text)] == ["Bearer put-the-key-here"] * 2


def test_a_compressed_body_is_written_plainly_without_the_line_that_says_so() -> None:
    compressed = numbered(1, raw(Example("/v1/chat/completions", ASKED, b"{}"), "zstd"))
    (request,) = requests(compressed)
    assert (request.body, "Content-Encoding" in request.headers) == (json.dumps(ASKED), False)


def test_braces_within_a_prompt_are_no_variable() -> None:
    asked = {"model": "m", "messages": [{"role": "user", "content": "Dear {{name}} {{{{"}]}
    (request,) = requests(chat(asked))
    assert "{{" not in request.body
    assert json.loads(request.body) == asked


@pytest.mark.parametrize(
    "body", [b"\xff\xfe", b"a\n### b", b"< ./file", b"<@ file", b"> {% script %}", b"say {{name}}", b"a\0b"]
)
def test_a_body_that_such_a_file_cannot_hold_is_left_out(body: bytes) -> None:
    assert export("http", chat(body)) == (b"", {NO_TEXT: 1})


def test_no_head_reads_a_variable_of_whoever_sends_it() -> None:
    left_out = {"its head has two braces, which are a variable's in such a file": 1}
    assert export("http", chat(ASKED, ("X-A", "{{$processEnv HOME}}"))) == (b"", left_out)
    assert export("http", chat()._replace(metadata=_went_to("http://llm.test/{{$dotenv KEY}}"))) == (b"", left_out)


def test_a_url_stays_in_its_line() -> None:
    (request,) = requests(chat()._replace(metadata=_went_to("http://llm.test/雪\n\n< /etc/passwd\n")))
    assert (request.url, request.body) == ("http://llm.test/%E9%9B%AA%0A%0A<%20/etc/passwd%0A", json.dumps(ASKED))


def _went_to(url: str) -> Metadata:
    return replace(chat().metadata, upstream_url=url)


def test_a_heading_in_a_prompt_of_json_stays() -> None:
    asked = {"model": "m", "messages": [{"role": "user", "content": "a\n### b\n< c"}]}
    (request,) = requests(chat(asked))
    assert json.loads(request.body) == asked


def test_a_request_that_is_cut_is_left_out() -> None:
    whole = chat()
    assert export("http", whole._replace(request=whole.request[:-1])) == (b"", {NOTHING_TO_SEND: 1})
