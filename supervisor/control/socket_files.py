"""The files of unix sockets: one of our own to listen on, and those that ended supervisors left
behind.

It knows nothing of what is said on them.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import stat
import threading

from ..core.errors import reason
from ..runtime import log
from . import peer, socket_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# Connections that the kernel keeps meanwhile; supervisorctl gives up where one finds no room.
_BACKLOG = 128
# Seconds: a socket that is bound and still refuses after this belongs to a dead program.
_LISTENING_BY = 0.1
_PROBE_SECONDS = 1.0  # for a program to take a connection
_LOCK_TRIES, _LOCK_PAUSE = 20, 0.05  # seconds; a lock that is never given up holds up no start


class ControlSocket:
    """The socket file of this supervisor: the path that the user chose, else the first default
    place that is free.
    """

    def __init__(self, chosen: str | None) -> None:
        self.by_default = not chosen
        self.path = chosen or socket_path.PLAIN  # of the last try
        self._chosen, self._inode = chosen, 0

    def open(self) -> socket.socket | None:
        """A listening socket that only its owner can reach; None if no default place can be written
        to. Raises OSError if `path` cannot be taken.
        """
        places = [self._chosen] if self._chosen else socket_path.default_paths()
        if not places:
            return None
        listener = self._first(places)
        self._inode = os.lstat(self.path).st_ino
        if self.by_default:
            _sweep(self.path)
        return listener

    def _first(self, places: Sequence[str]) -> socket.socket:
        """A listening socket at the first place that can be had."""
        for self.path in places[:-1]:
            try:
                return _listen(self.path)
            except OSError as error:
                # Of another container: it shares the directory. supervisorctl would find the other
                # one of ours first.
                if error.errno == errno.EADDRINUSE and _is_ours(self.path):
                    raise
                log.debug(f"cannot listen on {self.path}: {reason(error)}")
        self.path = places[-1]
        return _listen(self.path)

    def remove(self) -> None:
        """Remove the file, if it is still the one that was made."""
        try:
            if self._inode and os.lstat(self.path).st_ino == self._inode:
                os.unlink(self.path)
        except OSError:
            pass  # no program listens on a file that stays: the next supervisor replaces it


def _listen(path: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    try:
        # The mode of the descriptor is that of the file which bind makes (Linux): a umask is the
        # whole process'.
        os.fchmod(listener.fileno(), 0o600)
        _bind(listener, path)
    except OSError:
        listener.close()
        raise
    return listener


def _bind(listener: socket.socket, path: str) -> None:
    try:
        listener.bind(path)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
    else:
        listener.listen(_BACKLOG)
        return
    with _locked(os.path.dirname(path)):
        _clear(path)
        listener.bind(path)
        listener.listen(_BACKLOG)


@contextlib.contextmanager
def _locked(directory: str) -> Iterator[None]:
    """Two supervisors that start at once must not each remove what the other has just made."""
    descriptor = os.open(directory or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for _ in range(_LOCK_TRIES):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                threading.Event().wait(_LOCK_PAUSE)
            except OSError:  # a file system without locks
                break
            else:
                break
        yield
    finally:
        os.close(descriptor)


def _clear(path: str) -> None:
    """Remove the socket file that a dead program left; raises OSError if it is anything else."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:  # the other one has ended meanwhile
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise OSError(errno.EEXIST, "there is a file that is no socket")
    stale = _refuses(path)
    if stale:
        # A program that has just bound its socket and does not listen yet refuses, too.
        threading.Event().wait(_LISTENING_BY)
        stale = _refuses(path) and os.lstat(path).st_ino == found.st_ino
    if not stale:
        raise OSError(errno.EADDRINUSE, "another program answers on it")
    os.unlink(path)


def _sweep(path: str) -> None:
    """Remove the sockets that supervisors of ended containers left beside a default place."""
    directory = os.path.dirname(path)
    try:
        found = [
            os.path.join(directory, name)
            for name in os.listdir(directory)
            if name.startswith(socket_path.FAMILY) and name.endswith(".sock")
        ]
        dead = [one for one in found if one != path and _dead(one)]
        if dead:
            threading.Event().wait(_LISTENING_BY)  # as in _clear
        for one in dead:
            if _dead(one):
                os.unlink(one)
    except OSError as error:
        log.debug(f"cannot tidy {directory}: {error}")


def _dead(path: str) -> bool:
    """Whether it is a socket file of ours that refuses clients."""
    found = os.lstat(path)
    try:
        return stat.S_ISSOCK(found.st_mode) and found.st_uid == os.geteuid() and _refuses(path)
    except OSError:
        return False


def _refuses(path: str) -> bool:
    """Whether no program listens on a socket file; raises OSError if that cannot be known."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(_PROBE_SECONDS)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            return True
        except (BlockingIOError, TimeoutError):
            return False  # its queue is full: a program listens
    return False


def _is_ours(path: str) -> bool:
    """Whether a process of our container listens on a socket file."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(_PROBE_SECONDS)
        try:
            probe.connect(path)
            return peer.in_our_container(peer.credentials(probe)[0])
        except OSError:
            return False
