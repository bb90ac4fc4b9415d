"""Who is at the other end of a unix socket: the user, and whether it is a process of our container.

It asks the kernel and must not read what the peer sends. Every health check imports it.
"""

from __future__ import annotations

import _socket
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from socket import socket

_INT_BYTES = 4  # struct ucred of unix(7): pid, uid, gid


def credentials(connection: socket | _socket.socket) -> tuple[int, int]:
    """The pid and the uid of the peer; the pid is 0 for a process outside of our PID namespace
    (pid_namespaces(7)). Raises OSError.
    """
    raw = connection.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 3 * _INT_BYTES)
    pid, uid = (int.from_bytes(raw[at : at + _INT_BYTES], sys.byteorder) for at in (0, _INT_BYTES))
    return pid, uid


def in_our_container(pid: int) -> bool:
    """Whether a peer is a process of our container: whether it has our mount namespace.

    The containers of a pod may share a PID namespace, never a mount namespace.
    """
    if not pid:
        return False
    try:
        ours, its = (os.stat(f"/proc/{whose}/ns/mnt") for whose in ("self", pid))
    except FileNotFoundError:  # no namespaces are shown (gVisor), or the peer has ended
        return not os.path.exists("/proc/self/ns/mnt")
    except OSError:
        # A process of another user (ptrace(2)). Each mount of the machine has a number of its own.
        root = _root_mount(os.getpid())
        return root != 0 and root == _root_mount(pid)
    return (ours.st_dev, ours.st_ino) == (its.st_dev, its.st_ino)


def _root_mount(pid: int) -> int:
    """The number of a process' mount at /; 0 if it cannot be read."""
    from ..process import procfs

    try:
        numbers = [mount.number for mount in procfs.mounts(pid) if mount.point == b"/"]
    except OSError:
        return 0
    return numbers[-1] if numbers else 0
