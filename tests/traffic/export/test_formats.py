"""traffic/export/formats.py: the table."""

import inspect

from traffic.export.formats import FORMATS


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
