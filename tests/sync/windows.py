"""Reload windows of tests: closed or open for as long as a test lasts, or about to open."""

from __future__ import annotations

import os
import struct
import time
from pathlib import Path

_HOUR = 3600
_OPENING = 9  # o'clock


def closed_window() -> str:
    """An hour that is over, or far ahead, for as long as a test lasts."""
    hour = (int(time.time()) // _HOUR + 12) % 24
    return f"daily {hour:02}:00-{hour:02}:30"


def open_window() -> str:
    """Some hours around now."""
    hour = int(time.time()) // _HOUR
    return f"daily {(hour - 2) % 24:02}:00-{(hour + 3) % 24:02}:00"


class Opening:
    """A window that opens at a second of the test: a zone has nine o'clock by then.

    The format of the zone: RFC 8536, version 1, one type of local time.
    """

    text = f"daily {_OPENING:02}:00-{_OPENING + 1:02}:00 Test/Zone"

    def __init__(self, folder: Path, seconds: int) -> None:
        """`seconds` from now."""
        self.at = int(time.time()) + seconds
        self.env = {"PYTHONTZPATH": os.fspath(folder)}
        offset = (_OPENING * _HOUR - self.at) % (24 * _HOUR)
        (folder / "Test").mkdir(parents=True)
        head = struct.pack(">4s16x6l", b"TZif", 0, 0, 0, 0, 1, 4)
        zone = head + struct.pack(">lBB4s", offset, 0, 0, b"TST\0")
        (folder / "Test" / "Zone").write_bytes(zone)
