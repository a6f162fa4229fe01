"""The load of the queries case: pages, searches and figures, one after the other. `python -m bench.load_queries URL N`.

Asks an ingest server whose store bench.make_store made with N exchanges. Every other page is a second one, by cursor.
Prints `{"KIND_p50_ms": ..., "KIND_p95_ms": ..., ...}`; a request's time is that until its whole answer is there.
"""

import http.client
import json
import random
import sys
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode, urlsplit

from bench import made

_REQUESTS = 60
_DAY_MS = 86_400_000

Parameters = dict[str, str]


def _kinds(count: int) -> dict[str, Callable[[random.Random], Parameters]]:
    """What is asked of /v1/exchanges, with values that differ each time."""
    return {
        "model": lambda chance: {"model": chance.choice(made.MODELS)},
        "route": lambda chance: {"route": chance.choice(made.ROUTES)},
        "status": lambda chance: {"status": chance.choice(("200", "404", "429", "4xx"))},
        "key": lambda chance: {"key": chance.choice(made.KEYS)},
        "session": lambda chance: {"session": f"run-{chance.randrange(count // made.TURNS)}"},
        "time": _hour,
        "model_day": lambda chance: {"model": chance.choice(made.MODELS), **_day(chance)},
        "word_common": lambda _: {"q": made.COMMON_WORD},
        "word_rare": lambda _: {"q": made.RARE_WORD},
    }


def _day(chance: random.Random) -> Parameters:
    since_ms = made.START_US // 1000 + chance.randrange(made.DAYS) * _DAY_MS
    return {"since": str(since_ms), "until": str(since_ms + _DAY_MS)}


def _hour(chance: random.Random) -> Parameters:
    since_ms = made.START_US // 1000 + chance.randrange(made.DAYS * _DAY_MS)
    return {"since": str(since_ms), "until": str(since_ms + _DAY_MS // 24)}


class _Asking:
    def __init__(self, url: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)

    def ask(self, path: str, parameters: Parameters) -> tuple[float, Any]:
        """Milliseconds and the answer."""
        began_s = time.perf_counter()
        self._connection.request("GET", f"{path}?{urlencode(parameters)}")
        response = self._connection.getresponse()
        body = response.read()
        took_ms = (time.perf_counter() - began_s) * 1000
        if response.status != 200:
            sys.exit(f"{path} {parameters}: {response.status} {body[:500]!r}")
        return took_ms, json.loads(body)


def main() -> None:
    asking, count = _Asking(sys.argv[1]), int(sys.argv[2])
    chance = random.Random(20260913)
    figures: dict[str, float] = {}
    for kind, parameters in _kinds(count).items():
        times: list[float] = []
        found = 0
        while len(times) < _REQUESTS:
            asked = {"limit": "50", **parameters(chance)}
            took_ms, page = asking.ask("/v1/exchanges", asked)
            times.append(took_ms)
            found += len(page["exchanges"])
            if page["next"] is not None:
                times.append(asking.ask("/v1/exchanges", {**asked, "cursor": page["next"]})[0])
        if not found:
            sys.exit(f"{kind}: nothing was found")
        figures |= _percentiles(kind, times)
    answers = [asking.ask("/v1/stats", {"by": "day"}) for _ in range(_REQUESTS // 3)]
    figures |= _percentiles("stats_day", [took_ms for took_ms, _ in answers])
    figures["counted"] = answers[0][1]["total"]["count"]
    print(json.dumps(figures))


def _percentiles(kind: str, times: list[float]) -> dict[str, float]:
    ordered = sorted(times)
    return {f"{kind}_p50_ms": ordered[len(ordered) // 2], f"{kind}_p95_ms": ordered[len(ordered) * 95 // 100]}


if __name__ == "__main__":
    main()
