"""What atheris or hypothesis found once: the target, the bytes, and what was wrong. `make test` runs them all."""

_POST = b"\0POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

FOUND: list[tuple[str, bytes, str]] = [
    (
        "request",
        _POST + b"1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n",
        "a possessive quantifier took a part of a chunk that came in pieces (CPython before 3.11.5)",
    ),
    (
        "request",
        b"\0\r\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "a bare LF behind empty lines was taken for the start of the method when it came in one piece",
    ),
    (
        "request",
        b"\0CONNECT \nriaeTg:r/a HTTP/1.1\r\nHost: rec\r\n\r\n",
        "llhttp takes a bare LF in the target of CONNECT; in pieces it was refused, in one it was not",
    ),
]
