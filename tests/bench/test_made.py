"""Made-up exchanges of the benchmarks: always the same, and what is indexed of them is what their files say."""

from pathlib import Path
from typing import Any

import pytest

from bench import made_files
from bench.made import COMMON_WORD, RARE_WORD, Made, make
from bench.make_store import write_index
from ingest_server.index.entry import Entry, entry_of
from ingest_server.index.filters import Filters
from ingest_server.index.queries import Queries
from ingest_server.index.schema import index_path
from traffic.capture import metadata
from traffic.capture.exchange import RecordedExchange
from traffic.llm.decode import Decoder
from traffic.llm.dialects import BUILT_IN

# What depends on when each byte came.
_LEFT_OUT = ("ttft_ms", "tokens_per_s")


def _from_files(made: Made, events: int) -> Entry:
    files = made_files.files_of(made, events)
    facts = metadata.decode(files.metadata)
    decoded = Decoder(BUILT_IN).decode(RecordedExchange(facts, files.request, files.response))
    return entry_of(made_files.stem_of(made), facts, decoded, "bench")


@pytest.mark.parametrize("made", list(make(40)), ids=lambda made: str(made.status))
def test_an_exchange_is_indexed_as_its_files_would_be(made: Made) -> None:
    read = _from_files(made, 0)
    told = entry_of(made_files.stem_of(made), made_files.facts_of(made), made_files.decoded(made), "bench")
    same: dict[str, Any] = dict.fromkeys(_LEFT_OUT)
    assert read.row._replace(**same) == told.row._replace(**same)
    assert read.call is not None
    assert told.call is not None
    assert (read.call.input, read.call.output) == (told.call.input, told.call.output)


def test_a_streamed_answer_has_as_many_events_as_asked_for() -> None:
    made = next(each for each in make(40) if each.status == 200)
    call = _from_files(made, 200).call
    assert call is not None
    assert call.stream
    assert not call.truncated
    assert len(call.output[0].text.split()) == 200
    assert made_files.files_of(made, 200).response.count(b"data: ") == 203


def test_exchanges_are_the_same_each_time() -> None:
    assert list(make(20)) == list(make(20))
    assert list(make(20)) != list(make(20, seed=2))


def test_a_store_has_all_of_them_and_each_word_as_often_as_it_says(tmp_path: Path) -> None:
    write_index(tmp_path, 5_000)
    queries = Queries(index_path(tmp_path))
    assert queries.stats("day", Filters()).total.count == 5_000
    assert len(queries.exchanges(Filters(q=COMMON_WORD), 1_000).exchanges) == 50
    assert len(queries.exchanges(Filters(q=RARE_WORD), 1_000).exchanges) == 1
    assert queries.session("run-3").session.exchanges == 4
    assert sum(1 for path in tmp_path.glob("*_metadata.json")) == 5_000
