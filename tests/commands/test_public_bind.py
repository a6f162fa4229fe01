"""Nothing listens for other machines without keys, unless it is told to: services, supervisor, check, and embedded."""

import asyncio
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from commands.check import check_command
from ingest_server.server import IngestServer
from ingest_server.settings import IngestSettings
from recorder.server import Recorder
from recorder.settings import Capture, RecorderSettings
from tests.commands.conftest import Start
from traffic.public_bind import PublicBindError

Run = Callable[..., "subprocess.CompletedProcess[str]"]

KEY = "a-key-of-24-characters-x"
ROUTE = 'routes: {a: {pattern: /a/, destination: "http://127.0.0.1:9/"}}\nlogging: {console: false}\n'


def open_section(section: str, host: str, keys: str = "") -> str:
    return f'{section}: {{host: "{host}", port: 0{keys}}}\n{ROUTE}'


def refusal(section: str, host: str) -> str:
    return (
        f"Error: {section}.host: other machines reach {host}, and {section}.keys is empty: set {section}.keys "
        f"(`recorder hash-key --generate` makes a key), or set {section}.host to localhost; "
        "--insecure-public-bind starts it nevertheless\n"
    )


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "0"])  # the last is a name for the first
@pytest.mark.parametrize(("name", "section"), [("proxy", "server"), ("ingest", "ingest")])
def test_a_service_refuses_with_exit_code_2(recorder: Run, tmp_path: Path, name: str, section: str, host: str) -> None:
    (tmp_path / "config.yaml").write_text(open_section(section, host))
    found = recorder(name)
    assert (found.returncode, found.stdout, found.stderr) == (2, "", refusal(section, host))


def test_up_refuses_for_both_and_starts_nothing(recorder: Run, tmp_path: Path) -> None:
    text = open_section("server", "0.0.0.0") + "ingest: {host: '::'}\ncapture: {journal_dir: j}\n"
    (tmp_path / "config.yaml").write_text(text)
    found = recorder("up")
    assert (found.returncode, found.stdout) == (2, "")
    assert found.stderr == refusal("server", "0.0.0.0") + refusal("ingest", "::")
    assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]


@pytest.mark.parametrize(("name", "section"), [("proxy", "server"), ("ingest", "ingest")])
def test_told_to_it_starts_with_a_warning(start: Start, tmp_path: Path, name: str, section: str) -> None:
    (tmp_path / "config.yaml").write_text(open_section(section, "0.0.0.0"))
    process = start(name, "--insecure-public-bind", "--exit-with-parent")
    assert process.stderr is not None
    warning = (
        f"{section}.host: other machines reach 0.0.0.0, and {section}.keys is empty: whoever reaches it is let in "
        "(--insecure-public-bind)\n"
    )
    assert process.stderr.readline().endswith(warning)
    assert json.loads(process.stderr.readline())["ready"] is True


@pytest.mark.parametrize(("name", "section"), [("proxy", "server"), ("ingest", "ingest")])
def test_with_keys_it_starts(start: Start, tmp_path: Path, name: str, section: str) -> None:
    (tmp_path / "config.yaml").write_text(open_section(section, "0.0.0.0", f", keys: {{me: {KEY}}}"))
    process = start(name, "--exit-with-parent")
    assert process.stderr is not None
    assert json.loads(process.stderr.readline())["ready"] is True


def test_up_hands_the_permission_on(start: Start, tmp_path: Path) -> None:
    text = f'server: {{host: "0.0.0.0", port: 0}}\ningest: {{port: 0}}\ncapture: {{journal_dir: j}}\n{ROUTE}'
    (tmp_path / "config.yaml").write_text(text)
    process = start("up", "--insecure-public-bind")
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(2)]
    assert lines[1].startswith("recorder listens on http://localhost:")


def test_check_says_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("c.yaml").write_text(open_section("server", "0.0.0.0"))
    found = CliRunner().invoke(check_command, ["--config", "c.yaml"])
    assert (found.exit_code, found.stderr) == (2, refusal("server", "0.0.0.0"))
    allowed = CliRunner().invoke(check_command, ["--config", "c.yaml", "--insecure-public-bind"])
    assert (allowed.exit_code, allowed.stderr) == (0, "")


def test_check_shows_the_names_of_keys_and_nothing_else_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = open_section("server", "0.0.0.0", f", keys: {{laptop: {KEY}, ci: {KEY}-2}}") + "capture: {link_key: '%s'}\n"
    Path("c.yaml").write_text(text % f"{KEY}-link")
    found = CliRunner().invoke(check_command, ["--config", "c.yaml"])
    assert found.exit_code == 0
    assert "\nkeys        recorder: laptop, ci\nkeys        link: capture.link_key\n" in found.stdout
    assert KEY not in found.output
    assert "sha256" not in found.output


def test_embedded_services_refuse_as_well_and_touch_nothing(tmp_path: Path) -> None:
    capture = Capture(journal_dir=tmp_path / "j")
    for service in (
        Recorder(RecorderSettings(host="", port=0, capture=capture)),
        IngestServer(IngestSettings(host="0.0.0.0", port=0, log_dir=tmp_path / "l", key_dir=tmp_path / "j")),
    ):
        with pytest.raises(PublicBindError):
            asyncio.run(service.start())
    assert list(tmp_path.iterdir()) == []
