"""`recorder reindex`: recordings are decoded again, by the server that runs or in the folder, and stay as they are."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands.recordings import DEMO_EXCHANGES, Recordings, recorded, run
from tests.e2e.indexed import rows

DONE = f"the index is up to date: {DEMO_EXCHANGES} exchanges are in it\n"


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recordings]:
    with recorded(tmp_path_factory.mktemp("recordings")) as found:
        yield found


@pytest.fixture
def folder(recordings: Recordings, tmp_path: Path) -> Path:
    """With the same recordings, and no server."""
    shutil.copytree(recordings.log_dir, tmp_path / "logs", ignore=shutil.ignore_patterns(".ingest"))
    return tmp_path


@pytest.mark.parametrize("option", [(), ("--decoder-changed",), ("--since", "2026-01-01")])
def test_a_running_server_decodes_again(recordings: Recordings, option: tuple[str, ...]) -> None:
    found = recordings.ask("server", "reindex", *option)
    assert (found.code, found.out, found.err) == (0, DONE, "")


def test_what_other_prices_have_decoded_is_decoded_again_and_found_by_decoder_changed(folder: Path) -> None:
    priced = folder / "priced.yaml"
    priced.write_text("prices: {my-model: {input: 1000}}\nroutes: {}\n")
    reindex = ("reindex", "--log-dir", "logs")
    assert run(folder, *reindex).out == DONE
    before = rows(folder / "logs")
    found = run(folder, *reindex, "--config", "priced.yaml", "--decoder-changed", "--since", "2100-01-01")
    assert (found.code, found.out, rows(folder / "logs")) == (0, DONE, before), "what began before is left alone"
    assert run(folder, *reindex, "--config", "priced.yaml", "--decoder-changed").out == DONE
    after = rows(folder / "logs")
    assert len({row.decoder for row in before} | {row.decoder for row in after}) == 2
    assert [row._replace(decoder="") for row in after] == [row._replace(decoder="") for row in before]


def test_a_wrong_moment_and_a_folder_in_use_are_told(recordings: Recordings, folder: Path) -> None:
    wrong = run(folder, "reindex", "--log-dir", "logs", "--since", "soon")
    assert wrong.code == 2
    assert "Error: since=soon: expected a date" in wrong.err
    used = recordings.ask("folder", "reindex")
    text = f"Error: an ingest server is at work on {recordings.log_dir}: --server asks it to decode again\n"
    assert (used.code, used.err) == (1, text)
