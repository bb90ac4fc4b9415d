"""The messages of sd_notify(3), as a service sends them in datagrams.

Pure. Unknown and malformed lines are skipped: the protocol grows, and a service may send anything.
"""

from __future__ import annotations

from .quoting import legible
from .record import Record

MOST_BYTES = 4096  # of a datagram; a longer one is no message
_MOST_STATUS = 200  # characters
_MOST_DIGITS = 18
_MICROSECONDS = 1_000_000
MOST_EXTENSION = 600.0  # seconds that a single message can ask for


class Message(Record):
    ready: bool = False
    reloading: bool = False
    stopping: bool = False
    sent_at: float | None = None  # seconds of CLOCK_MONOTONIC, by the sender
    status: str | None = None  # printable, and cut
    extension: float | None = None  # seconds more, from now on, at most MOST_EXTENSION
    main_pid: bool = False  # it names another process as the main one


NOTHING = Message()


def parse(data: bytes) -> Message:
    """The message of a datagram; `NOTHING` where it says nothing that is known here."""
    found: dict[str, bytes] = {}
    for line in data[:MOST_BYTES].split(b"\n"):
        name, equals, value = line.partition(b"=")
        if equals:
            found[name.decode(errors="replace")] = value
    sent_at = _seconds(found.get("MONOTONIC_USEC"))
    extension = _seconds(found.get("EXTEND_TIMEOUT_USEC"))
    status = found.get("STATUS")
    return Message(
        ready=found.get("READY") == b"1",
        reloading=found.get("RELOADING") == b"1",
        stopping=found.get("STOPPING") == b"1",
        sent_at=sent_at,
        status=None if status is None else _shown(status),
        extension=None if extension is None else min(extension, MOST_EXTENSION),
        main_pid="MAINPID" in found,
    )


def _seconds(value: bytes | None) -> float | None:
    if value is None or not value.isdigit() or len(value) > _MOST_DIGITS:
        return None
    return int(value) / _MICROSECONDS


def _shown(value: bytes) -> str:
    text = legible(value.decode(errors="replace"))
    return text if len(text) <= _MOST_STATUS else f"{text[:_MOST_STATUS]}..."
