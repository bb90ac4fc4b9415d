"""The processes that the app or a hook has left behind. It signals nothing.

Leftovers are descendants: orphans come to us. As PID 1 of a container we get strangers as well, for
example of a debug container that shares our PID namespace: they have a cgroup of their own, or a
session from outside.
"""

from __future__ import annotations

import os

from . import procfs
from .procfs import below

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from .procfs import Stat

    Table = Mapping[int, Stat]


def of_app(rows: Table, hooks: Collection[int], group: int = 0) -> list[int]:
    """The leftovers of the app: our descendants, and the members of its process `group`.

    Live `hooks` and strangers do not belong to it.
    """
    me = os.getpid()
    strangers = _strangers(rows, me) if me == 1 else ()
    own = [
        pid
        for pid, row in rows.items()
        if row.parent == me and pid not in hooks and pid not in strangers
    ]
    found = [*own, *below(rows, own)]
    return found + [
        pid for pid, row in rows.items() if group and row.group == group and pid not in found
    ]


def of_hook(rows: Table, roots: Collection[int], session: int, mark: bytes) -> list[int]:
    """The leftovers of a hook among `roots` and below: its session, its mark, their descendants."""
    among = [*roots, *below(rows, roots)]
    own = [pid for pid in among if rows[pid].session == session or mark in _environment(pid)]
    return list(dict.fromkeys((*own, *below(rows, own))))


def of_service(rows: Table, roots: Collection[int], group: int, mark: bytes) -> list[int]:
    """The leftovers of a service among several, in `roots` and below: its process group, its mark,
    their descendants.
    """
    among = [*roots, *below(rows, roots)]
    own = [pid for pid in among if rows[pid].group == group or mark in _environment(pid)]
    return list(dict.fromkeys((*own, *below(rows, own))))


def _environment(pid: int) -> list[bytes]:
    try:
        return procfs.environment(pid)
    except OSError:
        return []  # another user's, or gone


def _strangers(rows: Table, me: int) -> list[int]:
    """Our children from outside of the app."""
    inside = me in rows and rows[me].session != 0
    ours = _cgroups(me)
    return [
        pid
        for pid, row in rows.items()
        if row.parent == me and ((inside and row.session == 0) or not _within(_cgroups(pid), ours))
    ]


def _cgroups(pid: int) -> dict[str, str]:
    try:
        return procfs.cgroups(pid)
    except OSError:
        return {}


def _within(cgroups: Mapping[str, str], ours: Mapping[str, str]) -> bool:
    """Whether cgroups are ours, or below ours, as far as both are known."""
    for name in cgroups.keys() & ours.keys():
        path = cgroups[name]
        root = ours[name].rstrip("/")
        if path.startswith("/..") or not f"{path}/".startswith(f"{root}/"):
            return False
    return True
