"""Start: from the spawn of `recorder proxy` to the first connection that it accepts. Called by the rounds."""

import time
from pathlib import Path

from bench.peers import recorder_command, write_recorder_config
from bench.plan import Figures, Plan
from bench.processes import PEER_CORE, await_listening, free_port, started


def measure(_peer_name: str, _plan: Plan, folder: Path) -> Figures:
    port = free_port()
    config = write_recorder_config(folder, "http://127.0.0.1:9", (port, free_port()))  # nothing is sent
    output = folder / "recorder.out"
    begin_s = time.monotonic()
    with started(recorder_command("proxy", config), PEER_CORE, output) as recorder:
        await_listening(recorder, port, output)
        return {"start_s": time.monotonic() - begin_s}
