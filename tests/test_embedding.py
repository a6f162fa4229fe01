"""docs/embedding.md: its program runs as it stands."""

import asyncio
import json
import re
import sys
from pathlib import Path

from aiohttp import ClientSession, web

ROOT = Path(__file__).parent.parent
TIMEOUT_S = 60


async def test_the_documents_program_records_what_passes_through_it(tmp_path: Path) -> None:
    [program] = re.findall(
        r"^```python\n(.*?)^```$", (ROOT / "docs/embedding.md").read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    (tmp_path / "program.py").write_text(program, "utf-8")
    upstream = await _start_upstream()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(tmp_path / "program.py"),
        f"http://127.0.0.1:{upstream.addresses[0][1]}/",
        str(tmp_path),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
    )
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        async with asyncio.timeout(TIMEOUT_S):
            url = (await process.stdout.readline()).decode().strip()
            async with ClientSession() as session, session.get(f"{url}v1/models") as response:
                assert await response.text() == "the models"
            told, _ = await process.communicate(b"\n")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        await upstream.cleanup()
    assert (told.decode(), process.returncode) == ("recorded 1, lost 0\n", 0)
    [file] = (tmp_path / "logs").glob("*_metadata.json")
    metadata = json.loads(file.read_text("utf-8"))
    assert (metadata["url"], metadata["completed"]) == (f"{url}v1/models", True)


async def _start_upstream() -> web.AppRunner:
    async def models(_: web.Request) -> web.Response:
        return web.Response(text="the models")

    app = web.Application()
    app.router.add_get("/v1/models", models)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner
