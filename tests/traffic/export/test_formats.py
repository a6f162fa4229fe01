"""traffic/export/formats.py: the table, and the document that explains it."""

import inspect
import re
from pathlib import Path

from traffic.export.formats import FORMATS
from traffic.export.parquet import COLUMNS

TEXT = (Path(__file__).parents[3] / "docs" / "export.md").read_text("utf-8")


def test_every_format_has_a_module_that_writes_and_reads_as_its_row_says() -> None:
    for row in FORMATS.values():
        taken = inspect.signature(row.writer()).parameters
        assert list(taken) == ["exchanges", "out", "decoder", *row.options], row.name
        if row.can_be_read:
            assert list(inspect.signature(row.reader()).parameters) == ["source", "tell"], row.name


def test_extensions_tell_formats_apart() -> None:
    extensions = [row.extension for row in FORMATS.values()]
    assert len(set(extensions)) == len(extensions)
    assert all(extension.startswith(".") for extension in extensions)


def test_the_document_tells_of_every_format_with_its_extension_and_an_example() -> None:
    table = re.findall(r"^\| \[`([^`]+)`\]\(#([^)]+)\) \| `([^`]+)` \|", TEXT, re.MULTILINE)
    assert sorted(table) == sorted((row.name, row.name, row.extension) for row in FORMATS.values())
    for name in FORMATS:
        section = TEXT.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
        assert "recorder export" in section or "recorder import" in section, name


def test_the_document_tells_of_every_column_of_parquet_with_its_type() -> None:
    section = TEXT.partition("\n## parquet\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`[^|]+`) \| ([A-Z \[\]]+) \|", section, re.MULTILINE)
    told = {name: kind for names, kind in rows for name in re.findall(r"`(\w+)`", names)}
    assert told == {name: {"TIMESTAMPTZ": "TIMESTAMP WITH TIME ZONE"}.get(kind, kind) for name, kind in COLUMNS.items()}
