"""A service listens for other machines with keys, or because its settings insist."""

import re
from dataclasses import dataclass

import pytest

from traffic.keys import Key
from traffic.public_bind import PublicBindError, check_bind


@dataclass(frozen=True)
class Settings:
    host: str
    keys: tuple[Key, ...] = ()
    insecure_public_bind: bool = False


KEYS = (Key.parse("a", "x" * 16),)


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["::1", "127.0.0.1"]])
def test_loopback_needs_no_key(addresses: list[str]) -> None:
    assert check_bind("server", Settings("localhost"), addresses) is None


@pytest.mark.parametrize("addresses", [["0.0.0.0"], ["::"], ["127.0.0.1", "192.168.1.2"], ["fe80::1%eth0"]])
def test_one_address_that_others_reach_is_refused_without_keys(addresses: list[str]) -> None:
    text = (
        "server.host: other machines reach my.lan, and server.keys is empty: set server.keys "
        "(`recorder hash-key --generate` makes a key), or set server.host to localhost; "
        "--insecure-public-bind starts it nevertheless"
    )
    with pytest.raises(PublicBindError, match=f"^{re.escape(text)}$"):
        check_bind("server", Settings("my.lan"), addresses)


def test_with_keys_it_is_allowed() -> None:
    assert check_bind("ingest", Settings("0.0.0.0", KEYS), ["0.0.0.0"]) is None


def test_where_the_settings_insist_it_is_a_warning() -> None:
    assert check_bind("ingest", Settings("", (), True), ["0.0.0.0"]) == (
        "ingest.host: other machines reach all addresses, and ingest.keys is empty: whoever reaches it is let in "
        "(--insecure-public-bind)"
    )
