"""The reason of an end, for `kubectl describe pod`: of our own ends, and of services by policy.

The kubelet mounts the file; this module never makes it, and leaves it to the app in all other ends.
Imported at an end.

https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure/
"""

from __future__ import annotations

import os
import stat

from ..core.errors import reason
from . import log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DEFAULT = "/dev/termination-log"  # the default of a container's terminationMessagePath
VARIABLE = "TERMINATION_LOG"  # names another path to us
LIMIT = 4096  # bytes that a kubelet reads
_CONTINUATION_MASK, _CONTINUATION = 0xC0, 0x80  # of the later bytes of a character in UTF-8


def explain(message: str, environ: Mapping[str, str]) -> None:
    """Write the message for the kubelet, if its file is there; never raises, never waits."""
    _write(_cut(" ".join(message.split())), environ)


def report(message: str, lines: Sequence[str], environ: Mapping[str, str]) -> None:
    """Write a message and the last lines of a program, as `explain` does."""
    _write(composed(message, lines), environ)


def composed(message: str, lines: Sequence[str]) -> bytes:
    """A message and as many of the last lines as a kubelet reads, in UTF-8.

    The first of these lines may lose its beginning; control characters are escaped.
    """
    text = _cut(" ".join(message.split()))
    room = LIMIT - len(text)
    kept: list[bytes] = []
    for line in reversed(lines):
        if room <= 1:
            break
        encoded = _printed(line).encode(errors="backslashreplace")[-(room - 1) :]
        while encoded and encoded[0] & _CONTINUATION_MASK == _CONTINUATION:  # half a character
            encoded = encoded[1:]
        kept.append(b"\n" + encoded)
        room -= len(kept[-1])
    return text + b"".join(reversed(kept))


def _printed(line: str) -> str:
    if line.isprintable():
        return line
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in line)


def _write(text: bytes, environ: Mapping[str, str]) -> None:
    path = environ.get(VARIABLE) or DEFAULT
    try:
        file = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:
        return  # no pod, or a file of another user
    try:
        if stat.S_ISREG(os.fstat(file).st_mode):
            os.ftruncate(file, 0)
            os.write(file, text)
    except OSError as error:
        log.warning(
            f"cannot write the reason of the end to {path}: {reason(error)}; only this log has it",
            event="termination_message_failed",
        )
    finally:
        os.close(file)


def _cut(message: str) -> bytes:
    """The message in UTF-8; a long message ends with the number of bytes left out."""
    encoded = message.encode(errors="backslashreplace")
    if len(encoded) <= LIMIT:
        return encoded
    note = f" ... ({len(encoded) - LIMIT} bytes more)".encode()
    note = f" ... ({len(encoded) - LIMIT + len(note)} bytes more)".encode()
    return encoded[: LIMIT - len(note)].decode(errors="ignore").encode() + note
