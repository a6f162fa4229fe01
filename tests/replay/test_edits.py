"""replay/edits.py: what is edited is as asked for, and every other byte as it was recorded."""

import gzip
import json
from typing import Any

import pytest

from replay.edits import Edits, Field, edited_body, edited_head, edited_target
from replay.json_path import parse
from replay.replay_error import ReplayError
from traffic.http1.head import parse_request_head

HEAD = (
    b"POST /v1/chat HTTP/1.1\r\n"
    b"host: api.test\r\n"
    b"X-Odd:   spaced  \r\n"
    b"Content-Type: application/json\r\n"
    b"x-odd: twice\r\n"
    b"X-Proxy-Path: http://localhost:5601/up/v1/chat\r\n"
)
LENGTH = b"Content-Length: 3\r\n\r\n"


def edited(lines: bytes, edits: Edits = Edits(), body: bytes | None = None, own: tuple[Field, ...] = ()) -> bytes:  # noqa: B008 (frozen)
    return edited_head(parse_request_head(HEAD + lines), b"/x", own, body, edits)


def recorded(lines: bytes, changes: dict[bytes, bytes] | None = None) -> bytes:
    """The head without the recorder's line."""
    head = HEAD.replace(b"/v1/chat HTTP", b"/x HTTP").partition(b"X-Proxy-Path")[0] + lines
    for before, after in (changes or {}).items():
        assert before in head
        head = head.replace(before, after)
    return head


def test_lines_keep_their_order_and_spelling_and_the_recorders_line_goes() -> None:
    assert edited(LENGTH) == recorded(LENGTH)


def test_a_field_is_replaced_where_it_stands_or_added_and_one_of_several_takes_the_place_of_all() -> None:
    edits = Edits(fields=[(b"HOST", b"b.test"), (b"X-New", b"1"), (b"X-ODD", b"once"), (b"X-New", b"2")])
    expected = recorded(LENGTH, {b"host: api.test": b"host: b.test", b"X-Odd:   spaced  ": b"X-Odd: once"})
    expected = expected.replace(b"x-odd: twice\r\n", b"")
    assert edited(LENGTH, edits) == expected[:-2] + b"X-New: 1\r\nX-New: 2\r\n\r\n"


def test_a_dropped_field_is_gone_and_what_the_replay_adds_is_there() -> None:
    edits = Edits(dropped=[b"x-odd"], fields=[(b"Host", b"theirs")])
    own = ((b"Host", b"ours"), (b"X-Replay-Of", b"1"))
    expected = recorded(
        LENGTH, {b"host: api.test": b"host: theirs", b"X-Odd:   spaced  \r\n": b"", b"x-odd: twice\r\n": b""}
    )
    assert edited(LENGTH, edits, own=own) == expected[:-2] + b"X-Replay-Of: 1\r\n\r\n"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (LENGTH, b"Content-Length: 12\r\n\r\n"),
        (b"Transfer-Encoding: chunked\r\nTrailer: T\r\n\r\n", b"Content-Length: 12\r\n\r\n"),
        (b"content-length: 3\r\nContent-Encoding: br\r\nA: 1\r\n\r\n", b"content-length: 12\r\nA: 1\r\n\r\n"),
        (b"\r\n", b"Content-Length: 12\r\n\r\n"),
    ],
)
def test_lengths_and_encodings_are_those_of_the_new_body(lines: bytes, expected: bytes) -> None:
    assert edited(lines, body=b'{"model":""}') == recorded(expected)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ([(b"A", b"1\r\nB: 2")], "not a header such as 'Authorization: Bearer ...': A"),
        ([(b"A B", b"1")], "not a header such as 'Authorization: Bearer ...': A B"),
        ([(b"content-Length", b"1")], "content-Length is not yours to change: it is put right by itself"),
    ],
)
def test_what_is_no_field_or_frames_the_message_is_refused(fields: list[Field], problem: str) -> None:
    Edits(fields=[(b"A", b"\xff \t;")], dropped=[b"x-odd"]).check()
    for edits in (Edits(fields=fields), Edits(dropped=[name for name, _ in fields])):
        if problem.endswith(": A") and edits.dropped:
            continue
        with pytest.raises(ReplayError) as raised:
            edits.check()
        assert str(raised.value) == problem


DOCUMENT = {"model": "a", "temperature": 1.0, "messages": [{"role": "user", "content": "Grüezi"}], "n": 10**30}


def sets(**values: Any) -> list[tuple[Any, Any]]:
    return [(parse(path), value) for path, value in values.items()]


@pytest.mark.parametrize("coding", ["", "gzip"])
@pytest.mark.parametrize("is_chunked", [False, True])
def test_members_are_set_whatever_the_framing_and_all_others_keep_value_and_order(
    coding: str, *, is_chunked: bool
) -> None:
    body = json.dumps(DOCUMENT).encode()
    body = gzip.compress(body) if coding else body
    lines = f"Content-Encoding: {coding}\r\n".encode() if coding else b""
    if is_chunked:
        lines, body = lines + b"Transfer-Encoding: chunked\r\n", b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    else:
        lines += b"Content-Length: %d\r\n" % len(body)
    edits = [*sets(model="b", new={"x": [1]}), (parse("messages[-1].content"), "Hoi"), (parse("new.x[0]"), None)]
    found = edited_body(HEAD + lines + b"\r\n" + body, edits)
    expected = {**DOCUMENT, "model": "b", "messages": [{"role": "user", "content": "Hoi"}], "new": {"x": [None]}}
    assert found == json.dumps(expected, separators=(",", ":")).encode()
    assert edits[1][1] == {"x": [1]}  # the next exchange gets the same
    assert edited_body(HEAD + lines + b"\r\n" + body, []) is None


def test_what_cannot_be_set_is_told() -> None:
    for body, path, problem in (
        (b"abc", "model", "the request has no JSON body, and --set edits nothing else"),
        (b"", "model", "the request has no JSON body, and --set edits nothing else"),
        (b"{}", "messages[0].content", "--set: the path messages[0].content meets nothing: the body has no messages"),
    ):
        raw = HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body
        with pytest.raises(ReplayError) as raised:
            edited_body(raw, [(parse(path), 1)])
        assert str(raised.value) == problem


def test_parameters_of_the_url_are_replaced_byte_for_byte() -> None:
    assert edited_target(b"/a?x=%2F&y&x=2", [(b"x", b"1")]) == b"/a?x=1&y&x=1"
    with pytest.raises(ReplayError, match=r"^the recorded URL has no query parameter 'z'$"):
        edited_target(b"/a?x=1", [(b"z", b"")])
