"""replay/outbox.py: what waits comes out as it was put in, and no credential is written to a file."""

from replay import outbox
from replay.outbox import Outbox, Waiting
from replay.sender import Request

HEAD = b"POST / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer topsecret\r\n\r\n"


def waiting(data: bytes) -> Waiting:
    return Waiting("", 0, "http://a/", "http://a", False, None, Request("a", 80, False, "POST", data), 0, 0)


def test_requests_come_out_whole_in_any_order_however_large_they_are_together() -> None:
    bodies = [b"", b"{}\r\n\r\n", b"x" * (outbox.MEMORY_BYTES_MAX - 3), b"yz"]
    with Outbox() as box:
        for body in bodies:
            box.add(waiting(HEAD + body))
        for place in (3, 0, 2, 1, 3):
            assert box.request(box.waiting[place]).data == HEAD + bodies[place]
        box.bodies.seek(0)
        assert b"topsecret" not in box.bodies.read()
