"""The release of inotify instances after our end, so that no exit waits for it.

It owns the instances' descriptors at the end of the process, and must not know their watches.

The kernel ends an instance with the process, after a grace period of all processors that can take
tens of milliseconds (fs/notify/mark.c). A file in flight through a unix socket that is in flight
itself has no owner left at the exit: the kernel's collector of such sockets releases both, in a
worker of its own (net/unix/garbage.c). Older kernels collect within the exit, which waits as ever.
"""

from __future__ import annotations

import _socket
import struct

_instances: set[int] = set()
_pair: list[_socket.socket] = []  # open until the exit: a closed pair is collected at once

add = _instances.add
discard = _instances.discard


def leave_behind() -> None:
    """Put all instances in flight; for the last moment of the process."""
    if not _instances:
        return
    try:
        _pair[:] = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM)
        sender, receiver = _pair
        files = (receiver.fileno(), *_instances)
        rights = struct.pack(f"{len(files)}i", *files)
        sender.sendmsg([b"\0"], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, rights)])
    except OSError:
        pass  # not allowed here, or no descriptor is left: the exit waits
