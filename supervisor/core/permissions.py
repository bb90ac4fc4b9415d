"""Who may read a file: what its origin allowed, and from it the mode and the group of a copy.

Pure. A copy is never open to more users than its original. It must not know of paths or contents.
"""

from __future__ import annotations

from .record import Record

# What decides who may read a file, or run it; write permission is not handed on to a copy.
_USED = 0o155
_READ = 0o044
_WRITE = 0o022


class Permission(Record):
    """Permission bits of a file or directory, and the group that its group bits are for (-1: not
    known).
    """

    mode: int
    gid: int = -1


PRIVATE = Permission(0o600)


def behind(directory: Permission, inner: Permission) -> Permission:
    """What is left of `inner` for a path through that directory: who cannot enter it reads nothing
    in it.
    """
    if directory.mode & 0o001:
        return inner
    owner = inner.mode & 0o700
    if not directory.mode & 0o010:
        return Permission(owner, inner.gid)
    if directory.gid == inner.gid:
        return Permission(inner.mode & 0o770, inner.gid)
    # The members of the directory's group are others to what is in it.
    return Permission(owner | (inner.mode & 0o007) << 3, directory.gid)


def copied(permission: Permission | None, umask: int) -> int:
    """The mode of a copy: its owner may read and write it, group and others do what they could at
    the origin.
    """
    if permission is None:
        return 0o666 & ~umask
    return 0o600 | permission.mode & 0o755 & ~umask


def ungrouped(mode: int) -> int:
    """The mode for a file whose group could not be kept: its group gets no more than
    others have.
    """
    return mode & ~0o070 | mode & mode << 3 & 0o070


def group_matters(mode: int) -> bool:
    """Whether the group may do more than all others."""
    return bool((mode >> 3) & ~mode & 0o007)


def token(permission: Permission | None, *, exact: bool = False) -> bytes:
    """Stands for a permission in a digest; equal where the same users may read and run a file, and
    prefix-free.

    With `exact` also who else than the owner may write to it: an application sees that of an
    original.
    """
    used = _READ if permission is None else permission.mode & (_USED | _WRITE if exact else _USED)
    if used == _READ:
        return b"0"
    if not used or permission is None:
        return b"1"
    return b"2%o:%d;" % (used, permission.gid if group_matters(used) else -1)


def limited(permission: Permission | None) -> bool:
    """Whether some users may not read the file, as with a Secret."""
    return permission is not None and not permission.mode & 0o004
