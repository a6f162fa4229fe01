"""TLS on both services, as users start them: the URLs, the link, and the commands that ask a running service."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands.conftest import CLI, Start, environment, free_ports
from tests.e2e.certificates import Certificates, certify
from tests.e2e.recorded import load

TLS = "tls: {cert: tls/cert.pem, key: tls/key.pem}"


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return certify(tmp_path / "tls")


@pytest.fixture
def ports(tmp_path: Path, certificates: Certificates) -> tuple[int, int]:
    """Of a configuration with TLS everywhere, whose one route leads nowhere."""
    assert certificates.cert.exists()
    port, ingest_port, nowhere = free_ports(3)
    (tmp_path / "config.yaml").write_text(
        f"server: {{port: {port}, {TLS}}}\n"
        f"ingest: {{port: {ingest_port}, {TLS}}}\n"
        f'logging: {{server_url: "https://localhost:{ingest_port}"}}\n'
        "capture: {server_ca: tls/ca.pem}\n"
        f'routes: {{a: {{pattern: /a/, destination: "http://127.0.0.1:{nowhere}/"}}}}\n'
    )
    return port, ingest_port


def test_up_prints_https_urls_and_what_it_records_reaches_the_files(
    start: Start, ports: tuple[int, int], certificates: Certificates, tmp_path: Path
) -> None:
    process = start("up")
    assert process.stdout is not None
    assert process.stdout.readline().startswith(f"ingest server listens on https://localhost:{ports[1]}; ")
    assert process.stdout.readline() == f"recorder listens on https://localhost:{ports[0]}\n"
    url = process.stdout.readline().partition("OPENAI_BASE_URL=")[2].strip()
    assert url == f"https://localhost:{ports[0]}/a/v1"
    curl = ["curl", "-sS", "--cacert", str(certificates.ca), f"{url}/models"]
    assert b"upstream_refused" in subprocess.run(curl, check=True, capture_output=True).stdout
    status = start("status")
    out, err = status.communicate(timeout=30)
    assert (status.returncode, err) == (0, ""), out
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")
    (record,) = load(tmp_path / "logs")
    assert record.proxy_path == f"{url}/models"


def test_run_sees_that_both_services_run_and_gives_its_command_the_https_url(
    start: Start, ports: tuple[int, int], tmp_path: Path
) -> None:
    process = start("up")
    assert process.stdout is not None
    for _ in range(3):
        assert process.stdout.readline()
    show = "import os; print(os.environ['OPENAI_BASE_URL'])"
    found = subprocess.run(
        [sys.executable, str(CLI), "run", "--", sys.executable, "-c", show],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert found.stdout == f"https://localhost:{ports[0]}/a/v1\n"
    assert "recordings go to" not in found.stderr  # which it says of services that it starts itself


def test_a_start_with_unusable_files_is_one_line_and_exit_code_2(
    start: Start, ports: tuple[int, int], certificates: Certificates
) -> None:
    assert ports
    certificates.key.unlink()
    for name, section in (("proxy", "server"), ("ingest", "ingest")):
        process = start(name)
        _, err = process.communicate(timeout=30)
        line = 1 if section == "server" else 2
        assert err == f"config.yaml:{line}: {section}.tls.key: tls/key.pem: No such file or directory\n"
        assert process.returncode == 2
    process = start("check")
    _, err = process.communicate(timeout=30)
    assert err.count("tls.key: tls/key.pem: No such file or directory\n") == 2
    assert process.returncode == 2
