"""The table finds the most specific entry, whatever the order of the entries, and refuses what is ambiguous."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.routing.pattern import Pattern, Relation, compare, covers_method, parse_pattern
from recorder.routing.table import Entry, Match, Redirect, RoutingError, RoutingTable


def table_of(*patterns: str) -> RoutingTable[str]:
    return RoutingTable(Entry(pattern, pattern, f"config.yaml:{line}") for line, pattern in enumerate(patterns, 1))


def messages_of(*patterns: str) -> list[str]:
    with pytest.raises(RoutingError) as caught:
        table_of(*patterns)
    assert str(caught.value) == "\n".join(caught.value.messages)
    return caught.value.messages


_TABLE = (
    "/lmstudio/",
    "/lmstudio/v1/models",
    "POST /lmstudio/v1/chat/",
    "/only/{$}",
    "/exact",
    "GET /health",
    "/a%2Fb/",
    "example.com/lmstudio/",
    "example.com/host",
    "GET [::1]/six/",
)


@pytest.mark.parametrize(
    ("method", "host", "path", "pattern", "prefix"),
    [
        ("POST", b"localhost:5601", b"/lmstudio/v1/chat/completions", "POST /lmstudio/v1/chat/", b"/lmstudio/v1/chat/"),
        ("GET", b"localhost:5601", b"/lmstudio/v1/chat/completions", "/lmstudio/", b"/lmstudio/"),
        ("PATCH", None, b"/lmstudio/", "/lmstudio/", b"/lmstudio/"),
        ("GET", None, b"/lmstudio/v1/models", "/lmstudio/v1/models", b"/lmstudio/v1/models"),
        ("GET", None, b"/lmstudio/v1/models/", "/lmstudio/", b"/lmstudio/"),
        ("GET", None, b"/lmstudio//v1", "/lmstudio/", b"/lmstudio/"),
        ("GET", None, b"/lmstudio/../x", "/lmstudio/", b"/lmstudio/"),
        ("GET", None, b"/%6cmstudio/v1/x%2Fy", "/lmstudio/", b"/%6cmstudio/"),
        ("GET", None, b"/lmstudio/v1/%6Dodels", "/lmstudio/v1/models", b"/lmstudio/v1/%6Dodels"),
        ("GET", None, b"/lmstudio/v1%2Fmodels", "/lmstudio/", b"/lmstudio/"),
        ("GET", None, b"/a%2fb/c", "/a%2Fb/", b"/a%2fb/"),
        ("GET", None, b"/only/", "/only/{$}", b"/only/"),
        ("GET", None, b"/exact", "/exact", b"/exact"),
        ("GET", None, b"/health", "GET /health", b"/health"),
        ("HEAD", None, b"/health", "GET /health", b"/health"),
        ("GET", b"EXAMPLE.com:80", b"/lmstudio/v1/models", "example.com/lmstudio/", b"/lmstudio/"),
        ("GET", b"example.com", b"/exact", "/exact", b"/exact"),
        ("GET", b"example.com", b"/host", "example.com/host", b"/host"),
        ("HEAD", b"[::1]:5601", b"/six/x", "GET [::1]/six/", b"/six/"),
        ("GET", b"[::1]", b"/six/", "GET [::1]/six/", b"/six/"),
        ("GET", b"[::1", b"/exact", "/exact", b"/exact"),
    ],
)
def test_the_most_specific_entry_takes_the_request(
    method: str, host: bytes | None, path: bytes, pattern: str, prefix: bytes
) -> None:
    assert table_of(*_TABLE).match(method, host, path) == Match(pattern, pattern, len(prefix))
    assert path.startswith(prefix)


@pytest.mark.parametrize(
    ("method", "host", "path"),
    [
        ("GET", None, b"/"),
        ("GET", None, b"/lmstudi"),
        ("GET", None, b"/lmstudio%2Fv1"),
        ("GET", None, b"//lmstudio/"),
        ("GET", None, b"/a/b/c"),
        ("GET", None, b"/only/x"),
        ("GET", None, b"/exact/"),
        ("POST", None, b"/health"),
        ("POST", b"[::1]:80", b"/six/x"),
        ("GET", None, b"/host"),
        ("GET", b"example.org", b"/host"),
        ("OPTIONS", None, b"*"),
        ("CONNECT", None, b""),
    ],
)
def test_what_no_entry_takes_has_no_match(method: str, host: bytes | None, path: bytes) -> None:
    assert table_of(*_TABLE).match(method, host, path) is None


@pytest.mark.parametrize(
    ("patterns", "method", "host", "path", "found"),
    [
        (("/a/",), "GET", None, b"/a", Redirect()),
        (("/a/",), "GET", None, b"/%61", Redirect()),
        (("/a/{$}",), "GET", None, b"/a", Redirect()),
        (("/", "/a/"), "POST", None, b"/a", Redirect()),
        (("/a/b/",), "POST", None, b"/a/b", Redirect()),
        (("/a", "/a/"), "GET", None, b"/a", Match("/a", "/a", 2)),
        (("/", "/a/b"), "GET", None, b"/a", Match("/", "/", 1)),
        (("/a/b/",), "GET", None, b"/a", None),
        (("/a//",), "GET", None, b"/a/", None),
        (("POST /a/",), "GET", None, b"/a", None),
        (("GET /a/",), "HEAD", None, b"/a", Redirect()),
        (("h/a/",), "GET", b"h:1", b"/a", Redirect()),
        (("h/a/",), "GET", b"i", b"/a", None),
        (("h/a/", "/a"), "GET", b"h", b"/a", Match("/a", "/a", 2)),
        (("h/a/", "h/", "/a"), "GET", b"h", b"/a", Redirect()),
        (("h/", "/a/"), "GET", b"h", b"/a", Match("h/", "h/", 1)),
    ],
)
def test_only_a_path_that_lacks_the_closing_slash_is_redirected(
    patterns: tuple[str, ...], method: str, host: bytes | None, path: bytes, found: Match[str] | Redirect | None
) -> None:
    assert table_of(*patterns).match(method, host, path) == found


def test_patterns_of_go_s_documentation_stand_side_by_side() -> None:
    """`example.com/` and `/images/` share requests: the one with a host wins; the longer of two subtrees wins."""
    table = table_of("/images/thumbnails/", "/images/", "example.com/", "GET /images/x", "/images/x", "/{$}")
    for method, host, path, pattern in [
        ("GET", None, b"/images/thumbnails/1", "/images/thumbnails/"),
        ("GET", None, b"/images/1", "/images/"),
        ("GET", b"example.com", b"/images/1", "example.com/"),
        ("GET", None, b"/images/x", "GET /images/x"),
        ("POST", None, b"/images/x", "/images/x"),
        ("POST", None, b"/", "/{$}"),
    ]:
        found = table.match(method, host, path)
        assert isinstance(found, Match)
        assert found.pattern == pattern


def test_conflicting_patterns_name_both_places_and_a_request_that_both_match() -> None:
    with pytest.raises(RoutingError) as caught:
        RoutingTable(
            [Entry("GET /a/", 1, "config.yaml:12: routes.a"), Entry("/a/b", 2, "config.yaml:13: routes.b")],
        )
    assert caught.value.messages == [
        (
            'config.yaml:12: routes.a: pattern "GET /a/" conflicts with "/a/b" (config.yaml:13: routes.b): '
            'both match "GET /a/b", neither is more specific'
        )
    ]


def test_every_error_is_reported_at_once() -> None:
    assert messages_of("/a/", "nothing", "/%61/", "GET /", "/{x}") == [
        (
            'config.yaml:2: pattern "nothing": it has no "/"; a pattern is "[METHOD ][HOST]/[PATH]", for example '
            '"/lmstudio/"'
        ),
        (
            'config.yaml:5: pattern "/{x}": the wildcard "{x}" is not supported; end the pattern with "/" to take all '
            "below it"
        ),
        (
            'config.yaml:1: pattern "/a/" matches the same requests as "/%61/" (config.yaml:3): change or remove one '
            "of them"
        ),
        (
            'config.yaml:1: pattern "/a/" conflicts with "GET /" (config.yaml:4): both match "GET /a/", neither is '
            "more specific"
        ),
        (
            'config.yaml:3: pattern "/%61/" conflicts with "GET /" (config.yaml:4): both match "GET /%61/", neither is '
            "more specific"
        ),
    ]


def test_a_table_without_entries_matches_nothing() -> None:
    assert table_of().match("GET", b"localhost", b"/") is None


_SEGMENTS = st.sampled_from(["a", "b", "%61", "a%2Fb", ""])
_PATHS = st.lists(_SEGMENTS, max_size=4).map(lambda segments: "/" + "/".join(segments))
_PATTERNS = st.builds(
    lambda method, host, path, end: f"{method}{host}{path}{end}",
    st.sampled_from(["", "", "GET ", "HEAD ", "POST "]),
    st.sampled_from(["", "", "h", "i"]),
    _PATHS,
    st.sampled_from(["", "/", "/{$}"]),
)


def _takes(pattern: Pattern, method: str, host: bytes, segments: tuple[bytes, ...]) -> bool:
    head = segments[: len(pattern.segments)]
    return (
        covers_method(pattern.method, method)
        and pattern.host in (b"", host)
        and head == pattern.segments
        and (len(segments) > len(head) if pattern.subtree else len(segments) == len(head))
    )


def _most_specific(patterns: list[Pattern], method: str, host: bytes, path: str) -> Pattern | None:
    """By the definition: the pattern that takes the request and is more specific than all others that do."""
    segments = parse_pattern(path.removesuffix("/") + "/{$}" if path.endswith("/") else path).segments
    taking = [pattern for pattern in patterns if _takes(pattern, method, host, segments)]
    best = [
        a for a in taking if all(a is b or compare(a, b) is Relation.MORE_SPECIFIC for b in taking)
    ]  # fmt: skip
    assert len(best) == bool(taking)
    return best[0] if best else None


def _is_whole(pattern: Pattern | None, path: str) -> bool:
    """Whether nothing of the path lies below the pattern: then a closing slash is not what it lacks."""
    if pattern is None or not pattern.subtree:
        return pattern is not None
    return path.endswith("/") and path.count("/") == len(pattern.segments) + 1


@given(st.lists(_PATTERNS, max_size=8), st.sampled_from(["GET", "HEAD", "POST", "PUT"]), st.sampled_from("hij"), _PATHS)
def test_the_trie_finds_what_comparing_all_patterns_finds(texts: list[str], method: str, host: str, path: str) -> None:
    patterns: list[Pattern] = []
    for text in texts:
        pattern = parse_pattern(text)
        if all(compare(pattern, other) not in (Relation.IDENTICAL, Relation.OVERLAP) for other in patterns):
            patterns.append(pattern)
    best = _most_specific(patterns, method, host.encode(), path)
    redirected = not path.endswith("/") and not _is_whole(best, path) and _is_whole(
        _most_specific(patterns, method, host.encode(), path + "/"), path + "/"
    )  # fmt: skip

    found = table_of(*(pattern.text for pattern in patterns)).match(method, host.encode(), path.encode())

    if redirected:
        assert found == Redirect()
    elif best is None:
        assert found is None
    else:
        assert isinstance(found, Match)
        assert found.pattern == best.text
        behind = path.split("/")[len(best.segments) + 1 :] if best.subtree else []
        assert path.encode()[found.prefix_length :] == "/".join(behind).encode()


def test_a_path_that_a_wider_subtree_takes_is_redirected_to_its_own_one() -> None:
    assert table_of("/", "/a/").match("GET", b"h", b"/a") == Redirect()


@given(st.lists(_PATTERNS, max_size=6))
def test_a_table_is_refused_exactly_when_two_patterns_are_the_same_or_conflict(texts: list[str]) -> None:
    patterns = [parse_pattern(text) for text in texts]
    ambiguous = sum(
        compare(a, b) in (Relation.IDENTICAL, Relation.OVERLAP) for i, a in enumerate(patterns) for b in patterns[:i]
    )
    try:
        table_of(*texts)
    except RoutingError as error:
        assert len(error.messages) == ambiguous  # noqa: PT017 - both outcomes are asserted
    else:
        assert ambiguous == 0
