"""traffic/export/parquet.py: tables that DuckDB reads back, whatever the folder is called."""

import glob
import json
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.traffic.export.made import chat, id_of, plain
from tests.traffic.llm.example import DECODER, Example, decode, raw
from traffic.capture.exchange import RecordedExchange
from traffic.capture.metadata import Durations, ErrorFields
from traffic.export.missing import MissingError
from traffic.export.parquet import COLUMNS, write


def rows(folder: Path, *exchanges: RecordedExchange) -> list[dict[str, Any]]:
    """As DuckDB finds them; times as text."""
    path = folder / "export"
    with path.open("w+b") as out:
        write(iter(exchanges), out, DECODER)
    assert [each.name for each in folder.iterdir()] == ["export"]
    with duckdb.connect() as database:
        database.execute("SET TimeZone = 'UTC'")
        times = "started_at::VARCHAR AS started_at, id::VARCHAR AS id, parent::VARCHAR AS parent"
        read = f"SELECT * REPLACE ({times}) FROM read_parquet(?)"
        found = database.execute(read, [glob.escape(str(path))])
        names = [column[0] for column in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def test_a_row_has_every_column_with_what_the_metadata_and_the_call_say(tmp_path: Path) -> None:
    facts: dict[str, Any] = {"route": "openai", "key": "ann", "durations_ms": Durations(1.5, 20.25, 30.5)}
    exchange = chat(1, "Hi", "Hello", system="Be brief", **facts)
    call = decode(exchange).call
    (row,) = rows(tmp_path, exchange)
    assert list(row) == list(COLUMNS)
    structured = {name: json.loads(row.pop(name)) for name in ("parameters", "input", "output")}
    assert structured["parameters"] == {}
    assert [each["role"] for each in structured["input"]] == ["system", "user"]
    assert structured["output"] == [{"role": "assistant", "parts": [{"type": "text", "text": "Hello"}]}]
    assert row == {
        "id": id_of(1),
        "started_at": "2026-09-13 02:11:01.123456+00",
        "route": "openai",
        "provider": "openai",
        "key": "ann",
        "session": id_of(1),
        "parent": None,
        "method": "POST",
        "url": "http://127.0.0.1:8080/llm/v1/chat/completions",
        "upstream_url": "https://llm.test/v1/chat/completions",
        "client": "127.0.0.1:50123",
        "status": 200,
        "completed": True,
        "error": None,
        "duration_ms": 30.5,
        "connect_ms": 1.5,
        "first_byte_ms": 20.25,
        "request_bytes": len(exchange.request),
        "response_bytes": len(exchange.response),
        "dialect": "openai.chat",
        "operation": "chat",
        "model": "gpt-4o",
        "response_model": "gpt-4o",
        "response_id": "chatcmpl-1",
        "stream": False,
        "finish_reason": "stop",
        "truncated": False,
        "input_tokens": 1000,
        "output_tokens": 100,
        "cached_input_tokens": None,
        "cache_write_tokens": None,
        "reasoning_tokens": None,
        "usage_source": "reported",
        "cost_usd": call.cost.usd if call.cost is not None else None,
        "cost_source": "genai-prices: openai/gpt-4o",
        "ttft_ms": None,
        "tokens_per_s": None,
        "gap_p50_ms": None,
        "gap_p99_ms": None,
        "gap_max_ms": None,
        "provider_error": None,
        "prompt": "Hi",
        "answer": "Hello",
        "tool_calls": [],
        "tools": [],
    }


def test_plain_http_has_a_row_with_nothing_of_a_call(tmp_path: Path) -> None:
    error = ErrorFields("upstream_reset", "response_body", "upstream", "x")
    first, second = rows(tmp_path, plain(1), chat(2, "Hi", "Hello", error=error, completed=False))
    assert (first["id"], first["dialect"], first["input"], first["tool_calls"]) == (id_of(1), None, None, None)
    assert (second["error"], second["completed"]) == ("upstream_reset", False)


def test_rows_stand_in_the_order_of_the_exchanges_and_large_and_strange_texts_are_whole(tmp_path: Path) -> None:
    texts = ["'; DROP TABLE x; --", '\u0000\u001f"\\', "é 你 😀", "x" * 20_000_000, ""]
    exchanges = [chat(number, text, "So") for number, text in enumerate([*texts, *map(str, range(2100))], 1)]
    found = rows(tmp_path, *(each for each in exchanges))
    assert [row["prompt"] or "" for row in found[: len(texts)]] == texts
    assert [row["prompt"] for row in found[len(texts) :]] == [str(number) for number in range(2100)]


def test_an_export_of_nothing_is_an_empty_table(tmp_path: Path) -> None:
    assert rows(tmp_path) == []


def test_the_folders_name_is_only_a_name(tmp_path: Path) -> None:
    folder = tmp_path / "it's [1] *?"
    folder.mkdir()
    assert len(rows(folder, plain(1))) == 1


def test_what_was_called_and_could_be_are_lists(tmp_path: Path) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    choice = {
        "message": {"role": "assistant", "content": None, "tool_calls": [call, call]},
        "finish_reason": "tool_calls",
    }
    asked = {"messages": [], "temperature": 0.5, "tools": [{"type": "function", "function": {"name": "weather"}}]}
    (row,) = rows(tmp_path, raw(Example("/v1/chat/completions", asked, json.dumps({"choices": [choice]}).encode())))
    assert (row["tool_calls"], row["tools"]) == (["weather", "weather"], ["weather"])
    assert json.loads(row["parameters"]) == {"temperature": 0.5}


def test_without_duckdb_a_line_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with (tmp_path / "export").open("w+b") as out, pytest.raises(MissingError) as caught:
        write([], out, DECODER)
    assert str(caught.value) == "Parquet is written by DuckDB: pip install 'llm-flight-recorder[parquet]'"


def test_an_error_of_the_disk_is_one_of_the_system(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    with (folder / "export").open("w+b") as out:
        (folder / "export").unlink()
        folder.rmdir()
        with pytest.raises(OSError, match="No files found"):
            write(iter([plain(1)]), out, DECODER)
