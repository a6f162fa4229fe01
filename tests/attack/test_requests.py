"""Hostile and odd requests through a real recorder: what reaches the origin can be read in one way only, and is what
the recorder recorded; everything else is refused.
"""

import sys
from collections import Counter

import pytest
import uvloop

from tests.attack.flown import Flights, Flown, fly_requests
from tests.attack.request_rows import REQUESTS
from tests.attack.rows import RequestRow
from traffic.http1.framing import FramingError
from traffic.http1.head import HeadError, RequestHead
from traffic.http1.message import END, RequestReader

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="each row has a loopback address of its own")


@pytest.fixture(scope="module")
def flights(tmp_path_factory: pytest.TempPathFactory) -> Flights:
    return uvloop.run(fly_requests(REQUESTS, tmp_path_factory.mktemp("requests")))


@pytest.fixture
def flown(flights: Flights, row: RequestRow) -> Flown:
    return flights.rows[REQUESTS.index(row)]


@pytest.mark.parametrize("row", REQUESTS, ids=lambda row: row.name)
def test_a_request_is_forwarded_as_what_it_was_recorded_as_or_refused(row: RequestRow, flown: Flown) -> None:
    assert flown.problem is None
    assert tuple(int(answer.start[0]) for answer in flown.answers) == row.statuses
    assert flown.rest == b"", "whole answers alone"
    forwarded = [record for record in flown.records if record.metadata["answered_by"] == "upstream"]
    assert [message.raw for message in flown.reached] == [record.sent_request for record in forwarded]
    assert len(flown.reached) == row.statuses.count(200)
    assert flown.next_page.endswith(b"\r\n\r\n/next-page/%d" % REQUESTS.index(row)), "nobody else is served its bytes"


@pytest.mark.parametrize("row", REQUESTS, ids=lambda row: row.name)
def test_a_refused_request_is_recorded_with_its_error(row: RequestRow, flown: Flown) -> None:
    refused = [status for status in row.statuses if status not in (200, 404)]
    errors = [record.error for record in flown.records if record.metadata["answered_by"] == "recorder" and record.error]
    assert errors == [("bad_request", "request_head", "client")] * len(refused)


def test_all_that_reached_the_origin_is_strict_http_and_nothing_reached_it_that_was_not_recorded(
    flights: Flights,
) -> None:
    assert flights.origin.problems == []
    recorded = Counter(
        record.sent_request for record in flights.records if record.metadata["answered_by"] == "upstream"
    )
    assert Counter(message.raw for message in flights.origin.messages) == recorded
    cut = [record.sent_request for record in flights.records if not record.metadata["completed"]]
    assert all(any(begun.startswith(rest) for begun in cut) for rest in flights.origin.rests)


def test_no_two_rows_send_the_same() -> None:
    assert [row.name for row, count in Counter(REQUESTS).items() if count > 1] == []
    twins = [sent for sent, count in Counter(row.sent for row in REQUESTS).items() if count > 1]
    assert twins == []
    assert len({row.name for row in REQUESTS}) == len(REQUESTS) > 500


@pytest.mark.parametrize("row", REQUESTS, ids=lambda row: row.name)
def test_the_verdict_does_not_depend_on_how_a_request_arrives(row: RequestRow) -> None:
    """Whole, byte by byte and in threes the same whole messages are found, and the same rows are refused."""
    steps = (1, 3, max(1, len(row.sent))) if len(row.sent) < 5000 else (997, len(row.sent))
    assert len({_verdict(row.sent, step) for step in steps}) == 1


def _verdict(data: bytes, step: int) -> tuple[tuple[bytes, ...], bool]:
    """The whole messages, and whether the rest was refused."""
    reader, messages, message = RequestReader(), list[bytes](), b""
    try:
        for start in range(0, len(data), step):
            events = reader.feed(data[start : start + step])
            while events:
                for event in events:
                    message += event.raw if isinstance(event, RequestHead) else b"" if event is END else event
                if events[-1] is not END:
                    break
                messages.append(message)
                message = b""
                events = reader.next_message()
    except (HeadError, FramingError):
        return tuple(messages), True
    return tuple(messages), False
