"""The pid file of supervisord: written before the first start, removed at the end."""

from __future__ import annotations

import os

from ..core.errors import reason


class PidFile:
    def __init__(self, path: str) -> None:
        """Without a path there is none."""
        self._path = path
        self._written = False

    def write(self) -> str:
        """Write our pid; why it cannot be written, "" if it is."""
        if not self._path:
            return ""
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        try:
            descriptor = os.open(self._path, flags, 0o644)
            try:
                os.write(descriptor, f"{os.getpid()}\n".encode())
            finally:
                os.close(descriptor)
        except OSError as error:
            return reason(error)
        self._written = True
        return ""

    def remove(self) -> None:
        """Remove the file that we wrote. Raises OSError."""
        if self._written:
            try:
                os.unlink(self._path)
            except FileNotFoundError:
                pass  # a service has done so
