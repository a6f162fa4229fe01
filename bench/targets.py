"""The "To reach" table of the design: each target's value in a run, its must and its aim. Called by the report."""

from dataclasses import dataclass
from typing import Literal

from bench import index_report, replay_report
from bench.results import Results

RESOLUTION_MS = 0.1  # `direct` itself differs by as much between rounds; no ratio has less than it below the line


@dataclass(frozen=True, slots=True)
class Target:
    """`value` None: not measured in this run."""

    name: str
    value: float | None
    must: float
    aim: float
    unit: str
    better: Literal["lower", "higher"] = "lower"

    def verdict(self) -> str:
        if self.value is None:
            return "not measured"
        if self._reaches(self.aim):
            return "aim met"
        return "must met" if self._reaches(self.must) else "**missed**"

    def limit(self, of: float) -> str:
        return f"{'≤' if self.better == 'lower' else '≥'} {of:g}{self.unit}"

    def shown(self) -> str:
        return "-" if self.value is None else f"{self.value:.3g}{self.unit}"

    def _reaches(self, limit: float) -> bool:
        assert self.value is not None
        return self.value <= limit if self.better == "lower" else self.value >= limit


def targets(results: Results) -> list[Target]:
    return [
        Target(
            "CPU per JSON exchange, recorder + ingest, against nginx",
            _ratio(recorder_cpu_us(results), results.median("json", "nginx", "nginx_cpu_us")),
            must=9,
            aim=5,
            unit="x",
        ),
        Target(
            "SSE 200 streams: added p50 against direct",
            added_ms(results, "sse200", "recorder", "p50_ms"),
            must=0.5,
            aim=0.15,
            unit=" ms",
        ),
        Target("SSE 1000 streams: added p99 against nginx", _added_p99_ratio(results), must=2, aim=1, unit="x"),
        Target(
            "memory per open stream, recorder",
            results.median("sse1000", "recorder", "recorder_kib_per_stream"),
            must=16,
            aim=6,
            unit=" KB",
        ),
        _throughput(results, "body_down", must=0.5, aim=0.9),
        _throughput(results, "body_up", must=0.3, aim=0.6),
        Target("growth of the recorder while 1 GiB passes", _growth(results, "recorder"), must=64, aim=16, unit=" MiB"),
        Target(
            "growth of the ingest server while 1 GiB passes", _growth(results, "ingest"), must=64, aim=16, unit=" MiB"
        ),
        Target(
            "one-byte chunks: CPU per byte beyond twice that of 4 KiB chunks",
            _beyond_twice(results),
            must=5,
            aim=0,
            unit=" ns",
        ),
        *_index_targets(results),
        Target(
            "replay by the recorded schedule, 500 requests/s: late by, p95",
            replay_report.late_p95_ms(results),
            must=10,
            aim=10,
            unit=" ms",
        ),
        *_play_targets(results),
        Target("start to listening", results.median("start", "recorder", "start_s"), must=0.6, aim=0.3, unit=" s"),
    ]


def _index_targets(results: Results) -> list[Target]:
    pages, words = (index_report.slowest_ms(results, kinds) for kinds in (index_report.PAGES, index_report.SEARCHES))
    stats_ms = results.median("queries", "recorder", "stats_day_p95_ms")
    memory_mib = results.median("queries", "recorder", "memory_mib")
    json_per_s = results.median("indexing", "recorder", "json_per_s")
    ratio = _ratio(recorder_cpu_us(results), recorder_cpu_us(results, peer="unindexed"))
    return [
        Target("CPU of the record path with the index against without", ratio, must=1.1, aim=1.05, unit="x"),
        Target("indexing, 1 KB JSON, per second and core", json_per_s, must=3000, aim=3000, unit="", better="higher"),
        Target("a page of 50 among a million, the slowest filter's p95", pages, must=50, aim=50, unit=" ms"),
        Target("full text among a million, the slower word's p95", words, must=150, aim=150, unit=" ms"),
        Target("stats by day over a million, p95", stats_ms, must=500, aim=500, unit=" ms"),
        Target("memory of the ingest server over a million", memory_mib, must=300, aim=300, unit=" MiB"),
    ]


def _play_targets(results: Results) -> list[Target]:
    per_s, off_ms = (results.median("play", "recorder", figure) for figure in ("played_per_s", "off_p95_ms"))
    return [
        Target("play back, 1 KB JSON, per second and core", per_s, must=3000, aim=3000, unit="", better="higher"),
        Target("play back at 1x: reads off by, p95", off_ms, must=5, aim=5, unit=" ms"),
    ]


def recorder_cpu_us(results: Results, case: str = "json", peer: str = "recorder") -> float | None:
    """Recorder and ingest server together, per JSON exchange."""
    sums = [sample["recorder_cpu_us"] + sample["ingest_cpu_us"] for sample in results.samples.get((case, peer), ())]
    return sorted(sums)[len(sums) // 2] if sums else None


def added_ms(results: Results, case: str, peer: str, figure: str) -> float | None:
    through, direct = results.median(case, peer, figure), results.median(case, "direct", figure)
    return None if through is None or direct is None else through - direct


def _added_p99_ratio(results: Results) -> float | None:
    recorder, nginx = (added_ms(results, "sse1000", peer, "p99_ms") for peer in ("recorder", "nginx"))
    if recorder is None or nginx is None:
        return None
    return max(recorder, 0.0) / max(nginx, RESOLUTION_MS)


def _throughput(results: Results, case: str, must: float, aim: float) -> Target:
    values = (results.median(case, peer, "mb_per_s") for peer in ("recorder", "nginx"))
    return Target(
        f"1 GiB {case.removeprefix('body_')} with capture, MB/s against nginx",
        _ratio(*values),
        must,
        aim,
        "x",
        "higher",
    )


def _beyond_twice(results: Results) -> float | None:
    """The worse of both directions: the constant of "at most twice plus a constant"."""
    beyond = []
    for way in ("down", "up"):
        tiny, plain = (results.median("linear", "recorder", f"{way}_{size}_ns_per_byte") for size in (1, 4096))
        if tiny is not None and plain is not None:
            beyond.append(tiny - 2 * plain)
    return max(beyond, default=None)


def _growth(results: Results, part: str) -> float | None:
    """The worse of both directions."""
    medians = [results.median(case, "recorder", f"{part}_growth_mib") for case in ("body_down", "body_up")]
    return max((value for value in medians if value is not None), default=None)


def _ratio(above: float | None, below: float | None) -> float | None:
    return None if above is None or not below else above / below
