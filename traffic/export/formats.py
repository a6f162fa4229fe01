"""The formats of `recorder export` and `recorder import`: which there are, and the module of each.

A format is a module of this package, imported when it is used, with

    write(exchanges, out, decoder)   takes each exchange once, in the order in which they come, and keeps none of them;
                                     returns how many it left out, by the reason in words; None: none
    read(source, tell)               where it can be read back: the exchanges, one at a time; raises FormatError. `tell`
                                     gets what is wrong with a single one, which is passed over; by default it raises

`out` is written from front to back, and may be a pipe; where a format `needs_a_file`, it is a file on the disk that may
be read, sought, and found by its name. Called by the commands.
"""

import importlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO, Final, NamedTuple, Protocol, cast

from traffic.capture.exchange import RecordedExchange
from traffic.export.foreign import Tell
from traffic.llm.decode import Decoder

NO_CALL: Final = "no call to an LLM"

LeftOut = Mapping[str, int]


class Write(Protocol):
    """`options`: those that the format's row names."""

    def __call__(
        self, exchanges: Iterable[RecordedExchange], out: BinaryIO, decoder: Decoder, **options: Any
    ) -> LeftOut | None: ...


class Read(Protocol):
    def __call__(self, source: BinaryIO, tell: Tell = ...) -> Iterator[RecordedExchange]: ...


class Format(NamedTuple):
    name: str
    module: str  # within traffic.export
    extension: str
    help: str  # a line
    is_binary: bool = False  # not for a terminal
    needs_a_file: bool = False
    can_be_read: bool = False
    options: tuple[str, ...] = ()  # names of more arguments of write(), by keyword

    def writer(self) -> Write:
        return cast("Write", importlib.import_module(f"traffic.export.{self.module}").write)

    def reader(self) -> Read:
        """Of one that can be read."""
        return cast("Read", importlib.import_module(f"traffic.export.{self.module}").read)


_ROWS: Final = (
    Format("jsonl", "jsonl", ".jsonl", "a JSON object a line, with what was said decoded"),
    Format(
        "bundle",
        "bundle",
        ".zip",
        "a zip: the recordings, and pages that show them in any browser",
        is_binary=True,
        can_be_read=True,
    ),
    Format(
        "warc",
        "warc",
        ".warc",
        "WARC 1.1, for web archives: every byte, and the metadata",
        is_binary=True,
        can_be_read=True,
    ),
    Format("har", "har", ".har", "HAR 1.2, for browsers' tools, mitmproxy and others", can_be_read=True),
    Format("curl", "curl", ".sh", "commands for curl, with keys as variables"),
    Format("http", "http_file", ".http", "requests for the HTTP clients of VS Code and JetBrains"),
    Format("openai-ft", "openai_ft", ".ft.jsonl", "conversations for fine-tuning at OpenAI", needs_a_file=True),
    Format("parquet", "parquet", ".parquet", "a table, a row per exchange", is_binary=True, needs_a_file=True),
    Format("otlp", "otlp", ".otlp.jsonl", "spans of calls for OpenTelemetry, JSON a line", options=("with_content",)),
)
FORMATS: Final = {row.name: row for row in _ROWS}
