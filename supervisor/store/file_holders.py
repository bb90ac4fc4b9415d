"""Other holders of a file: processes that have it open, or mapped; and its extended attributes.

The kernel grants a write lease on a file that nothing but our own descriptor holds (F_SETLEASE in
fcntl(2)). It must not know the names of files or their content.
"""

from __future__ import annotations

import fcntl
import os

from ..core.signal_numbers import CHLD

# The file systems on which the kernel counts each holder. On overlayfs a mapping belongs to the
# file below and is not counted; a file of a network, of FUSE or of a virtual machine's host may
# have holders of which this kernel knows nothing.
_COUNTING = frozenset(("btrfs", "ext2", "ext3", "ext4", "f2fs", "tmpfs", "xfs"))
_MOST_BYTES = 1 << 20  # of a list of mounts


def are_counted(directory: int) -> bool:
    """Whether `has_others` sees each holder of a file in this open directory; false if unknown."""
    # By the mount and not by the device: btrfs shows another device for each subvolume.
    try:
        with open(f"/proc/self/fdinfo/{directory}", encoding="ascii") as file:
            words = file.read(_MOST_BYTES).split()
        mount = words[words.index("mnt_id:") + 1]
        with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as file:
            lines = file.read(_MOST_BYTES).split("\n")
        # proc_pid_mountinfo(5)
        kinds = {line.partition(" ")[0]: line.partition(" - ")[2] for line in lines}
        return kinds.get(mount, "").partition(" ")[0] in _COUNTING
    except (OSError, ValueError, IndexError):
        return False


def has_others(file: int) -> bool:
    """Whether anything else holds the file of this descriptor, which must be for reading only.

    A descriptor of O_PATH does not count. True also where the kernel gives no lease: to a user who
    does not own the file, without CAP_LEASE, say.
    """
    try:
        # An opener at this very moment has the kernel send a signal. SIGIO is forwarded to the app;
        # SIGCHLD only makes us look for ended children.
        fcntl.fcntl(file, fcntl.F_SETSIG, CHLD)
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError:
        return True
    return False


def attributes(file: int) -> dict[str, bytes] | None:
    """The extended attributes of an open file, access lists among them; None if unreadable."""
    try:
        return {name: os.getxattr(file, name) for name in os.listxattr(file)}
    except OSError:
        return None
