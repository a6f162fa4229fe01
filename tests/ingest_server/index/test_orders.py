"""What server and indexer say to each other arrives as it was said, however the pipe cuts it."""

import pytest

from ingest_server.index import orders
from ingest_server.index.call_sums import CallSums
from ingest_server.index.orders import (
    Answer,
    Begin,
    CatchUp,
    Concluded,
    Failed,
    Frames,
    Gone,
    Indexed,
    Order,
    Progress,
    Ready,
    Reindex,
    Stop,
    Told,
    Watch,
)
from ingest_server.settings import IndexSettings, Otlp
from tests.ingest_server.index.summaries import summary

ORDERS: list[Order] = [
    Begin("logs", IndexSettings(prices={"m": {"input": 1.0}}, otlp=Otlp("http://h", {"a": "b"})), 7, is_watched=True),
    Concluded(["2026-09-13_02-11-09.123_092d0424"]),
    Gone([]),
    CatchUp(None),
    Reindex(5, decoder_changed=True),
    Watch(is_watched=False),
    Stop(),
]
ANSWERS: list[Answer] = [
    Ready(3),
    Indexed(2, 9, [summary()], [b"{}\n"], [CallSums("openai", "m", {"200": 1})]),
    Progress("catch up", 1, 2),
    Failed("disk full"),
    Told(30, "text"),
]


@pytest.mark.parametrize("size", [1, 3, 10_000])
def test_every_order_arrives_however_it_is_cut(size: int) -> None:
    data = b"".join(map(orders.encode, ORDERS))
    frames = Frames()
    cut = [data[start : start + size] for start in range(0, len(data), size)]
    assert [orders.decode_order(payload) for piece in cut for payload in frames.feed(piece)] == ORDERS


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: type(answer).__name__)
def test_every_answer_arrives(answer: Answer) -> None:
    (payload,) = Frames().feed(orders.encode(answer))
    assert orders.decode_answer(payload) == answer


def test_a_frame_that_nobody_sends_is_refused_before_it_is_waited_for() -> None:
    with pytest.raises(ValueError, match="a frame of 4294967295 bytes"):
        list(Frames().feed(b"\xff\xff\xff\xff"))
