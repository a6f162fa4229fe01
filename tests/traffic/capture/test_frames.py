"""Frames: what is encoded comes back however the stream is cut; damage is noticed."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traffic.capture.frames import (
    HEADER,
    PAYLOAD_BYTES_MAX,
    SEARCHED_BYTES_MAX,
    FrameDecoder,
    FrameError,
    Kind,
    encode_frame,
    find_frame,
)

U64 = st.integers(0, 2**64 - 1)
FRAMES = st.lists(
    st.tuples(st.integers(0, 255), U64, U64, U64, st.lists(st.binary(max_size=40), max_size=3)), min_size=1, max_size=6
)
Written = list[tuple[int, int, int, int, list[bytes]]]


def encoded(frames: Written) -> bytes:
    return b"".join(piece for frame in frames for piece in encode_frame(*frame))


def fed(decoder: FrameDecoder, block: bytes) -> list[tuple[int, int, int, int, bytes]]:
    return [(*frame[:4], bytes(frame.payload)) for frame in decoder.feed(block)]


def plain(frames: Written) -> list[tuple[int, int, int, int, bytes]]:
    return [(kind, number, offset, at_us, b"".join(pieces)) for kind, number, offset, at_us, pieces in frames]


@given(FRAMES, st.lists(st.integers(0, 1000), max_size=8))
def test_any_cut_of_the_stream_gives_the_same_frames(frames: Written, cuts: list[int]) -> None:
    data = encoded(frames)
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    decoder = FrameDecoder()
    found = [frame for start, end in pairwise(edges) for frame in fed(decoder, data[start:end])]
    assert found == plain(frames)
    assert (decoder.consumed, decoder.pending) == (len(data), 0)


@given(FRAMES)
def test_byte_by_byte_gives_the_same_frames(frames: Written) -> None:
    data = encoded(frames)
    decoder = FrameDecoder()
    found = [frame for place in range(len(data)) for frame in fed(decoder, data[place : place + 1])]
    assert found == plain(frames)


@given(FRAMES, st.integers(0), st.integers(1, 255))
def test_a_changed_byte_is_an_error_or_leaves_its_frame_pending(frames: Written, place: int, change: int) -> None:
    data = bytearray(encoded(frames))
    place %= len(data)
    data[place] ^= change
    decoder = FrameDecoder()
    found = []
    try:
        for frame in decoder.feed(bytes(data)):
            found.append((*frame[:4], bytes(frame.payload)))  # noqa: PERF401 (those before the error count)
    except FrameError as error:
        assert error.position == decoder.consumed <= place  # noqa: PT017 (whether it is raised depends on the byte)
    else:
        assert decoder.pending > 0
    assert found == plain(frames)[: len(found)]
    assert len(found) < len(frames)


def test_an_impossible_length_is_refused_before_its_payload_is_waited_for() -> None:
    header = HEADER.pack(0, PAYLOAD_BYTES_MAX + 1, 1, 0, 0, 0)
    with pytest.raises(FrameError) as caught:
        list(FrameDecoder().feed(header))
    assert str(caught.value) == "no valid frame at byte 0: payload of 16777217 bytes exceeds 16777216"


def test_an_error_names_the_position_in_the_whole_stream() -> None:
    frame = b"".join(encode_frame(1, 1, 0, 0, [b"abc"]))
    decoder = FrameDecoder()
    assert len(list(decoder.feed(frame + frame[:10]))) == 1
    with pytest.raises(FrameError) as caught:
        list(decoder.feed(frame[10:-1] + b"X"))
    assert str(caught.value) == "no valid frame at byte 36: checksum does not match"


def test_the_next_whole_frame_is_found_behind_any_damage() -> None:
    """Whichever byte of the damaged one is flipped, its length included; zeros and noise hold no frame."""
    first, second = (b"".join(encode_frame(Kind.REQUEST, number, 0, 7, [b"x" * 40])) for number in (1, 2))
    for place in range(len(first)):
        damaged = first[:place] + bytes([first[place] ^ 0x55]) + first[place + 1 :]
        assert find_frame(damaged + second, 0) == len(first)
        assert find_frame(damaged, 0) == -1
    assert find_frame(first + second, 0) == 0
    for noise in (bytes(500), b"\xff" * 500, first[:50]):
        assert find_frame(noise + second, 0) == len(noise)
        assert find_frame(noise, 0) == -1
    assert find_frame(b"", 0) == -1


def test_a_payload_full_of_what_looks_like_frames_is_given_up_after_a_bounded_search() -> None:
    lure = HEADER.pack(0, PAYLOAD_BYTES_MAX, Kind.REQUEST, 1, 0, 0)
    tried = SEARCHED_BYTES_MAX // PAYLOAD_BYTES_MAX + 2
    data = lure * tried + bytes(PAYLOAD_BYTES_MAX + HEADER.size)
    whole = b"".join(encode_frame(Kind.REQUEST, 1, 0, 0, [b"x"]))
    assert find_frame(data + whole, 1) == -1
    assert find_frame(data[len(lure) * 3 :] + whole, 1) == len(data) - len(lure) * 3
