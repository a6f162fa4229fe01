"""traffic/export/warc.py: what is written reads back byte for byte, and by fastwarc; what others wrote is read, too."""

import gzip
import io

import msgspec
import pytest
from fastwarc.warc import ArchiveIterator, WarcRecord, WarcRecordType
from hypothesis import given, settings

from replay.exchange_check import problem_with
from tests.traffic.export.made import export, id_of
from tests.traffic.export.stored import CHUNKED, CUT, INTERIM, REQUEST, URL, VARIED, exchanges, stored
from traffic.capture.exchange import RecordedExchange
from traffic.capture.metadata import ErrorFields, encode
from traffic.export import warc, warc_reader
from traffic.export.foreign import FormatError


def written(*recorded: RecordedExchange) -> bytes:
    return export("warc", *recorded)[0]


def read(data: bytes) -> list[RecordedExchange]:
    return list(warc.read(io.BytesIO(data)))


def told(data: bytes) -> tuple[list[RecordedExchange], list[str]]:
    problems: list[str] = []
    return list(warc.read(io.BytesIO(data), problems.append)), problems


def records(data: bytes) -> list[tuple[WarcRecord, bytes]]:
    """As fastwarc reads them, their digests verified."""
    found = []
    for record in ArchiveIterator(io.BytesIO(data), parse_http=False):
        assert record.verify_block_digest(consume=False)
        found.append((record, record.reader.read()))
    return found


def test_every_byte_and_the_metadata_read_back() -> None:
    assert read(written(*VARIED)) == list(VARIED)
    assert written() == b""
    assert read(b"") == []


@settings(deadline=None, max_examples=50)
@given(exchanges())
def test_any_bytes_and_urls_read_back(recorded: list[RecordedExchange]) -> None:
    assert read(written(*recorded)) == recorded


def test_it_reads_back_with_gzip_around_each_record_or_all_of_them() -> None:
    data = written(*VARIED)
    assert read(gzip.compress(data)) == list(VARIED)
    starts = [at for at in range(len(data)) if data.startswith((b"WARC/1.1\r\nWARC-Type:",), at)]
    members = [data[start:end] for start, end in zip(starts, [*starts[1:], len(data)], strict=True)]
    assert len(members) == 16
    assert read(b"".join(map(gzip.compress, members))) == list(VARIED)


def test_the_same_recordings_make_the_same_file() -> None:
    assert written(*VARIED) == written(*VARIED)


def test_another_reader_finds_the_records_of_an_exchange() -> None:
    recorded = stored(1, REQUEST, INTERIM)
    found = records(written(recorded))
    kinds = [record.record_type for record, _ in found]
    assert kinds == [
        WarcRecordType.warcinfo,
        WarcRecordType.metadata,
        WarcRecordType.request,
        WarcRecordType.response,
    ]
    (_, info), (about, facts), (sent, request), (got, response) = found
    assert b"format: WARC File Format 1.1" in info
    assert (facts, request, response) == (encode(recorded.metadata), REQUEST, INTERIM)
    assert all(record.headers["WARC-Target-URI"] == URL for record in (about, sent, got))
    assert {record.headers["WARC-Date"] for record, _ in found} == {"2026-09-13T02:11:10.123456Z"}
    assert sent.headers["WARC-Concurrent-To"] == got.record_id
    assert got.headers["WARC-Concurrent-To"] == sent.record_id
    named = [value for name, value in about.headers if name == "WARC-Concurrent-To"]
    assert named == [sent.record_id, got.record_id]
    assert sent.headers["Content-Type"] == "application/http; msgtype=request"
    assert got.headers["Content-Type"] == "application/http; msgtype=response"
    assert not any("WARC-Truncated" in record.headers for record, _ in found)


def test_digests_of_payloads_are_those_of_what_stands_behind_the_head() -> None:
    count = 0
    for record in ArchiveIterator(io.BytesIO(written(*VARIED)), parse_http=False):
        if "WARC-Payload-Digest" in record.headers:
            count += 1
            record.parse_http(auto_decode="none")
            assert record.verify_payload_digest()
    assert count == 7, "four requests and three responses: the fourth has 1xx heads in front"


@pytest.mark.parametrize(
    ("changes", "request_says", "response_says"),
    [
        ({}, None, "disconnect"),
        ({"name": "upstream_timeout"}, None, "time"),
        ({"name": "client_disconnect", "phase": "request_body", "by": "client"}, "disconnect", None),
        ({"name": "recorder_crash", "phase": "capture", "by": "recorder"}, "unspecified", "unspecified"),
    ],
)
def test_what_was_cut_says_so(changes: dict[str, str], request_says: str | None, response_says: str | None) -> None:
    found = records(written(stored(1, REQUEST, CHUNKED[:60], msgspec.structs.replace(CUT, **changes))))
    assert [record.headers.get("WARC-Truncated") for record, _ in found[2:]] == [request_says, response_says]


def test_a_url_with_line_breaks_makes_no_fields() -> None:
    hostile = _with(stored(1, REQUEST, CHUNKED), upstream_url="http://a/\r\nWARC-Type: resource\r\n\r\n<é>")
    found = records(written(hostile))
    assert [record.record_type for record, _ in found[2:]] == [WarcRecordType.request, WarcRecordType.response]
    url = "http://a/%0D%0AWARC-Type:%20resource%0D%0A%0D%0A%3C%C3%A9%3E"
    assert found[2][0].headers["WARC-Target-URI"] == url
    assert read(written(hostile)) == [hostile]


RESPONSE_ID = "0b1d7b6e-6f43-4f10-9d4b-9a1f0a4b7c11"


def record(kind: str, name: str, block: bytes, *fields: str) -> bytes:
    own = [f"WARC-Type: {kind}", f"WARC-Record-ID: <urn:uuid:{name}>", f"Content-Length: {len(block)}"]
    own += [f"Content-Type: application/http; msgtype={kind}", f"WARC-Target-URI: {URL}"]
    own += ["WARC-Date: 2026-09-13T02:11:09Z"]
    return "\r\n".join(["WARC/1.0", *own, *fields, "", ""]).encode() + block + b"\r\n\r\n"


def asked(name: str = "a", block: bytes = REQUEST, *fields: str) -> bytes:
    return record("request", name, block, f"WARC-Concurrent-To: <urn:uuid:{RESPONSE_ID}>", *fields)


def answered(block: bytes = CHUNKED, *fields: str) -> bytes:
    return record("response", RESPONSE_ID, block, *fields)


@pytest.mark.parametrize("data", [asked() + answered(), answered() + asked()])
def test_the_exchange_of_another_program_has_what_that_program_told_and_null_for_the_rest(data: bytes) -> None:
    (found,) = read(record("dns", "b", b"") + data + record("metadata", "c", b"{}"))
    facts = found.metadata
    assert (found.request, found.response) == (REQUEST, CHUNKED)
    assert (facts.id, facts.started_at, facts.imported_from) == (RESPONSE_ID, "2026-09-13T02:11:09.000000Z", "warc")
    assert (facts.url, facts.upstream_url, facts.method, facts.response.status) == (URL, URL, "POST", 200)
    assert (facts.completed, facts.error, facts.answered_by) == (True, None, "upstream")
    assert (facts.client, facts.route, facts.durations_ms.total) == ("", None, None)
    assert problem_with(found) is None


def test_the_same_exchange_gets_the_same_id_where_its_records_have_none_that_is_a_uuid() -> None:
    data = answered().replace(RESPONSE_ID.encode(), b"x") + asked().replace(RESPONSE_ID.encode(), b"x")
    (found,) = read(data)
    assert found.metadata.id == read(data)[0].metadata.id
    assert found.metadata.id != read(data.replace(b"WAR\r\n2", b"XAR\r\n2"))[0].metadata.id


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (
            asked() + answered(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nundone"),
            "the response is not whole as it was kept: malformed chunk size line",
        ),
        (asked() + answered(CHUNKED, "WARC-Truncated: length"), "the WARC file says that it is cut: length"),
        (asked(), "the WARC file holds no response"),
    ],
)
def test_what_others_did_not_keep_whole_is_incomplete_and_says_why(data: bytes, problem: str) -> None:
    (found,) = read(data)
    assert found.metadata.completed is False
    assert found.metadata.error == ErrorFields("capture_gap", "capture", "recorder", problem)
    assert problem_with(found) is None


def test_what_belongs_to_no_exchange_is_told_and_passed_over() -> None:
    found, problems = told(answered() + asked("z", b"\0") + asked() + answered())
    assert [each.request for each in found] == [REQUEST]
    assert problems == ["a request that cannot be read: the recording ends inside the head"]
    found, problems = told(answered())
    assert (found, problems) == ([], ["a response without its request"])


def test_metadata_without_the_bytes_that_it_tells_of_is_told() -> None:
    data = written(stored(1, REQUEST, CHUNKED), VARIED[1])
    start, end = data.index(b"WARC/1.1\r\nWARC-Type: response"), data.rindex(b"WARC/1.1\r\nWARC-Type: metadata")
    found, problems = told(data[:start] + data[end:])
    assert found == [VARIED[1]]
    assert problems == [f"{id_of(1)}: its bytes do not stand behind its metadata"]


def test_partners_that_stand_far_apart_are_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for them takes memory."""
    monkeypatch.setattr(warc_reader, "PENDING_MAX", 2)
    others = [record("request", f"{number}", REQUEST) for number in range(3)]
    assert [each.metadata.completed for each in told(asked() + b"".join(others) + answered())[0]] == [False] * 4
    assert [each.metadata.completed for each in told(asked() + b"".join(others[:1]) + answered())[0]] == [True, False]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"PK\x03\x04", "it is no WARC file"),
        (gzip.compress(b"{}", mtime=0), "it is no WARC file"),
        (asked() + b"what is this\r\n", "it holds something that is no WARC record"),
        (asked()[:-30], "it ends inside a record"),
        (asked() + b"WARC/3.0\r\n\r\n", "it holds something that is no WARC record"),
        (asked().replace(b"Content-Length: 75", b"Content-Length: x"), "a record is not as long as it says"),
        (asked().replace(b"Content-Length:", b"X:", 1), "a record has no Content-Length"),
        (asked().replace(b"2026-09-13T02", b"yesterday"), "'yesterday:11:09Z' is no date and time"),
        (
            gzip.compress(asked(), mtime=0)[:-20],
            "its gzip data is damaged: Compressed file ended before the end-of-stream marker was reached",
        ),
        (b"WARC/1.0\r\n" + b"x" * 3000, "a record has more than 2,000 bytes"),
        (gzip.compress(b"WARC/1.0\r\nA: b\r\n" + bytes(10**6), mtime=0), "a record has more than 2,000 bytes"),
    ],
)
def test_a_file_that_is_damaged_or_hostile_is_refused_in_words(
    data: bytes, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warc_reader, "RECORD_BYTES_MAX", 2_000)
    with pytest.raises(FormatError) as raised:
        read(data)
    assert str(raised.value) == problem


def _with(recorded: RecordedExchange, **changes: str) -> RecordedExchange:
    return recorded._replace(metadata=msgspec.structs.replace(recorded.metadata, **changes))
