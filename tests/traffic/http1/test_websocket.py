"""WebSocket frames of a client become what it said, however they are masked, cut and compressed."""

import zlib

import pytest

from tests.replay.play.websocket import frame, said
from traffic.http1.websocket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    MESSAGE_BYTES_MAX,
    PING,
    TEXT,
    FrameError,
    Message,
    MessageReader,
    frame_of,
    frames,
    messages_of,
)

COMPRESSED = 0xC0


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
@pytest.mark.parametrize("step", [1_000_000, 1_000, 7])
def test_messages_of_every_length_are_unmasked_however_they_arrive(size: int, step: int) -> None:
    payload = bytes(place % 251 for place in range(size))
    data = said(payload, BINARY, b"\xff\x00\x80\x01") + said(b"end")
    reader, found = MessageReader(), list[Message]()
    for at in range(0, len(data), step):
        found += reader.feed(data[at : at + step])
    assert found == [Message(BINARY, payload, len(data) - len(said(b"end"))), Message(TEXT, b"end", len(data))]


def test_a_message_in_several_frames_is_one_and_control_frames_come_between() -> None:
    mask = b"abcd"
    data = frame(b"one ", TEXT, mask, 0) + said(b"?", PING) + frame(b"two ", CONTINUATION, mask, 0)
    data += frame(b"three", CONTINUATION, mask)
    found = [(message.opcode, message.payload) for message in MessageReader().feed(data)]
    assert found == [(PING, b"?"), (TEXT, b"one two three")]


def test_compressed_messages_are_inflated_with_what_came_before() -> None:
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)

    def compressed(text: bytes) -> bytes:
        data = deflater.compress(text) + deflater.flush(zlib.Z_SYNC_FLUSH)
        return frame(data.removesuffix(b"\x00\x00\xff\xff"), TEXT, b"wxyz", COMPRESSED)

    reader = MessageReader()
    texts = [b"the same words, the same words", b"the same words, the same words", b"", b"other"]
    assert [message.payload for text in texts for message in reader.feed(compressed(text))] == texts


def test_what_no_client_may_send_is_an_error() -> None:
    with pytest.raises(FrameError, match=f"^a WebSocket frame of more than {MESSAGE_BYTES_MAX} bytes$"):
        MessageReader().feed(b"\x82\xff" + (MESSAGE_BYTES_MAX + 1).to_bytes(8, "big"))
    with pytest.raises(FrameError, match=r"^a compressed WebSocket message is corrupt: "):
        MessageReader().feed(frame(b"\xff\xff\xff", TEXT, b"wxyz", COMPRESSED))
    for control in (frame(bytes(126), PING), frame(b"", PING, b"", 0)):
        text = "^a control frame of a WebSocket with more than 125 bytes, or in parts$"
        with pytest.raises(FrameError, match=text):
            MessageReader().feed(control)
    bomb = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    data = bomb.compress(bytes(MESSAGE_BYTES_MAX + 1)) + bomb.flush(zlib.Z_SYNC_FLUSH)
    with pytest.raises(FrameError, match=f"^a WebSocket message of more than {MESSAGE_BYTES_MAX} bytes$"):
        MessageReader().feed(frame(data[:-4], BINARY, b"wxyz", COMPRESSED))
    reader = MessageReader()
    half = bytes(MESSAGE_BYTES_MAX // 2 + 1)
    reader.feed(frame(half, BINARY, b"", 0))
    with pytest.raises(FrameError, match=f"^a WebSocket message of more than {MESSAGE_BYTES_MAX} bytes$"):
        reader.feed(frame(half, CONTINUATION))


def test_frames_of_stored_bytes_are_found_up_to_a_cut() -> None:
    data = frame(b"abc") + frame_of(CLOSE, b"\x03\xe8") + frame(b"cut")[:-1]
    assert [(each.opcode, each.payload, each.end) for each in frames(data)] == [
        (TEXT, b"abc", 5),
        (CLOSE, b"\x03\xe8", 9),
    ]


@pytest.mark.parametrize(
    "rest", [said(b"two")[:-1], frame(b"\xff\xff\xff", TEXT, b"wxyz", COMPRESSED), frame(b"2", TEXT, b"", 0)]
)
def test_messages_of_stored_bytes_are_those_before_what_is_cut_damaged_or_goes_on(rest: bytes) -> None:
    whole = frame(b"ne", CLOSE) + said(b"one")
    assert list(messages_of(whole + rest)) == [Message(CLOSE, b"ne", 4), Message(TEXT, b"one", len(whole))]
