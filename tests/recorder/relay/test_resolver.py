"""recorder/relay/resolver.py: lookups that are slow hold up nobody else, and are as few as can be."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from recorder.relay.resolver import Resolver, TooManyLookupsError


class NameServer:
    """Stands in for the system's resolver: names below `.slow` are answered only when it says so."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers = threading.Event()

    def getaddrinfo(self, host: str, port: int, **_: Any) -> list[Any]:
        self.asked.append(host)
        if host.endswith(".slow"):
            assert self.answers.wait(10)
        if host.endswith(".none"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        kind = socket.SOCK_STREAM
        return [
            (socket.AF_INET6, kind, 6, "", ("fe80::1", port, 0, 3)),
            (socket.AF_INET, kind, 6, "", ("192.0.2.1", port)),
        ]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameServer]:
    server = NameServer()
    monkeypatch.setattr(socket, "getaddrinfo", server.getaddrinfo)
    yield server
    server.answers.set()


async def test_a_name_has_its_addresses_in_order_and_link_local_ones_name_their_interface(names: NameServer) -> None:
    assert await Resolver(1).addresses("upstream.test", 80) == ["fe80::1%3", "192.0.2.1"]
    assert names.asked == ["upstream.test"]


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "fe80::1%2"])
async def test_an_address_is_not_looked_up(names: NameServer, address: str) -> None:
    assert await Resolver(0).addresses(address, 80) == [address]
    assert names.asked == []


async def test_who_asks_for_the_same_place_at_the_same_time_shares_one_lookup(names: NameServer) -> None:
    resolver = Resolver(1)
    asking = asyncio.gather(*[resolver.addresses("a.slow", 80) for _ in range(1000)])
    await asyncio.sleep(0)
    names.answers.set()
    assert len(await asking) == 1000
    assert names.asked == ["a.slow"]
    await resolver.addresses("a.slow", 80)
    assert names.asked == ["a.slow", "a.slow"]  # nothing is kept


async def test_slow_lookups_hold_up_no_other_name_and_are_bounded(names: NameServer) -> None:
    resolver = Resolver(20)
    async with asyncio.TaskGroup() as group:
        slow = [group.create_task(resolver.addresses(f"{number}.slow", 80)) for number in range(19)]
        await asyncio.sleep(0)
        assert await resolver.addresses("quick.test", 80)
        slow.append(group.create_task(resolver.addresses("20.slow", 80)))
        await asyncio.sleep(0)
        with pytest.raises(TooManyLookupsError, match="20 host names are being looked up already"):
            await resolver.addresses("one-more.test", 80)
        assert not any(task.done() for task in slow)
        names.answers.set()


async def test_who_gives_up_does_not_end_the_lookup_for_others(names: NameServer) -> None:
    resolver = Resolver(1)
    impatient = asyncio.gather(resolver.addresses("a.slow", 80))
    patient = asyncio.gather(resolver.addresses("a.slow", 80))
    await asyncio.sleep(0)
    impatient.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await impatient
    names.answers.set()
    (found,) = await patient
    assert found == ["fe80::1%3", "192.0.2.1"]


@pytest.mark.usefixtures("names")
async def test_a_name_that_does_not_resolve_is_an_error_each_time() -> None:
    resolver = Resolver(1)
    for _ in range(2):
        with pytest.raises(socket.gaierror, match="Name or service not known"):
            await resolver.addresses("a.none", 80)


async def test_what_can_be_no_name_does_not_resolve() -> None:
    with pytest.raises(socket.gaierror, match="no host can have that name"):
        await Resolver(1).addresses("a" * 64 + ".test", 80)
