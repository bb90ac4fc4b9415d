"""The lines that a process under test writes, in order of arrival.

It must not know which process that is, nor the lines to expect.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import queue
import re
import select
import termios
import threading
import time
from typing import IO


class Lines:
    """The lines of a stream, in order of arrival; a thread reads them."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.seen: list[str] = []
        self._queue: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._stream = stream
        self._resting = False
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        partial = b""
        with self._stream as stream:
            while data := self._next_bytes(stream.fileno()):
                *lines, partial = (partial + data).split(b"\n")
                for line in lines:
                    self._add(line)
        if partial:
            self._add(partial)
        self._queue.put(None)

    def _next_bytes(self, fd: int) -> bytes:
        """Empty at the end."""
        bytes_wait = select.poll()
        bytes_wait.register(fd, select.POLLIN)
        if not bytes_wait.poll(0):
            self._resting = True
            bytes_wait.poll()
            self._resting = False
        try:
            return os.read(fd, 65536)
        except OSError:  # a terminal says EIO where a pipe says end of file
            return b""

    def _add(self, raw: bytes) -> None:
        line = raw.decode(errors="surrogateescape").rstrip("\r\n")
        self.seen.append(line)
        self._queue.put(line)

    def catch_up(self, timeout: float) -> None:
        """Wait for the lines of a process that has ended; others may hold the stream open."""
        end = time.monotonic() + timeout
        while self.reader.is_alive() and time.monotonic() < end and not self._has_all():
            time.sleep(0.001)

    def _has_all(self) -> bool:
        # A terminal passes bytes on some time after their write. The order of the two looks counts:
        # a reader that rests after the pipe was empty has added every line from it.
        with contextlib.suppress(OSError, ValueError):  # closed by the reader
            fd = self._stream.fileno()
            if os.isatty(fd):
                return False
            waiting = bytearray(4)
            fcntl.ioctl(fd, termios.FIONREAD, waiting)
            return not any(waiting) and self._resting
        return False

    def next(self, timeout: float = 10) -> str:
        """The next line, whatever it is."""
        try:
            line = self._queue.get(timeout=timeout)
        except queue.Empty:
            raise AssertionError(f"no line within {timeout} s after {self.seen[-20:]}") from None
        if line is None:
            self._queue.put(None)
            raise AssertionError(f"the stream ended after {self.seen[-20:]}")
        return line

    def expect(self, pattern: str, timeout: float = 10) -> re.Match[str]:
        """Skip lines until the pattern matches (re.search)."""
        end = time.monotonic() + timeout
        while True:
            try:
                line = self.next(max(0.0, end - time.monotonic()))
            except AssertionError as error:
                raise AssertionError(f"{pattern!r} did not come: {error}") from None
            if match := re.search(pattern, line):
                return match

    def rest(self, timeout: float = 10) -> list[str]:
        """All further lines; the stream must end within `timeout` seconds."""
        lines = []
        while (line := self._queue.get(timeout=timeout)) is not None:
            lines.append(line)
        self._queue.put(None)
        return lines
