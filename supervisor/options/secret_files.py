"""Files with secret values of options, such as URLs with passwords, and headers.

It owns the bounds: the files are small, and written by an administrator or the kubelet. No message
may repeat their content.
"""

from __future__ import annotations

import os
import stat

from ..core.errors import reason

_MOST_BYTES = 1 << 16


def value(path: str) -> str:
    """The line of a file with a single line; raises ValueError."""
    found = lines(path)
    if len(found) != 1:
        raise ValueError(f"{path!r} has {len(found)} lines where one is expected")
    return found[0]


def lines(path: str) -> list[str]:
    """The lines of a file, without empty lines; raises ValueError."""
    try:
        return [line for line in map(str.strip, _read(path).decode().split("\n")) if line]
    except UnicodeDecodeError:
        raise ValueError(f"{path!r} is not text in UTF-8") from None


def certificates(path: str) -> None:
    """Check for certificates in PEM by their first line only: a parser would be a slow import.

    Raises ValueError.
    """
    if b"-----BEGIN " not in _read(path, 1 << 24):
        raise ValueError(f"{path!r} holds no certificate in PEM")


def _read(path: str, most: int = _MOST_BYTES) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ValueError(f"{path!r} is not a regular file")
            data = file.read(most + 1)
    except OSError as error:
        raise ValueError(f"cannot read {path!r}: {reason(error)}") from error
    if len(data) > most:
        raise ValueError(f"{path!r} has more than {most} bytes")
    return data
