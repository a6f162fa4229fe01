"""What differs between two JSON documents, each difference with its place. Called by compare.py.

They are such as masks.py reads: not nested too deeply. Lists are aligned first, so that one message that was inserted
is one difference and not one for each that follows: both become objects with the same key for elements that belong
together.
"""

from collections.abc import Iterator
from difflib import SequenceMatcher
from hashlib import blake2b
from itertools import zip_longest
from typing import Any, Final, Literal, NamedTuple

import msgspec

from replay.json_path import Place

Kind = Literal["changed", "added", "removed"]

_VECTOR_NUMBERS_MIN: Final = 32  # lists of so many numbers, tokens or embeddings, are one value
_VECTOR_NUMBERS_SHOWN: Final = 3
_ALIGNMENTS_MAX: Final = 1_000_000  # of elements with each other; in longer lists those with one index belong together

_encode = msgspec.json.Encoder(order="deterministic").encode


class Change(NamedTuple):
    place: Place  # of B where it was added, else of A
    kind: Kind
    a: Any  # None: it has none
    b: Any


class _Indices(NamedTuple):
    """The key of an element that was in a list. None: that side has it not."""

    a: int | None
    b: int | None


def json_changes(a: Any, b: Any) -> list[Change]:
    """In the order of the places."""
    from deepdiff import DeepDiff  # noqa: PLC0415 it takes a while to import

    a, b = _aligned(_shortened(a), _shortened(b))
    tree = DeepDiff(a, b, view="tree", ignore_private_variables=False, threshold_to_diff_deeper=0.0)
    found = [change for levels in tree.values() for level in levels if (change := _change(level)) is not None]
    return sorted(found, key=lambda change: [_order(part) for part in change.place])


def _change(level: Any) -> Change | None:
    kind: str = level.report_type
    keys = level.path(output_format="list")
    if kind.endswith("_added"):
        return Change(_place(keys, "b"), "added", None, level.t2)
    if kind.endswith("_removed"):
        return Change(_place(keys, "a"), "removed", level.t1, None)
    if _is_one_number(level.t1, level.t2):
        return None
    return Change(_place(keys, "a"), "changed", level.t1, level.t2)


def _place(keys: list[Any], side: Literal["a", "b"]) -> Place:
    return tuple(getattr(key, side) if isinstance(key, _Indices) else key for key in keys)


def _is_one_number(a: Any, b: Any) -> bool:
    """1 and 1.0 are of two types in Python, and not in JSON; True is 1 in Python."""
    return bool(a == b) and not isinstance(a, bool) and not isinstance(b, bool)


def _order(part: str | int) -> tuple[int, str]:
    """Indices by number, names by alphabet."""
    return (part, "") if isinstance(part, int) else (-1, part)


def _aligned(a: Any, b: Any) -> tuple[Any, Any]:
    """What only one side has stays as it is."""
    if isinstance(a, list) and isinstance(b, list):
        keys = list(_keys(a, b))
        a = {key: a[key.a] for key in keys if key.a is not None}
        b = {key: b[key.b] for key in keys if key.b is not None}
    if isinstance(a, dict) and isinstance(b, dict):
        both = {name: _aligned(a[name], b[name]) for name in a.keys() & b.keys()}
        return (
            {name: both[name][0] if name in both else value for name, value in a.items()},
            {name: both[name][1] if name in both else value for name, value in b.items()},
        )
    return a, b


def _keys(a: list[Any], b: list[Any]) -> Iterator[_Indices]:
    """Elements that are the same belong together, and between those the ones that stand in one place."""
    if len(a) * len(b) > _ALIGNMENTS_MAX:
        yield from _pairs(range(len(a)), range(len(b)))
        return
    matcher = SequenceMatcher(None, list(map(_encode, a)), list(map(_encode, b)), autojunk=False)
    for _, start_a, end_a, start_b, end_b in matcher.get_opcodes():
        yield from _pairs(range(start_a, end_a), range(start_b, end_b))


def _pairs(of_a: range, of_b: range) -> Iterator[_Indices]:
    for index_a, index_b in zip_longest(of_a, of_b):
        yield _Indices(index_a, index_b)


def _shortened(value: Any) -> Any:
    """Long lists of numbers become one text each: their elements would be a thousand differences."""
    if isinstance(value, dict):
        return {name: _shortened(member) for name, member in value.items()}
    if not isinstance(value, list):
        return value
    if len(value) >= _VECTOR_NUMBERS_MIN and all(isinstance(number, int | float) for number in value):
        start = ", ".join(str(number) for number in value[:_VECTOR_NUMBERS_SHOWN])
        digest = blake2b(msgspec.json.encode(value), digest_size=4).hexdigest()
        return f"[{start}, … {len(value):,} numbers, hash {digest}]"
    return [_shortened(element) for element in value]
