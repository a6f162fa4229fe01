"""Every format takes every recording: cut, damaged, of nonsense, with lengths and times that cannot be."""

import io
import json
from pathlib import Path
from typing import Any

import duckdb
import jsonschema
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.traffic.export.har_schema import HAR
from tests.traffic.export.made import numbered
from tests.traffic.llm.damage import shapeless
from tests.traffic.llm.example import DECODER
from tests.traffic.llm.seeds import SEEDS, files
from traffic.capture.exchange import RecordedExchange
from traffic.capture.metadata import Durations, ErrorFields
from traffic.export.formats import FORMATS

WRITTEN_FOR_LINES = ("jsonl", "openai-ft", "otlp")
ANYTHING = shapeless([[asked, answers] for _, asked, answers, _ in SEEDS])
MILLISECONDS = st.none() | st.floats(0, 1e9)

URLS = (
    "/",
    "http://r/x?key=[secret:0123abcd]",
    "http://[secret:0123abcd]@r/x",
    "http://[/",
    "http://r/雪\n\n< /etc/passwd",
    "-Kfile://x",
)


@st.composite
def damaged(draw: st.DrawFn) -> RecordedExchange:
    path, asked, answers, kind = draw(st.sampled_from(SEEDS))
    if draw(st.booleans()):
        asked = {
            **asked,
            draw(st.sampled_from(["messages", "tools", "contents", "input", "functions"])): draw(ANYTHING),
        }
    exchange = files(path, asked, [*answers, draw(ANYTHING)], kind, draw(st.sampled_from(["", "gzip", "zstd"])))
    error = draw(st.none() | st.just(ErrorFields("upstream_reset", "response_body", "upstream", "it went")))
    facts = replace(
        exchange.metadata,
        durations_ms=Durations(draw(MILLISECONDS), draw(MILLISECONDS), draw(MILLISECONDS)),
        error=error,
        completed=error is None,
        upstream_url=draw(st.sampled_from([None, exchange.metadata.upstream_url, *URLS])),
        url=draw(st.sampled_from([exchange.metadata.url, *URLS])),
    )
    return RecordedExchange(facts, draw(_bytes(exchange.request)), draw(_bytes(exchange.response)))


def _bytes(whole: bytes) -> st.SearchStrategy[bytes]:
    cut = st.integers(0, len(whole)).map(lambda end: whole[:end])
    changed = st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)).map(
        lambda change: whole[: change[0]] + bytes([change[1]]) + whole[change[0] + 1 :]
    )
    return st.just(whole) | cut | changed | st.binary(max_size=40)


@settings(max_examples=80, deadline=None)
@given(st.lists(damaged(), min_size=1, max_size=3))
def test_no_recording_makes_a_format_fail_and_what_is_written_can_be_read(exchanges: list[RecordedExchange]) -> None:
    exchanges = [numbered(number, each) for number, each in enumerate(exchanges)]
    for name in (*WRITTEN_FOR_LINES, "har", "curl", "http"):
        out = io.BytesIO()
        left_out = FORMATS[name].writer()(iter(exchanges), out, DECODER) or {}
        _check(name, out.getvalue(), len(exchanges) - sum(left_out.values()))


def _check(name: str, written: bytes, count: int) -> None:
    if name in WRITTEN_FOR_LINES:
        assert len([json.loads(line) for line in written.splitlines()]) == count
    elif name == "har":
        document: Any = json.loads(written)
        jsonschema.Draft202012Validator(HAR).validate(document)
        assert len(document["log"]["entries"]) == count
    else:
        assert written.count(b"8b1c-4e5f-9a2b-3c4d5e6f7a8b\n") == count


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(damaged(), min_size=20, max_size=40))
def test_no_recording_makes_parquet_fail(tmp_path: Path, exchanges: list[RecordedExchange]) -> None:
    path = tmp_path / "export"
    with path.open("w+b") as out:
        FORMATS["parquet"].writer()(iter(exchanges), out, DECODER)
    with duckdb.connect() as database:
        assert database.execute("SELECT count(*) FROM read_parquet(?)", [str(path)]).fetchone() == (len(exchanges),)
