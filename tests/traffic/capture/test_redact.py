"""traffic/capture/redact.py: no secret is left in what is recorded, and nothing else is changed."""

import os
import stat
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traffic.capture.events import Redaction
from traffic.capture.redact import SECRET_FIELDS, SECRET_PARAMETERS, Redactor, Side, load_redaction_key
from traffic.http1.head import parse_request_head, parse_response_head
from traffic.http1.rewrite import join_lines

REDACTOR = Redactor(b"k" * 32)
SECRET = b"sk-or-v1-0123456789abcdef"


def mark(secret: bytes = SECRET) -> bytes:
    return REDACTOR.placeholder(secret)


def odd_case(name: bytes) -> bytes:
    return bytes(c ^ 0x20 if i % 2 and chr(c).isalpha() else c for i, c in enumerate(name))


def test_a_placeholder_is_eight_hex_digits_that_depend_on_the_secret_and_the_key_alone() -> None:
    assert len(mark()) == len(b"[secret:01234567]")
    assert mark() == Redactor(b"k" * 32).placeholder(SECRET)
    assert len({mark(), mark(SECRET + b"x"), Redactor(b"l" * 32).placeholder(SECRET)}) == 3


def test_what_was_replaced_stays_as_it_is_when_it_comes_again() -> None:
    """A recording that is sent again keeps its placeholders, so that it can still be grouped by credential."""
    head = b"GET /?key=%b HTTP/1.1\r\nAuthorization: Bearer %b\r\n\r\n" % (SECRET, SECRET)
    once, found = REDACTOR.head(head, "request")
    assert REDACTOR.head(once, "request") == (once, found)


@pytest.mark.parametrize("side", ["request", "response"])
@pytest.mark.parametrize("name", sorted(SECRET_FIELDS))
def test_every_secret_field_is_replaced_in_any_case_and_spacing(name: bytes, side: Side) -> None:
    where = f"{side}.header.{name.decode()}"
    for written in (name, name.upper(), odd_case(name)):
        head = b"GET / HTTP/1.1\r\nA: 1\r\n%b:\t %b \r\n%b:%b2\r\nB: 2\r\n\r\n" % (written, SECRET, written, SECRET)
        recorded, found = REDACTOR.head(head, side)
        expected = b"GET / HTTP/1.1\r\nA: 1\r\n%b:\t %b\r\n%b:%b\r\nB: 2\r\n\r\n"
        assert recorded == expected % (written, mark(), written, mark(SECRET + b"2"))
        assert found == [Redaction(where, mark().decode()), Redaction(where, mark(SECRET + b"2").decode())]


FIELDS = [
    (b"Authorization: Bearer $", b"Authorization: Bearer ~"),
    (b"authorization:BEARER \t $", b"authorization:BEARER \t ~"),
    (b"Authorization: Basic $", b"Authorization: Basic ~"),
    (b"Proxy-Authorization: Digest $", b"Proxy-Authorization: Digest ~"),
    (b"Authorization: token $", b"Authorization: token ~"),
    (b"Authorization: $", b"Authorization: ~"),
    (b"Authorization:", b"Authorization:"),
    (b"Authorization : Bearer $", b"Authorization : Bearer ~"),
    (b"Cookie: $", b"Cookie: ~"),
    (b"X-Api-Keys: $", b"X-Api-Keys: $"),
    (b"Sec-WebSocket-Protocol: realtime, openai-insecure-api-key.$, openai-beta.realtime-v1",
     b"Sec-WebSocket-Protocol: realtime, openai-insecure-api-key.~, openai-beta.realtime-v1"),
    (b"sec-websocket-protocol:$", b"sec-websocket-protocol:~"),
    (b"Sec-WebSocket-Protocol: chat,bearer.$", b"Sec-WebSocket-Protocol: chat,bearer.~"),
    (b"Sec-WebSocket-Protocol: access_token, $", b"Sec-WebSocket-Protocol: access_token, ~"),
    (b"Sec-WebSocket-Protocol: chat,Authorization,$,soap", b"Sec-WebSocket-Protocol: chat,Authorization,~,soap"),
    (b"Sec-WebSocket-Protocol: bearer,\r\nSec-WebSocket-Protocol: $",
     b"Sec-WebSocket-Protocol: bearer,\r\nSec-WebSocket-Protocol: ~"),
    (b"Sec-WebSocket-Protocol: token\r\nA: 1\r\nSEC-WEBSOCKET-PROTOCOL: $, x",
     b"Sec-WebSocket-Protocol: token\r\nA: 1\r\nSEC-WEBSOCKET-PROTOCOL: ~, x"),
    (b"Sec-WebSocket-Protocol: auth-token, $", b"Sec-WebSocket-Protocol: auth-token, ~"),
    (b"Sec-WebSocket-Protocol: jwt, eyJhbGciOi.e30.x, chat", b"Sec-WebSocket-Protocol: jwt, ^, chat"),
    (b"Sec-WebSocket-Protocol: eyJhbGciOi.e30.x", b"Sec-WebSocket-Protocol: ^"),
    (b"Sec-WebSocket-Protocol: graphql-ws, chat", b"Sec-WebSocket-Protocol: graphql-ws, chat"),
    (b"Location: https://u:$@h/?a=b&key=$#f", b"Location: https://!@h/?a=b&key=~#f"),
    (b'Link: </?token=$>; rel="next", </?key=$>', b'Link: </?token=~>; rel="next", </?key=~>'),
    (b"Referer: http://h/?access_token=$", b"Referer: http://h/?access_token=~"),
    (b"X-Proxy-Path: http://h/?api_key=$&x=1", b"X-Proxy-Path: http://h/?api_key=~&x=1"),
    (b"Content-Location: /?API-Key=$", b"Content-Location: /?API-Key=~"),
    (b"Host: a?key=b", b"Host: a?key=b"),
    (b"Host: u:$@h:80", b"Host:!@h:80"),
    (b"Location: https://h/cb#access_token=$&state=1", b"Location: https://h/cb#access_token=~&state=1"),
    (b"Refresh: 0; url=https://h/?token=$", b"Refresh: 0; url=https://h/?token=~"),
    (b"Cookie: a=$; b=$", b"Cookie: +"),
    (b"Authorization: Bearer $, Bearer $", b"Authorization: Bearer *"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "expected"), FIELDS)
def test_a_field_loses_its_secret_and_nothing_else(line: bytes, expected: bytes) -> None:
    def filled(text: bytes) -> bytes:
        text = text.replace(b"!", mark(b"u:" + SECRET)).replace(b"^", mark(b"eyJhbGciOi.e30.x"))
        text = text.replace(b"+", mark(b"a=%b; b=%b" % (SECRET, SECRET)))
        text = text.replace(b"*", mark(b"%b, Bearer %b" % (SECRET, SECRET)))
        return text.replace(b"~", mark()).replace(b"$", SECRET)

    recorded, _ = REDACTOR.head(b"GET / HTTP/1.1\r\n%b\r\nA: 1\r\n\r\n" % filled(line), "request")
    assert recorded == b"GET / HTTP/1.1\r\n%b\r\nA: 1\r\n\r\n" % filled(expected)


URLS = [
    ("/v1?key={}", "/v1?key={}", "query.key"),
    ("/v1?a=1&api_key={}&b=2", "/v1?a=1&api_key={}&b=2", "query.api_key"),
    ("/v1?a;Api-Key={};b", "/v1?a;Api-Key={};b", "query.api-key"),
    ("/v1?%6Bey={}", "/v1?%6Bey={}", "query.key"),
    ("/v1?api%5Fkey={}&", "/v1?api%5Fkey={}&", "query.api_key"),
    ("http://h/v1?x=?&ACCESS_TOKEN={}#f", "http://h/v1?x=?&ACCESS_TOKEN={}#f", "query.access_token"),
    ("?&&token={}", "?&&token={}", "query.token"),
    ("http://{}@h/", "http://{}@h/", "url.userinfo"),
    ("{}@h:443", "{}@h:443", "url.userinfo"),
    ("/#access_token={}", "/#access_token={}", "query.access_token"),
    ("/cb#a=1&token={}", "/cb#a=1&token={}", "query.token"),
    ("/get?url=https://x/?key={}&a=1", "/get?url=https://x/?key={}&a=1", "query.key"),
    ("/get?a=1&url=https://x/y?b=2&api_key={}", "/get?a=1&url=https://x/y?b=2&api_key={}", "query.api_key"),
    ("/get?url=https%3A%2F%2Fx%2F%3Fkey%3D{}%26a=1", "/get?url=https%3A%2F%2Fx%2F%3Fkey%3D{}%26a=1", "query.key"),
    ("/get?u=x%253Fb%253D1%2526Token%253D{}", "/get?u=x%253Fb%253D1%2526Token%253D{}", "query.token"),
    ("/get?u=x%253F%256bey%253D{}", "/get?u=x%253F%256bey%253D{}", "query.key"),
    ("/x%3Fkey%3D{}", "/x%3Fkey%3D{}", "query.key"),
    ("/v1;token={}", "/v1;token={}", "query.token"),
    ("/get?url=https://{}@h/", "/get?url=https://{}@h/", "url.userinfo"),
    ("/get?url=https%3A%2F%2F{}%40h%2F", "/get?url=https%3A%2F%2F{}%40h%2F", "url.userinfo"),
    ("/get?url=https%253A%252f%252f{}%2540h", "/get?url=https%253A%252f%252f{}%2540h", "url.userinfo"),
]


@pytest.mark.parametrize(("text", "expected", "where"), URLS)
def test_a_url_loses_its_secrets_and_says_where(text: str, expected: str, where: str) -> None:
    url, shown = text.format(SECRET.decode()), expected.format(mark().decode())
    assert REDACTOR.url(url, "request") == (shown, [Redaction(f"request.{where}", mark().decode())])
    head, found = REDACTOR.head(f"GET {url} HTTP/1.1\r\nHost: a\r\n\r\n".encode(), "request")
    assert head == f"GET {shown} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
    assert found == [Redaction(f"request.{where}", mark().decode())]


def test_an_encoded_secret_has_the_placeholder_of_the_plain_one() -> None:
    assert REDACTOR.url("/?key=a%2Fb", "request")[0] == REDACTOR.url("/?key=a/b", "request")[0]


def test_a_password_with_an_at_sign_is_replaced_whole() -> None:
    shown, _ = REDACTOR.url("http://user:p@ss@host/@me", "request")
    assert shown == f"http://{mark(b'user:p@ss').decode()}@host/@me"


@pytest.mark.parametrize("text", ["/v1/chat", "/v1?a=b&keys=1&key=&akey=2", "/a@b?c@d", "/key=1", "/v1?key", "/?=key"])
def test_a_url_without_a_secret_stays_as_it_is(text: str) -> None:
    assert REDACTOR.url(text, "request") == (text, [])


def test_a_head_without_a_secret_is_the_same_object() -> None:
    head = b"GET /?a=b HTTP/1.1\r\nHost: a\r\nReferer: http://h/\r\nX: key=%b\r\n\r\n" % SECRET
    recorded, found = REDACTOR.head(head, "request")
    assert recorded is head
    assert found == []


MALFORMED = [
    b"GET / HTTP/1.1\nAuthorization: $\n\n",
    b"GET / HTTP/1.1\rAuthorization: $\rX: 1",
    b"GET / HTTP/1.1\n\rx-api-key: $\n\r",
    b"GET / HTTP/1.1\r\n\tAuthorization: Bearer $\r\n\r\n",
    b"GET / HTTP/1.1\r\nAuthorization:\r\n Bearer $\r\n\t $\r\n\r\n",
    b"GET / HTTP/1.1\r\nCookie: a=$;\r\n b=$\n\tc=$\r\nX: 1\r\n\r\n",
    b"GET / HTTP/1.1\r\nReferer:\r\n https://h/?key=$\r\n\r\n",
    b"GET / HTTP/1.1\r\nSec-WebSocket-Protocol: chat,\r\n api-key.$\r\n\r\n",
    b"GET /?key=$",
    b"GET /?a=1&token=$\nHost: x",
    b"GET  http://u:$@h/\tHTTP/9\r\n\r\n",
    b"\r\nAuthorization: $",
    b"Authorization: Bearer $\r\nHost: x\r\n\r\n",
    b"x-api-key: $",
    b"GET / HTTP/1.1\r\nAuthorization Bearer $\r\n\r\n",
    b"GET / HTTP/1.1\r\nAuthorization= $\r\n\r\n",
    b"GET / HTTP/1.1\r\nX-Api-Key\x00: $\r\n\r\n",
    b"GET / HTTP/1.1\r\nX-Api-Key\xa0: $\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: user:$@x\r\n\r\n",
    b"GET / HTTP/1.1\r\nSec-WebSocket-Protocol: token,\r\n $\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nset-cookie : $; Path=/\r\nSet-Cookie: b=$",
]


@pytest.mark.parametrize("head", MALFORMED)
def test_a_malformed_head_loses_its_secrets_too(head: bytes) -> None:
    recorded, found = REDACTOR.head(head.replace(b"$", SECRET), "request")
    assert SECRET not in recorded
    assert found
    assert recorded.count(b"\n") == head.count(b"\n"), "lines and their ends stay"
    assert recorded.count(b"\r") == head.count(b"\r")


@pytest.mark.parametrize(
    "unit",
    [
        b"a",
        b"auth",
        b"api-",
        b"token.",
        b"token,",
        b"sk-",
        b"//a@",
        b"//",
        b"?a=b",
        b"&key=",
        b"bearer ",
        b" ",
        b"%",
        b"%25",
        b"%3f",
        b"%3fkey",
        b"%3fkey%3d",
        b"%2f",
        b"%2f%2fa",
        b"?%3f=",
    ],
)
def test_a_value_made_to_be_searched_again_and_again_is_read_once(unit: bytes) -> None:
    """64 KiB of each; where time grows with the square, one of them runs into the timeout."""
    for name in (b"Sec-WebSocket-Protocol", b"Location", b"Authorization"):
        head = b"GET / HTTP/1.1\r\n%b: %b\r\n\r\n" % (name, unit * (65_000 // len(unit)))
        for _ in range(5):
            REDACTOR.head(head, "request")


def test_the_fields_of_a_read_head_are_replaced_by_their_places() -> None:
    """`fields` does for a valid head what `lines` does for any; lines that were taken out stay out."""
    head = parse_request_head(
        b"GET / HTTP/1.1\r\nHost: a\r\nX-API-Key: %b\r\nA: 1\r\nCookie: %b\r\n\r\n" % (SECRET, SECRET)
    )
    lines = head.lines.copy()
    lines[4] = b""
    found = REDACTOR.fields(lines, head.names, "request")
    assert join_lines(lines) == b"GET / HTTP/1.1\r\nHost: a\r\nX-API-Key: %b\r\nA: 1\r\n\r\n" % mark()
    assert found == [Redaction("request.header.x-api-key", mark().decode())]


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nSet-Cookie: a=%b; path=/\r\nA: 1\r\nset-cookie:\t%b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nLocation: https://h/?key=%b#x\r\nHost: %b@h\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-API-Key:  Bearer \t%b \r\nLink: <//u:%b@h>\r\n\r\n",
        b"HTTP/1.1 103 see /?key=%b\r\nHost: u:%b@h\r\n\r\n",
    ],
)
def test_a_valid_response_head_loses_the_same_as_any_head(head: bytes) -> None:
    raw = head % (SECRET, b"other")
    redacted = REDACTOR.response_head(parse_response_head(raw))
    assert len(redacted[1]) == 2
    assert redacted == REDACTOR.head(raw, "response")


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\nA: 1\r\n\r\n", b"HTTP/1.1 404 why?\r\nHost: h\r\n\r\n"])
def test_a_response_head_without_a_secret_is_the_same_object(head: bytes) -> None:
    assert REDACTOR.response_head(parse_response_head(head))[0] is head


_SECRET = st.text("ABCDEFGHJKLMNPQRSTUVWXYZ0123456789._-", min_size=12, max_size=30).map(
    lambda text: b"Z9-" + text.encode()
)
_JUNK = st.lists(
    st.sampled_from([b"A: 1", b"X: \xe4\xff", b"", b"no colon", b" folded", b"Host: a", b"Referer: /?q=@"]), max_size=4
)
_PLACES = [
    *(b"%b: %%b" % odd_case(name) for name in sorted(SECRET_FIELDS)),
    *(b"%b:Bearer %%b" % name for name in sorted(SECRET_FIELDS)),
    *(b"Location: https://h/p?x=1&%b=%%b&y=2" % name for name in sorted(SECRET_PARAMETERS)),
    b"Referer: https://user:%b@h/",
    b"Sec-WebSocket-Protocol: realtime, openai-insecure-api-key.%b, other",
    b"Cookie:\r\n a=%b",
]


@given(_SECRET, st.sampled_from(_PLACES), _JUNK, _JUNK, st.sampled_from([b"\r\n", b"\n", b"\r"]))
def test_a_secret_planted_anywhere_in_a_head_never_comes_out(
    secret: bytes, place: bytes, before: list[bytes], after: list[bytes], line_end: bytes
) -> None:
    head = line_end.join([b"GET / HTTP/1.1", *before, place % secret, *after, b"", b""])
    recorded, found = REDACTOR.head(head, "response")
    assert secret not in recorded
    assert found
    assert REDACTOR.head(recorded, "response")[0] == recorded


@given(st.binary(min_size=8, max_size=20), st.sampled_from(sorted(SECRET_PARAMETERS)), st.booleans())
def test_a_secret_in_a_query_never_comes_out_however_it_is_encoded(
    secret: bytes, name: bytes, encodes_all: bool
) -> None:
    value = "".join(f"%{byte:02X}" for byte in secret) if encodes_all else quote(secret, safe="/:@!,'()*")
    shown, found = REDACTOR.url(f"/v1?a=b&{name.decode()}={value}&c=d", "request")
    assert shown == f"/v1?a=b&{name.decode()}={mark(secret).decode()}&c=d"
    assert len(found) == 1


def test_the_key_is_made_once_for_the_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "journal"
    key = load_redaction_key(folder)
    assert (len(key), load_redaction_key(folder)) == (32, key)
    assert [path.name for path in folder.iterdir()] == ["redaction.key"]
    assert load_redaction_key(tmp_path / "b") != key
    if os.name == "posix":
        assert stat.S_IMODE((folder / "redaction.key").stat().st_mode) == 0o600
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
