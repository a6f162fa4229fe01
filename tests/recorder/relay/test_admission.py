"""recorder/relay/admission.py: which requests are let in, by their key or by the page that sends them."""

import pytest

from recorder.relay.admission import admit, check_caller
from recorder.relay.plan import Answer, Forward, Plan, Planner
from recorder.routing.routes import Own, build_table
from recorder.settings import RecorderSettings, Route
from traffic.http1.head import RequestHead, parse_request_head
from traffic.keys import Key, KeyRing

SETTINGS = RecorderSettings(routes=(Route("lm", "/lm/", "http://127.0.0.1:1234/"),), allowed_hosts=("rec.example",))
PLANNER = Planner(SETTINGS, build_table(SETTINGS), None, b"localhost:5601")
ONE, TWO = b"the-key-number-one-of-two", b"the-key-number-two-of-two"
RING = KeyRing((Key.parse("one", ONE.decode()), Key.parse("two", TWO.decode())))


def head(lines: bytes, target: bytes = b"/lm/x", host: bytes = b"localhost:5601") -> RequestHead:
    return parse_request_head(b"GET %b HTTP/1.1\r\nHost: %b\r\n%b\r\n" % (target, host, lines))


def plan(request: RequestHead) -> Plan:
    return PLANNER.plan(request.method, request.value(b"host"), request.target)


@pytest.mark.parametrize(
    ("lines", "key", "places"),
    [
        (b"x-recorder-key: %b\r\n" % ONE, "one", {2}),
        (b"X-Recorder-KEY:%b  \r\n" % TWO, "two", {2}),
        (b"Authorization: Bearer %b\r\n" % ONE, "one", {2}),
        (b"authorization: bEARER   %b\r\n" % ONE, "one", {2}),
        (b"A: 1\r\nx-api-key: %b\r\n" % ONE, "one", {3}),
        (b"api-key: %b\r\n" % ONE, "one", {2}),
        (b"x-goog-api-key: %b\r\n" % ONE, "one", {2}),
        # beside the provider's own, which stays
        (b"Authorization: Bearer sk-the-provider-s\r\nx-recorder-key: %b\r\n" % ONE, "one", {3}),
        (b"x-recorder-key: wrong\r\nx-api-key: %b\r\n" % ONE, "one", {3}),
        # each line that holds one, whichever let the request in
        (b"x-api-key: %b\r\nAuthorization: Bearer %b\r\nx-recorder-key: %b\r\n" % (ONE, TWO, TWO), "two", {2, 3, 4}),
        (b"x-api-key: sk-provider\r\nx-api-key: %b\r\nx-api-key: %b\r\n" % (ONE, ONE), "one", {3, 4}),
    ],
)
def test_a_request_with_a_key_is_let_in_and_the_lines_that_hold_one_are_known(
    lines: bytes, key: str, places: set[int]
) -> None:
    request = head(lines)
    admitted = admit(plan(request), request, RING)
    assert isinstance(admitted.action, Forward)
    assert (admitted.key, set(admitted.key_places)) == (key, places)


HOW = (
    "send one as `x-recorder-key: KEY`, and the provider's own key travels beside it; or send it in that key's place "
    "(Authorization: Bearer, x-api-key, api-key, x-goog-api-key)"
)


@pytest.mark.parametrize(
    "lines",
    [
        b"x-recorder-key: %b\r\n" % ONE[:-1],
        b"x-recorder-key: Bearer %b\r\n" % ONE,
        b"x-recorder-key: \r\n",
        b"x-recorder-key: %b, %b\r\n" % (ONE, ONE),
        b"Authorization: %b\r\n" % ONE,
        b"Authorization: Basic %b\r\n" % ONE,
        b"Authorization: Bearer%b\r\n" % ONE,
        b"Authorization: Bearer\r\n",
        b"x-api-key: \xff\x80\r\n",
    ],
)
def test_a_wrong_key_is_refused(lines: bytes) -> None:
    request = head(lines)
    refused = admit(plan(request), request, RING)
    assert isinstance(refused.action, Answer)
    assert (refused.action.status, refused.action.field) == (401, b"WWW-Authenticate: Bearer")
    assert refused.action.text == f"what was sent is no key of this recorder (server.keys): {HOW}"
    assert refused.action.error is not None
    assert (refused.action.error.name, refused.action.error.by) == ("unauthorized", "client")
    assert (refused.key, refused.key_places) == (None, frozenset())
    assert (refused.route, refused.upstream_url, refused.recorded_target) == ("lm", None, b"/lm/x")


@pytest.mark.parametrize("lines", [b"", b"Cookie: %b\r\n" % ONE, b"Proxy-Authorization: Bearer %b\r\n" % ONE])
@pytest.mark.parametrize("target", [b"/lm/x", b"/lm/x?key=%b" % ONE, b"/metrics", b"/unknown", b"/404/", b"/lm/../x"])
def test_everything_but_health_asks_for_a_key(lines: bytes, target: bytes) -> None:
    request = head(lines, target)
    refused = admit(plan(request), request, RING)
    assert isinstance(refused.action, Answer)
    assert (refused.action.status, refused.action.text) == (401, f"this recorder asks for a key (server.keys): {HOW}")


def test_health_asks_for_none() -> None:
    request = head(b"", b"/health")
    assert admit(plan(request), request, RING).action is Own.HEALTH


def test_what_is_decided_for_one_request_is_not_kept_for_the_next() -> None:
    let_in, refused = head(b"x-recorder-key: %b\r\n" % ONE), head(b"")
    assert admit(plan(let_in), let_in, RING).key == "one"
    assert isinstance(admit(plan(refused), refused, RING).action, Answer)
    assert plan(let_in).key is None


@pytest.mark.parametrize(
    ("host", "lines", "problem"),
    [
        (b"localhost", b"", None),
        (b"127.0.0.1:9", b"", None),
        (b"rec.example", b"", None),
        (b"localhost:5601", b"Origin: http://localhost:5601\r\n", None),
        (b"localhost:5601", b"Origin: https://LOCALHOST:5601\r\n", None),
        (
            b"evil.example",
            b"",
            "this Host is not the recorder's: ask for localhost or its address, or set server.allowed_hosts",
        ),
        (
            b"localhost:5601",
            b"Origin: http://localhost:3000\r\n",
            "the recorder's own pages are not for pages of another origin",
        ),
        (b"localhost", b"Origin: null\r\n", "the recorder's own pages are not for pages of another origin"),
    ],
)
def test_own_pages_are_for_own_names_and_own_pages(host: bytes, lines: bytes, problem: str | None) -> None:
    request = head(lines, b"/health", host)
    decided = check_caller(plan(request), request, SETTINGS)
    if problem is None:
        assert decided.action is Own.HEALTH
    else:
        assert decided.action == Answer(403, problem)
        assert not decided.is_recorded


def test_a_request_without_a_host_is_no_browsers() -> None:
    request = parse_request_head(b"GET /health HTTP/1.0\r\n\r\n")
    assert check_caller(plan(request), request, SETTINGS).action is Own.HEALTH
