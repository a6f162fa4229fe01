"""What is shipped: locks, dependencies, the wheel, the container files and the systemd unit."""

import configparser
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from commands.config_file import load_config

ROOT = Path(__file__).parent.parent
LOCKS = ("requirements.lock", "requirements-dev.lock")
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PACKAGES = ("traffic", "recorder", "ingest_server", "replay", "commands", "recorded_llm")


def _name(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found is not None
    return found[0].lower()


def _build_requirements() -> list[str]:
    lines = (ROOT / "requirements-build.in").read_text("utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


RUNTIME = [_name(each) for each in PROJECT["project"]["dependencies"]]
BUILD = [_name(each) for each in _build_requirements()]
DEVELOPMENT = [_name(each) for each in PROJECT["project"]["optional-dependencies"]["dev"]]


# --- locks and dependencies


def _pins(lock: str) -> Iterator[tuple[str, str]]:
    """Each requirement of a lock with what follows it up to the next one."""
    text = re.sub(r"^ *#.*\n", "", (ROOT / lock).read_text("utf-8"), flags=re.MULTILINE)
    for logical in text.replace("\\\n", "").splitlines():
        pin, _, hashes = logical.partition(" --hash=")
        yield pin, "--hash=" + hashes if hashes else ""


@pytest.mark.parametrize("lock", LOCKS)
def test_each_line_of_a_lock_pins_a_version_by_hashes(lock: str) -> None:
    pins = list(_pins(lock))
    assert len(pins) > 20
    for pin, hashes in pins:
        assert re.fullmatch(r"[a-z0-9.-]+==[\w.!+]+( ; .+)?", pin.strip()), pin
        assert re.fullmatch(r"(--hash=sha256:[0-9a-f]{64}\s*)+", hashes), pin


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_index_and_no_address(lock: str) -> None:
    text = (ROOT / lock).read_text("utf-8")
    assert re.findall(r"://|--(?:extra-)?index-url|--find-links|--trusted-host| @ ", text) == []


def test_the_locks_hold_what_the_project_needs_directly_and_agree_with_each_other() -> None:
    runtime, development = ({pin for pin, _ in _pins(lock)} for lock in LOCKS)
    assert {*RUNTIME, *BUILD} <= {_name(pin) for pin in runtime}
    assert {*RUNTIME, *BUILD, *DEVELOPMENT} <= {_name(pin) for pin in development}
    assert {pin.partition(" ")[0] for pin in runtime} <= {pin.partition(" ")[0] for pin in development}


@pytest.mark.parametrize(
    ("heading", "names"), [("Runtime", RUNTIME), ("Building", BUILD), ("Development", DEVELOPMENT)]
)
def test_each_direct_dependency_has_its_reason_and_nothing_else_has(heading: str, names: list[str]) -> None:
    text = (ROOT / "docs/dependencies.md").read_text("utf-8")
    section = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    assert sorted(re.findall(r"^\| `([^`]+)` \| \w.+ \|$", section, re.MULTILINE)) == sorted(names)


def test_no_tracked_file_names_a_folder_of_somebodys_machine() -> None:
    pattern = "/(home|Users)/[a-z]|/root" + "/|[A-Z]:\\\\\\\\Users"
    command = ["git", "grep", "-nIE", pattern, "--", ".", ":!*.lock"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if found.returncode == 128:
        pytest.skip("the sources are not a git checkout, so nothing says which files belong to them")
    assert found.stdout == ""


# --- the wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as `pip install .` builds it, with the hatchling of the lock and without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--no-index", "--wheel-dir", str(folder), str(ROOT)], check=True, timeout=100)
    [built] = folder.glob("*.whl")
    return built


def test_the_wheel_holds_every_module_the_schema_and_the_default_configuration(wheel: Path) -> None:
    sources = {
        file.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for file in (ROOT / package).rglob("*")
        if file.suffix in {".py", ".json"}
    }
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        assert archive.read("commands/default_config.yaml") == (ROOT / "config.yaml").read_bytes()
    assert names == {*sources, "cli.py", "commands/default_config.yaml"}


def test_the_wheel_gives_the_recorder_command_its_license_and_its_version(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        [info] = {name.partition("/")[0] for name in archive.namelist() if ".dist-info/" in name}
        entry_points = archive.read(f"{info}/entry_points.txt").decode()
        assert archive.read(f"{info}/licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()
    assert entry_points == "[console_scripts]\nrecorder = cli:main\n\n[pytest11]\nrecorded_llm = recorded_llm.plugin\n"
    assert info == f"llm_flight_recorder-{PROJECT['project']['version']}.dist-info"


def test_the_installed_command_works_away_from_the_sources(wheel: Path, tmp_path: Path) -> None:
    installed, elsewhere = tmp_path / "installed", tmp_path / "elsewhere"
    elsewhere.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)

    def run(*arguments: str) -> str:
        command = [sys.executable, "-P", "-c", "import cli; print(cli.__file__, flush=True); cli.main()", *arguments]
        environment = {"PYTHONPATH": str(installed), "PATH": ""}
        told = subprocess.run(
            command, cwd=elsewhere, env=environment, capture_output=True, text=True, check=True, timeout=60
        )
        place, _, rest = told.stdout.partition("\n")
        assert place == str(installed / "cli.py")
        return rest

    assert run("--version") == f"recorder, version {PROJECT['project']['version']}\n"
    assert run("--help").startswith("Usage: recorder [OPTIONS] COMMAND [ARGS]...\n")
    run("init", "config.yaml")
    assert (elsewhere / "config.yaml").read_bytes() == (ROOT / "config.yaml").read_bytes()
    assert run("check").startswith("config      config.yaml\n")


# --- containers and systemd

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8").replace("\\\n", " ")


def _instructions(name: str) -> list[str]:
    return re.findall(rf"^{name} +(.*)$", DOCKERFILE, re.MULTILINE)


def test_every_container_runs_the_one_image_with_a_command_of_the_recorder() -> None:
    services = COMPOSE["services"]
    assert {name: service["command"] for name, service in services.items()} == {
        "ingest": ["ingest", "--insecure-public-bind"],
        "recorder": ["proxy", "--insecure-public-bind"],
    }
    assert {(service["build"], service["image"]) for service in services.values()} == {(".", "llm-flight-recorder")}
    assert _instructions("ENTRYPOINT") == ['["recorder"]']


def test_containers_publish_their_ports_on_the_loopback_address_only() -> None:
    published = {name: service["ports"] for name, service in COMPOSE["services"].items()}
    assert published == {"ingest": ["127.0.0.1:8080:8080"], "recorder": ["127.0.0.1:5601:5601"]}


def test_the_containers_configuration_is_valid_and_fits_the_compose_file() -> None:
    configuration = load_config(ROOT / "deploy/compose-config.yaml", {})
    assert configuration.warnings == []
    recorder, ingest = configuration.recorder, configuration.ingest
    assert (recorder.host, recorder.port) == (ingest.host, 5601) == ("0.0.0.0", 5601)
    assert recorder.capture.server_url == f"http://ingest:{ingest.port}" == "http://ingest:8080"
    volumes = {
        name: {volume.partition(":")[2] for volume in service["volumes"]}
        for name, service in COMPOSE["services"].items()
    }
    assert volumes == {
        "ingest": {str(ingest.log_dir), str(ingest.key_dir)},
        "recorder": {str(recorder.capture.journal_dir)},
    }
    named = {volume.partition(":")[0] for service in COMPOSE["services"].values() for volume in service["volumes"]}
    assert named == set(COMPOSE["volumes"])


def test_the_image_copies_what_exists_and_what_dockerignore_lets_through() -> None:
    copied = [source for line in _instructions("COPY") for source in line.split()[:-1]]
    assert [source for source in copied if not (ROOT / source).exists()] == []
    ignored, *rest = [
        line for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if not line.startswith("#")
    ]
    assert ignored == "*"
    assert sorted(line.removeprefix("!") for line in rest if line.startswith("!")) == sorted(copied)
    assert set(PACKAGES) <= set(copied)


def test_the_image_installs_by_hash_and_runs_as_a_user_without_rights() -> None:
    lines = DOCKERFILE.splitlines()
    assert "RUN pip install --no-cache-dir --require-hashes -r requirements.lock" in lines
    assert _instructions("USER") == ["recorder"]
    assert lines.index("USER recorder") < lines.index('ENTRYPOINT ["recorder"]')
    assert '["python", "-c",' in _instructions("HEALTHCHECK")[0]


def test_the_systemd_unit_starts_both_services_with_few_rights_and_again_after_a_failure() -> None:
    unit = configparser.ConfigParser(interpolation=None, strict=True)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # as configparser documents it
    unit.read_string((ROOT / "deploy/recorder.service").read_text("utf-8"))
    service = unit["Service"]
    assert " up --config /etc/llm-flight-recorder.yaml" in service["ExecStart"]
    expected = {
        "Restart": "on-failure",
        "StateDirectory": "llm-flight-recorder",
        "NoNewPrivileges": "yes",
        "ProtectSystem": "strict",
        "DynamicUser": "yes",
    }
    assert {key: service[key] for key in expected} == expected
