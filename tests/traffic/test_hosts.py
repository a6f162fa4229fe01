"""A Host header is accepted for the names that a service is known by, and for no other."""

import pytest

from traffic.hosts import OwnNames, host_of, is_loopback


@pytest.mark.parametrize(
    ("authority", "host"),
    [
        ("Example.com.:80", "example.com"),
        ("localhost", "localhost"),
        ("[::1]:5601", "::1"),
        ("::1", None),
        ("", None),
        (":80", None),
        ("h:port", None),
        ("h:70000", None),
        ("user@localhost", None),
        ("localhost/x", None),
        ("evil.example#localhost", None),
        ("[::1", None),
        ("a\tb", None),
    ],
)
def test_the_host_of_an_authority(authority: str, host: str | None) -> None:
    assert host_of(authority) == host


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST.", "x.localhost", "127.0.0.1", "127.1.2.3", "::1"])
def test_what_is_loopback(host: str) -> None:
    assert is_loopback(host)
    assert is_loopback("::ffff:127.0.0.1")


@pytest.mark.parametrize("host", ["", "0.0.0.0", "::", "192.168.1.2", "localhost.evil.example", "notlocalhost", "::2"])
def test_what_is_not_loopback(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("names", "accepted", "refused"),
    [
        (
            OwnNames("localhost"),
            ["localhost:5601", "127.0.0.1", "[::1]:1", "a.localhost"],
            ["evil.example", "192.168.1.2", "127.0.0.1.evil.example", ""],
        ),
        (OwnNames("My.Lan"), ["my.lan:5601", "localhost", "MY.LAN."], ["192.168.1.2", "lan", "x.my.lan"]),
        (OwnNames("192.168.1.2"), ["192.168.1.2:80", "127.0.0.1"], ["192.168.1.3", "evil.example"]),
        (OwnNames("localhost", ("rec.example", "::2")), ["REC.example:1", "[::2]"], ["x.rec.example", "[::3]"]),
        (OwnNames("0.0.0.0"), ["192.168.1.2:80", "[::2]", "0.0.0.0:1"], ["evil.example"]),
        (OwnNames("::"), ["10.0.0.1"], ["evil.example"]),
    ],
)
def test_own_names_are_accepted_with_any_port(names: OwnNames, accepted: list[str], refused: list[str]) -> None:
    assert [it for it in accepted if not names.accepts(it)] == []
    assert [it for it in refused if names.accepts(it)] == []
