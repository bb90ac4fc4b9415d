"""The files of control sockets: our own, and the files of supervisors that have ended.

It owns the choice of a free place, the mode of the file and its end; it must not know the protocol.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import stat
import threading

from ..core.errors import is_shortage, reason
from ..runtime import log
from . import peer, socket_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# Connections in the kernel's queue; supervisorctl gives up when the queue is full.
_BACKLOG = 128
# Seconds: a bound socket that still refuses after this belongs to a dead program.
_LISTENING_BY = 0.1
_PROBE_SECONDS = 1.0  # for a program to take a connection
_LOCK_TRIES = 20  # then the start goes on without the lock
_LOCK_PAUSE = 0.05  # seconds


class ControlSocket:
    """The socket file of this supervisor: the path of the user, else the first free default
    place.
    """

    def __init__(self, chosen: str | None) -> None:
        self.by_default = not chosen
        self.path = chosen or socket_path.PLAIN  # of the last try
        self._chosen = chosen
        self._inode = 0

    def open(self) -> socket.socket | None:
        """A listening socket, for its owner only; None if no default place can be written to.

        Raises OSError if `path` cannot be taken.
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
        """A listening socket at the first place that is free."""
        for self.path in places[:-1]:
            try:
                return _listen(self.path)
            except OSError as error:
                # Another container may share the directory. In our own, supervisorctl would never
                # reach the second supervisor.
                taken = error.errno == errno.EADDRINUSE and _is_ours(self.path)
                if taken or is_shortage(error):
                    raise
                log.debug(f"cannot listen on {self.path}: {reason(error)}", event="listen_failed")
        self.path = places[-1]
        return _listen(self.path)

    def remove(self) -> None:
        """Remove our file, unless another program has replaced it."""
        try:
            if self._inode and os.lstat(self.path).st_ino == self._inode:
                os.unlink(self.path)
        except OSError:
            pass  # the next supervisor replaces a file on which no program listens


def _listen(path: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    try:
        # bind gives the file the mode of the descriptor (Linux); a umask would be the whole
        # process'.
        os.fchmod(listener.fileno(), 0o600)
        bind(listener, path)
    except OSError:
        listener.close()
        raise
    return listener


def bind(listener: socket.socket, path: str) -> None:
    """Bind a socket to a path and listen; the file of a dead program is replaced. Raises OSError
    for any other file.
    """
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
    """Hold the directory's lock: of two supervisors that start at once, neither may remove the
    socket that the other has just made.
    """
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
    """Remove the socket file of a dead program; raises OSError for any other file."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:  # the other supervisor has just ended
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise OSError(errno.EEXIST, "the file there is no socket")
    stale = _refuses(path)
    if stale:
        # Between bind and listen, a socket refuses too.
        threading.Event().wait(_LISTENING_BY)
        stale = _refuses(path) and os.lstat(path).st_ino == found.st_ino
    if not stale:
        raise OSError(errno.EADDRINUSE, "another program answers on it")
    os.unlink(path)


def _sweep(path: str) -> None:
    """Remove the sockets of ended containers beside a default place."""
    directory = os.path.dirname(path)
    try:
        found = [
            os.path.join(directory, name)
            for name in os.listdir(directory)
            if name.startswith(socket_path.FAMILY) and name.endswith(".sock")
        ]
        dead = [other for other in found if other != path and _dead(other)]
        if dead:
            threading.Event().wait(_LISTENING_BY)  # as in _clear
        for other in dead:
            if _dead(other):
                os.unlink(other)
    except OSError as error:
        log.debug(f"cannot tidy {directory}: {error}", event="tidy_failed")


def _dead(path: str) -> bool:
    """Whether a file is a socket of our user without a listener."""
    found = os.lstat(path)
    try:
        return stat.S_ISSOCK(found.st_mode) and found.st_uid == os.geteuid() and _refuses(path)
    except OSError:
        return False


def _refuses(path: str) -> bool:
    """Whether no program listens on a socket file; raises OSError if the kernel does not tell."""
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
