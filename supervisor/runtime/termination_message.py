"""The reason of an end of our own, for `kubectl describe pod`.

The kubelet mounts the file; this module never makes it, and leaves it to the app in all other ends.
Imported at an end.

https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure/
"""

from __future__ import annotations

import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT = "/dev/termination-log"  # the default of a container's terminationMessagePath
VARIABLE = "TERMINATION_LOG"  # names another path to us
LIMIT = 4096  # bytes that a kubelet reads


def explain(message: str, environ: Mapping[str, str]) -> None:
    """Write the message for the kubelet, if its file is there; never raises, never waits."""
    path = environ.get(VARIABLE) or DEFAULT
    try:
        file = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:
        return  # no pod, or a file of another user
    try:
        if stat.S_ISREG(os.fstat(file).st_mode):
            os.ftruncate(file, 0)
            os.write(file, _cut(" ".join(message.split())))
    except OSError:
        pass  # a full disk; the log has the message too
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
