"""recorder demo: works anywhere, shows what happens, and keeps real recordings."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def test_demo_records_six_exchanges_of_which_one_is_cut_and_one_refused(recorder: Run, tmp_path: Path) -> None:
    found = recorder("demo", "--dir", "kept")
    assert (found.returncode, found.stderr) == (0, "")
    logs = tmp_path / "kept" / "logs"
    assert f"Recordings in {logs}:\n" in found.stdout
    assert "; lost 0\n" in found.stdout
    assert len(re.findall(r"\] POST /(?:openai|anthropic|ollama)/\S+ -> http://127\.0\.0\.1:", found.stdout)) == 6
    records = [json.loads(path.read_bytes()) for path in sorted(logs.glob("*_metadata.json"))]
    assert sorted(record["response"]["status"] for record in records) == [200, 200, 200, 200, 200, 429]
    assert [record["error"]["name"] for record in records if not record["completed"]] == ["upstream_reset"]
    for record, name in ((each, path.name) for each in records for path in logs.glob(f"*_{each['id'][:8]}_*")):
        assert name in found.stdout, record


def test_what_demo_recorded_can_be_shown(recorder: Run, tmp_path: Path) -> None:
    recorder("demo", "--dir", "kept")
    files = sorted(map(str, (tmp_path / "kept" / "logs").glob("*_response.bin")))
    found = recorder("show", *files)
    assert found.returncode == 0
    assert 'event: content_block_delta  data: {"type": "content_block_delta"' in found.stdout
    assert "-- this exchange is incomplete: upstream_reset in response_body, by upstream: " in found.stdout
    assert "-- the body is cut: its last chunk is missing" in found.stdout


def test_the_commands_that_demo_names_last_work_as_they_are_written(recorder: Run, tmp_path: Path) -> None:
    told = recorder("demo", "--dir", "kept").stdout
    log_dir = tmp_path / "kept" / "logs"
    listed = recorder("list", "--log-dir", str(log_dir))
    shown = recorder("show", "last", "--log-dir", str(log_dir))
    assert f"\n  recorder list --log-dir {log_dir}\n  recorder show last --log-dir {log_dir}\n" in told
    assert (listed.returncode, shown.returncode) == (0, 0)
    assert listed.stdout.count("What do you record?") == 6
    assert "assistant\n  Every byte of this\n" in shown.stdout
