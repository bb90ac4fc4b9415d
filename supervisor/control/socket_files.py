"""The files of unix sockets: one of our own to listen on, and those that ended supervisors left
behind.

It knows nothing of what is said on them.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
import threading

from ..runtime import log
from . import socket_path

# Connections that the kernel keeps meanwhile; supervisorctl gives up where one finds no room.
_BACKLOG = 128
_LISTENING_BY = (
    0.1  # seconds: a socket that is bound and still refuses after this belongs to a dead program
)
_PROBE_SECONDS = 1.0  # for a program to take a connection


def listen(path: str) -> tuple[socket.socket, int]:
    """A listening socket that only its owner can reach, and the inode of its file;
    raises OSError.
    """
    listener = socket.socket(socket.AF_UNIX)
    try:
        # The mode of the descriptor is that of the file which bind makes (Linux): a umask is the
        # whole process'.
        os.fchmod(listener.fileno(), 0o600)
        try:
            listener.bind(path)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            _clear(path)
            listener.bind(path)
        listener.listen(_BACKLOG)
        return listener, os.lstat(path).st_ino
    except OSError:
        listener.close()
        raise


def _clear(path: str) -> None:
    """Remove the socket file that a dead program left; raises OSError if it is anything else."""
    found = os.lstat(path)
    if not stat.S_ISSOCK(found.st_mode):
        raise OSError(errno.EEXIST, "there is a file that is no socket")
    stale = _refuses(path)
    if stale:
        # What was bound a moment ago and does not listen yet refuses just as a dead program's does.
        threading.Event().wait(_LISTENING_BY)
        stale = _refuses(path) and os.lstat(path).st_ino == found.st_ino
    if not stale:
        raise OSError(errno.EADDRINUSE, "another program answers on it")
    os.unlink(path)


def sweep(path: str) -> None:
    """Remove what supervisors of earlier containers left where ours is by default: each has a name
    of its own.
    """
    directory, prefix = socket_path.family(path)
    try:
        names = [
            name
            for name in os.listdir(directory)
            if name.startswith(prefix) and name.endswith(".sock")
        ]
        found = [os.path.join(directory, name) for name in names]
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
    """Whether nobody listens on a socket file; raises OSError if that cannot be known."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(_PROBE_SECONDS)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            return True
        except (BlockingIOError, TimeoutError):
            return False  # its queue is full: somebody listens
    return False
