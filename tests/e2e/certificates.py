"""Certificates for listeners, as files, and a client's trust in their authority."""

import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme

from ingest_server.settings import TlsFiles as IngestTls
from recorder.settings import TlsFiles


@dataclass(frozen=True, slots=True)
class Certificates:
    """`ca` certifies what `issue` writes to `cert` and `key`."""

    authority: trustme.CA
    folder: Path

    @property
    def ca(self) -> Path:
        return self.folder / "ca.pem"

    @property
    def cert(self) -> Path:
        return self.folder / "cert.pem"

    @property
    def key(self) -> Path:
        return self.folder / "key.pem"

    @property
    def files(self) -> TlsFiles:
        return TlsFiles(self.cert, self.key)

    @property
    def ingest_files(self) -> IngestTls:
        return IngestTls(self.cert, self.key)

    @property
    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.ca)

    def issue(self, *names: str, key_type: trustme.KeyType = trustme.KeyType.ECDSA) -> None:
        """Another certificate in the place of the one before."""
        leaf = self.authority.issue_cert(*(names or ("localhost", "127.0.0.1", "::1")), key_type=key_type)
        self.cert.write_bytes(b"".join(pem.bytes() for pem in leaf.cert_chain_pems))
        leaf.private_key_pem.write_to_path(str(self.key))


def certify(folder: Path) -> Certificates:
    folder.mkdir(exist_ok=True)
    made = Certificates(trustme.CA(), folder)
    made.authority.cert_pem.write_to_path(str(made.ca))
    made.issue()
    return made
