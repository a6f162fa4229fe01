r"""Text out of recordings as a terminal may get it: without a character that the terminal would act on.

A recording's bytes come from anybody. Control characters, and those that reorder or hide text, become `\x1b`, `\u202e`.
Called by the commands that print recorded text.
"""

import re

_SUSPECT = re.compile(r"[^\n\t\x20-\x7e]")
_HARMLESS = "\u00a0\u200c\u200d"  # spaces that do not break, and what joins letters and emoji


def plain(text: str) -> str:
    """Line feeds and tabs stay."""
    return _SUSPECT.sub(_escape, text)


def plain_bytes(data: bytes) -> str:
    r"""UTF-8, whatever is not UTF-8 as `\xff`; CRLF becomes a line feed."""
    return plain(data.decode("utf-8", "backslashreplace").replace("\r\n", "\n"))


def _escape(match: re.Match[str]) -> str:
    char = match[0]
    if char.isprintable() or char in _HARMLESS:
        return char
    return char.encode("ascii", "backslashreplace").decode() if char > "\x7f" else f"\\x{ord(char):02x}"


def hex_lines(data: bytes) -> list[str]:
    """Sixteen bytes a line: offset, hex, and what is printable ASCII of them."""
    lines = []
    for start in range(0, len(data), 16):
        row = data[start : start + 16]
        text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)
        lines.append(f"{start:08x}  {row.hex(' '):47}  {text}")
    return lines
