"""Keys are kept as hashes, compared whole, and shown by nothing."""

import hashlib
import re
import traceback

import pytest

from traffic.keys import Key, KeyRing, check_key, hash_key

PLAIN = "a-key-of-24-characters-x"
OTHER = "another-key-of-some-length"


def test_a_key_and_its_hash_are_the_same_key() -> None:
    hashed = hash_key(PLAIN)
    assert hashed == "sha256:" + hashlib.sha256(PLAIN.encode()).hexdigest()
    assert Key.parse("a", PLAIN) == Key.parse("a", hashed)


def test_a_key_ring_names_the_key_that_matches() -> None:
    ring = KeyRing((Key.parse("a", PLAIN), Key.parse("b", hash_key(OTHER))))
    assert [ring.match(candidate.encode()) for candidate in (PLAIN, OTHER, PLAIN[:-1], PLAIN + "x", "")] == [
        "a",
        "b",
        None,
        None,
        None,
    ]


def test_a_hash_opens_no_door_by_itself() -> None:
    assert KeyRing((Key.parse("a", PLAIN),)).match(hash_key(PLAIN).encode()) is None


def test_any_bytes_are_compared() -> None:
    assert KeyRing((Key.parse("a", PLAIN),)).match(b"\xff\x00\x80") is None


def test_every_key_is_compared_whichever_matches(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[bytes] = []

    def note(expected: bytes, given: bytes) -> bool:
        compared.append(expected)
        return expected == given

    monkeypatch.setattr("hmac.compare_digest", note)
    ring = KeyRing(tuple(Key.parse(name, value) for name, value in (("a", PLAIN), ("b", OTHER), ("c", "x" * 16))))
    assert ring.match(PLAIN.encode()) == "a"
    assert compared == [key.digest for key in ring.keys]


def test_a_key_ring_is_true_when_it_holds_keys() -> None:
    assert not KeyRing()
    assert KeyRing((Key.parse("a", PLAIN),))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("fifteen-letters", "a key has at least 16 characters; `recorder hash-key --generate` makes a good one"),
        ("", "a key has at least 16 characters; `recorder hash-key --generate` makes a good one"),
        ("with a space in the middle", "a key holds visible ASCII characters only: it travels in a header"),
        ("with-an-umlaut-\xe4-in-it", "a key holds visible ASCII characters only: it travels in a header"),
        ("with-a-line-end-behind\n", "a key holds visible ASCII characters only: it travels in a header"),
        ("sha256:1234", "the hash of a key is sha256: and 64 hex digits, as `recorder hash-key` prints it"),
        ("sha256:" + "A" * 64, "the hash of a key is sha256: and 64 hex digits, as `recorder hash-key` prints it"),
    ],
)
def test_what_is_no_key_is_refused_without_being_shown(value: str, text: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$") as caught:
        Key.parse("a", value)
    told = "".join(traceback.format_exception(caught.value))
    assert not value or value not in told


def test_a_hash_is_no_key() -> None:
    with pytest.raises(ValueError, match=r"^a key does not begin with sha256:, which marks the hash of one$"):
        check_key(hash_key(PLAIN))


def test_a_key_s_text_form_shows_its_name_alone() -> None:
    assert repr(KeyRing((Key.parse("a", PLAIN),))) == "KeyRing(keys=(Key(name='a'),))"
