"""The listening sockets of fcgi-programs: all processes of a group have one, as descriptor 0.

A socket is made at the first start in its group, and closed when the group leaves the plan:
connections wait in it while processes start again. It accepts nothing itself.
"""

from __future__ import annotations

import os

from ..core.errors import CANNOT_RUN, SpawnError, reason
from .plan import Kind
from .service_files import NOTHING, Contribution, FilePart

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping

    from .plan import Group, Service, Socket

_INPUT = 0
_UNIX = "unix://"
_TCP = "tcp://"


class _Listening:
    """A socket, and the record that it was made from."""

    def __init__(self, record: Socket, made: socket.socket) -> None:
        self.record = record
        self.made = made

    def close(self) -> None:
        self.made.close()
        if self.record.address.startswith(_UNIX):
            try:
                os.unlink(self.record.address.removeprefix(_UNIX))
            except FileNotFoundError:
                pass  # it was removed already


class FastcgiSockets(FilePart):
    """The sockets in use, by group."""

    def __init__(
        self, service: Callable[[str], Service], group: Callable[[Service], Group | None]
    ) -> None:
        self._service = service
        self._group = group
        self._listening: dict[str, _Listening] = {}

    def open(self, identity: str) -> Contribution:
        """Raises SpawnError where the address cannot be used."""
        service = self._service(identity)
        if service.kind is not Kind.FASTCGI:
            return NOTHING
        group = self._group(service)
        if group is None or group.socket is None:
            return NOTHING
        record = group.socket
        here = self._listening.get(group.name)
        if here is None or here.record != record:
            self._close(group.name)
            try:
                made = _listen(record, service)
            except (OSError, OverflowError) as error:
                raise SpawnError(CANNOT_RUN, _sentence(record, error), short=True) from error
            here = self._listening[group.name] = _Listening(record, made)
        return Contribution({_INPUT: here.made.fileno()})

    def replan(self, groups: Mapping[str, Group]) -> None:
        for name in self._listening.keys() - groups.keys():
            self._close(name)

    def end(self) -> None:
        for name in tuple(self._listening):
            self._close(name)

    def _close(self, name: str) -> None:
        here = self._listening.pop(name, None)
        if here is not None:
            here.close()


def _sentence(record: Socket, error: OSError | OverflowError) -> str:
    why = reason(error) if isinstance(error, OSError) else str(error)
    return f"cannot listen on {record.address}: {why}"


def _listen(record: Socket, service: Service) -> socket.socket:
    """A socket that listens. Raises OSError, with nothing left open."""
    import socket

    unix = record.address.startswith(_UNIX)
    made = socket.socket(socket.AF_UNIX if unix else socket.AF_INET)
    try:
        if unix:
            _bind(made, record, service)
        else:
            host, _, port = record.address.removeprefix(_TCP).rpartition(":")
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind((host, int(port)))
        made.listen(socket.SOMAXCONN if record.backlog is None else record.backlog)
    except BaseException:
        made.close()
        raise
    return made


def _bind(made: socket.socket, record: Socket, service: Service) -> None:
    """Put a socket in the place of its path, with its owner and mode from the first moment on."""
    path = record.address.removeprefix(_UNIX)
    beside = f"{path}.{os.getpid()}"
    made.bind(beside)
    try:
        owner = _owner(record, service)
        if owner is not None:
            os.chown(beside, *owner, follow_symlinks=False)
        if record.mode is not None:
            os.chmod(beside, record.mode)
        os.rename(beside, path)
    except BaseException:
        os.unlink(beside)
        raise


def _owner(record: Socket, service: Service) -> tuple[int, int] | None:
    """The owner as written, else another user of the program, as in supervisord; None: ours."""
    uid = service.uid
    if record.owner is not None or uid is None or uid == os.getuid():
        return record.owner
    import pwd

    try:
        return uid, pwd.getpwuid(uid).pw_gid
    except KeyError:
        return uid, -1
