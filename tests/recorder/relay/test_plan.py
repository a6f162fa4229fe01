"""recorder/relay/plan.py and answers.py: what is decided about a request before it is sent, and its answer."""

import pytest

from recorder.relay.answers import encode_answer
from recorder.relay.plan import Answer, Forward, Plan, Planner
from recorder.routing.routes import Own, build_table
from recorder.settings import RecorderSettings, Route
from traffic.capture.events import ExchangeError, Redaction
from traffic.capture.redact import Redactor

SETTINGS = RecorderSettings(
    dynamic_ports=(range(9000, 9003),),
    forbidden_ports=frozenset([8080]),
    routes=(
        Route("lm", "/lm/", "http://127.0.0.1:1234/"),
        Route("or", "/or/", "https://openrouter.ai/api/v1/"),
        Route("quiet", "/quiet/", "http://127.0.0.1:1234/", log=False),
        Route("get", "GET example.com/lm/", "http://127.0.0.1:1235/"),
    ),
)
ROUTES = """no route matches this path; the recorder's routes are:
  /lm/  ->  http://127.0.0.1:1234/
  /or/  ->  https://openrouter.ai/api/v1/
  /quiet/  ->  http://127.0.0.1:1234/
  GET example.com/lm/  ->  http://127.0.0.1:1235/"""
REDACTOR = Redactor(b"k" * 32)


def plan(
    target: bytes, method: str = "POST", host: bytes | None = b"h:1", settings: RecorderSettings = SETTINGS
) -> Plan:
    return Planner(settings, build_table(settings), REDACTOR, b"localhost:5601").plan(method, host, target)


FORWARDED = [
    (b"/lm/v1/chat", b"h:1", "lm", b"127.0.0.1:1234", b"/v1/chat", "http://h:1/lm/v1/chat"),
    (b"/lm/", b"h:1", "lm", b"127.0.0.1:1234", b"/", "http://h:1/lm/"),
    (b"/or/models?a=%20&b", b"h:1", "or", b"openrouter.ai", b"/api/v1/models?a=%20&b", "http://h:1/or/models?a=%20&b"),
    (b"/lm/a%2Fb//c/../d", b"h:1", "lm", b"127.0.0.1:1234", b"/a%2Fb//c/../d", "http://h:1/lm/a%2Fb//c/../d"),
    (b"http://x/lm/v1?q", b"h:1", "lm", b"127.0.0.1:1234", b"/v1?q", "http://x/lm/v1?q"),
    (b"/lm/v1", None, "lm", b"127.0.0.1:1234", b"/v1", "http://localhost:5601/lm/v1"),
    (b"/proxy/9002/v1", b"h:1", "proxy", b"127.0.0.1:9002", b"/v1", "http://h:1/proxy/9002/v1"),
]


@pytest.mark.parametrize(("target", "host", "route", "authority", "upstream", "url"), FORWARDED)
def test_a_request_on_a_route_is_forwarded(
    target: bytes, host: bytes | None, route: str, authority: bytes, upstream: bytes, url: str
) -> None:
    decided = plan(target, host=host)
    assert isinstance(decided.action, Forward)
    assert (decided.action.destination.authority, decided.action.target) == (authority, upstream)
    assert (decided.route, decided.is_recorded, decided.url, decided.path) == (route, True, url, target.decode())
    scheme = "https" if route == "or" else "http"
    assert decided.upstream_url == f"{scheme}://{authority.decode()}{upstream.decode()}"
    assert decided.recorded_target == upstream
    assert decided.redactions == ()


@pytest.mark.parametrize(
    ("target", "host", "preserve_host", "sent"),
    [
        (b"/lm/", b"h:1", False, b"127.0.0.1:1"),
        (b"/lm/", b"h:1", True, None),
        (b"/lm/", None, True, b"127.0.0.1:1"),
        (b"/lm/", b"", True, b"127.0.0.1:1"),
        (b"http://x:2/lm/", b"h:1", False, b"127.0.0.1:1"),
        (b"http://x:2/lm/", b"h:1", True, b"x:2"),
    ],
)
def test_the_host_sent_is_the_destination_s_or_the_one_the_client_meant(
    target: bytes, host: bytes | None, preserve_host: bool, sent: bytes | None
) -> None:
    """RFC 9112 §3.2.2: the authority of an absolute target replaces the client's Host. None: its Host line stays."""
    route = Route("lm", "/lm/", "http://127.0.0.1:1/", preserve_host=preserve_host)
    decided = plan(target, host=host, settings=RecorderSettings(routes=(route,)))
    assert isinstance(decided.action, Forward)
    assert decided.action.host == sent


def test_host_and_method_choose_among_routes() -> None:
    ports = [
        decided.action.destination.port
        for decided in (
            plan(b"/lm/x", "GET", b"example.com"),
            plan(b"/lm/x", "HEAD", b"example.com:5601"),
            plan(b"/lm/x", "POST", b"example.com"),
            plan(b"http://example.com/lm/x", "GET", b"other"),
        )
        if isinstance(decided.action, Forward)
    ]
    assert ports == [1235, 1235, 1234, 1235]


def test_a_quiet_route_is_not_recorded() -> None:
    assert not plan(b"/quiet/x").is_recorded
    assert plan(b"/quiet/x").route == "quiet"


REFUSED = [
    (b"*", "OPTIONS", 404, ROUTES, None),
    (b"/nowhere", "GET", 404, ROUTES, None),
    (b"/404/x", "GET", 404, ROUTES, None),
    (
        b"h:443",
        "CONNECT",
        501,
        "CONNECT is not offered: set the recorder as the base URL, not as a proxy",
        "bad_request",
    ),
    (
        b"/lm/",
        "CONNECT",
        501,
        "CONNECT is not offered: set the recorder as the base URL, not as a proxy",
        "bad_request",
    ),
    (
        b"/lm/#f",
        "GET",
        400,
        'the request target holds a "#"; a client keeps the fragment to itself (RFC 9112 section 3.2)',
        "bad_request",
    ),
    (
        b"http://u:p@h/lm/",
        "GET",
        400,
        "the request target's URL has no plain host; send host and port only, no user name",
        "bad_request",
    ),
    (b"/lm/../or/x", "GET", 400, "dot segments lead out of the route's prefix", "bad_request"),
    (b"/lm/%2e%2E/or/x", "GET", 400, "dot segments lead out of the route's prefix", "bad_request"),
    (b"/proxy/9001/..%2fx", "GET", 400, "dot segments lead out of the route's prefix", "bad_request"),
    (b"/proxy/8080/x", "GET", 404, "port 8080 is the recorder's or its ingest server's own", "bad_request"),
    (b"/proxy/5601/x", "GET", 404, "port 5601 is the recorder's or its ingest server's own", "bad_request"),
    (b"/proxy/9003/x", "GET", 404, "port 9003 is not in server.dynamic_ports", "bad_request"),
    (
        b"/proxy/x/y",
        "GET",
        404,
        "/proxy/ must be followed by a port and a path, as in /proxy/11434/v1/models",
        "bad_request",
    ),
]


@pytest.mark.parametrize(("target", "method", "status", "text", "name"), REFUSED)
def test_the_recorder_answers_what_leads_nowhere(
    target: bytes, method: str, status: int, text: str, name: str | None
) -> None:
    decided = plan(target, method)
    error = None if name is None else ExchangeError(name, "request_head", "client", text)
    assert decided.action == Answer(status, text, error)
    assert decided.is_recorded
    assert decided.upstream_url is None


def test_unmatched_requests_are_recorded_only_where_logging_says_so() -> None:
    settings = RecorderSettings(log_unmatched=False)
    decided = plan(b"/x", settings=settings)
    answer = Answer(404, "no route matches this path; the recorder's routes are:\n  (none)")
    assert (decided.action, decided.is_recorded) == (answer, False)


@pytest.mark.parametrize(
    ("target", "location"), [(b"/lm", b"/lm/"), (b"/lm?a=%20?", b"/lm/?a=%20?"), (b"/proxy?", b"/proxy/?")]
)
def test_a_path_that_lacks_its_slash_is_redirected_with_its_query(target: bytes, location: bytes) -> None:
    assert plan(target).action == Answer(308, "the route's path ends with a slash", field=b"Location: " + location)


@pytest.mark.parametrize(("target", "own"), [(b"/health", Own.HEALTH), (b"/metrics?x", Own.METRICS)])
def test_the_recorder_s_own_pages_are_not_recorded(target: bytes, own: Own) -> None:
    decided = plan(target, "GET")
    assert (decided.action, decided.is_recorded) == (own, False)


def test_secrets_are_out_of_everything_that_is_told_but_not_of_what_is_sent() -> None:
    """One secret has one placeholder in each text, and the redactions name it once."""
    decided = plan(b"/lm/v1?key=sk-1234567890&x=1")
    mark = REDACTOR.placeholder(b"sk-1234567890").decode()
    assert isinstance(decided.action, Forward)
    assert decided.action.target == b"/v1?key=sk-1234567890&x=1"
    assert decided.path == f"/lm/v1?key={mark}&x=1"
    assert decided.url == f"http://h:1/lm/v1?key={mark}&x=1"
    assert decided.upstream_url == f"http://127.0.0.1:1234/v1?key={mark}&x=1"
    assert decided.recorded_target == f"/v1?key={mark}&x=1".encode()
    assert decided.redactions == (Redaction("request.query.key", mark),)


def test_without_a_redactor_everything_is_told() -> None:
    planner = Planner(SETTINGS, build_table(SETTINGS), None, b"localhost:5601")
    decided = planner.plan("GET", b"h", b"/lm/v1?key=a")
    assert (decided.path, decided.redactions) == ("/lm/v1?key=a", ())


def test_the_same_question_gets_the_same_plan() -> None:
    planner = Planner(SETTINGS, build_table(SETTINGS), REDACTOR, b"localhost:5601")
    assert planner.plan("GET", b"h", b"/lm/v1") is planner.plan("GET", b"h", b"/lm/v1")
    assert planner.plan("GET", b"h2", b"/lm/v1").url == "http://h2/lm/v1"


START = b"Content-Type: text/plain; charset=utf-8\r\nContent-Length: 3\r\nX-Content-Type-Options: nosniff\r\n"


def test_an_answer_s_bytes_are_a_whole_response() -> None:
    assert encode_answer(404, b"no\n", method="GET", closes=False) == (
        b"HTTP/1.1 404 Not Found\r\n" + START + b"\r\nno\n"
    )
    assert encode_answer(308, b"no\n", method="HEAD", closes=True, field=b"Location: /lm/?q") == (
        b"HTTP/1.1 308 Permanent Redirect\r\n" + START + b"Location: /lm/?q\r\nConnection: close\r\n\r\n"
    )
    for status in (400, 408, 414, 431, 501, 502, 503, 504, 505):
        assert encode_answer(status, b"", method="GET", closes=True).startswith(b"HTTP/1.1 %d " % status)
