"""`python -m tests.fuzz [--seconds S] [TARGET ...]` (`make fuzz`): runs each target under atheris for so long.

Corpora grow in .fuzz/<target>/, what breaks a target lies in .fuzz/found/; neither belongs into git. A case found gets
a line in found.py.
"""

import argparse
import hashlib
import subprocess
import sys
from pathlib import Path

_WORK = Path(".fuzz")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="for each target (default 60)")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)  # the process that atheris takes over
    parser.add_argument("targets", nargs="*")
    options = parser.parse_args()
    if options.inside:
        _fuzz(options.targets[0], options.seconds)
        return 0
    from tests.fuzz.targets import TARGETS

    names = options.targets or list(TARGETS)
    failed = [name for name in names if not _run(name, options.seconds)]
    for name in failed:
        print(f"{name}: broken by what lies in {_WORK}/found/{name}-*", file=sys.stderr)
    if not failed:
        print(f"{', '.join(names)}: nothing found")
    return 1 if failed else 0


def _run(name: str, seconds: int) -> bool:
    print(f"{name}: {seconds} s", flush=True)
    argv = [sys.executable, "-m", "tests.fuzz", "--inside", "--seconds", str(seconds), name]
    return subprocess.run(argv, check=False).returncode == 0


def _fuzz(name: str, seconds: int) -> None:
    import atheris

    with atheris.instrument_imports(include=["traffic", "recorder.capture.journal", "ingest_server.sidecar"]):
        from tests.fuzz.targets import TARGETS
    from tests.fuzz.seeds import SEEDS

    corpus, found = _WORK / name, _WORK / "found"
    for folder in (corpus, found):
        folder.mkdir(parents=True, exist_ok=True)
    for seed in SEEDS[name]:
        (corpus / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)
    libfuzzer = [
        f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=2048", "-max_len=8192", "-print_final_stats=1",
        "-verbosity=0", f"-artifact_prefix={found}/{name}-",
    ]  # fmt: skip
    atheris.Setup([name, *libfuzzer, str(corpus)], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
