"""The large-body load: one transfer with a plain blocking socket. `python -m bench.load_body URL down|up BYTES`.

Prints `{"seconds": S}`: from the connect to the last byte of the response. Exits 1 where it is not whole.
"""

import json
import socket
import sys
import time
from urllib.parse import urlsplit

from bench.upstream import body_blocks


def _transfer(base_url: str, direction: str, size: int) -> float:
    url = urlsplit(base_url)
    begin_s = time.monotonic()
    with socket.create_connection((url.hostname, url.port), timeout=60) as connection:
        if direction == "down":
            connection.sendall(f"GET {url.path}/body/{size} HTTP/1.1\r\nHost: {url.netloc}\r\n\r\n".encode())
        else:
            connection.sendall(
                f"POST {url.path}/sink HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Length: {size}\r\n\r\n".encode()
            )
            for block in body_blocks(size):
                connection.sendall(block)
        _read_response(connection, size if direction == "down" else None)
        return time.monotonic() - begin_s


def _read_response(connection: socket.socket, size: int | None) -> None:
    """Read one whole response, whose body must have `size` bytes where one is given."""
    buffer = bytearray(1024 * 1024)
    data = b""
    while b"\r\n\r\n" not in data:
        block = connection.recv(4096)
        if not block:
            raise ConnectionError("no response")
        data += block
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    length = next(int(line.partition(b":")[2]) for line in lines if line.startswith(b"content-length:"))
    if b" 200 " not in lines[0] or (size is not None and length != size):
        raise ConnectionError(f"unexpected response: {head!r}")
    left = length - len(body)
    while left:
        got = connection.recv_into(buffer)
        if not got:
            raise ConnectionError(f"the response ended {left} bytes early")
        left -= got


if __name__ == "__main__":
    print(json.dumps({"seconds": _transfer(sys.argv[1], sys.argv[2], int(sys.argv[3]))}), flush=True)
