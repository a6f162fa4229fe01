"""Where fuzzing begins: the attack table, valid frames, journals and metadata, and a call in each dialect."""

import gzip

from ingest_server import sidecar
from tests.attack.request_rows import REQUESTS
from tests.attack.response_rows import RESPONSES
from tests.traffic.llm.seeds import SEEDS as LLM_SEEDS
from tests.traffic.llm.seeds import files
from traffic.capture import events, metadata
from traffic.capture.frames import Kind, encode_frame

_SEED_BYTES_MAX = 4096  # longer ones slow the fuzzer and teach it nothing

_STARTED = events.Started(
    "00000000-0000-4000-8000-000000000001", 1, "lm", "/lm/", "GET", "http://a/lm/", "http://b/", "127.0.0.1:1",
    events.Received("GET /lm/ HTTP/1.1", "a", [("TE", "x")]),
)  # fmt: skip
_FINISHED = events.Finished(True, None, "upstream", 1, 2, 3, 5, 5, 0, [events.Redaction("request.header.cookie", "[]")])
_STORED = metadata.Stored([("Host", "a")], 200, 5, "0" * 64, [(0, 1)])
_PAYLOADS = [
    (Kind.STARTED, events.encode(_STARTED)),
    (Kind.REQUEST, b"hello"),
    (Kind.RESPONSE, b"world"),
    (Kind.FINISHED, events.encode(_FINISHED)),
    (Kind.GAP, events.encode(events.Gap(1, 2, 2, 10, "journal_full"))),
    (Kind.CLOSED, b"shutdown"),
]
_FRAMES = [b"".join(encode_frame(kind, 1, 0, 1, [payload])) for kind, payload in _PAYLOADS]
_CALLS = [files(*seed, coding) for seed in LLM_SEEDS for coding in ("", "gzip")]
_JOURNAL = b"".join(_FRAMES)
_DAMAGED = _FRAMES[0] + _FRAMES[1][:-1] + b"?" + b"".join(_FRAMES[2:])

SEEDS: dict[str, list[bytes]] = {
    "request": [b"\0" + row.sent for row in REQUESTS if len(row.sent) < _SEED_BYTES_MAX],
    "response": [
        bytes([("GET", "HEAD").index(row.method)]) + row.sent for row in RESPONSES if len(row.sent) < _SEED_BYTES_MAX
    ],
    "frames": [b"\0" + seed for seed in (*_FRAMES, _JOURNAL, _JOURNAL[:-3], _DAMAGED)],
    "journal": [b"", *_FRAMES, _JOURNAL, _JOURNAL[:-3], _DAMAGED, b"x" + _JOURNAL],
    "metadata": [
        *(payload for _, payload in _PAYLOADS),
        metadata.encode(metadata.build(_STARTED, _FINISHED, None, _STORED, _STORED)),
        sidecar.encode(sidecar.Opened("a", _STARTED)),
        sidecar.encode(sidecar.Progress(1, 2, [(0, 1)], [])),
        sidecar.encode(sidecar.Half("request", True, 1, _STORED, [])),
        b"GET /?key=secret HTTP/1.1\r\nAuthorization: Bearer secret\r\nCookie: a=b\r\n c\r\n\r\n",
        b"HTTP/1.1 103 Hints\r\nLink: </?token=x>\r\n\r\nHTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\n\r\n",
        b"GET / HTTP/1.1\r\nSec-WebSocket-Protocol: realtime, openai-insecure-api-key.sk-1\r\n\r\n",
        gzip.compress(b"hello" * 20, mtime=0),
    ],
    "llm": [call.request + b"\0\1\2\3" + call.response for call in _CALLS],
}
