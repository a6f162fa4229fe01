"""Whether the files that the configuration names for TLS can be used: certificates, their keys, and authorities.

Called by commands/config_file.py for the sections that the command serves, so that `recorder check`, a start and a
reload say the same. Findings name the key of the configuration that has to change; an expired certificate is a warning.
"""

import contextlib
import ssl
from collections.abc import Collection, Iterator
from pathlib import Path

from commands.config_yaml import Finding, Location
from ingest_server.settings import IngestSettings
from recorder.settings import RecorderSettings

_VALIDITY = {10: "has expired", 9: "is not valid yet"}  # X509_V_ERR_CERT_HAS_EXPIRED, X509_V_ERR_CERT_NOT_YET_VALID


class TlsFindings:
    """`serves`: the sections of the configuration whose services are to run here, with their files."""

    def __init__(self, recorder: RecorderSettings, ingest: IngestSettings, serves: Collection[str]) -> None:
        self.errors: list[Finding] = []
        self.warnings: list[Finding] = []
        for section, files in (("server", recorder.tls), ("ingest", ingest.tls)):
            if files is not None and section in serves:
                at = (section, "tls")
                self.errors += _find_errors(at, files.cert, files.key)
                self.warnings += _find_validity_problems(at, files.cert, files.key)
        if recorder.capture.server_ca is not None and "server" in serves:
            self.errors += _find_ca_errors(("capture", "server_ca"), recorder.capture.server_ca)


def _find_errors(at: Location, cert: Path, key: Path) -> Iterator[Finding]:
    """What keeps a listener from using the files."""
    problems = {
        "cert": _unreadable(cert, "-----BEGIN CERTIFICATE-----", "certificate"),
        "key": _unreadable(key, "PRIVATE KEY-----", "private key"),
    }
    found = {name: problem for name, problem in problems.items() if problem}
    if not found:
        found = _rejected(cert, key)
    for name, problem in found.items():
        yield (*at, name), problem


def _find_ca_errors(at: Location, ca: Path) -> Iterator[Finding]:
    problem = _unreadable(ca, "-----BEGIN CERTIFICATE-----", "certificate")
    if problem is None:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(ca)
        except ssl.SSLError as error:
            problem = f"{ca}: not a certificate that can be used: {error.reason or error}"
    if problem:
        yield at, problem


def _find_validity_problems(at: Location, cert: Path, key: Path) -> Iterator[Finding]:
    """Clients refuse a certificate outside of its time. Files that cannot be used are nothing new here."""
    try:
        client, server = _handshake(cert, key)
        for _ in range(4):
            for side in (client, server):
                with contextlib.suppress(ssl.SSLWantReadError):
                    side.do_handshake()
    except ssl.SSLCertVerificationError as error:
        if error.verify_code in _VALIDITY:
            yield (*at, "cert"), f"{cert}: the certificate {_VALIDITY[error.verify_code]}; clients will refuse it"
    except (OSError, _EncryptedKeyError):
        pass


def _handshake(cert: Path, key: Path) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """A client that knows this certificate, and a server, in memory: the one public way to have its dates judged."""
    here = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    here.check_hostname = False
    here.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    here.load_verify_locations(cert)
    there = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    there.load_cert_chain(cert, key, _refuse)
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    return here.wrap_bio(down, up), there.wrap_bio(up, down, server_side=True)


def _unreadable(path: Path, mark: str, what: str) -> str | None:
    try:
        data = path.read_bytes()
    except OSError as error:
        return f"{path}: {error.strerror}"
    return None if mark.encode() in data else f"{path}: holds no {what} in PEM form"


class _EncryptedKeyError(Exception):
    pass


def _refuse() -> str:
    """Instead of asking on the terminal."""
    raise _EncryptedKeyError


def _rejected(cert: Path, key: Path) -> dict[str, str]:
    """What OpenSSL says of two PEM files, by the file that is at fault."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cert)
    except ssl.SSLError as error:
        return {"cert": f"{cert}: not a certificate that can be used: {error.reason or error}"}
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, _refuse)
    except _EncryptedKeyError:
        return {"key": f"{key}: the key is encrypted; write it out without a password (openssl pkey -in … -out …)"}
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            return {"key": f"{key}: the key does not belong to the certificate {cert}"}
        if error.reason and error.reason.startswith(("EE_", "CA_")):  # too weak for this system's policy
            return {"cert": f"{cert}: refused by OpenSSL: {error.reason}"}
        return {"key": f"{key}: not a key that can be used: {error.reason or error}"}
    return {}
