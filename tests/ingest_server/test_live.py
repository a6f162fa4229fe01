"""The live feed towards one listener: bounded, and honest about what it left out."""

import pytest

from ingest_server import live
from ingest_server.live import Feed, TooManyListenersError


@pytest.fixture
def watched() -> list[bool]:
    return []


async def test_a_slow_listener_loses_events_and_is_told_how_many(
    watched: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "WAITING_MAX", 2)
    feed = Feed(watched.append, 2)
    listener = feed.join()
    feed.publish([("started", {"id": str(place)}) for place in range(5)])
    assert await listener.next() == b'event: started\ndata: {"id":"0"}\n\n'
    assert await listener.next() == b'event: started\ndata: {"id":"1"}\n\n'
    assert await listener.next() == b'event: lost\ndata: {"events":3}\n\n'
    feed.leave(listener)
    assert watched == [True, False]


async def test_silence_is_filled_with_comments(watched: list[bool], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "HEARTBEAT_S", 0.01)
    assert await Feed(watched.append, 2).join().next() == b": nothing happened\n\n"


async def test_the_end_of_the_feed_reaches_even_a_full_listener(
    watched: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "WAITING_MAX", 1)
    feed = Feed(watched.append, 2)
    listener = feed.join()
    feed.publish([("started", {})])
    feed.end()
    assert await listener.next() is None


def test_there_are_only_so_many_listeners(watched: list[bool]) -> None:
    feed = Feed(watched.append, 2)
    first, _second = feed.join(), feed.join()
    with pytest.raises(TooManyListenersError) as caught:
        feed.join()
    assert str(caught.value) == "the live feed has 2 listeners, as many as it takes (ingest.limits.listeners)"
    feed.leave(first)
    feed.join()
