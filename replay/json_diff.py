"""What differs between two JSON documents, each difference with its place. Called by compare.py.

They are such as masks.py reads: not nested too deeply.
"""

from hashlib import blake2b
from typing import Any, Final, Literal, NamedTuple

import msgspec

from replay.json_path import Place

Kind = Literal["changed", "added", "removed"]

_VECTOR_NUMBERS_MIN: Final = 32  # lists of so many numbers, tokens or embeddings, are one value
_VECTOR_NUMBERS_SHOWN: Final = 3


class Change(NamedTuple):
    place: Place
    kind: Kind
    a: Any  # None: it has none
    b: Any


def json_changes(a: Any, b: Any) -> list[Change]:
    """In the order of the places."""
    from deepdiff import DeepDiff  # noqa: PLC0415 it takes a while to import

    tree = DeepDiff(
        _shortened(a), _shortened(b), view="tree", ignore_private_variables=False, threshold_to_diff_deeper=0.0
    )
    found = [change for levels in tree.values() for level in levels if (change := _change(level)) is not None]
    return sorted(found, key=lambda change: [_order(part) for part in change.place])


def _change(level: Any) -> Change | None:
    kind: str = level.report_type
    if kind.endswith("_added"):
        return Change(tuple(level.path(output_format="list", use_t2=True)), "added", None, level.t2)
    place = tuple(level.path(output_format="list"))
    if kind.endswith("_removed"):
        return Change(place, "removed", level.t1, None)
    if _is_one_number(level.t1, level.t2):
        return None
    return Change(place, "changed", level.t1, level.t2)


def _is_one_number(a: Any, b: Any) -> bool:
    """1 and 1.0 are of two types in Python, and not in JSON; True is 1 in Python."""
    return bool(a == b) and not isinstance(a, bool) and not isinstance(b, bool)


def _order(part: str | int) -> tuple[int, str]:
    """Indices by number, names by alphabet."""
    return (part, "") if isinstance(part, int) else (-1, part)


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
