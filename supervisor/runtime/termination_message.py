"""Why the container ended, where `kubectl describe pod` shows it: the file that a kubelet mounts
for that.

Written in ends of our own only: what an app has to say there is its own business. The file is never
made. Imported at such an end.

The file: https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure/
"""

from __future__ import annotations

import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT = (
    "/dev/termination-log"  # a container's terminationMessagePath unless its manifest names another
)
VARIABLE = "TERMINATION_LOG"  # names that other path to us
LIMIT = 4096  # bytes that a kubelet reads


def explain(message: str, environ: Mapping[str, str]) -> None:
    """Leave the message for the kubelet, if there is a place for it; never raises, never waits."""
    path = environ.get(VARIABLE) or DEFAULT
    try:
        file = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:
        return  # no pod, or not for us to write
    try:
        if stat.S_ISREG(os.fstat(file).st_mode):
            os.ftruncate(file, 0)
            os.write(file, _cut(" ".join(message.split())))
    except OSError:
        pass  # a full disk: the log says it too
    finally:
        os.close(file)


def _cut(message: str) -> bytes:
    """The message in UTF-8; a long one ends with the number of bytes left out."""
    encoded = message.encode(errors="backslashreplace")
    if len(encoded) <= LIMIT:
        return encoded
    note = f" ... ({len(encoded) - LIMIT} bytes more)".encode()
    note = f" ... ({len(encoded) - LIMIT + len(note)} bytes more)".encode()
    return encoded[: LIMIT - len(note)].decode(errors="ignore").encode() + note
