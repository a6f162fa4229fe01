"""The requests: RFC 9112 and 9110 line by line, and the published smuggling techniques with their obfuscations."""

from tests.attack.parts import CHUNKS, LENGTHS, ODD_BYTES, TRANSFER_ENCODINGS
from tests.attack.rows import HOST, RequestRow, length, request

SMUGGLED = b"GET /lm/smuggled HTTP/1.1\r\n" + HOST + b"\r\n"
GET = b"GET /lm/a HTTP/1.1"
CHUNKED = b"Transfer-Encoding: chunked"
HELLO_CHUNKED = b"5\r\nhello\r\n0\r\n\r\n"
NEXT = b"GET /lm/next HTTP/1.1\r\n" + HOST + b"\r\n\r\n"


def _transfer_encodings() -> list[RequestRow]:
    """CL.TE, TE.CL and TE.TE: each line alone, behind a length that covers all, before one that covers a part."""
    rows = []
    prefix = b"0\r\n\r\n" + SMUGGLED + b"X: "
    chunk = SMUGGLED + b"Content-Length: 10\r\n\r\nx=1"  # read by its length: a request, and a body of 10 bytes
    for name, line, kind in TRANSFER_ENCODINGS:
        alone = {"valid": (200,), "other": (200, 400), "bad": (400,)}[kind]
        rows.append(RequestRow(f"TE alone, {name}", request(line, body=HELLO_CHUNKED), alone))
        beside = {"valid": (400,), "other": (200,), "bad": (400,)}[kind]
        rows.append(RequestRow(f"CL.TE, {name}", request(length(len(prefix)), line, body=prefix), beside))
        split = {"valid": (400,), "other": (200, 200), "bad": (400,)}[kind]
        body = b"%03x\r\n%b\r\n0\r\n\r\n" % (len(chunk), chunk)
        rows.append(RequestRow(f"TE.CL, {name}", request(line, length(5), body=body), split))
    return rows


def _lengths() -> list[RequestRow]:
    rows = []
    for name, line, kind in LENGTHS:
        alone = {"valid": (200,), "other": (200,), "bad": (400,)}[kind]  # behind another field `hello` begins a head
        rows.append(RequestRow(f"CL alone, {name}", request(line, body=b"hello"), alone))
        beside = {"valid": (400,), "other": (200,), "bad": (400,)}[kind]
        rows.append(RequestRow(f"CL.CL, {name}", request(length(0), line, body=b"hello"), beside))
    return rows


def _chunks() -> list[RequestRow]:
    """A cut body is no request: nobody answers it. Behind a valid one another request is still found."""
    statuses: dict[str, tuple[int, ...]] = {"valid": (200,), "bad": (400,), "cut": ()}
    rows = [
        RequestRow(f"chunks, {name}", request(CHUNKED, body=body), statuses[kind])
        for name, body, kind in CHUNKS
        if body != HELLO_CHUNKED  # a row of its own above
    ]
    rows += [
        RequestRow(f"chunks and a request behind them, {name}", request(CHUNKED, body=body) + NEXT, (200, 200))
        for name, body, kind in CHUNKS
        if kind == "valid"
    ]
    return rows


def _odd_bytes() -> list[RequestRow]:
    """Each odd byte at each place of a head, where `$` stands."""
    places = {
        "before the request line": b"$GET /lm/a HTTP/1.1\r\nHost: h\r\nX: y\r\n\r\n",
        "in the method": b"GE$T /lm/a HTTP/1.1\r\nHost: h\r\nX: y\r\n\r\n",
        "behind the method": b"GET$ /lm/a HTTP/1.1\r\nHost: h\r\nX: y\r\n\r\n",
        "for the first space": b"GET$/lm/a HTTP/1.1\r\nHost: h\r\nX: y\r\n\r\n",
        "before the target": b"GET $/lm/a HTTP/1.1\r\nHost: h\r\nX: y\r\n\r\n",
        "in the target": b"GET /lm/$a HTTP/1.1\r\nHost: h\r\nX: y\r\n\r\n",
        "in the query": b"GET /lm/a?b=$c HTTP/1.1\r\nHost: h\r\nX: y\r\n\r\n",
        "for the second space": b"GET /lm/a$HTTP/1.1\r\nHost: h\r\nX: y\r\n\r\n",
        "in the version": b"GET /lm/a HTTP/$1.1\r\nHost: h\r\nX: y\r\n\r\n",
        "behind the version": b"GET /lm/a HTTP/1.1$\r\nHost: h\r\nX: y\r\n\r\n",
        "for the request line's end": b"GET /lm/a HTTP/1.1$Host: h\r\nX: y\r\n\r\n",
        "before a name": b"GET /lm/a HTTP/1.1\r\nHost: h\r\n$X: y\r\n\r\n",
        "in a name": b"GET /lm/a HTTP/1.1\r\nHost: h\r\nX$Z: y\r\n\r\n",
        "before a colon": b"GET /lm/a HTTP/1.1\r\nHost: h\r\nX$: y\r\n\r\n",
        "for a name": b"GET /lm/a HTTP/1.1\r\nHost: h\r\n$: y\r\n\r\n",
        "behind a colon": b"GET /lm/a HTTP/1.1\r\nHost: h\r\nX:$y\r\n\r\n",
        "in a value": b"GET /lm/a HTTP/1.1\r\nHost: h\r\nX: y$z\r\n\r\n",
        "behind a value": b"GET /lm/a HTTP/1.1\r\nHost: h\r\nX: y$\r\n\r\n",
        "for a line's end": b"GET /lm/a HTTP/1.1\r\nHost: h$X: y\r\n\r\n",
        "in the Host": b"GET /lm/a HTTP/1.1\r\nHost: h$i\r\nX: y\r\n\r\n",
        "behind the Host": b"GET /lm/a HTTP/1.1\r\nHost: h$\r\nX: y\r\n\r\n",
        "for the empty line": b"GET /lm/a HTTP/1.1\r\nHost: h\r\nX: y\r\n$",
        "before the empty line": b"GET /lm/a HTTP/1.1\r\nHost: h\r\nX: y\r\n$\r\n\r\n",
    }
    well_formed = {"behind a colon", "for the first space", "for the second space", "before the target"}  # with a space
    blanks = {"space", "tab"}
    passing = {
        "behind a colon": blanks | {"NBSP"},
        "in a value": blanks | {"NBSP"},
        "behind a value": blanks | {"NBSP"},
        "behind the Host": blanks,
    }
    unanswered = {("for the empty line", name) for name in ODD_BYTES if name not in {"LF", "NUL"}}  # it never ends
    rows = []
    for place, text in places.items():
        for name, byte in ODD_BYTES.items():
            if name == "space" and place in well_formed:
                continue
            statuses: tuple[int, ...] = (200,) if name in passing.get(place, ()) else (400,)
            if (place, name) in unanswered:
                statuses = ()
            rows.append(RequestRow(f"{name} {place}", text.replace(b"$", byte), statuses))
    return rows


def _start_lines() -> list[RequestRow]:
    lines: list[tuple[str, bytes, tuple[int, ...]]] = [
        # targets
        ("absolute form", b"GET http://recorder.test/lm/a HTTP/1.1", (200,)),
        ("absolute form, another authority than Host's", b"GET http://evil.test/lm/a HTTP/1.1", (200,)),
        ("absolute form, scheme in upper case", b"GET HTTP://recorder.test/lm/a HTTP/1.1", (200,)),
        ("absolute form, https", b"GET https://recorder.test/lm/a HTTP/1.1", (200,)),
        ("absolute form, IPv6", b"GET http://[::1]:80/lm/a HTTP/1.1", (200,)),
        ("absolute form, another scheme", b"GET ftp://recorder.test/lm/a HTTP/1.1", (400,)),
        ("absolute form, file", b"GET file:///lm/a HTTP/1.1", (400,)),
        ("absolute form, user name", b"GET http://u@recorder.test/lm/a HTTP/1.1", (400,)),
        ("absolute form, user and password", b"GET http://u:p@recorder.test/lm/a HTTP/1.1", (400,)),
        ("absolute form, no host", b"GET http:///lm/a HTTP/1.1", (400,)),
        ("absolute form, no path", b"GET http://recorder.test HTTP/1.1", (404,)),
        ("absolute form, query behind the host", b"GET http://recorder.test?/lm/a HTTP/1.1", (404,)),
        ("absolute form, one slash", b"GET http:/recorder.test/lm/a HTTP/1.1", (400,)),
        ("absolute form, port that is none", b"GET http://recorder.test:x/lm/a HTTP/1.1", (400,)),
        ("absolute form, port of six digits", b"GET http://recorder.test:000080/lm/a HTTP/1.1", (400,)),
        ("absolute form, backslash", b"GET http:\\\\recorder.test/lm/a HTTP/1.1", (400,)),
        ("authority form", b"GET recorder.test:80 HTTP/1.1", (400,)),
        ("CONNECT", b"CONNECT recorder.test:80 HTTP/1.1", (501,)),
        ("CONNECT, IPv6", b"CONNECT [::1]:80 HTTP/1.1", (501,)),
        ("CONNECT, origin form", b"CONNECT /lm/a HTTP/1.1", (501,)),
        ("CONNECT, no port", b"CONNECT recorder.test HTTP/1.1", (400,)),
        ("CONNECT, bare LF before the host", b"CONNECT \na:1 HTTP/1.1", (400,)),
        ("CONNECT, bare CR behind the port", b"CONNECT a:1\r HTTP/1.1", (400,)),
        ("asterisk form", b"OPTIONS * HTTP/1.1", (404,)),
        ("asterisk form of GET", b"GET * HTTP/1.1", (404,)),
        ("asterisk and more", b"OPTIONS *a HTTP/1.1", (400,)),
        ("relative path", b"GET lm/a HTTP/1.1", (400,)),
        ("no target", b"GET  HTTP/1.1", (400,)),
        ("question mark alone", b"GET ?a HTTP/1.1", (400,)),
        ("fragment", b"GET /lm/a#b HTTP/1.1", (400,)),
        ("fragment behind a query", b"GET /lm/a?b#c HTTP/1.1", (400,)),
        ("two slashes first", b"GET //lm/a HTTP/1.1", (404,)),
        ("host in the path", b"GET //evil.test/lm/a HTTP/1.1", (404,)),
        ("dot segments that stay below the route", b"GET /lm/b/../a HTTP/1.1", (200,)),
        ("dot segments that leave the route", b"GET /lm/../a HTTP/1.1", (400,)),
        ("encoded dot segments", b"GET /lm/%2e%2e/a HTTP/1.1", (400,)),
        ("encoded slash behind dots", b"GET /lm/..%2fa HTTP/1.1", (400,)),
        ("backslash behind dots", b"GET /lm/..\\a HTTP/1.1", (400,)),
        ("encoded CR LF", b"GET /lm/a%0d%0aX:y HTTP/1.1", (200,)),
        ("encoded NUL", b"GET /lm/%00 HTTP/1.1", (200,)),
        ("percent sign that encodes nothing", b"GET /lm/%zz% HTTP/1.1", (200,)),
        ("bytes that a URL should encode", b'GET /lm/"<>[]^`{|} HTTP/1.1', (200,)),
        ("UTF-8", b"GET /lm/\xc3\xa4 HTTP/1.1", (400,)),
        ("8,000 bytes", b"GET /lm/%b HTTP/1.1" % (b"a" * 7996), (200,)),
        ("a byte more than 16,384", b"GET /lm/%b HTTP/1.1" % (b"a" * 16_381), (414,)),
        ("a header field in the target's place", b"GET /lm/a HTTP/1.1 X: y HTTP/1.1", (400,)),
        # versions
        ("HTTP/1.0", b"GET /lm/a HTTP/1.0", (200,)),
        ("HTTP/0.9", b"GET /lm/a HTTP/0.9", (505,)),
        ("HTTP/1.2", b"GET /lm/a HTTP/1.2", (400,)),
        ("HTTP/1.9", b"GET /lm/a HTTP/1.9", (400,)),
        ("HTTP/2.0", b"GET /lm/a HTTP/2.0", (505,)),
        ("HTTP/2", b"GET /lm/a HTTP/2", (400,)),
        ("HTTP/3.0", b"GET /lm/a HTTP/3.0", (400,)),
        ("HTTP/1", b"GET /lm/a HTTP/1", (400,)),
        ("HTTP/11", b"GET /lm/a HTTP/11", (400,)),
        ("HTTP/1.", b"GET /lm/a HTTP/1.", (400,)),
        ("HTTP/.1", b"GET /lm/a HTTP/.1", (400,)),
        ("HTTP/01.1", b"GET /lm/a HTTP/01.1", (400,)),
        ("HTTP/1.01", b"GET /lm/a HTTP/1.01", (400,)),
        ("HTTP/1.1.1", b"GET /lm/a HTTP/1.1.1", (400,)),
        ("HTTP/1,1", b"GET /lm/a HTTP/1,1", (400,)),
        ("HTTP/-1.1", b"GET /lm/a HTTP/-1.1", (400,)),
        ("HTTP/1.1 and a letter", b"GET /lm/a HTTP/1.1x", (400,)),
        ("HTTP in lower case", b"GET /lm/a http/1.1", (400,)),
        ("Http", b"GET /lm/a Http/1.1", (400,)),
        ("HTTPS", b"GET /lm/a HTTPS/1.1", (400,)),
        ("XHTTP", b"GET /lm/a XHTTP/1.1", (400,)),
        ("RTSP", b"GET /lm/a RTSP/1.0", (505,)),
        ("ICE", b"SOURCE /lm/a ICE/1.0", (505,)),
        ("HTTP without a version", b"GET /lm/a HTTP", (400,)),
        ("no version at all", b"GET /lm/a", (400,)),
        ("no version, space", b"GET /lm/a ", (400,)),
        ("method alone", b"GET", (400,)),
        ("a status line", b"HTTP/1.1 200 OK", (400,)),
        ("the preface of HTTP/2", b"PRI * HTTP/2.0", (400,)),
        # methods
        ("lower-case method", b"get /lm/a HTTP/1.1", (400,)),
        ("mixed-case method", b"GeT /lm/a HTTP/1.1", (400,)),
        ("letter before the method", b"XGET /lm/a HTTP/1.1", (400,)),
        ("GPOST", b"GPOST /lm/a HTTP/1.1", (400,)),
        ("unknown method", b"FROBNICATE /lm/a HTTP/1.1", (400,)),
        ("two methods", b"GET,POST /lm/a HTTP/1.1", (400,)),
        ("quoted method", b'"GET" /lm/a HTTP/1.1', (400,)),
        ("TRACE", b"TRACE /lm/a HTTP/1.1", (200,)),
        ("OPTIONS", b"OPTIONS /lm/a HTTP/1.1", (200,)),
        ("PATCH", b"PATCH /lm/a HTTP/1.1", (200,)),
        ("DELETE", b"DELETE /lm/a HTTP/1.1", (200,)),
        ("PROPFIND", b"PROPFIND /lm/a HTTP/1.1", (200,)),
        ("HEAD", b"HEAD /lm/a HTTP/1.1", (200,)),
    ]
    return [RequestRow(f"start line: {name}", request(start=line), statuses) for name, line, statuses in lines]


def _hosts() -> list[RequestRow]:
    lines: list[tuple[str, bytes, tuple[int, ...]]] = [
        ("missing", b"X: y\r\n", (400,)),
        ("empty", b"Host:\r\n", (200,)),
        ("blank", b"Host: \t\r\n", (200,)),
        ("twice, equal", b"Host: a\r\nHost: a\r\n", (400,)),
        ("twice, differing", b"Host: a\r\nHost: b\r\n", (400,)),
        ("twice, in other case", b"Host: a\r\nhOST: a\r\n", (400,)),
        ("twice, one empty", b"Host: a\r\nHost:\r\n", (400,)),
        ("space before the colon", b"Host : a\r\n", (400,)),
        ("folded", b"Host:\r\n a\r\n", (400,)),
        ("fold of the line above", b"X: y\r\n Host: a\r\n", (400,)),
        ("list", b"Host: a, b\r\n", (400,)),
        ("two words", b"Host: a b\r\n", (400,)),
        ("path", b"Host: a/b\r\n", (400,)),
        ("query", b"Host: a?b\r\n", (400,)),
        ("fragment", b"Host: a#b\r\n", (400,)),
        ("URL", b"Host: http://a\r\n", (400,)),
        ("user name", b"Host: u@a\r\n", (400,)),
        ("backslash", b"Host: a\\b\r\n", (400,)),
        ("quoted", b'Host: "a"\r\n', (400,)),
        ("UTF-8", b"Host: \xc3\xa4\r\n", (400,)),
        ("percent sign that encodes nothing", b"Host: %zz\r\n", (400,)),
        ("percent-encoded", b"Host: %61\r\n", (200,)),
        ("port", b"Host: a:80\r\n", (200,)),
        ("empty port", b"Host: a:\r\n", (200,)),
        ("port of six digits", b"Host: a:000080\r\n", (400,)),
        ("port that is none", b"Host: a:http\r\n", (400,)),
        ("negative port", b"Host: a:-1\r\n", (400,)),
        ("two ports", b"Host: a:80:81\r\n", (400,)),
        ("IPv6", b"Host: [::1]:80\r\n", (200,)),
        ("IPv6 without brackets", b"Host: ::1\r\n", (400,)),
        ("IPv6 that is not closed", b"Host: [::1\r\n", (400,)),
        ("IPv6 with a zone", b"Host: [fe80::1%25eth0]\r\n", (400,)),
        ("X-Forwarded-Host, which the recorder heeds not", b"Host: a\r\nX-Forwarded-Host: evil\r\n", (200,)),
    ]
    rows = [RequestRow(f"Host: {name}", GET + b"\r\n" + text + b"\r\n", statuses) for name, text, statuses in lines]
    absolute = b"GET http://recorder.test/lm/a HTTP/1.1\r\n"
    return [
        *rows,
        RequestRow("Host: missing in HTTP/1.0", b"GET /lm/a HTTP/1.0\r\n\r\n", (200,)),
        RequestRow("Host: twice in HTTP/1.0", b"GET /lm/a HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", (400,)),
        RequestRow("Host: malformed in HTTP/1.0", b"GET /lm/a HTTP/1.0\r\nHost: a b\r\n\r\n", (400,)),
        RequestRow("Host: missing beside an absolute target", absolute + b"\r\n", (400,)),
        RequestRow("Host: twice beside an absolute target", absolute + b"Host: a\r\nHost: b\r\n\r\n", (400,)),
        RequestRow("Host: malformed beside an absolute target", absolute + b"Host: a@b\r\n\r\n", (400,)),
    ]


def _hop_by_hop() -> list[RequestRow]:
    """Connection, Upgrade and Expect."""
    upgrade = b"Connection: Upgrade"
    lines: list[tuple[str, tuple[bytes, ...], tuple[int, ...]]] = [
        ("Connection names Content-Length", (b"Connection: Content-Length", length(5)), (200,)),
        ("Connection names Host", (b"Connection: Host", length(5)), (200,)),
        ("Connection names another field, twice", (b"Connection: x, X", b"X: y", length(5)), (200,)),
        ("Connection names itself", (b"Connection: connection", length(5)), (200,)),
        ("Connection with empty members", (b"Connection: ,, ,", length(5)), (200,)),
        ("Connection with what is no token", (b'Connection: "close", a b', length(5)), (200,)),
        ("Connection: close, in odd case and twice", (b"Connection: CLOSE", b"connection: close", length(5)), (200,)),
        ("Connection: close and keep-alive", (b"Connection: keep-alive, close", length(5)), (200,)),
        ("Proxy-Connection", (b"Proxy-Connection: keep-alive", length(5)), (200,)),
        ("Keep-Alive", (b"Keep-Alive: timeout=99999999999999999999", length(5)), (200,)),
        ("Upgrade: h2c", (upgrade + b", HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAM", length(5)), (200,)),
        ("Upgrade: h2c, not named by Connection", (b"Upgrade: h2c", length(5)), (200,)),
        ("Upgrade: several", (upgrade, b"Upgrade: websocket, h2c", length(5)), (200,)),
        ("Upgrade: several lines", (upgrade, b"Upgrade: websocket", b"Upgrade: h2c", length(5)), (200,)),
        ("Upgrade: websocket, not named by Connection", (b"Upgrade: websocket", length(5)), (200,)),
        ("Upgrade: websocket, which the origin refuses", (upgrade, b"Upgrade: websocket", length(5)), (200,)),
        (
            "Upgrade: websocket of a wrong version",
            (upgrade, b"Upgrade: websocket", b"Sec-WebSocket-Version: 777", length(5)),
            (200,),
        ),
        ("Upgrade: TLS/1.0", (upgrade, b"Upgrade: TLS/1.0", length(5)), (200,)),
        ("Upgrade: empty", (upgrade, b"Upgrade:", length(5)), (200,)),
        ("Expect: 100-continue", (b"Expect: 100-continue", length(5)), (200,)),
        ("Expect: 100-continue, in odd case", (b"Expect: 100-CONTINUE", length(5)), (200,)),
        ("Expect: obfuscated", (b"Expect: y 100-continue", length(5)), (200,)),
        ("Expect: twice", (b"Expect: 100-continue", b"Expect: 100-continue", length(5)), (200,)),
        ("Expect: something else", (b"Expect: 200-ok", length(5)), (200,)),
        ("Expect: folded", (b"Expect:\r\n 100-continue", length(5)), (400,)),
        ("Expect: empty", (b"Expect:", length(5)), (200,)),
        ("Max-Forwards: 0", (b"Max-Forwards: 0", length(5)), (200,)),
        ("X-HTTP-Method-Override", (b"X-HTTP-Method-Override: CONNECT", length(5)), (200,)),
        ("Trailer names Content-Length", (b"Trailer: Content-Length", length(5)), (200,)),
    ]
    rows = [RequestRow(name, request(*fields, body=b"hello"), statuses) for name, fields, statuses in lines]
    chunked = request(b"Connection: Transfer-Encoding", CHUNKED, body=HELLO_CHUNKED)
    return [*rows, RequestRow("Connection names Transfer-Encoding", chunked, (200,))]


def _pipelines() -> list[RequestRow]:
    """Several messages, and what looks like one, in one write."""
    body = SMUGGLED + b"\r\n"
    old = b"POST /lm/a HTTP/1.0\r\n"
    return [
        RequestRow(
            "tab behind `chunked`: valid, and refused by llhttp", request(CHUNKED + b"\t", body=HELLO_CHUNKED), (400,)
        ),
        RequestRow("ten requests", NEXT * 10, (200,) * 10),
        RequestRow("empty lines between requests", b"\r\n\r\n" + NEXT + b"\r\n" + NEXT, (200, 200)),
        RequestRow("bare LF between requests", NEXT + b"\n" + NEXT, (200, 400)),
        RequestRow("bare CR between requests", NEXT + b"\r" + NEXT, (200, 400)),
        RequestRow("request within a request's body", request(length(len(body)), body=body), (200,)),
        RequestRow("request within a GET's body", request(length(len(body)), start=GET, body=body), (200,)),
        RequestRow("GET with a chunked body", request(CHUNKED, start=GET, body=HELLO_CHUNKED) + NEXT, (200, 200)),
        RequestRow(
            "HEAD with a body", request(length(5), start=b"HEAD /lm/a HTTP/1.1", body=b"hello") + NEXT, (200, 200)
        ),
        RequestRow("DELETE with a body", request(length(5), start=b"DELETE /lm/a HTTP/1.1", body=b"hello"), (200,)),
        RequestRow("TRACE with a body", request(length(5), start=b"TRACE /lm/a HTTP/1.1", body=b"hello"), (200,)),
        RequestRow("OPTIONS with a body", request(length(5), start=b"OPTIONS /lm/a HTTP/1.1", body=b"hello"), (200,)),
        RequestRow("CONNECT with a request behind it", request(start=b"CONNECT a:1 HTTP/1.1") + NEXT, (501, 200)),
        RequestRow("CL.0: no length at all", request(body=body), (200, 200)),
        RequestRow("GET, then a request cut in its head", NEXT + SMUGGLED, (200,)),
        RequestRow("good, then bad, then good", NEXT + request(b"X : y") + NEXT, (200, 400)),
        RequestRow("Connection: close, then a request", request(b"Connection: close", length(0)) + NEXT, (200,)),
        RequestRow("HTTP/1.0, then a request", old + length(5) + b"\r\n\r\nhello" + NEXT, (200,)),
        RequestRow(
            "HTTP/1.0, keep-alive", old + b"Connection: keep-alive\r\n" + length(0) + b"\r\n\r\n" + NEXT, (200,)
        ),
        RequestRow("HTTP/1.0, no length, body", old + b"\r\nhello", (200,)),
        RequestRow("HTTP/1.0, chunked", old + CHUNKED + b"\r\n\r\n" + HELLO_CHUNKED, (400,)),
        RequestRow(
            "HTTP/1.0, chunked and length", old + length(5) + b"\r\n" + CHUNKED + b"\r\n\r\n" + HELLO_CHUNKED, (400,)
        ),
        RequestRow("HTTP/1.0, Upgrade", old + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n", (200,)),
        RequestRow("a GET in the style of HTTP/0.9, then a request", b"GET /lm/a\r\n" + NEXT, (400,)),
        RequestRow("response in a request's place", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" + NEXT, (400,)),
        RequestRow("TLS in the clear", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", (400,)),
        RequestRow("PROXY protocol", b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n" + NEXT, (400,)),
        RequestRow("HTTP/2 with its preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (505,)),
    ]


def _sizes_and_cuts() -> list[RequestRow]:
    whole = request(length(5), body=b"hello")
    cuts = [RequestRow(f"cut behind {count} bytes", whole[:count], ()) for count in (1, 4, 18, 20, 39, len(whole) - 6)]
    return [
        *cuts,
        RequestRow("cut within the body", whole[:-1], ()),
        RequestRow("nothing", b"", ()),
        RequestRow("empty lines alone", b"\r\n" * 500, ()),
        RequestRow("1,000 header lines", request(*[b"X: y"] * 999, start=GET), (200,)),
        RequestRow("1,001 header lines", request(*[b"X: y"] * 1000, start=GET), (431,)),
        RequestRow("10,000 header lines", request(*[b"X:"] * 9999, start=GET), (431,)),
        RequestRow(
            "head of 64 KiB", request(b"X: " + b"y" * (65_536 - len(request(b"X: ", start=GET))), start=GET), (200,)
        ),
        RequestRow(
            "head of 64 KiB and a byte",
            request(b"X: " + b"y" * (65_537 - len(request(b"X: ", start=GET))), start=GET),
            (431,),
        ),
        RequestRow("name of 32 KiB", request(b"X" * 32_768 + b": y", start=GET), (200,)),
        RequestRow("1,000 members of Connection", request(b"Connection: " + b"x," * 1000, start=GET), (200,)),
        RequestRow("empty name", request(b": y", start=GET), (400,)),
        RequestRow("no colon", request(b"X", start=GET), (400,)),
        RequestRow("a separator in a name", request(b"X(y): z", start=GET), (400,)),
        RequestRow("UTF-8 in a name", request(b"X\xc3\xa4: z", start=GET), (400,)),
        RequestRow("UTF-8 in a value", request(b"X: \xc3\xa4", start=GET), (200,)),
        RequestRow("fold with a space", request(b"X: y", b" z", start=GET), (400,)),
        RequestRow("fold with a tab", request(b"X: y", b"\tz", start=GET), (400,)),
        RequestRow("fold with nothing behind", request(b"X: y", b" ", start=GET), (400,)),
        RequestRow("fold of the request line", b"GET /lm/a HTTP/1.1\r\n x\r\nHost: h\r\n\r\n", (400,)),
        RequestRow("head of bare LFs", b"GET /lm/a HTTP/1.1\nHost: h\n\n", (400,)),
        RequestRow("head of bare CRs", b"GET /lm/a HTTP/1.1\rHost: h\r\r", (400,)),
        RequestRow("head that ends with bare LFs", b"GET /lm/a HTTP/1.1\r\nHost: h\n\n", (400,)),
    ]


REQUESTS = [
    *_transfer_encodings(),
    *_lengths(),
    *_chunks(),
    *_odd_bytes(),
    *_start_lines(),
    *_hosts(),
    *_hop_by_hop(),
    *_pipelines(),
    *_sizes_and_cuts(),
]
