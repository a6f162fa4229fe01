"""commands/selection.py: which exchanges are meant, by id, filter or path, and what is said where none is."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from commands.selection import Selection, selection_options
from tests.commands.recordings import DEMO_EXCHANGES, Recordings, recorded
from tests.traffic.export.made import export
from tests.traffic.export.stored import VARIED
from traffic.capture import names
from traffic.capture.exchange import RecordedExchange


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recordings]:
    with recorded(tmp_path_factory.mktemp("recordings")) as found:
        yield found


@click.command()
@click.option("--all", "is_all", is_flag=True)
@selection_options
def select(selection: Selection, *, is_all: bool) -> None:
    """Prints the ids of what was selected, and the sizes of their parts."""
    for exchange in selection.everything() if is_all else selection.exchanges():
        click.echo(f"{exchange.metadata.id} {len(exchange.request)} {len(exchange.response)}")
    click.echo(f"empty: {selection.is_empty}")


def selected(*arguments: str) -> list[str]:
    found = ask(*arguments)
    assert found.exit_code == 0, found.output
    return found.stdout.splitlines()[:-1]


def ask(*arguments: str) -> Result:
    return CliRunner().invoke(select, arguments)


def line(metadata: Path) -> str:
    stem = str(metadata).removesuffix(names.METADATA)
    sizes = [len(Path(stem + part).read_bytes()) for part in (names.REQUEST, names.RESPONSE)]
    return f"{json.loads(metadata.read_bytes())['id']} {sizes[0]} {sizes[1]}"


def started_at(metadata: Path) -> str:
    return str(json.loads(metadata.read_bytes())["started_at"])


def test_ids_filters_and_paths_name_the_same_exchanges(recordings: Recordings) -> None:
    server, folder = ("--server", recordings.url), ("--log-dir", str(recordings.log_dir))
    files = sorted(recordings.log_dir.glob(f"*{names.METADATA}"), key=started_at)
    oldest_first = selected("--all", *server)
    assert oldest_first == [line(file) for file in files]
    assert selected("--all", *folder) == oldest_first
    assert selected(str(recordings.log_dir)) == oldest_first
    assert selected("--query", "since=1d", *server) == oldest_first
    assert selected(*map(str, files)) == oldest_first
    assert selected("last", "last~1", *server) == oldest_first[:-3:-1]
    by_prefix = [each[:8] for each in oldest_first]
    assert selected(*by_prefix, *folder) == oldest_first


def test_a_bundle_gives_what_it_holds(recordings: Recordings, tmp_path: Path) -> None:
    made = recordings.ask("folder", "export", "--format", "bundle", "--out", str(tmp_path / "all.zip"))
    assert made.code == 0, made.err
    of_bundle = selected(str(tmp_path / "all.zip"))
    assert sorted(of_bundle) == sorted(selected(str(recordings.log_dir)))  # its names tell no more than the millisecond
    (tmp_path / "no.zip").write_bytes(b"PK")
    for name, problem in (
        ("no.zip", " is no HAR file, no WARC file, no bundle and no folder of recordings"),
        ("x.zip", " is missing"),
    ):
        found = ask(str(tmp_path / name))
        assert (found.exit_code, found.stderr) == (1, f"Error: {tmp_path / name}{problem}\n")


def test_filters_are_words_and_all_of_them_hold(recordings: Recordings) -> None:
    server = ("--server", recordings.url)
    both = selected("--query", "method=post min-tokens=1", *server)
    assert both == selected("--query", "method=post", "--query", "min_tokens=1", *server)
    assert 0 < len(both) < DEMO_EXCHANGES
    assert selected("--query", "model=none", *server) == []
    assert ask("--query", "model=none", *server).stdout == "empty: False\n"


def test_paths_need_neither_a_server_nor_a_configuration(
    recordings: Recordings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text("no: such key\n")
    assert len(selected(str(recordings.log_dir))) == DEMO_EXCHANGES
    assert ask().stdout == "empty: True\n"


@pytest.mark.parametrize("name", ["bundle", "warc", "har"])
def test_a_file_that_holds_exchanges_is_known_by_its_content(tmp_path: Path, name: str) -> None:
    path = tmp_path / "x"
    path.write_bytes(export(name, *VARIED[:2])[0])
    assert [line.split()[0] for line in selected(str(path))] == [each.metadata.id for each in VARIED[:2]]
    path.write_bytes(b'{"log": {}}')
    assert ask(str(path)).stderr == f"Error: {path}: it is no HAR file: it has no log.entries\n"


def test_a_file_named_like_an_id_is_the_file(
    recordings: Recordings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    request = next(iter(recordings.log_dir.glob(f"*{names.REQUEST}"))).read_bytes()
    Path("last").write_bytes(request)
    assert selected("last")[0].split()[1:] == [str(len(request)), "0"]


@pytest.mark.parametrize(
    ("arguments", "code", "problem"),
    [
        (["abc"], 1, "abc: no such file, and no recording whose files begin so; an id has four or more hex digits, "),
        (["no/such_request.bin"], 1, "no/such_request.bin: no such file\n"),
        (["cut.zip"], 1, "cut.zip: it is no zip that can be read: File is not a zip file\n"),
        (["empty"], 1, "empty: no recordings are in this folder; an id has"),
        (
            ["--query", "modle=x"],
            2,
            "Invalid value for '--query': modle: no such parameter; did you mean model?; filters are like 'model=",
        ),
        (["--query", "model"], 2, "'--query': model=: expected 1 to 1,000 characters; filters are like"),
        (
            ["--query", "q='x"],
            2,
            "Invalid value for '--query': No closing quotation; filters are like 'model=gpt-4o since=2h'\n",
        ),
        (["--query", "status=9"], 2, "status=9: expected a status, as 404, or a class of them, as 4xx; filters"),
    ],
)
def test_what_cannot_be_selected_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, problem: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    Path("cut.zip").write_bytes(b"PK\x03\x04")
    found = ask(*arguments)
    assert (found.exit_code, found.stdout) == (code, "")
    assert problem in found.stderr


def test_wrong_and_ambiguous_ids_are_told_by_the_api(recordings: Recordings) -> None:
    found = ask("last~99", "--server", recordings.url)
    assert found.exit_code == 1
    assert found.stderr == f"Error: last~99: only {DEMO_EXCHANGES} exchanges are recorded\n"
    unknown = ask("ffff", "--log-dir", str(recordings.log_dir))
    assert unknown.exit_code == 1
    assert unknown.stderr.startswith("Error: ffff: no exchange's id begins so")


def test_a_damaged_recording_in_a_folder_is_told_and_the_others_are_given(
    recordings: Recordings, tmp_path: Path
) -> None:
    files = sorted(recordings.log_dir.glob("2*"))
    for file in files:
        (tmp_path / file.name).write_bytes(file.read_bytes())
    damaged = tmp_path / next(file.name for file in files if file.name.endswith(names.METADATA))
    damaged.write_bytes(b"[]")
    found = ask(str(tmp_path))
    assert len(found.stdout.splitlines()) == DEMO_EXCHANGES
    assert found.stderr == (f"passed over: {damaged} is no metadata of a recording: Expected `object`, got `array`\n")


def test_a_command_that_fails_while_it_reads_ends(recordings: Recordings) -> None:
    """The server in the background that reads a folder ends with the command."""

    @click.command()
    @selection_options
    def fail(selection: Selection) -> None:
        kept: list[Iterator[RecordedExchange]] = [selection.everything()]
        next(kept[0])
        raise click.ClickException("enough")

    found = CliRunner().invoke(fail, ["--log-dir", str(recordings.log_dir)])
    assert (found.exit_code, found.stderr) == (1, "Error: enough\n")
    assert [thread.name for thread in threading.enumerate() if thread.name == "api"] == []
