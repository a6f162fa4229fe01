"""The section "Soak" of RESULTS.md, from soak.json. Called by the report, and by the soak, which replaces it alone."""

import json
import re
from pathlib import Path
from typing import Any

SOAK_FILE = Path(__file__).with_name("soak.json")
_RESULTS = Path(__file__).with_name("RESULTS.md")
_TITLE = "## Soak: mixed load, both services killed at random"

_section = re.compile(rf"{re.escape(_TITLE)}\n.*?(?=\n## |\Z)", re.DOTALL)


def section() -> list[str]:
    """Its lines; none before the first soak."""
    if not SOAK_FILE.exists():
        return []
    run: dict[str, Any] = json.loads(SOAK_FILE.read_text())
    cut = ", ".join(f"{count:,} {name}" for name, count in sorted(run["incomplete"].items())) or "0"
    lines = [
        _TITLE,
        "| | |",
        "|---|---|",
        f"| length, seed, `capture.durability` | {run['seconds'] / 60:.0f} min, {run['seed']}, {run['durability']} |",
        f"| SIGKILLs: recorder, ingest server | {run['recorder_kills']}, {run['ingest_kills']} |",
        f"| exchanges begun by clients | {run['exchanges']:,}, {run['bytes'] / 1e6:,.0f} MB recorded |",
        f"| finished, broken by a kill, refused | {run['finished']:,}, {run['broken']:,}, {run['refused']:,} |",
        f"| complete records, the upstream's bytes by hash | {run['complete']:,} |",
        f"| incomplete records, by error | {cut} |",
        f"| without a record: the recorder was killed before it read them | {run['never_arrived']:,} |",
        f"| without a record: read in the moment before a kill, which `batched` allows | {run['lost_with_kill']:,} |",
        f"| lost otherwise, doubled, damaged | {run['lost']} |",
    ]
    for name in ("recorder", "ingest"):
        memory = run[name]
        lines.append(
            f"| memory, {name}: growth in its longest life, {memory['minutes']} min | {memory['growth_mib']:+.1f} MiB "
            f"(bound {run['growth_mib_max']:g}), median {memory['median_mib']:.0f}, peak {memory['peak_mib']:.0f} MiB |"
        )
    return [
        *lines,
        "",
        "`make soak`; `tests/faults/soak.py` says how the load, the kills and the memory's growth are made.",
    ]


def write_section() -> None:
    """Put it into RESULTS.md as it stands there: in place of the older one, or before how everything was measured."""
    text = _RESULTS.read_text()
    new = "\n".join(section()) + "\n"
    if _section.search(text):
        text = _section.sub(lambda _match: new, text)
    else:
        text = text.replace("## How it was measured\n", f"{new}\n## How it was measured\n", 1)
    _RESULTS.write_text(text)
