"""Users and groups by name or number, as passwd(5) and group(5) have them.

For the user of the app, the owner of files, and HOME. It looks names up and changes no user; only
an option with a user imports it.
"""

from __future__ import annotations

import grp
import os
import pwd

from ..core.record import Record

_FILES = {"user": "/etc/passwd", "group": "/etc/group"}


class UnknownNameError(Exception):
    """A name without an entry; the message is the end of a sentence."""

    def __init__(self, kind: str, name: str) -> None:
        """`kind` is `user` or `group`."""
        super().__init__(f"there is no such {kind} in {_FILES[kind]}")
        self.kind = kind
        self.name = name


class Account(Record):
    """An entry of /etc/passwd."""

    name: str
    uid: int
    gid: int
    home: str

    def groups(self) -> tuple[int, ...]:
        """The group of the account and those that list it as a member."""
        return tuple(os.getgrouplist(self.name, self.gid))


def account(user: str) -> Account | None:
    """The account with a name or uid; None for a uid without one. Raises UnknownNameError."""
    try:
        entry = pwd.getpwuid(int(user)) if user.isdecimal() else pwd.getpwnam(user)
    except KeyError:
        if user.isdecimal():
            return None
        raise UnknownNameError("user", user) from None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, entry.pw_dir)


def user_id(user: str) -> int:
    """The uid of a name or number. Raises UnknownNameError."""
    found = None if user.isdecimal() else account(user)
    return found.uid if found else int(user)


def group_id(group: str) -> int:
    """The gid of a name or number. Raises UnknownNameError."""
    if group.isdecimal():
        return int(group)
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        raise UnknownNameError("group", group) from None
