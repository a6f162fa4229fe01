"""The responses: what an origin may send that a client could read in two ways, and what is merely odd."""

from tests.attack.parts import CHUNKS, LENGTHS, ODD_BYTES, TRANSFER_ENCODINGS
from tests.attack.rows import ResponseRow, length, response

CHUNKED = b"Transfer-Encoding: chunked"
HELLO_CHUNKED = b"5\r\nhello\r\n0\r\n\r\n"
INJECTED = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nsmuggle"
REFUSED = 502


def _transfer_encodings() -> list[ResponseRow]:
    """Each line alone (another field's leaves a body until the end), and beside a length."""
    rows = []
    for name, line, kind in TRANSFER_ENCODINGS:
        content = {"valid": b"hello", "other": HELLO_CHUNKED, "bad": b""}[kind]
        status = REFUSED if kind == "bad" else 200
        sent = response(line, body=HELLO_CHUNKED)
        rows.append(ResponseRow(f"TE alone, {name}", sent, status, content, ends=kind == "other"))
        sent = response(length(5), line, body=b"hello")
        rows.append(ResponseRow(f"CL.TE, {name}", sent, 200 if kind == "other" else REFUSED, b"hello"))
    return rows


def _lengths() -> list[ResponseRow]:
    rows = []
    for name, line, kind in LENGTHS:
        sent = response(line, body=b"hello")
        status = REFUSED if kind == "bad" else 200
        rows.append(ResponseRow(f"CL alone, {name}", sent, status, b"hello", ends=kind == "other"))
        sent = response(length(0), line)
        rows.append(ResponseRow(f"CL.CL, {name}", sent, 200 if kind == "other" else REFUSED, b""))
    return rows


def _chunks() -> list[ResponseRow]:
    statuses: dict[str, tuple[int, bytes | None]] = {
        "valid": (200, b"hello"),
        "bad": (REFUSED, b""),
        "cut": (200, None),
    }
    return [
        ResponseRow(f"chunks, {name}", response(CHUNKED, body=body), *statuses[kind], ends=kind == "cut")
        for name, body, kind in CHUNKS
        if body != HELLO_CHUNKED  # a row of its own above
    ]


def _odd_bytes() -> list[ResponseRow]:
    places = {
        "before the status line": b"$HTTP/1.1 200 OK\r\nX: y\r\nContent-Length: 0\r\n\r\n",
        "in the version": b"HTTP/$1.1 200 OK\r\nX: y\r\nContent-Length: 0\r\n\r\n",
        "for the first space": b"HTTP/1.1$200 OK\r\nX: y\r\nContent-Length: 0\r\n\r\n",
        "before the status": b"HTTP/1.1 $200 OK\r\nX: y\r\nContent-Length: 0\r\n\r\n",
        "in the status": b"HTTP/1.1 2$00 OK\r\nX: y\r\nContent-Length: 0\r\n\r\n",
        "in the reason": b"HTTP/1.1 200 O$K\r\nX: y\r\nContent-Length: 0\r\n\r\n",
        "behind the reason": b"HTTP/1.1 200 OK$\r\nX: y\r\nContent-Length: 0\r\n\r\n",
        "for the status line's end": b"HTTP/1.1 200 OK$X: y\r\nContent-Length: 0\r\n\r\n",
        "before a name": b"HTTP/1.1 200 OK\r\n$X: y\r\nContent-Length: 0\r\n\r\n",
        "in a name": b"HTTP/1.1 200 OK\r\nX$Z: y\r\nContent-Length: 0\r\n\r\n",
        "before a colon": b"HTTP/1.1 200 OK\r\nX$: y\r\nContent-Length: 0\r\n\r\n",
        "in a value": b"HTTP/1.1 200 OK\r\nX: y$z\r\nContent-Length: 0\r\n\r\n",
        "behind a value": b"HTTP/1.1 200 OK\r\nX: y$\r\nContent-Length: 0\r\n\r\n",
        "for a line's end": b"HTTP/1.1 200 OK\r\nX: y$Content-Length: 0\r\n\r\n",
    }
    well_formed = {("for the first space", "space")}
    passing = {
        "in the reason": {"space", "tab", "NBSP"},
        "behind the reason": {"space", "tab", "NBSP"},
        "in a value": {"space", "tab", "NBSP"},
        "behind a value": {"space", "tab", "NBSP"},
    }
    swallows = {("for the status line's end", name) for name in ("space", "tab", "NBSP")}  # the field is reason then
    swallows |= {("for a line's end", name) for name in ("space", "tab", "NBSP")}  # the length is X's value then
    rows = []
    for place, text in places.items():
        for name, byte in ODD_BYTES.items():
            if (place, name) in well_formed:
                continue
            passes = name in passing.get(place, ()) or (place, name) in swallows
            sent = text.replace(b"$", byte)
            ends = (place, name) in swallows
            rows.append(ResponseRow(f"{name} {place}", sent, 200 if passes else REFUSED, b"", ends=ends))
    return rows


def _status_lines() -> list[ResponseRow]:
    lines: list[tuple[str, bytes, int]] = [
        ("no reason", b"HTTP/1.1 200 ", 200),
        ("no reason and no space", b"HTTP/1.1 200", 200),
        ("UTF-8 reason", b"HTTP/1.1 200 \xc3\xa4", 200),
        ("HTTP/1.0", b"HTTP/1.0 200 OK", 200),
        ("unknown status", b"HTTP/1.1 299 Odd", 299),
        ("status 599", b"HTTP/1.1 599 Odd", 599),
        ("status 600", b"HTTP/1.1 600 Odd", REFUSED),
        ("status 099", b"HTTP/1.1 099 Odd", REFUSED),
        ("status 000", b"HTTP/1.1 000 Odd", REFUSED),
        ("status of two digits", b"HTTP/1.1 20 OK", REFUSED),
        ("status of four digits", b"HTTP/1.1 2000 OK", REFUSED),
        ("status with a sign", b"HTTP/1.1 +20 OK", REFUSED),
        ("status with a point", b"HTTP/1.1 200.1 OK", REFUSED),
        ("status in hexadecimal", b"HTTP/1.1 0xc OK", REFUSED),
        ("status missing", b"HTTP/1.1 OK", REFUSED),
        ("HTTP/0.9", b"HTTP/0.9 200 OK", REFUSED),
        ("HTTP/1.2", b"HTTP/1.2 200 OK", REFUSED),
        ("HTTP/2.0", b"HTTP/2.0 200 OK", REFUSED),
        ("HTTP/2", b"HTTP/2 200 OK", REFUSED),
        ("HTTP/11", b"HTTP/11 200 OK", REFUSED),
        ("HTTP/01.1", b"HTTP/01.1 200 OK", REFUSED),
        ("lower case", b"http/1.1 200 OK", REFUSED),
        ("ICY", b"ICY 200 OK", REFUSED),
        ("RTSP", b"RTSP/1.0 200 OK", REFUSED),
        ("no version", b"200 OK", REFUSED),
        ("a request line", b"GET /a HTTP/1.1", REFUSED),
        ("empty", b"", REFUSED),
        ("HTML", b"<!DOCTYPE html>", REFUSED),
    ]
    return [
        ResponseRow(f"status line: {name}", response(length(5), start=line, body=b"hello"), status, b"hello")
        for name, line, status in lines
    ]


def _without_body() -> list[ResponseRow]:
    """What must have no body announces one, sends one, or both; with the connection left open, and ended."""
    starts = [
        ("HEAD", b"HTTP/1.1 200 OK", 200, "HEAD"),
        ("HEAD of an error", b"HTTP/1.1 404 Not Found", 404, "HEAD"),
        ("204", b"HTTP/1.1 204 No Content", 204, "GET"),
        ("304", b"HTTP/1.1 304 Not Modified", 304, "GET"),
        ("204 of HTTP/1.0", b"HTTP/1.0 204 No Content", 204, "GET"),
    ]
    framings: list[tuple[str, tuple[bytes, ...]]] = [
        ("no framing", ()),
        ("Content-Length: 0", (length(0),)),
        ("Content-Length", (length(len(INJECTED)),)),
        ("chunked", (CHUNKED,)),
    ]
    bodies = [("no body", b""), ("a response for a body", INJECTED), ("stray line ends", b"\r\n\r\n")]
    rows = []
    for what, start, status, method in starts:
        for framing, lines in framings:
            if lines == (CHUNKED,) and b"1.0" in start:
                continue
            for body_name, body in bodies:
                for ends in (False, True):
                    name = f"{what}, {framing}, {body_name}, {'ended' if ends else 'left open'}"
                    sent = response(*lines, start=start, body=body)
                    rows.append(ResponseRow(name, sent, status, b"", method, ends))
    return rows


def _interim() -> list[ResponseRow]:
    final = response(length(5), body=b"hello")
    lines: list[tuple[str, bytes, int]] = [
        ("100 unasked", b"HTTP/1.1 100 Continue\r\n\r\n", 200),
        ("ten of them", b"HTTP/1.1 100 Continue\r\n\r\n" * 10, 200),
        ("102", b"HTTP/1.1 102 Processing\r\n\r\n", 200),
        ("103 with fields", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", 200),
        ("199", b"HTTP/1.1 199 Odd\r\n\r\n", 200),
        ("100 with Content-Length: 0", b"HTTP/1.1 100 Continue\r\nContent-Length: 0\r\n\r\n", 200),
        ("100 with two lengths", b"HTTP/1.1 100 C\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", REFUSED),
        ("100 with length and chunked", b"HTTP/1.1 100 C\r\nContent-Length: 1\r\n%b\r\n\r\n" % CHUNKED, REFUSED),
        ("100 with a body", b"HTTP/1.1 100 Continue\r\nContent-Length: 3\r\n\r\nabc", REFUSED),
        ("100 with a chunked body", b"HTTP/1.1 100 Continue\r\n%b\r\n\r\n0\r\n\r\n" % CHUNKED, REFUSED),
        ("100 of bare LFs", b"HTTP/1.1 100 Continue\n\n", REFUSED),
        ("100 of HTTP/0.9", b"HTTP/0.9 100 Continue\r\n\r\n", REFUSED),
        (
            "101 that nobody asked for",
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
            REFUSED,
        ),
        ("101 to h2c", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n", REFUSED),
        ("101 without Upgrade", b"HTTP/1.1 101 Switching Protocols\r\n\r\n", REFUSED),
    ]
    rows = [ResponseRow(f"interim: {name}", before + final, status, b"hello") for name, before, status in lines]
    return [
        *rows,
        ResponseRow("interim alone, then the end", b"HTTP/1.1 100 Continue\r\n\r\n", REFUSED, b"", ends=True),
    ]


def _ends_and_strays() -> list[ResponseRow]:
    hello = response(length(5), body=b"hello")
    chunked = response(CHUNKED, body=HELLO_CHUNKED)
    strays = [
        ("a line end", b"\r\n"),
        ("a byte", b"x"),
        ("a NUL", b"\0"),
        ("a whole response", INJECTED),
        ("a response's head", INJECTED[:30]),
        ("an interim response", b"HTTP/1.1 100 Continue\r\n\r\n"),
        ("a last chunk", b"0\r\n\r\n"),
    ]
    rows = [
        ResponseRow(f"{what}, then {name}", sent + stray, 200, b"hello")
        for what, sent in (("length", hello), ("chunks", chunked))
        for name, stray in strays
    ]
    rows += [
        ResponseRow(f"cut behind {count} bytes of its head", hello[:count], REFUSED, b"", ends=True)
        for count in (0, 1, 12, 17, 19, 36, 37)
    ]
    until_end = response(b"X: y", body=INJECTED)
    return [
        *rows,
        ResponseRow("length, one byte short", hello[:-1], 200, None, ends=True),
        ResponseRow("length, no body at all", hello[:-5], 200, None, ends=True),
        ResponseRow("until the end, a response for a body", until_end, 200, INJECTED, ends=True),
        ResponseRow("until the end, empty", response(), 200, b"", ends=True),
        ResponseRow(
            "until the end, Connection: keep-alive",
            response(b"Connection: keep-alive", body=b"hello"),
            200,
            b"hello",
            ends=True,
        ),
        ResponseRow(
            "HTTP/1.0 until the end", response(start=b"HTTP/1.0 200 OK", body=b"hello"), 200, b"hello", ends=True
        ),
        ResponseRow(
            "HTTP/1.0 with keep-alive",
            response(length(5), b"Connection: keep-alive", start=b"HTTP/1.0 200 OK", body=b"hello"),
            200,
            b"hello",
        ),
        ResponseRow("HTTP/1.0 chunked", response(CHUNKED, start=b"HTTP/1.0 200 OK", body=HELLO_CHUNKED), REFUSED, b""),
        ResponseRow(
            "Connection names Content-Length",
            response(length(5), b"Connection: content-length", body=b"hello"),
            200,
            b"hello",
        ),
        ResponseRow(
            "Connection names Transfer-Encoding",
            response(CHUNKED, b"Connection: transfer-encoding", body=HELLO_CHUNKED),
            200,
            b"hello",
        ),
        ResponseRow(
            "Connection: close, and left open", response(length(5), b"Connection: close", body=b"hello"), 200, b"hello"
        ),
        ResponseRow(
            "205 with a body", response(length(5), start=b"HTTP/1.1 205 Reset Content", body=b"hello"), 205, b"hello"
        ),
        ResponseRow("head of bare LFs", b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", REFUSED, b""),
        ResponseRow("head that ends with bare LFs", b"HTTP/1.1 200 OK\r\nContent-Length: 5\n\nhello", REFUSED, b""),
        ResponseRow("fold with a space", response(b"X: y", b" z", length(0)), REFUSED, b""),
        ResponseRow("fold with a tab", response(b"X: y", b"\tz", length(0)), REFUSED, b""),
        ResponseRow("empty name", response(b": y", length(0)), REFUSED, b""),
        ResponseRow("no colon", response(b"X", length(0)), REFUSED, b""),
        ResponseRow("1,000 header lines", response(*[b"X: y"] * 999, length(0)), 200, b""),
        ResponseRow("1,001 header lines", response(*[b"X: y"] * 1000, length(0)), REFUSED, b""),
        ResponseRow("head of 64 KiB and more", response(b"X: " + b"y" * 65_536, length(0)), REFUSED, b""),
        ResponseRow("Host, which means nothing there", response(b"Host: a", b"Host: b", length(0)), 200, b""),
        ResponseRow("Set-Cookie twice", response(b"Set-Cookie: a=1", b"Set-Cookie: b=2", length(0)), 200, b""),
        ResponseRow(
            "a redirect elsewhere",
            response(b"Location: http://evil.test/", length(0), start=b"HTTP/1.1 302 Found"),
            302,
            b"",
        ),
    ]


RESPONSES = [
    *_transfer_encodings(),
    *_lengths(),
    *_chunks(),
    *_odd_bytes(),
    *_status_lines(),
    *_without_body(),
    *_interim(),
    *_ends_and_strays(),
]
