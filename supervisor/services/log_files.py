"""Log files of services: appended to, rotated at a size, opened again by their path.

They take bytes as they come; a rotation waits for the end of a line. A file that takes no more is
told once and loses what comes meanwhile, with a count. It knows no service.
"""

from __future__ import annotations

import os
import stat
import time
from _thread import allocate_lock

from ..core.errors import is_shortage, reason
from ..runtime import log
from .log_ring import read_span, tail_span

_FLAGS = os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_MODE = 0o644
_QUIET = 60.0  # seconds without a line about another loss
_NEXT_TRY = 1.0  # seconds, to rotate without a descriptor
_LONGEST = 1 << 20  # bytes of a line beyond the size of a file


class LogFile:
    """A file with its backups. For any thread; a write waits for the disk."""

    def __init__(self, path: str, maxbytes: int = 0, backups: int = 0) -> None:
        self.path = path
        self._maxbytes = maxbytes
        self._backups = backups
        self._fd = -1
        self._size = 0
        self._lock = allocate_lock()
        self._fails = False  # the file takes no more
        self._lost = 0  # bytes, since the last line about them
        self._told = False
        self._quiet_until = 0.0
        self._torn = False  # whether a line lacks its end
        self._rotates = maxbytes > 0
        self._rotate_at = 0.0  # not before, after a shortage of descriptors
        self._short = False  # a rotation waits for a descriptor, which was told
        self.regular = True  # else a FIFO or a device

    def limit(self, maxbytes: int, backups: int) -> None:
        """The size of a rotation, 0 for none, and the number of older files to keep."""
        with self._lock:
            self._maxbytes = maxbytes
            self._backups = backups

    def open(self) -> None:
        """Open the file by its path, or open it again. Raises OSError; then the old one stays."""
        with self._lock:
            self._open()

    def _open(self) -> None:
        opened = os.open(self.path, _flags(self.path), _MODE)
        status = os.fstat(opened)
        self._size = status.st_size
        self.regular = stat.S_ISREG(status.st_mode)
        self._rotates = self._maxbytes > 0 and self.regular
        self._close()
        self._fd = opened

    def close(self) -> None:
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1

    def reopen(self) -> None:
        """Open it again by its path; the old one stays where that fails, which is told."""
        try:
            self.open()
        except OSError as error:
            log.warning(
                f"cannot open the log file {self.path} again: {reason(error)}; going on with the"
                " one before",
                event="log_file_failed",
            )

    def clear(self) -> None:
        """Remove the file and begin a new one, as `supervisorctl clear`. Raises OSError."""
        with self._lock:
            try:
                os.unlink(self.path)
            except FileNotFoundError:
                pass  # all there is to do is done
            in_use = self._fd >= 0
            self._open()
            if not in_use:
                self._close()

    def write(self, data: bytes) -> None:
        with self._lock:
            if not self._rotates or self._size + len(data) < self._maxbytes:
                self._put(data)
                return
            full, rest = self._split(data)
            if len(full) > self._backups:  # the older ones would be removed at once
                if not self._rotate():
                    self._put(data)
                    return
                full = full[len(full) - self._backups :]
            going = True
            for part in full:
                self._put(part)
                going = going and self._rotate()
            if rest:
                self._put(rest)

    def _split(self, data: bytes) -> tuple[list[bytes], bytes]:
        """The parts that fill a file each, to the end of a line, and the rest."""
        full = []
        due = self._maxbytes - self._size - 1
        begin = 0
        while len(data) - begin > due:
            end = data.find(b"\n", begin + max(0, due)) + 1
            if not end and len(data) - begin > due + _LONGEST:
                end = len(data)
            if not end:
                break
            full.append(data[begin:end])
            begin = end
            due = self._maxbytes - 1
        return full, data[begin:]

    def _put(self, data: bytes) -> None:
        if self._fails and self._torn:
            data = b"\n" + data
        left = data
        try:
            while left:
                count = os.write(self._fd, left)
                self._size += count
                self._torn = not left[:count].endswith(b"\n")
                left = left[count:]
        except OSError as error:
            if not self._fails:
                self._tell_loss(reason(error))
            self._fails = True
            self._lost += len(left)
            return
        self._fails = False
        if self._told:
            log.warning(
                f"the log file {self.path} takes lines again: {self._lost} bytes are lost",
                event="log_dropped",
            )
            self._told = False
            self._lost = 0
            self._quiet_until = time.monotonic() + _QUIET

    def _tell_loss(self, why: str) -> None:
        """Once a minute at most: a FIFO with a slow reader is full again and again."""
        if time.monotonic() < self._quiet_until:
            return
        self._told = True
        log.error(
            f"cannot write the log file {self.path}: {why}; its lines are lost until there is room",
            event="log_file_failed",
        )

    def _rotate(self) -> bool:
        """Begin a new file; whether that succeeded."""
        if time.monotonic() < self._rotate_at:
            return False
        try:
            if self._backups > 0:
                for number in range(self._free() - 1, 0, -1):
                    _rename(f"{self.path}.{number}", f"{self.path}.{number + 1}")
                self._begin_file()
            else:
                os.ftruncate(self._fd, 0)
                self._size = 0
        except OSError as error:
            self._cannot_rotate(error)
            return False
        self._short = False
        return self._rotates

    def _begin_file(self) -> None:
        """Put the file aside for a new one. Raises OSError; after a shortage it is back."""
        _rename(self.path, f"{self.path}.1")
        try:
            self._open()
        except OSError as error:
            if is_shortage(error):
                _rename(f"{self.path}.1", self.path)
            raise

    def _cannot_rotate(self, error: OSError) -> None:
        """Tell it once; after a shortage the next try may succeed."""
        told = self._short
        self._rotates = self._short = is_shortage(error)
        self._rotate_at = time.monotonic() + _NEXT_TRY
        if self._short and told:
            return
        until = "until there is a descriptor" if self._short else "from now on"
        log.error(
            f"cannot rotate the log file {self.path}: {reason(error)}; it grows {until}",
            event="log_file_failed",
        )

    def _free(self) -> int:
        """The least number without an older file, or the last number."""
        number = 1
        while number < self._backups and os.path.lexists(f"{self.path}.{number}"):
            number += 1
        return number

    def read(self, offset: int, length: int) -> bytes:
        """The bytes of a span. Raises BadSpanError, OSError."""
        with open(self.path, "rb", buffering=0) as file:
            start, count = read_span(os.fstat(file.fileno()).st_size, offset, length)
            return os.pread(file.fileno(), count, start)

    def tail(self, offset: int, length: int) -> tuple[bytes, int, bool]:
        """The bytes of a tail, the size of the file, and whether there were more. Raises
        OSError.
        """
        with open(self.path, "rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            start, count, overflow = tail_span(size, offset, length)
            return os.pread(file.fileno(), count, start), size, overflow


def _flags(path: str) -> int:
    """A FIFO is opened for both directions: it has room then before its reader comes, fifo(7)."""
    try:
        two_ways = stat.S_ISFIFO(os.stat(path).st_mode)
    except OSError:
        two_ways = False  # it is yet to be made, or the opening tells the reason
    return _FLAGS | (os.O_RDWR if two_ways else os.O_WRONLY)


def _rename(old: str, new: str) -> None:
    try:
        os.rename(old, new)
    except FileNotFoundError:
        pass  # it was removed meanwhile
