"""Hostile and odd responses through a real recorder: the client can read what it gets in one way only, the recording
reads the same, and the next response on any connection is its own request's.
"""

import sys
from collections import Counter

import pytest
import uvloop

from tests.attack.flown import Flights, Flown, fly_responses
from tests.attack.response_rows import RESPONSES
from tests.attack.rows import ResponseRow
from tests.attack.strict import read_response
from traffic.http1.framing import FramingError
from traffic.http1.head import HeadError, ResponseHead
from traffic.http1.message import END, ResponseReader

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="each row has a loopback address of its own")


@pytest.fixture(scope="module")
def flights(tmp_path_factory: pytest.TempPathFactory) -> Flights:
    return uvloop.run(fly_responses(RESPONSES, tmp_path_factory.mktemp("responses")))


@pytest.fixture
def flown(flights: Flights, row: ResponseRow) -> Flown:
    return flights.rows[RESPONSES.index(row)]


@pytest.mark.parametrize("row", RESPONSES, ids=lambda row: row.name)
def test_a_client_gets_the_response_whole_or_502_or_sees_that_it_is_cut(row: ResponseRow, flown: Flown) -> None:
    assert flown.problem is None
    if row.body is None:
        assert flown.answers == ()
        assert flown.rest.startswith(b"HTTP/1.1 200 OK\r\n")
    else:
        (answer,) = flown.answers
        assert answer.start == (b"%d" % row.status,)
        assert row.status == 502 or answer.content == row.body
        assert flown.rest == b"", "nothing of what came behind it"
    assert flown.next_page.endswith(b"\r\n\r\n/next-page/%d" % RESPONSES.index(row)), "nobody else is served its bytes"


@pytest.mark.parametrize("row", RESPONSES, ids=lambda row: row.name)
def test_the_recording_says_what_the_client_saw(row: ResponseRow, flown: Flown) -> None:
    (record,) = flown.records
    if row.status == 502:
        assert (record.metadata["completed"], record.metadata["answered_by"]) == (False, "recorder")
        assert record.error is not None
        assert record.error[0] in {"bad_response", "upstream_reset"}
    elif row.body is None:
        assert (record.metadata["completed"], record.error) == (False, ("upstream_reset", "response_body", "upstream"))
    else:
        assert record.metadata["completed"]
        message = read_response(record.response, row.method)
        assert message is not None
        assert (message.raw, message.content) == (record.response, row.body)


def test_no_two_rows_send_the_same() -> None:
    twins = [row for row, count in Counter((row.sent, row.method, row.ends) for row in RESPONSES).items() if count > 1]
    assert twins == []
    assert len({row.name for row in RESPONSES}) == len(RESPONSES) > 400


@pytest.mark.parametrize("row", RESPONSES, ids=lambda row: row.name)
def test_the_verdict_does_not_depend_on_how_a_response_arrives(row: ResponseRow) -> None:
    steps = (1, 3, max(1, len(row.sent))) if len(row.sent) < 5000 else (997, len(row.sent))
    assert len({_verdict(row, step) for step in steps}) == 1


def _verdict(row: ResponseRow, step: int) -> tuple[bytes, bool, bool]:
    """The response as far as it is one, whether it is whole, and whether it was refused (then nothing of it counts)."""
    reader, message = ResponseReader(row.method), b""
    try:
        for start in range(0, len(row.sent), step):
            for event in reader.feed(row.sent[start : start + step]):
                message += event.raw if isinstance(event, ResponseHead) else b"" if event is END else event
    except (HeadError, FramingError):
        return b"", False, True
    if row.ends:
        reader.eof()
    return message, reader.is_over, False
