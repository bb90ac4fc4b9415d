"""The places of configurations: no two services share one, none is inside of another.

It judges the directories that services write and read, as they are on this machine, and the names
of fleets, which are those of Leases. It refuses a file before anything starts, and writes nothing.
"""

from __future__ import annotations

import os

from ..core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .ini_file import Place
    from .plan import Plan, Service
    from .verdicts import Verdicts

    Places = Callable[[str, str], Place]  # of a key in a section

_ROOT = "configroot"
_SOURCE = "config_dir"
_FLEET = "fleet"
_NAME_BYTES = 255  # NAME_MAX


class _Directory(Record):
    service: Service
    key: str  # which names it
    path: str  # as written, absolute
    real: str


def judge(plan: Plan, verdicts: Verdicts, places: Places) -> None:
    """Refuse directories that two services write, or that one writes and another reads."""
    _judge_fleets(plan, verdicts, places)
    found = [one for service in plan.services for one in _directories(service)]
    for index, one in enumerate(found):
        for other in found[:index]:
            message = _conflict(one, other)
            if message:
                verdicts.refuse(places(_section(one.service), one.key), message)


def _judge_fleets(plan: Plan, verdicts: Verdicts, places: Places) -> None:
    """Refuse a fleet of two services: each has versions and verdicts of its own."""
    found: dict[str, Service] = {}
    for service in plan.services:
        name = service.settings.fleet if service.settings else None
        if name is None:
            continue
        if name in found:
            message = f"{name} is the fleet of {found[name].identity} too; give each its own"
            verdicts.refuse(places(_section(service), _FLEET), message)
        found.setdefault(name, service)


def _directories(service: Service) -> Iterator[_Directory]:
    settings = service.settings
    if settings is None or not settings.configured:
        return
    for key, path in ((_ROOT, settings.configroot), (_SOURCE, settings.config_dir)):
        if path:
            yield _Directory(service, key, path, os.path.realpath(path))


def _conflict(one: _Directory, other: _Directory) -> str:
    """Why two directories exclude each other, or nothing. Two that are only read do not."""
    if _ROOT not in (one.key, other.key):
        return ""
    whose = other.service.identity
    theirs = f"{other.key} of {whose}"
    if one.real == other.real:
        if one.service.program == other.service.program and one.key == other.key:
            return (
                f"{one.path} is also the {theirs}; write %(process_num)d in it, or run one process"
            )
        return f"{one.path} is also the {theirs}; choose another directory"
    if _is_inside(one.real, other.real):
        return f"{one.path} is inside of {other.path}, the {theirs}; choose another directory"
    if _is_inside(other.real, one.real):
        return f"{one.path} holds {other.path}, the {theirs}; choose another directory"
    return ""


def _is_inside(path: str, directory: str) -> bool:
    return f"{path}/".startswith(f"{directory.rstrip('/')}/")


def default_root(root: str, group: str, name: str) -> str:
    """The configroot of a service below that of the program. Raises ValueError for a name that
    fits no path.
    """
    last = name if group == name else f"{group}-{name}"
    if last.startswith("..") or last in ("", ".") or len(os.fsencode(last)) > _NAME_BYTES:
        raise ValueError(f"{last!r} cannot name a directory in {root}; write the configroot")
    return f"{root.rstrip('/')}/{last}"


def _section(one: Service) -> str:
    return f"{one.kind}:{one.program}"
