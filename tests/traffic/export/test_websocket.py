"""traffic/export/websocket.py: frames become messages."""

import zlib

import pytest

from traffic.export.websocket import WebSocketMessage, messages_of

DEFLATE = b"permessage-deflate; client_max_window_bits"


def frame(payload: bytes, first: int = 0x81, mask: bytes = b"") -> bytes:
    size = len(payload)
    length = bytes([size]) if size < 126 else b"\x7e" + size.to_bytes(8, "big")[-2:]
    if size > 0xFFFF:
        length = b"\x7f" + size.to_bytes(8, "big")
    if mask:
        length = bytes([length[0] | 0x80]) + length[1:]
        payload = bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))
    return bytes([first]) + length + mask + payload


def said(stream: bytes, extensions: bytes = b"") -> list[bytes]:
    return [message.data for message in messages_of(stream, extensions)]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
@pytest.mark.parametrize("mask", [b"", b"\x01\x02\x03\xff"])
def test_a_message_of_any_length_is_unmasked(size: int, mask: bytes) -> None:
    payload = bytes(place % 251 for place in range(size))
    assert said(frame(payload, mask=mask) + frame(b"next")) == [payload, b"next"]


def test_fragments_are_joined_with_a_ping_between_them() -> None:
    stream = frame(b"he", 0x01) + frame(b"?", 0x89) + frame(b"l", 0x00) + frame(b"lo", 0x80)
    assert list(messages_of(stream, b"")) == [
        WebSocketMessage(9, b"?", 7),
        WebSocketMessage(1, b"hello", len(stream)),
    ]


def test_compressed_messages_share_their_window_and_plain_ones_may_stand_between() -> None:
    compressor = zlib.compressobj(wbits=-15)

    def packed(text: bytes) -> bytes:
        data = compressor.compress(text) + compressor.flush(zlib.Z_SYNC_FLUSH)
        return frame(data.removesuffix(b"\x00\x00\xff\xff"), 0xC1)

    stream = packed(b"hello hello") + frame(b"plain") + packed(b"hello hello")
    assert said(stream, DEFLATE) == [b"hello hello", b"plain", b"hello hello"]


def test_what_is_cut_or_damaged_ends_the_list() -> None:
    whole = frame(b"one")
    for end in range(len(whole)):
        assert said(whole + whole[:end]) == [b"one"]
    assert said(whole + frame(b"no deflate", 0xC1), DEFLATE) == [b"one"]
    assert said(frame(b"half", 0x01)) == []
