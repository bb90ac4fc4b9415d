"""How lines of a service appear among those of others: as they are, behind a tag, or as JSON.

Pure. It takes whole lines, many at once, and knows no place where they go.
"""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Format = Callable[[bytes, float], bytes]  # whole lines and their time (epoch seconds)


def plain(lines: bytes, _: float) -> bytes:
    return lines


def tagged(tag: str) -> Format:
    """Lines behind `[TAG] `; a format for the empty tag leaves them as they are."""
    if not tag:
        return plain
    head = f"[{tag}] ".encode(errors="backslashreplace")
    between = b"\n" + head

    def write(lines: bytes, _: float) -> bytes:
        return b"".join((head, lines[:-1].replace(b"\n", between), b"\n"))

    return write


def as_json(service: str, stream: str) -> Format:
    """An object for each line, with `time`, `service`, `stream` and `line`."""
    # `json` would import `re`; this is the function that it calls.
    from _json import encode_basestring as quote

    head = f'", "service": {quote(service)}, "stream": {quote(stream)}, "line": '

    def write(lines: bytes, at: float) -> bytes:
        start = f'{{"time": "{_stamp(at)}{head}'
        text = lines[:-1].decode(errors="replace")
        return "".join([f"{start}{quote(line)}}}\n" for line in text.split("\n")]).encode()

    return write


def _stamp(at: float) -> str:
    seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at))
    return f"{seconds}.{int(at * 1000) % 1000:03d}Z"
