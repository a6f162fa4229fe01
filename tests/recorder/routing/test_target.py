"""Targets are taken apart and joined byte for byte, and none climbs out of its route's prefix."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.routing.target import TargetError, TargetParts, join_target, leaves_prefix, split_target


@pytest.mark.parametrize(
    ("destination_path", "rest", "query", "target"),
    [
        (b"/", b"v1/chat", None, b"/v1/chat"),
        (b"/", b"", None, b"/"),
        (b"/api/v1/", b"models", None, b"/api/v1/models"),
        (b"/api/v1", b"models", None, b"/api/v1/models"),
        (b"/api/v1", b"", None, b"/api/v1"),
        (b"/api/v1/", b"", None, b"/api/v1/"),
        (b"/api//v1//", b"models", None, b"/api//v1//models"),
        (b"/", b"/v1", None, b"//v1"),
        (b"/", b"v1/", b"", b"/v1/?"),
        (b"/", b"a%2Fb%c3%A4/%zz", b"q=%20+&x=?/", b"/a%2Fb%c3%A4/%zz?q=%20+&x=?/"),
        (b"/v1/chat", b"", b"a=b", b"/v1/chat?a=b"),
    ],
)
def test_the_destination_s_path_and_the_rest_are_joined(
    destination_path: bytes, rest: bytes, query: bytes | None, target: bytes
) -> None:
    assert join_target(destination_path, rest, query) == target


_RAW = st.text("ab/%.;:", max_size=12).map(str.encode)


@given(_RAW.map(lambda path: b"/" + path), _RAW, st.none() | _RAW)
def test_joining_neither_loses_nor_doubles_a_slash(destination_path: bytes, rest: bytes, query: bytes | None) -> None:
    target = join_target(destination_path, rest, query)
    path = target if query is None else target.removesuffix(b"?" + query)
    added = len(path) - len(destination_path) - len(rest)
    assert path.startswith(destination_path)
    assert path.endswith(rest)
    assert added == (1 if rest and not destination_path.endswith(b"/") else 0)
    assert path[len(destination_path) :][:added] in (b"", b"/")


@pytest.mark.parametrize(
    "rest",
    [
        b"..",
        b"../x",
        b"./../x",
        b"v1/../..",
        b"v1/../../v1/x",
        b"v1//../../x",
        b"/../x",
        b"%2e%2E/x",
        b".%2e/x",
        b"v1/%2E./%2e./x",
        b"..%2fx",
        b"v1%2F..%2F..%2Fx",
        b"..\\x",
        b"..%5cx",
        b"v1%5C..\\../x",
    ],
)
def test_dot_segments_that_climb_above_the_prefix_are_found(rest: bytes) -> None:
    assert leaves_prefix(rest)


@pytest.mark.parametrize(
    "rest",
    [
        b"",
        b"v1/chat/completions",
        b"v1/..",
        b"v1/../models",
        b"./v1",
        b"...",
        b"..a/b..",
        b"models/gemini-1.5-pro:generateContent",
        b"%252e%252e/x",
        b"a%2Fb/../..",
        b"%",
        b"%2",
    ],
)
def test_paths_that_stay_below_the_prefix_pass(rest: bytes) -> None:
    assert not leaves_prefix(rest)


@given(st.lists(st.text("ab.%\\25fFcC", max_size=6).filter(lambda text: ".." not in text and "%" not in text)))
def test_a_path_without_dot_segments_never_leaves(segments: list[str]) -> None:
    assert not leaves_prefix("/".join(segments).encode())


@given(
    st.lists(st.sampled_from(["..", "%2e.", ".", "a", "b"]), max_size=8), st.lists(st.sampled_from("/\\"), min_size=8)
)
def test_a_path_leaves_exactly_when_it_climbs_more_than_it_descended(segments: list[str], slashes: list[str]) -> None:
    depths = [0]
    for segment in segments:
        depths.append(depths[-1] + {"a": 1, "b": 1, ".": 0}.get(segment, -1))
    rest = "".join(segment + slash for segment, slash in zip(segments, slashes, strict=False))
    assert leaves_prefix(rest.encode()) == (min(depths) < 0)


@pytest.mark.parametrize(
    ("target", "parts"),
    [
        (b"/", TargetParts("origin", None, b"/", None)),
        (b"/a/b?c=d?e", TargetParts("origin", None, b"/a/b", b"c=d?e")),
        (b"/a?", TargetParts("origin", None, b"/a", b"")),
        (b"//a/b", TargetParts("origin", None, b"//a/b", None)),
        (b"/http://h/", TargetParts("origin", None, b"/http://h/", None)),
        (b"http://h:1/p?q", TargetParts("absolute", b"h:1", b"/p", b"q")),
        (b"HTTPS://[::1]:443/p", TargetParts("absolute", b"[::1]:443", b"/p", None)),
        (b"http://h", TargetParts("absolute", b"h", b"/", None)),
        (b"http://h:?", TargetParts("absolute", b"h:", b"/", b"")),
        (b"ws://h/p", TargetParts("absolute", b"h", b"/p", None)),
        (b"*", TargetParts("asterisk", None, b"*", None)),
        (b"example.com:443", TargetParts("authority", b"example.com:443", b"", None)),
        (b"[::1]:443", TargetParts("authority", b"[::1]:443", b"", None)),
    ],
)
def test_each_form_of_target_is_taken_apart(target: bytes, parts: TargetParts) -> None:
    assert split_target(target) == parts


_NEITHER = 'the request target is neither a path that begins with "/" nor an http:// or https:// URL'
_FRAGMENT = 'the request target holds a "#"; a client keeps the fragment to itself (RFC 9112 section 3.2)'
_NO_HOST = "the request target's URL has no plain host; send host and port only, no user name"


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (b"", 'the request target is empty; a path begins with "/"'),
        (b"v1/models", _NEITHER),
        (b"?q", _NEITHER),
        (b"*/a", _NEITHER),
        (b"ftp://h/p", _NEITHER),
        (b"example.com", _NEITHER),
        (b"user@h:80", _NEITHER),
        (b"/a#b", _FRAGMENT),
        (b"http://h/a?b#c", _FRAGMENT),
        (b"http:///p", _NO_HOST),
        (b"http://user:pw@h/p", _NO_HOST),
        (b"http://h:port/p", _NO_HOST),
        (b"http://::1/p", _NO_HOST),
    ],
)
def test_any_other_target_is_refused(target: bytes, message: str) -> None:
    with pytest.raises(TargetError) as caught:
        split_target(target)
    assert str(caught.value) == message
