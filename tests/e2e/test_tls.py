"""TLS upstreams: the certificate is checked against the system's trust store, and the server is told its name."""

import ssl
from pathlib import Path

import pytest
import trustme

from tests.e2e.conftest import Flight, to
from tests.e2e.scripted import ScriptedUpstream, answers, ok

REQUEST = b"GET /lm/v1/models HTTP/1.1\r\nHost: recorder.test\r\n\r\n"


class Certified:
    """A server's TLS, by an authority that nobody knows unless told; `names` are the server names asked for."""

    def __init__(self, *identities: str) -> None:
        self.authority = trustme.CA()
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.authority.issue_cert(*identities).configure_cert(self.tls)
        self.tls.set_alpn_protocols(["h2", "http/1.1"])
        self.names: list[str | None] = []
        self.tls.sni_callback = lambda _connection, name, _context: self.names.append(name)


@pytest.fixture
def trusted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Certified:
    certified = Certified("localhost")
    certified.authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    return certified


async def test_a_trusted_upstream_is_reached_by_its_name(flight: Flight, trusted: Certified) -> None:
    async with ScriptedUpstream(answers(ok(b"secured")), tls=trusted.tls) as upstream:
        await flight.start(to(0, destination=f"https://localhost:{upstream.port}/api/"))
        answer, _ = await flight.send(REQUEST)
        assert answer == ok(b"secured")
        authority = b"localhost:%d" % upstream.port
        assert upstream.peers[0].received == b"GET /api/v1/models HTTP/1.1\r\nHost: %b\r\n\r\n" % authority
        assert trusted.names == ["localhost"]
        assert upstream.peers[0].writer.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"
        (record,) = await flight.land()
    assert record.response == ok(b"secured")
    assert record.metadata["upstream_url"] == f"https://localhost:{upstream.port}/api/v1/models"


@pytest.mark.parametrize("identities", [["localhost"], ["other.test"]])
async def test_an_unknown_certificate_is_refused_and_never_tried_again_without_the_check(
    flight: Flight, identities: list[str]
) -> None:
    certified = Certified(*identities)
    async with ScriptedUpstream(answers(ok()), tls=certified.tls) as upstream:
        await flight.start(to(0, destination=f"https://localhost:{upstream.port}/"))
        answer, _ = await flight.send(REQUEST)
        assert upstream.peers == []
        (record,) = await flight.land()
    assert answer.startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
    assert record.error == ("tls_failure", "connect", "network")
    detail = record.metadata["error"]["detail"]
    assert detail.startswith(f"no TLS with localhost:{upstream.port}: its certificate is not accepted (")
    assert detail.endswith("); verify_ssl: false accepts any")


async def test_a_certificate_of_another_host_is_refused(
    flight: Flight, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    certified = Certified("other.test")
    certified.authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    async with ScriptedUpstream(answers(ok()), tls=certified.tls) as upstream:
        await flight.start(to(0, destination=f"https://localhost:{upstream.port}/"))
        answer, _ = await flight.send(REQUEST)
        (record,) = await flight.land()
    assert answer.startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
    assert record.error == ("tls_failure", "connect", "network")


async def test_verify_ssl_false_takes_any_certificate_of_that_route_alone(flight: Flight) -> None:
    certified = Certified("other.test")
    async with ScriptedUpstream(answers(ok(b"secured")), tls=certified.tls) as upstream:
        destination = f"https://127.0.0.1:{upstream.port}/"
        strict = to(0, "strict", destination=destination)
        await flight.start(to(0, destination=destination, verify_ssl=False), strict)
        answer, _ = await flight.send(REQUEST)
        assert answer == ok(b"secured")
        answer, _ = await flight.send(REQUEST.replace(b"/lm/", b"/strict/"))
        assert answer.startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
