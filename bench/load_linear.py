"""The load of the linear case: one kind of message again and again. `python -m bench.load_linear URL KIND BYTES`.

Sends as many as make BYTES on the wire, 1,000 at most, one after the other on one connection; behind a refused one
begins a new connection. Prints `{"exchanges": N, "bytes": B}`.
"""

import json
import socket
import sys
from urllib.parse import SplitResult, urlsplit

from bench.upstream import LAST_CHUNK, chunks

_BODY_BYTES = 6 * 1024 * 1024  # on the wire: a million one-byte chunks
_READ_BYTES = 1024 * 1024
_EXCHANGES_MAX = 1000  # of small heads


def _send_all(url: SplitResult, kind: str, total: int) -> tuple[int, int]:
    message = _message(url, kind)
    answer_bytes = _BODY_BYTES if kind.startswith("down") else 0
    count = min(max(1, total // (len(message) + answer_bytes)), _EXCHANGES_MAX)
    connection = _connect(url)
    for _ in range(count):
        connection.sendall(message)
        if _is_refused(connection):
            connection.close()
            connection = _connect(url)
    connection.close()
    return count, count * (len(message) + answer_bytes)


def _message(url: SplitResult, kind: str) -> bytes:
    start = f"POST {url.path}/sink HTTP/1.1\r\nHost: {url.netloc}\r\n".encode()
    way, _, shape = kind.partition("_")
    if way == "down":
        target = f"{url.path}/chunks/{shape}/{_BODY_BYTES}"
        return f"GET {target} HTTP/1.1\r\nHost: {url.netloc}\r\n\r\n".encode()
    if way == "up":
        block = chunks(int(shape))
        return start + b"Transfer-Encoding: chunked\r\n\r\n" + block * (_BODY_BYTES // len(block)) + LAST_CHUNK
    lines = {
        "small": b"X: y\r\n" * 10,
        "64k": b"X: %b\r\n" % (b"y" * 65_000),
        "1000_lines": b"X: %b\r\n" % (b"y" * 55) * 990,
        "10000_lines": b"X:\r\n" * 10_000,
    }[shape]
    return start + b"Content-Length: 0\r\n" + lines + b"\r\n"


def _is_refused(connection: socket.socket) -> bool:
    """Read one response to its end, which a chunked one shows by its last chunk; True: no more may be sent."""
    head = b""
    while b"\r\n\r\n" not in head:
        head += _receive(connection)
    head, _, body = head.partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    if b"transfer-encoding: chunked" in lines:
        tail = body[-len(LAST_CHUNK) :]
        while tail != LAST_CHUNK:
            tail = (tail + _receive(connection))[-len(LAST_CHUNK) :]
    else:
        left = next(int(line.partition(b":")[2]) for line in lines if line.startswith(b"content-length:")) - len(body)
        while left > 0:
            left -= len(_receive(connection))
    return b"connection: close" in lines


def _receive(connection: socket.socket) -> bytes:
    data = connection.recv(_READ_BYTES)
    if not data:
        raise ConnectionError("the response ended early")
    return data


def _connect(url: SplitResult) -> socket.socket:
    return socket.create_connection((url.hostname, url.port), timeout=60)


if __name__ == "__main__":
    exchanges, sent_bytes = _send_all(urlsplit(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
    print(json.dumps({"exchanges": exchanges, "bytes": sent_bytes}), flush=True)
