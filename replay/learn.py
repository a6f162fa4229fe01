"""Finds what to mask: the paths that vary between recordings of one request. Called by `recorder diff --learn`."""

import re
from collections import Counter
from collections.abc import Iterable
from typing import Final

import msgspec

from replay.compare import Difference, compare
from replay.masks import Masks
from traffic.capture.exchange import RecordedExchange
from traffic.llm.decode import Decoder

_INDEX: Final = re.compile(r"('(?:[^'\\]|\\.)*')|\[\d+\]")  # or a quoted name, in which there is none


class Learned(msgspec.Struct, frozen=True):
    recordings: int
    ignore: tuple[str, ...]  # each as `--ignore` takes it; those that vary most often first
    left: tuple[Difference, ...]  # those that matter, and that nothing can mask


def learn(first: RecordedExchange, others: Iterable[RecordedExchange], decoder: Decoder, masks: Masks) -> Learned:
    """Each of the others is compared with the first; `masks` hold already."""
    varying: Counter[str] = Counter()
    left: list[Difference] = []
    recordings = 1
    for other in others:
        recordings += 1
        found = [each for each in compare(first, other, decoder, masks).differences if each.matters]
        varying.update({_of_all_elements(each.ignore) for each in found if each.ignore is not None})
        left += [each for each in found if each.ignore is None]
    ordered = sorted(varying, key=lambda ignore: (-varying[ignore], ignore))
    return Learned(recordings, tuple(each for each in ordered if not _is_within(each, varying)), tuple(left))


def _of_all_elements(ignore: str) -> str:
    """What varies in one element of a list may vary in each."""
    return _INDEX.sub(lambda match: match[1] or "[*]", ignore)


def _is_within(ignore: str, others: Iterable[str]) -> bool:
    """Whether another one masks it as well."""
    return any(ignore.startswith((f"{other}.", f"{other}[")) for other in others)
