"""What is measured, each in front of the same upstream: nothing (`direct`), nginx (the floor), a relay in Python that
records nothing (`relay`), the recorder, and the recorder without its index (`unindexed`).

A peer is started fresh for each measurement, in a folder of its own, on core 0. Called by the rounds.
"""

import os
import pwd
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.request import urlopen

from bench.processes import LOAD_CORE, PEER_CORE, BenchError, Process, await_listening, free_port, started

PROJECT = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True)
class Peer:
    """A running peer. `base_url` reaches the upstream through it; `parts` are its processes by name."""

    name: str
    base_url: str
    upstream_url: str
    parts: dict[str, Process] = field(default_factory=dict)
    log_dir: Path | None = None  # where its recordings appear; None: it records nothing

    def cpu_s(self) -> dict[str, float]:
        return {name: part.cpu_s() for name, part in self.parts.items()}

    @property
    def ingest(self) -> Process | None:
        """Its only child is the indexer, which works behind the recording and is counted on its own."""
        return self.parts.get("ingest")

    def served(self) -> int:
        """How many requests the upstream has answered since its start."""
        with urlopen(f"{self.upstream_url}/served", timeout=10) as response:
            return int(response.read())


@contextmanager
def running(name: str, folder: Path) -> Iterator[Peer]:
    """The peer `name` in front of a fresh upstream, everything that it writes below `folder`."""
    with started([sys.executable, "-m", "bench.upstream"], LOAD_CORE) as upstream:
        upstream_url = f"http://127.0.0.1:{int(upstream.read_line())}"
        with _PEERS[name](upstream_url, folder) as peer:
            yield peer


def warm_up(peer: Peer) -> None:
    """One exchange, so that imports and first-time allocations are done, and a peer that doesn't work is found out."""
    try:
        with urlopen(f"{peer.base_url}/v1/chat/completions", b"{}", timeout=10) as response:
            response.read()
    except OSError as error:
        raise BenchError(f"the first request got no answer: {error}") from error


@contextmanager
def _direct(upstream_url: str, _folder: Path) -> Iterator[Peer]:
    yield Peer("direct", upstream_url, upstream_url)


@contextmanager
def _nginx(upstream_url: str, folder: Path) -> Iterator[Peer]:
    port = free_port()
    config = folder / "nginx.conf"
    config.write_text(
        NGINX_CONFIG.format(
            user=f"user {pwd.getpwuid(0).pw_name};" if os.geteuid() == 0 else "",
            folder=folder,
            port=port,
            upstream=upstream_url.removeprefix("http://"),
        )
    )
    nginx = nginx_path()
    assert nginx is not None
    output = folder / "nginx.out"
    with started([nginx, "-e", folder / "error.log", "-p", folder, "-c", config], PEER_CORE, output) as process:
        await_listening(process, port, output)
        yield Peer("nginx", f"http://127.0.0.1:{port}/bench", upstream_url, {"nginx": process})


@contextmanager
def _relay(upstream_url: str, folder: Path) -> Iterator[Peer]:
    port = free_port()
    output = folder / "relay.out"
    argv: list[str | Path] = [sys.executable, "-m", "bench.relay", str(port), upstream_url.rpartition(":")[2]]
    with started(argv, PEER_CORE, output) as process:
        await_listening(process, port, output)
        yield Peer("relay", f"http://127.0.0.1:{port}", upstream_url, {"relay": process})


@contextmanager
def running_ingest(folder: Path) -> Iterator[tuple[Process, str]]:
    """An ingest server alone, over `folder`/logs, and its URL."""
    ports = free_port(), free_port()
    config = write_recorder_config(folder, "http://127.0.0.1:9", ports)
    output = folder / "ingest.out"
    with started(recorder_command("ingest", config), PEER_CORE, output) as process:
        await_listening(process, ports[1], output)
        yield process, f"http://127.0.0.1:{ports[1]}"


@contextmanager
def _recorder(upstream_url: str, folder: Path, *, index: bool = True) -> Iterator[Peer]:
    ports = free_port(), free_port()
    config = write_recorder_config(folder, upstream_url, ports, index=index)
    with ExitStack() as stack:
        parts: dict[str, Process] = {}
        for part, command, port in (("ingest", "ingest", ports[1]), ("recorder", "proxy", ports[0])):
            output = folder / f"{part}.out"
            argv = recorder_command(command, config)
            parts[part] = stack.enter_context(started(argv, PEER_CORE, output, alone=part == "ingest"))
            await_listening(parts[part], port, output)
        yield Peer(
            "recorder" if index else "unindexed",
            f"http://127.0.0.1:{ports[0]}/bench",
            upstream_url,
            parts,
            folder / "logs",
        )


def recorder_command(command: str, config: Path) -> list[str | Path]:
    return [sys.executable, PROJECT / "cli.py", command, "--config", config]


def write_recorder_config(folder: Path, upstream_url: str, ports: tuple[int, int], *, index: bool = True) -> Path:
    """The recorder's defaults, apart from addresses and folders; `ports` are the recorder's and the ingest server's."""
    config = folder / "config.yaml"
    values = {"upstream_url": upstream_url, "port": ports[0], "ingest_port": ports[1], "index": str(index).lower()}
    config.write_text(RECORDER_CONFIG.format(**values))
    return config


def nginx_path() -> str | None:
    return shutil.which("nginx", path=_SEARCH_PATH)


_SEARCH_PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin"  # where Debian puts nginx, often not on a user's PATH
_PEERS: dict[str, Callable[[str, Path], AbstractContextManager[Peer]]] = {
    "direct": _direct,
    "nginx": _nginx,
    "relay": _relay,
    "recorder": _recorder,
    "unindexed": partial(_recorder, index=False),
}
PEER_NAMES = tuple(_PEERS)

RECORDER_CONFIG = """\
server: {{host: 127.0.0.1, port: {port}}}
logging: {{console: true, server_url: "http://127.0.0.1:{ingest_port}"}}
ingest: {{host: 127.0.0.1, port: {ingest_port}, log_dir: logs, index: {index}}}
capture: {{journal_dir: journal}}
routes:
  bench: {{pattern: "/bench/", destination: "{upstream_url}/"}}
"""

NGINX_CONFIG = """\
{user}
daemon off;
worker_processes 1;
worker_rlimit_nofile 16384;
pid {folder}/nginx.pid;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  client_max_body_size 0;
  client_body_temp_path {folder}/client_body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  upstream bench {{
    server {upstream};
    keepalive 1024;
    keepalive_requests 1000000000;
  }}
  server {{
    listen 127.0.0.1:{port} backlog=2048;
    location /bench/ {{
      proxy_pass http://bench/;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      proxy_request_buffering off;
    }}
  }}
}}
"""
