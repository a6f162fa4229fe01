"""Writes the results as Markdown: the targets first, then a table per case, what was checked, machine and versions.

Called by `__main__`. Each figure is the median of the rounds, with the range behind it.
"""

from bench import index_report, play_report, replay_report, soak_report
from bench.case_json import PAUSE_MS
from bench.plan import CONNECTIONS, Plan
from bench.recordings import ERROR_PREFIX
from bench.results import Results
from bench.targets import RESOLUTION_MS, added_ms, recorder_cpu_us, targets

_PEERS = ("direct", "nginx", "relay", "recorder", "unindexed")
_CASE_TITLES = {
    "json": "JSON",
    "json_paced": "JSON, paced",
    "sse200": "SSE 200 streams",
    "sse1000": "SSE 1000 streams",
    "body_down": "1 GiB down",
    "body_up": "1 GiB up",
    "linear": "linear time",
}

_LINEAR_KINDS = {
    "down_1": "6 MiB of one-byte chunks down",
    "down_4096": "6 MiB of 4 KiB chunks down",
    "up_1": "6 MiB of one-byte chunks up",
    "up_4096": "6 MiB of 4 KiB chunks up",
    "head_small": "head of 12 lines",
    "head_64k": "head of 64 KiB in one line",
    "head_1000_lines": "head of 64 KiB in 992 lines",
    "head_10000_lines": "head of 10,000 lines, refused with 431",
}

_METHOD = f"""\
## How it was measured
Each measurement starts its peer and the upstream fresh, in a temporary folder, on loopback. The peer (recorder and
ingest server together, nginx, or the relay) has core 0; load generator, upstream and harness have core 1. Peers are
interleaved, their order rotated each round. Figures are medians of the rounds, ranges in parentheses.

- **direct**: the load generator talks to the upstream. **nginx**: a reverse proxy with one worker, keep-alive to the
  upstream, no logs, `proxy_buffering off`, its default buffer sizes; it captures nothing: the floor. **relay**: a
  control in Python that passes bytes on and looks at none (`bench/relay.py`): what that alone costs.
  **recorder**: `python cli.py ingest` and `python cli.py proxy` with their defaults: every file and metadata file is
  written, secrets are redacted, the console is on with its standard output going to a file. **unindexed**: the same
  without the index.
- JSON: wrk, {CONNECTIONS} connections, closed loop, POSTs of 1 KB with an API key, answers of 1 KB. CPU is user and
  system time of all threads from /proc until the last file is complete, the drain after the load included, divided by
  the exchanges that wrk counted. At its end wrk cuts its connections: up to {CONNECTIONS} exchanges a round that it did
  not count are recorded beyond the answered ones, as complete or as left by the client. What creating a file costs
  depends on the file system's state: on ext4 without a journal it rises up to twentyfold for five minutes after many
  files were deleted there (a run of this benchmark ends so; the kernel then passes over each freed inode, function
  `recently_deleted`), which is why a bare loop is measured behind each round. `TMPDIR` chooses another file system.
- JSON, paced: the same, but each connection waits 0 to {2 * PAUSE_MS} ms before a request, so that all peers have
  about the same rate. In the closed loop the peers differ in it: a faster one finds the load generator and the upstream
  busy, and what it sends need not wake them.
- SSE: each stream has an event each 50 ms, in a chunk of its own, from a random millisecond of the interval on. Each
  event carries its send time, so that every event's latency is measured. "Added" is the peer's percentile less
  direct's. For the ratio of added p99, nginx counts with at least {RESOLUTION_MS} ms: direct itself differs by as much.
  Memory per stream is the growth of the resident set from idle (after one exchange) to the end of the window.
- Body: one transfer; its time ends when the client has the last byte. Memory is the peak of the resident set less that
  before the transfer. CPU counts until the last byte is stored. The stored file is compared with what was sent.
- Linear time: one kind of message again and again on one connection, up to 64 MiB or 1,000 exchanges; the 6 MiB of a
  chunked body are its bytes on the wire. CPU of recorder and ingest server until all is stored. CPU beyond twice that
  of 4 KiB chunks is what remains as the constant of "at most twice plus a constant"; the worse direction counts.
- Start: from the spawn to the first connection accepted; the byte-code cache is warm.
"""


def render(results: Results, plan: Plan, left_out: list[str], about: dict[str, list[str]]) -> str:
    parts = ["# Benchmark results", "", *_target_table(results), ""]
    if left_out or results.failures:
        parts += ["## Left out or failed", *(f"- {text}" for text in left_out + results.failures), ""]
    for section in (
        _json_table,
        _sse_table,
        _body_table,
        _linear_table,
        index_report.sections,
        replay_report.section,
        play_report.section,
        _start_line,
        _checks_table,
    ):
        if lines := section(results):
            parts += [*lines, ""]
    if lines := soak_report.section():
        parts += [*lines, ""]
    parts += [_METHOD + index_report.METHOD + replay_report.METHOD + play_report.METHOD]
    rounds = f"{plan.rounds} rounds; JSON {plan.json_s:g} s, SSE {plan.sse_s:g} s, bodies of {plan.body_bytes:,} bytes"
    for title, lines in {"Run": [rounds], **about}.items():
        parts += [f"## {title}", *(f"- {line}" for line in lines), ""]
    return "\n".join(parts).rstrip() + "\n"


def _target_table(results: Results) -> list[str]:
    lines = ["| to reach | measured | must | aim | |", "|---|---|---|---|---|"]
    for target in targets(results):
        cells = (target.name, target.shown(), target.limit(target.must), target.limit(target.aim), target.verdict())
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _json_table(results: Results) -> list[str]:
    lines = [
        f"## JSON, 1 KB POST, {CONNECTIONS} connections",
        "| | requests/s | p50 / p99 ms | client errors | CPU µs each: proxy | ingest | sum | x nginx | indexer |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for case, title in (("json", ""), ("json_paced", ", paced")):
        lines += (_json_row(results, case, peer, peer + title) for peer in _peers(results, case))
    if results.values("json", "recorder", "files_cpu_us"):
        files_us = _cell(results, "json", "recorder", "files_cpu_us")
        lines += [
            "",
            f"Of the ingest server's share, making three such files in a bare loop cost {files_us} µs just then.",
        ]
    return lines if len(lines) > 3 else []


def _json_row(results: Results, case: str, peer: str, title: str) -> str:
    proxy = "recorder" if peer == "unindexed" else peer
    floor = results.median(case, "nginx", "nginx_cpu_us")
    sum_us = results.median(case, peer, f"{peer}_cpu_us")
    if proxy == "recorder":
        sum_us = recorder_cpu_us(results, case, peer)
    cells = (
        title,
        _cell(results, case, peer, "requests_per_s"),
        f"{_cell(results, case, peer, 'p50_ms')} / {_cell(results, case, peer, 'p99_ms')}",
        f"{results.total(case, peer, 'errors'):,}",
        _cell(results, case, peer, f"{proxy}_cpu_us"),
        _cell(results, case, peer, "ingest_cpu_us"),
        _number(sum_us),
        _number(sum_us / floor if sum_us and floor else None),
        _cell(results, case, peer, "indexer_cpu_us"),
    )
    return f"| {' | '.join(cells)} |"


def _sse_table(results: Results) -> list[str]:
    lines = [
        "## SSE, an event each 50 ms",
        "| | p50 ms | p99 ms | max ms | added p50 / p99 | CPU %: proxy | ingest | KB per stream | events seen |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for case in ("sse200", "sse1000"):
        for peer in _peers(results, case):
            added = (_number(added_ms(results, case, peer, figure)) for figure in ("p50_ms", "p99_ms"))
            seen = results.median(case, peer, "events_seen_share")
            cells = (
                f"{case.removeprefix('sse')} streams, {peer}",
                *(_cell(results, case, peer, figure) for figure in ("p50_ms", "p99_ms", "max_ms")),
                "-" if peer == "direct" else " / ".join(added),
                _cell(results, case, peer, f"{peer}_cpu_percent"),
                _cell(results, case, peer, "ingest_cpu_percent"),
                _cell(results, case, peer, f"{peer}_kib_per_stream"),
                "-" if seen is None else f"{seen:.1%}",
            )
            lines.append(f"| {' | '.join(cells)} |")
    return lines if len(lines) > 3 else []


def _body_table(results: Results) -> list[str]:
    lines = [
        "## 1 GiB body",
        "| | MB/s | growth MiB: proxy | ingest | CPU s per GiB: proxy | ingest | indexer at most MiB |",
        "|---|---|---|---|---|---|---|",
    ]
    for case in ("body_down", "body_up"):
        for peer in _peers(results, case):
            figures = (
                "mb_per_s",
                f"{peer}_growth_mib",
                "ingest_growth_mib",
                f"{peer}_cpu_s_per_gib",
                "ingest_cpu_s_per_gib",
                "indexer_peak_mib",
            )
            cells = (
                f"{case.removeprefix('body_')}, {peer}",
                *(_cell(results, case, peer, figure) for figure in figures),
            )
            lines.append(f"| {' | '.join(cells)} |")
    return lines if len(lines) > 3 else []


def _linear_table(results: Results) -> list[str]:
    """Recorder and ingest server together."""
    if not _peers(results, "linear"):
        return []
    lines = ["## Linear time", "| message | CPU ns per byte | CPU µs per exchange |", "|---|---|---|"]
    for kind, what in _LINEAR_KINDS.items():
        cells = (_cell(results, "linear", "recorder", f"{kind}_{unit}") for unit in ("ns_per_byte", "us_per_exchange"))
        lines.append(f"| {what} | {' | '.join(cells)} |")
    return lines


def _start_line(results: Results) -> list[str]:
    values = results.values("start", "recorder", "start_s")
    if not values:
        return []
    return ["## Start", f"{_cell(results, 'start', 'recorder', 'start_s')} s to listening, {len(values)} starts"]


def _checks_table(results: Results) -> list[str]:
    """Counts over all rounds, as bench.plan.Figures explains them."""
    lines = [
        "## Everything sent was recorded (recorder, all rounds)",
        "| | answered | complete records | incomplete, by error | lost | damaged files |",
        "|---|---|---|---|---|---|",
    ]
    for case, title in _CASE_TITLES.items():
        if "recorder" not in _peers(results, case):
            continue
        names = {
            name for sample in results.samples[case, "recorder"] for name in sample if name.startswith(ERROR_PREFIX)
        }
        errors = (
            f"{results.total(case, 'recorder', name):,} {name.removeprefix(ERROR_PREFIX)}" for name in sorted(names)
        )
        answered, complete, incomplete, lost, damaged = (
            f"{results.total(case, 'recorder', figure):,}"
            for figure in ("answered", "complete", "incomplete", "lost", "damaged")
        )
        ended = f"{incomplete} ({', '.join(errors)})" if names else incomplete
        lines.append(f"| {title} | {answered} | {complete} | {ended} | {lost} | {damaged} |")
    return lines if len(lines) > 3 else []


def _peers(results: Results, case: str) -> list[str]:
    return [peer for peer in _PEERS if results.samples.get((case, peer))]


def _cell(results: Results, case: str, peer: str, figure: str) -> str:
    """Median and range, or a dash."""
    values = results.values(case, peer, figure)
    if not values:
        return "-"
    middle = _number(results.median(case, peer, figure))
    return middle if len(values) == 1 else f"{middle} ({_number(min(values))}-{_number(max(values))})"


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
