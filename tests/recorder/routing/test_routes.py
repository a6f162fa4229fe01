"""The table holds the user's routes and the recorder's own endpoints; dynamic routes reach allowed ports only."""

import pytest

from recorder.routing.routes import (
    Destination,
    DynamicTarget,
    Own,
    RouteTarget,
    build_table,
    dynamic_target,
    parse_destination,
)
from recorder.routing.table import Match, RoutingError
from recorder.settings import RecorderSettings, Route, Timeouts


@pytest.mark.parametrize(
    ("url", "scheme", "host", "port", "path", "authority"),
    [
        ("http://127.0.0.1:1234/", "http", "127.0.0.1", 1234, b"/", b"127.0.0.1:1234"),
        ("http://127.0.0.1:1234", "http", "127.0.0.1", 1234, b"/", b"127.0.0.1:1234"),
        ("https://OpenRouter.ai/api/v1/", "https", "openrouter.ai", 443, b"/api/v1/", b"openrouter.ai"),
        ("https://h:443/", "https", "h", 443, b"/", b"h"),
        ("http://h:443/", "http", "h", 443, b"/", b"h:443"),
        ("http://h:80/", "http", "h", 80, b"/", b"h"),
        ("http://[::1]:8000/v1", "http", "::1", 8000, b"/v1", b"[::1]:8000"),
        ("http://[::1]/", "http", "::1", 80, b"/", b"[::1]"),
        (
            "http://müller.example/ä%20b;c",
            "http",
            "xn--mller-kva.example",
            80,
            b"/%C3%A4%20b;c",
            b"xn--mller-kva.example",
        ),
    ],
)
def test_a_destination_is_read(url: str, scheme: str, host: str, port: int, path: bytes, authority: bytes) -> None:
    destination = parse_destination(url)
    assert destination == Destination(scheme, host, port, path)
    assert destination.authority == authority
    assert destination.is_tls is (scheme == "https")


def test_connections_are_shared_only_where_scheme_host_port_and_verification_agree() -> None:
    origin = parse_destination("https://h/a").origin
    assert origin == parse_destination("https://H:443/b").origin
    for other in ["http://h/a", "https://i/a", "https://h:444/a"]:
        assert origin != parse_destination(other).origin
    assert origin != parse_destination("https://h/a", verify_ssl=False).origin


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", '"" must begin with http:// or https:// and a host'),
        ("127.0.0.1:1234", '"127.0.0.1:1234" must begin with http:// or https:// and a host'),
        ("ftp://h/", '"ftp://h/" must begin with http:// or https:// and a host'),
        ("http:///v1", '"http:///v1" must begin with http:// or https:// and a host'),
        (
            "http://user:pw@h:x/",
            "it holds a user name or password; leave them out, clients send credentials in their headers",
        ),
        ("http://h/?a", '"http://h/?a" holds a query or a fragment; leave it out, the client\'s query is passed on'),
        ("http://h/#a", '"http://h/#a" holds a query or a fragment; leave it out, the client\'s query is passed on'),
        ("http://h:0/", '"http://h:0/": port 0 cannot be reached'),
        ("http://h:99999/", '"http://h:99999/" is no URL: Port out of range 0-65535'),
        ("http://[::1/", '"http://[::1/" is no URL: Invalid IPv6 URL'),
    ],
)
def test_what_is_no_destination_is_refused_with_the_reason(url: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole text is asserted below
        parse_destination(url)
    assert str(caught.value) == message


_LMSTUDIO = Route("lmstudio", "/lmstudio/", "http://127.0.0.1:1234/", where="config.yaml:12")
_PORTS = (range(11434, 11435), range(9000, 9011))
_SETTINGS = RecorderSettings(routes=(_LMSTUDIO,), dynamic_ports=_PORTS, forbidden_ports=frozenset({8080}))


@pytest.mark.parametrize(
    ("method", "path", "value"),
    [
        ("POST", b"/lmstudio/v1/chat", RouteTarget(_LMSTUDIO, parse_destination("http://127.0.0.1:1234/"))),
        ("GET", b"/health", Own.HEALTH),
        ("HEAD", b"/metrics", Own.METRICS),
        ("POST", b"/404/x", Own.NOT_FOUND),
        ("POST", b"/proxy/11434/v1", Own.DYNAMIC),
    ],
)
def test_routes_and_own_endpoints_stand_in_one_table(method: str, path: bytes, value: RouteTarget | Own) -> None:
    found = build_table(_SETTINGS).match(method, b"localhost:5601", path)
    assert isinstance(found, Match)
    assert found.value == value


def test_dynamic_routing_is_off_without_allowed_ports() -> None:
    assert build_table(RecorderSettings()).match("GET", None, b"/proxy/11434/") is None


def test_a_route_for_all_paths_leaves_the_own_endpoints_reachable() -> None:
    table = build_table(RecorderSettings(routes=(Route("all", "/", "http://h/"),)))
    found = table.match("GET", None, b"/health")
    assert isinstance(found, Match)
    assert found.value is Own.HEALTH


def test_every_error_of_patterns_and_destinations_is_reported_with_its_place() -> None:
    routes = (
        Route("a", "GET /health", "http://h/", where="config.yaml:3"),
        Route("b", "GET /", "h", where="config.yaml:4"),
        Route("c", "c", "http://h/"),
    )
    with pytest.raises(RoutingError) as caught:
        build_table(RecorderSettings(routes=routes))
    assert caught.value.messages == [
        'config.yaml:4: routes.b.destination: "h" must begin with http:// or https:// and a host',
        'routes.c: pattern "c": it has no "/"; a pattern is "[METHOD ][HOST]/[PATH]", for example "/lmstudio/"',
        (
            'config.yaml:3: routes.a: pattern "GET /health" matches the same requests as "GET /health" '
            "(the recorder's own endpoint): change or remove one of them"
        ),
        (
            'config.yaml:4: routes.b: pattern "GET /" conflicts with "/404/" (server.not_found): both match '
            '"GET /404/", neither is more specific'
        ),
    ]


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:5601/",
        "http://LOCALHOST:8080/",
        "http://a.localhost:8080/",
        "http://127.0.0.9:5601/",
        "http://[::1]:5601/",
        "http://[::ffff:127.0.0.1]:5601/",
        "http://0.0.0.0:5601/",
        "https://recorder.example:5601/",
    ],
)
def test_no_route_leads_back_to_the_recorder_or_its_ingest_server(url: str) -> None:
    settings = RecorderSettings(
        host="recorder.example", forbidden_ports=frozenset({8080}), routes=(Route("loop", "/loop/", url),)
    )
    with pytest.raises(RoutingError) as caught:
        build_table(settings)
    assert caught.value.messages == [
        (
            f"routes.loop.destination: \"{url}\" is the recorder's or its ingest server's own port; requests would go "
            "round in circles: name the LLM server's"
        )
    ]


def test_the_same_port_on_another_machine_is_no_own_port() -> None:
    routes = (Route("a", "/a/", "http://10.0.0.2:5601/"), Route("b", "/b/", "http://other.example:5601/"))
    build_table(RecorderSettings(routes=routes))


@pytest.mark.parametrize(
    ("path_rest", "port", "rest"),
    [
        (b"11434/v1/chat%2Fx", 11434, b"v1/chat%2Fx"),
        (b"9010/", 9010, b""),
        (b"9000", 9000, b""),
        (b"9000//a", 9000, b"/a"),
    ],
)
def test_an_allowed_port_of_this_machine_is_reached(path_rest: bytes, port: int, rest: bytes) -> None:
    found = dynamic_target(_SETTINGS, path_rest)
    assert isinstance(found, DynamicTarget)
    assert found.rest == rest
    assert found.target.destination == parse_destination(f"http://127.0.0.1:{port}/")


@pytest.mark.parametrize("log", [True, False])
def test_a_dynamic_route_takes_the_defaults_for_timeouts_and_recording(log: bool) -> None:
    timeouts = Timeouts(connect_s=1.5, idle_s=2.5)
    settings = RecorderSettings(dynamic_ports=_PORTS, log_unmatched=log, default_timeouts=timeouts)
    found = dynamic_target(settings, b"9001/")
    assert isinstance(found, DynamicTarget)
    assert found.target.route == Route("proxy", "/proxy/", "http://127.0.0.1:9001/", log=log, timeouts=timeouts)


_NO_PORT = "/proxy/ must be followed by a port and a path, as in /proxy/11434/v1/models"


@pytest.mark.parametrize(
    ("path_rest", "reason"),
    [
        (b"", _NO_PORT),
        (b"/9000/", _NO_PORT),
        (b"../9000/", _NO_PORT),
        (b"0/", _NO_PORT),
        (b"09000/", _NO_PORT),
        (b"65536/", _NO_PORT),
        (b"+9000/", _NO_PORT),
        (b"%39000/", _NO_PORT),
        (b"localhost:9000/", _NO_PORT),
        (b"\xef\xbc\x99000/", _NO_PORT),
        (b"22/", "port 22 is not in server.dynamic_ports"),
        (b"9011/", "port 9011 is not in server.dynamic_ports"),
        (b"5601/", "port 5601 is the recorder's or its ingest server's own"),
        (b"8080/", "port 8080 is the recorder's or its ingest server's own"),
    ],
)
def test_any_other_port_is_refused_with_the_reason(path_rest: bytes, reason: str) -> None:
    settings = RecorderSettings(
        dynamic_ports=(*_PORTS, range(5600, 5602), range(8080, 8081)), forbidden_ports=frozenset({8080})
    )
    assert dynamic_target(settings, path_rest) == reason
