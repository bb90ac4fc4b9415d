"""Files that exist in the memory of this process only: keys that no end of it can leave behind.

A file has a path for libraries that read nothing else, valid in this process. Must not know the use
of a file.
"""

from __future__ import annotations

import os

from ...core.primitives import deque
from ...runtime import threads

PLACE = "/proc/self/fd/"
_MOST = 24  # files; logins that are renewed must not use all descriptors up

_lock = threads.Lock()  # guards this
_files: deque[tuple[bytes, int]] = deque()  # contents, with their descriptors


def taken_in(path: str) -> str:
    """Move a file into memory. Returns its path there, the same for the same content; raises
    OSError where the kernel or the container has no such files.
    """
    with open(path, "rb") as file:
        content = file.read()
    with _lock:
        known = next((one for one in _files if one[0] == content), None)
        number = _written(content) if known is None else known[1]
    os.unlink(path)
    return f"{PLACE}{number}"


def _written(content: bytes) -> int:
    number = os.memfd_create("config-supervisor")
    try:
        with open(f"{PLACE}{number}", "wb") as file:
            file.write(content)
    except OSError:
        os.close(number)
        raise
    _files.append((content, number))
    if len(_files) > _MOST:
        os.close(_files.popleft()[1])
    return number
