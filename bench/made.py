"""Exchanges made up for measurements: the same for the same seed, whatever the machine. Called by make_store and cases.

Ten models, five routes, five keys, thirty days, conversations of four turns each of which repeats those before; one in
fourteen failed. A text is pieces of sentences over a vocabulary as uneven as a language's; COMMON_WORD stands in one of
a hundred prompts, RARE_WORD in one of a hundred thousand.
"""

import random
import uuid
from collections.abc import Iterator
from itertools import accumulate
from typing import Final, NamedTuple

COMMON_WORD: Final = "marigold"
RARE_WORD: Final = "quicksilver"
COMMON_EVERY: Final = 100
RARE_EVERY: Final = 100_000
MODELS: Final = tuple(f"model-{number}" for number in range(10))
ROUTES: Final = tuple(f"route-{number}" for number in range(5))
KEYS: Final = tuple(f"key-{number}" for number in range(5))
PROVIDERS: Final = ("openai", "anthropic", "openrouter", "local")
START_US: Final = 1_782_864_000_000_000  # 2026-07-01
DAYS: Final = 30
TURNS: Final = 4

_SPAN_US: Final = DAYS * 86_400_000_000
_FAILURES: Final = (400, 401, 404, 429, 500, 502, 503)
_PIECES: Final = 4_000
_PIECE_WORDS: Final = 30
_SYLLABLES: Final = tuple(f"{a}{b}" for a in "bdfgklmnprstvz" for b in ("a", "e", "i", "o", "u", "ar", "en", "il"))


class Made(NamedTuple):
    id: str
    started_us: int
    route: str
    key: str
    provider: str
    model: str
    status: int
    session: str
    turns: tuple[tuple[str, str], ...]  # prompt and answer, of the turns before and of this one
    duration_ms: float
    input_tokens: int
    output_tokens: int
    cost_usd: float

    @property
    def prompt(self) -> str:
        return self.turns[-1][0]

    @property
    def answer(self) -> str:
        return self.turns[-1][1]


def make(count: int, seed: int = 1) -> Iterator[Made]:
    """In the order of time, evenly over the days."""
    chance = random.Random(seed)
    pieces = _pieces(chance)
    turns: tuple[tuple[str, str], ...] = ()
    model, route, key = MODELS[0], ROUTES[0], KEYS[0]
    for number in range(count):
        if number % TURNS == 0:
            turns, model, route, key = (), chance.choice(MODELS), chance.choice(ROUTES), chance.choice(KEYS)
        prompt = f"{chance.choice(pieces)} {chance.choice(pieces)}{_rare_words(number)}"
        turns = (*turns, (prompt, f"{chance.choice(pieces)} {chance.choice(pieces)}"))
        yield Made(
            id=str(uuid.UUID(int=chance.getrandbits(128), version=4)),
            started_us=START_US + _SPAN_US * number // count,
            route=route,
            key=key,
            provider=PROVIDERS[number % len(PROVIDERS)],
            model=model,
            status=chance.choice(_FAILURES) if chance.random() < 1 / 14 else 200,
            session=f"run-{number // TURNS}",
            turns=turns,
            duration_ms=chance.expovariate(1 / 1_500),
            input_tokens=chance.randrange(20, 4_000),
            output_tokens=chance.randrange(1, 900),
            cost_usd=chance.random() / 50,
        )


def _rare_words(number: int) -> str:
    common = f" {COMMON_WORD}" if number % COMMON_EVERY == 37 else ""
    return common + (f" {RARE_WORD}" if number % RARE_EVERY == 4_711 else "")


def _pieces(chance: random.Random) -> list[str]:
    """Texts of words of which the first are the most frequent (Zipf)."""
    vocabulary = [a + b for a in _SYLLABLES for b in _SYLLABLES[:40]]
    weights = list(accumulate(1 / rank for rank in range(1, len(vocabulary) + 1)))
    return [" ".join(chance.choices(vocabulary, cum_weights=weights, k=_PIECE_WORDS)) for _ in range(_PIECES)]
