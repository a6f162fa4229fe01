"""Patterns are read and related to each other as Go's ServeMux documents it."""

import pytest

from recorder.routing.pattern import Pattern, PatternError, Relation, compare, parse_pattern, shared_request


@pytest.mark.parametrize(
    ("text", "method", "host", "segments", "subtree"),
    [
        ("/", "", b"", (), True),
        ("/{$}", "", b"", (b"",), False),
        ("/a", "", b"", (b"a",), False),
        ("/a/", "", b"", (b"a",), True),
        ("/a/{$}", "", b"", (b"a", b""), False),
        ("/a//b/", "", b"", (b"a", b"", b"b"), True),
        ("GET /health", "GET", b"", (b"health",), False),
        ("GET \t /health", "GET", b"", (b"health",), False),
        (" /a/ ", "", b"", (b"a",), True),
        ("Example.COM/v1/", "", b"example.com", (b"v1",), True),
        ("POST example.com/v1", "POST", b"example.com", (b"v1",), False),
        ("[::1]/", "", b"[::1]", (), True),
        ("/%61%2Fb/c%20d", "", b"", (b"a/b", b"c d"), False),
        ("/ä/", "", b"", ("ä".encode(),), True),
    ],
)
def test_a_pattern_is_read(text: str, method: str, host: bytes, segments: tuple[bytes, ...], subtree: bool) -> None:
    assert parse_pattern(text) == Pattern(text, method, host, segments, subtree)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", 'it is empty; a pattern is "[METHOD ][HOST]/[PATH]", for example "/lmstudio/"'),
        (
            "GET /a b/",
            (
                'too many spaces; a pattern is "[METHOD ][HOST]/[PATH]", for example "/lmstudio/"; '
                "a space inside a path is written %20"
            ),
        ),
        ("lmstudio", 'it has no "/"; a pattern is "[METHOD ][HOST]/[PATH]", for example "/lmstudio/"'),
        ("get /a", '"get" is no method; write it in capitals, as in "GET /health"'),
        ("/a b/", '"/a" is no method; write it in capitals, as in "GET /health"'),
        (
            "localhost:80/",
            '"localhost:80" is no host name; write it without scheme and port, as in "example.com/v1/"',
        ),
        ("http://h/", '"http:" is no host name; write it without scheme and port, as in "example.com/v1/"'),
        ("/a/{x}/b", 'the wildcard "{x}" is not supported; end the pattern with "/" to take all below it'),
        ("/a/{x...}", 'the wildcard "{x...}" is not supported; end the pattern with "/" to take all below it'),
        ("/a/b{x}", 'the wildcard "b{x}" is not supported; end the pattern with "/" to take all below it'),
        ("/a{$}", '"{$}" may only stand at the end, behind a "/"'),
        ("/{$}/a", '"{$}" may only stand at the end, behind a "/"'),
        ("/a/{$}/", '"{$}" may only stand at the end, behind a "/"'),
        ("/a?b=c", '"a?b=c": a pattern has no query or fragment; leave it out'),
        ("/a#b", '"a#b": a pattern has no query or fragment; leave it out'),
        ("/a/../b", '".." never arrives as a path\'s segment; write the path without it'),
        ("/%2e/b", '"%2e" never arrives as a path\'s segment; write the path without it'),
    ],
)
def test_what_is_no_pattern_is_refused_with_what_to_write_instead(text: str, message: str) -> None:
    with pytest.raises(PatternError) as caught:
        parse_pattern(text)
    assert str(caught.value) == message


_MIRRORED = {Relation.MORE_SPECIFIC: Relation.MORE_GENERAL, Relation.MORE_GENERAL: Relation.MORE_SPECIFIC}


@pytest.mark.parametrize(
    ("a", "b", "relation"),
    [
        ("/a", "/a", Relation.IDENTICAL),
        ("/%61/", "/a/", Relation.IDENTICAL),
        ("EXAMPLE.com/", "example.com/", Relation.IDENTICAL),
        ("/a/b", "/a/", Relation.MORE_SPECIFIC),
        ("/a/b/", "/a/", Relation.MORE_SPECIFIC),
        ("/a/{$}", "/a/", Relation.MORE_SPECIFIC),
        ("/a/", "/", Relation.MORE_SPECIFIC),
        ("/a", "/a/", Relation.DISJOINT),
        ("/a", "/a/{$}", Relation.DISJOINT),
        ("/a/{$}", "/a/b", Relation.DISJOINT),
        ("/ab/", "/a/", Relation.DISJOINT),
        ("GET /", "/", Relation.MORE_SPECIFIC),
        ("HEAD /", "GET /", Relation.MORE_SPECIFIC),
        ("GET /health", "GET /", Relation.MORE_SPECIFIC),
        ("HEAD /health", "GET /", Relation.MORE_SPECIFIC),
        ("GET /health", "/", Relation.MORE_SPECIFIC),
        ("GET /a", "POST /a", Relation.DISJOINT),
        ("GET /a/", "/a/b", Relation.OVERLAP),
        ("HEAD /", "GET /a", Relation.OVERLAP),
        ("example.com/", "/", Relation.MORE_SPECIFIC),
        ("example.com/", "/a/b", Relation.MORE_SPECIFIC),
        ("example.com/", "GET /a/b", Relation.MORE_SPECIFIC),
        ("example.com/a", "/b", Relation.DISJOINT),
        ("example.com/", "example.org/", Relation.DISJOINT),
        ("GET example.com/", "example.com/a", Relation.OVERLAP),
    ],
)
def test_two_patterns_are_related_as_go_documents_it(a: str, b: str, relation: Relation) -> None:
    assert compare(parse_pattern(a), parse_pattern(b)) is relation
    assert compare(parse_pattern(b), parse_pattern(a)) is _MIRRORED.get(relation, relation)


@pytest.mark.parametrize(
    ("a", "b", "request_line"),
    [
        ("GET /a/", "/a/b", "GET /a/b"),
        ("/a/{$}", "POST /a/", "POST /a/"),
        ("HEAD /", "GET /a/", "HEAD /a/"),
        ("GET Example.com/", "example.com/%61", "GET example.com/%61"),
    ],
)
def test_the_request_named_in_a_conflict_is_matched_by_both(a: str, b: str, request_line: str) -> None:
    assert shared_request(parse_pattern(a), parse_pattern(b)) == request_line
    assert shared_request(parse_pattern(b), parse_pattern(a)) == request_line
