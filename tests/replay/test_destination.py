"""replay/destination.py: where a replay goes, and which origin its credentials reach in the end."""

import msgspec
import pytest

from replay.destination import Configured, Destination, Taken, Wish, find_destination
from replay.replay_error import ReplayError
from tests.traffic.llm.example import Example, raw
from traffic.capture.metadata import Metadata
from traffic.http1.head import RequestHead, parse_request_head

FACTS = raw(Example("/v1/chat?x=%2F", {}, b"")).metadata  # of the route llm with the pattern /llm/
UPSTREAM = "https://llm.test/v1/chat?x=%2F"
CALLED = "http://localhost:5601/llm/chat?x=%2F"
DESTINATIONS = {"llm": "https://llm.test/v1/", "other": "https://other.test/api", "root": "http://127.0.0.1:1234"}


def taking(_method: str, _host: bytes, path: bytes) -> Taken | None:
    """One route per destination: the first part of a path names it."""
    name, slash, rest = path[1:].partition(b"/")
    return Taken(DESTINATIONS[name.decode()], rest) if slash and name.decode() in DESTINATIONS else None


CONFIGURED = Configured("http://localhost:7000", DESTINATIONS, taking)
UNCONFIGURED = Configured(None, DESTINATIONS, taking)


def head(called: str | None = CALLED, target: str = "/v1/chat?x=%2F") -> RequestHead:
    line = "" if called is None else f"X-Proxy-Path: {called}\r\n"
    return parse_request_head(f"POST {target} HTTP/1.1\r\nHost: llm.test\r\n{line}\r\n".encode())


def facts(**changes: object) -> Metadata:
    return msgspec.structs.replace(FACTS, **changes)


def found(wish: Wish, configured: Configured = CONFIGURED, **changes: object) -> tuple[str, str, str, bool]:
    return described(find_destination(wish, head(), facts(**changes), configured))


def described(destination: Destination) -> tuple[str, str, str, bool]:
    return destination.origin, destination.target.decode(), destination.reaches, destination.is_recorder


def test_by_default_it_goes_through_the_recorder_whose_address_has_three_sources() -> None:
    for wish, configured, address in (
        (Wish(via="http://127.0.0.1:8000"), CONFIGURED, "http://127.0.0.1:8000"),
        (Wish(), CONFIGURED, "http://localhost:7000"),
        (Wish(), UNCONFIGURED, "http://localhost:5601"),
    ):
        assert found(wish, configured) == (address, "/llm/chat?x=%2F", "https://llm.test", True)
    below = found(Wish(via="http://h/below/"), upstream_url=None)
    assert below == ("http://h", "/below/llm/chat?x=%2F", "https://llm.test", True)


def test_behind_a_recorder_what_is_reached_is_its_routes_destination_not_what_the_recording_says() -> None:
    assert found(Wish(), upstream_url="https://evil.test/v1/chat")[2] == "https://llm.test"
    unknown = Configured("http://localhost:7000", {"llm": "https://llm.test/"})
    assert found(Wish(), unknown)[2] == "https://llm.test"  # a recorder of other routes: as it was
    assert found(Wish(), unknown, upstream_url=None)[2] == "http://localhost:7000"


def test_a_recorder_on_another_machine_that_the_recording_alone_names_is_taken_for_an_upstream() -> None:
    elsewhere = head("http://evil.test:5601/llm/chat")
    destination = find_destination(Wish(), elsewhere, FACTS, UNCONFIGURED)
    assert described(destination) == ("http://evil.test:5601", "/llm/chat", "http://evil.test:5601", True)
    assert find_destination(Wish(), elsewhere, FACTS, CONFIGURED).reaches == "https://llm.test"


def test_directly_it_goes_where_the_recorder_sent_it() -> None:
    assert found(Wish(is_direct=True)) == ("https://llm.test", "/v1/chat?x=%2F", "https://llm.test", False)


def test_to_a_url_the_recorded_target_is_appended() -> None:
    for url, origin, target in (
        ("http://[::1]:1234", "http://[::1]:1234", "/v1/chat?x=%2F"),
        ("https://host.test:443/api/", "https://host.test", "/api/v1/chat?x=%2F"),
        ("https://host.test/api/v2/", "https://host.test", "/api/v2/chat?x=%2F"),
    ):
        assert found(Wish(to=url))[1:] == (target, origin, False)


@pytest.mark.parametrize(
    ("route", "target"), [("llm", "/v1/chat?x=%2F"), ("other", "/api/v1/chat?x=%2F"), ("root", "/v1/chat?x=%2F")]
)
def test_to_a_route_what_was_behind_the_recorded_one_is_appended_with_the_version_once(route: str, target: str) -> None:
    origin = DESTINATIONS[route].removesuffix("/v1/").removesuffix("/api")
    assert found(Wish(to=route)) == (origin, target, origin, False)
    assert found(Wish(to=route), pattern=None)[1] == target  # the configuration's route takes it
    for pattern in (None, "/gone/"):  # another program's recording, or of a route that is no more: its whole path
        bare = find_destination(Wish(to=route), head(None), facts(pattern=pattern), CONFIGURED)
        assert bare.target.decode() == target


def test_what_is_behind_a_route_may_be_nothing_or_a_query_alone() -> None:
    for called, upstream, target in (
        ("http://h/llm/", "/", "/api"),
        ("http://h/llm/?a=1", "/?a=1", "/api?a=1"),
        ("http://h/llm/v1/x", "/v1/x", "/api/v1/x"),
        ("http://h/llm/x", "/api/v2beta/x", "/api/v2beta/x"),
    ):
        assert find_destination(Wish(to="other"), head(called, upstream), FACTS, CONFIGURED).target.decode() == target
    assert find_destination(Wish(to="root"), head("http://h/llm/?a", "/?a"), FACTS, CONFIGURED).target == b"/?a"
    assert find_destination(Wish(to="llm"), head("http://h/llm/v1?a", "/v1?a"), FACTS, CONFIGURED).target == b"/v1/?a"


@pytest.mark.parametrize(
    ("wish", "problem"),
    [
        (Wish(), "the recording has no X-Proxy-Path line that tells where it was sent; give --to URL"),
        (Wish(is_direct=True), "the recording does not tell to which upstream it went; give --to URL"),
        (Wish(to="ftp://x"), "not a URL such as http://localhost:5601: ftp://x"),
        (Wish(to="http://x:y"), "not a URL such as http://localhost:5601: http://x:y"),
        (Wish(to="http://a..b"), "not a URL such as http://localhost:5601: http://a..b"),
        (
            Wish(to="lmstudio"),
            "--to lmstudio: neither a URL nor a configured route; the routes are: llm, other, root",
        ),
    ],
)
def test_what_leads_nowhere_is_told(wish: Wish, problem: str) -> None:
    with pytest.raises(ReplayError) as raised:
        find_destination(wish, head(None), facts(upstream_url=None), CONFIGURED)
    assert str(raised.value) == problem


def test_the_host_line_names_the_route_whose_keys_go() -> None:
    """Routes may be for one host. The configured recorder is called by the name that the client called; one of --via
    by its own, so that a name in a recording cannot stand for another route's keys.
    """

    def by_host(_method: str, host: bytes, _path: bytes) -> Taken:
        return Taken("https://llm.test/v1/" if host == b"llm.localhost:5601" else "https://evil.test/", b"chat")

    configured = Configured("http://127.0.0.1:7000", {}, by_host)
    called = head("http://LLM.localhost:5601/chat")
    for wish, origin, authority, reaches in (
        (Wish(), "http://127.0.0.1:7000", "llm.localhost:5601", "https://llm.test"),
        (Wish(via="http://[::1]:80/"), "http://[::1]", "[::1]", "https://evil.test"),
    ):
        destination = find_destination(wish, called, FACTS, configured)
        assert destination == Destination(origin, authority, b"/chat", reaches, is_recorder=True)


def test_the_route_by_which_it_goes_is_named_so_that_its_own_key_is_taken() -> None:
    configured = Configured("http://h", DESTINATIONS, lambda *_: Taken(DESTINATIONS["llm"], b"", "takes-it"))
    for wish, route in (
        (Wish(), "takes-it"),
        (Wish(is_direct=True), "recorded"),
        (Wish(to="https://llm.test/"), "recorded"),
        (Wish(to="other"), "other"),
    ):
        assert find_destination(wish, head(), facts(route="recorded"), configured).route == route


def test_a_host_name_is_called_as_the_network_writes_it() -> None:
    destination = find_destination(Wish(to="http://例え.test:81/x"), head(), FACTS, CONFIGURED)
    assert destination.authority == "xn--r8jz45g.test:81"
    assert destination.origin == destination.reaches == "http://xn--r8jz45g.test:81"


@pytest.mark.parametrize("url", ["http://me:secret@h/", "http://h/?key=secret", "http://h/#secret"])
def test_what_would_not_be_sent_of_a_url_is_refused_without_repeating_it(url: str) -> None:
    for wish, option in ((Wish(to=url), "--to"), (Wish(via=url), "--via")):
        with pytest.raises(ReplayError) as raised:
            find_destination(wish, head(), FACTS, CONFIGURED)
        assert str(raised.value) == (
            f"{option} takes no user, query or fragment in its URL; --header and --param give keys"
        )
