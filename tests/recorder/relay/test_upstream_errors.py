"""recorder/relay/upstream_errors.py: one line per route, bounded, with nothing in it that anybody sent."""

from recorder.relay import upstream_errors
from recorder.relay.upstream_errors import UpstreamErrors
from traffic.capture.events import ExchangeError


def texts(errors: UpstreamErrors) -> dict[str, str]:
    return {route: error.text for route, error in errors.latest.items()}


def test_the_latest_error_of_each_route_is_kept() -> None:
    errors = UpstreamErrors()
    errors.note("a", ExchangeError("dns_failure", "connect", "network", "the name x cannot be resolved"))
    errors.note("b", ExchangeError("upstream_reset", "response_body", "upstream", "sk-secret"))
    errors.note("a", ExchangeError("upstream_refused", "connect", "network", "127.0.0.1:1 refused the connection"))
    assert texts(errors) == {
        "a": "upstream_refused: 127.0.0.1:1 refused the connection",
        "b": "upstream_reset in response_body",
    }


def test_what_the_client_or_the_recorder_did_is_no_upstreams_error() -> None:
    errors = UpstreamErrors()
    errors.note("a", ExchangeError("client_disconnect", "connect", "client", ""))
    errors.note("a", ExchangeError("overloaded", "connect", "recorder", ""))
    assert texts(errors) == {}


def test_their_number_is_bounded() -> None:
    errors = UpstreamErrors()
    for number in range(upstream_errors.ROUTES_MAX + 10):
        errors.note(str(number), ExchangeError("dns_failure", "connect", "network", ""))
    assert len(errors.latest) == upstream_errors.ROUTES_MAX
