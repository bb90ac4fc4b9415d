"""The readers of a file: from the permission at its origin to the mode and the group of a copy.

Pure. A copy is never open to more users than its original. It must not know of paths or contents.
"""

from __future__ import annotations

from .record import Record

# The bits for reading and running a file; a copy gets no write permission.
_USED = 0o155
_READ = 0o044
_WRITE = 0o022


class Permission(Record):
    """Permission bits of a file or directory, and the group of its group bits (-1: unknown)."""

    mode: int
    gid: int = -1


PRIVATE = Permission(0o600)


def behind(directory: Permission, inner: Permission) -> Permission:
    """The rest of `inner` for a path through that directory: users who cannot enter it read nothing
    in it.
    """
    if directory.mode & 0o001:
        return inner
    owner = inner.mode & 0o700
    if not directory.mode & 0o010:
        return Permission(owner, inner.gid)
    if directory.gid == inner.gid:
        return Permission(inner.mode & 0o770, inner.gid)
    # The members of the directory's group are others to the files in it.
    return Permission(owner | (inner.mode & 0o007) << 3, directory.gid)


def copied(permission: Permission | None, umask: int) -> int:
    """The mode of a copy: the owner may read and write, group and others as at the origin."""
    if permission is None:
        return 0o666 & ~umask
    return 0o600 | permission.mode & 0o755 & ~umask


def ungrouped(mode: int) -> int:
    """The mode for a file without its group: the new group may do no more than others."""
    return mode & ~0o070 | mode & mode << 3 & 0o070


def group_matters(mode: int) -> bool:
    """Whether the group may do more than all others."""
    return bool((mode >> 3) & ~mode & 0o007)


def token(permission: Permission | None, *, exact: bool = False) -> bytes:
    """Stands for a permission in a digest; equal if the same users may read and run a file, and
    prefix-free.

    `exact` includes the users who may write: an application sees these bits of an original.
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
