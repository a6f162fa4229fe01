"""The section "Play back" of RESULTS.md: how fast recordings are served, and how well they keep their times. Called by
the report.
"""

from bench.case_play import EVENT_MS, EVENTS, RECORDINGS, STREAMS
from bench.plan import CONNECTIONS
from bench.results import Results

METHOD = f"""\
- Play back: `recorder play --speed instant` on core 0 serves {RECORDINGS:,} recorded chats of about 1 KB each way, a
  line on stdout per answer included; wrk asks for all of them in turn over {CONNECTIONS} connections. Then `--speed 1x`
  serves {STREAMS} streams at the same time, of {EVENTS} events each, which had come at random distances of
  {EVENT_MS:g} ms on average; each read's first byte is timed at the client, from the sending of its request on, against
  the recording.
"""


def section(results: Results) -> list[str]:
    def median(figure: str) -> float:
        return results.median("play", "recorder", figure) or 0.0

    if not results.values("play", "recorder", "played_per_s"):
        return []
    each = f"{median('player_cpu_us'):.0f} µs of CPU each; p50 {median('p50_ms'):.1f} ms, p99 {median('p99_ms'):.1f} ms"
    off = " | ".join(f"{median(f'off_{name}_ms'):.2f}" for name in ("p50", "p95", "p99", "max"))
    return [
        f"## Play back: {median('played_per_s'):,.0f} exchanges a second on one core",
        f"{each}; {median('sent_bytes'):,.0f} and {median('answer_bytes'):,.0f} bytes of JSON on average",
        "",
        f"| {STREAMS} streams at 1x, {median('reads'):,.0f} reads: off by ms: p50 | p95 | p99 | max |",
        "|---|---|---|---|",
        f"| {off} |",
    ]
