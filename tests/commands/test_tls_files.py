"""server.tls, ingest.tls and capture.server_ca: what is wrong with the files is one line that names key and file."""

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from commands.config_file import ConfigError, Configuration, load_config
from ingest_server.settings import TlsFiles as IngestTls
from recorder.settings import TlsFiles
from tests.e2e.certificates import Certificates, certify

ROUTE = 'routes: {a: {pattern: /a/, destination: "http://127.0.0.1:1234/"}}\n'
BOTH = ("server", "ingest")


@pytest.fixture
def certificates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Certificates:
    monkeypatch.chdir(tmp_path)
    return certify(Path("tls"))


def load(text: str, serves: tuple[str, ...] = BOTH) -> Configuration:
    Path("config.yaml").write_text(text + ROUTE)
    return load_config(None, {}, serves)


def errors(text: str, serves: tuple[str, ...] = BOTH) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(text, serves)
    return caught.value.messages


SERVER = "server: {tls: {cert: tls/cert.pem, key: tls/key.pem}}\n"


def test_the_files_reach_the_settings_relative_to_the_configuration(certificates: Certificates) -> None:
    found = load(
        SERVER + "ingest: {tls: {cert: tls/cert.pem, key: tls/key.pem}}\n"
        "logging: {server_url: https://localhost:8080}\ncapture: {server_ca: tls/ca.pem}\n"
    )
    assert found.recorder.tls == TlsFiles(certificates.cert, certificates.key)
    assert found.ingest.tls == IngestTls(certificates.cert, certificates.key)
    assert found.recorder.capture.server_ca == certificates.ca
    assert found.warnings == []


@pytest.mark.usefixtures("certificates")
def test_what_is_missing_or_unknown_is_named() -> None:
    assert errors("server: {tls: {cert: tls/cert.pem}}\ningest: {tls: {crt: a, key: b}}\n") == [
        "config.yaml:1: server.tls.key: is missing",
        "config.yaml:2: ingest.tls.cert: is missing",
        "config.yaml:2: ingest.tls.crt: unknown key; the nearest known one is 'cert'",
    ]
    assert errors("server: {tls: yes}\n") == ["config.yaml:1: server.tls: expected keys with values, got 'yes'"]


def test_files_that_cannot_be_used_are_named_with_their_key(certificates: Certificates) -> None:
    ca, cert, key = certificates.ca, certificates.cert, certificates.key
    good_cert, good_key = cert.read_bytes(), key.read_bytes()
    cases = [
        (b"", good_key, "server.tls.cert: tls/cert.pem: holds no certificate in PEM form"),
        (good_key, good_key, "server.tls.cert: tls/cert.pem: holds no certificate in PEM form"),
        (good_cert, good_cert, "server.tls.key: tls/key.pem: holds no private key in PEM form"),
        (
            ca.read_bytes(),
            good_key,
            "server.tls.key: tls/key.pem: the key does not belong to the certificate tls/cert.pem",
        ),
        (
            good_cert,
            _encrypted(key),
            (
                "server.tls.key: tls/key.pem: the key is encrypted; "
                "write it out without a password (openssl pkey -in … -out …)"
            ),
        ),
        (good_cert, _broken(good_key), "server.tls.key: tls/key.pem: not a key that can be used: "),
        (_broken(good_cert), good_key, "server.tls.cert: tls/cert.pem: not a certificate that can be used: "),
    ]
    for cert_bytes, key_bytes, message in cases:
        cert.write_bytes(cert_bytes)
        key.write_bytes(key_bytes)
        (error,) = errors(SERVER)
        if message.endswith(": "):  # and then OpenSSL's word, which differs between its versions
            assert error.startswith(f"config.yaml:1: {message}")
        else:
            assert error == f"config.yaml:1: {message}"


def _encrypted(key: Path) -> bytes:
    command = ["openssl", "pkcs8", "-topk8", "-in", str(key), "-passout", "pass:secret"]
    return subprocess.run(command, check=True, capture_output=True).stdout


def _broken(pem: bytes) -> bytes:
    lines = pem.splitlines(keepends=True)
    return b"".join([lines[0], *reversed(lines[1:-1]), lines[-1]])


@pytest.mark.usefixtures("certificates")
def test_files_that_are_not_there_are_all_named() -> None:
    text = "server: {tls: {cert: no.pem, key: tls}}\ncapture: {server_ca: tls/key.pem}\n"
    assert errors(text) == [
        "config.yaml:1: server.tls.cert: no.pem: No such file or directory",
        "config.yaml:1: server.tls.key: tls: Is a directory",
        "config.yaml:2: capture.server_ca: tls/key.pem: holds no certificate in PEM form",
    ]


@pytest.mark.usefixtures("certificates")
def test_a_command_looks_only_at_the_files_of_what_it_serves() -> None:
    text = "ingest: {tls: {cert: no.pem, key: no.pem}}\nlogging: {server_url: https://localhost:8080}\n"
    assert load(text, ()).warnings == load(text, ("server",)).warnings == []
    assert len(errors(text, ("ingest",))) == 2


@pytest.mark.parametrize(("days", "problem"), [(-1, "has expired"), (400, None)])
def test_a_certificate_out_of_its_time_is_a_warning(certificates: Certificates, days: int, problem: str | None) -> None:
    until = datetime.now(UTC) + timedelta(days=days)
    leaf = certificates.authority.issue_cert("localhost", not_after=until)
    certificates.cert.write_bytes(leaf.cert_chain_pems[0].bytes())
    certificates.key.write_bytes(leaf.private_key_pem.bytes())
    expected = f"config.yaml:1: server.tls.cert: tls/cert.pem: the certificate {problem}; clients will refuse it"
    assert load(SERVER).warnings == ([expected] if problem else [])


@pytest.mark.usefixtures("certificates")
@pytest.mark.parametrize(
    ("server_url", "ingest", "warning"),
    [
        (
            "http://localhost:8080",
            "tls: {cert: tls/cert.pem, key: tls/key.pem}",
            "http, but ingest.tls makes it https://",
        ),
        ("https://localhost:8080", "tls: {cert: tls/cert.pem, key: tls/key.pem}", None),
        ("https://localhost:8080", "port: 8080", "https, but ingest.tls is not set"),
        ("https://elsewhere:8080", "port: 8080", None),
    ],
)
def test_a_link_whose_scheme_does_not_fit_the_ingest_server_is_a_warning(
    server_url: str, ingest: str, warning: str | None
) -> None:
    found = load(f"logging: {{server_url: {server_url}}}\ningest: {{{ingest}}}\n").warnings
    expected = f"config.yaml:1: logging.server_url: recordings are sent by {warning}"
    assert found == ([expected] if warning else [])
