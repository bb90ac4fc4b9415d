"""The listening sockets of [unix_http_server] and [inet_http_server], and the control socket.

They are opened before any service starts, which may ask at once; a socket that cannot be opened is
told, and costs no service. It must not know the protocol. Without TCP, and without the file of
another program in the way, it imports nothing: a client may never come.
"""

from __future__ import annotations

import _socket
import errno
import os

from ..core.errors import is_shortage, reason
from ..runtime import log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from socket import socket
    from typing import Any

    from .plan import Server

    Listener = _socket.socket | socket

_BACKLOG = 128
_OWNER_ONLY = 0o600
_OURS = (-1, -1)


class ServerSockets:
    """The sockets of a plan, and their files."""

    def __init__(self) -> None:
        self.listeners: list[tuple[Listener, Server | None]] = []  # None: the control socket
        self._files: dict[str, int] = {}  # inodes

    def open(self, servers: Iterable[Server]) -> tuple[Server, ...]:
        """Listen; the sections whose sockets wait for a descriptor."""
        short = []
        for server in servers:
            try:
                self.open_one(server)
            except OSError:
                short.append(server)
        return tuple(short)

    def open_one(self, server: Server) -> None:
        """Listen, or tell why not. Raises OSError for a shortage: the next try may succeed."""
        try:
            listener = self._at_path(server) if server.path else _at_port(server)
        except (OSError, OverflowError) as error:
            if is_shortage(error):
                raise
            log.warning(
                f"cannot listen on {place(server)} ([{server.section}]): {reason(error)};"
                " supervisorctl and monitors cannot use it, the services go on",
                event="listen_failed",
            )
            return
        self.listeners.append((listener, server))

    def open_control(self, chosen: str) -> bool:
        """Listen at the place of the control socket, for our user only; whether nothing was in the
        way. Without a chosen place it is the best default place.
        """
        from ..control import socket_path

        places = [chosen] if chosen else socket_path.default_paths()
        try:
            listener = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        except OSError:
            return False  # for a lack of descriptors: the thread waits for one
        try:
            if not chosen and _has_others(os.path.dirname(places[0]), socket_path.FAMILY):
                raise FileExistsError(errno.EADDRINUSE, "other sockets may need a sweep")
            os.fchmod(listener.fileno(), _OWNER_ONLY)
            listener.bind(places[0])
            listener.listen(_BACKLOG)
            self._files[places[0]] = os.lstat(places[0]).st_ino
        except (OSError, IndexError):
            listener.close()
            return False
        self.listeners.append((listener, None))
        log.debug(f"control socket: {places[0]}", event="listening")
        return True

    def remove(self) -> None:
        """Remove our files, at the end of the process, unless other programs have replaced them."""
        for path, inode in self._files.items():
            try:
                if os.lstat(path).st_ino == inode:
                    os.unlink(path)
            except OSError:
                continue  # the next supervisor replaces it

    def _at_path(self, server: Server) -> Listener:
        """A socket with the mode and the owner of its section. Raises OSError."""
        listener = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        try:
            # bind gives the file the mode of the descriptor (Linux): no stranger comes in before
            # the mode of the section holds.
            os.fchmod(listener.fileno(), server.mode & _OWNER_ONLY)
            _bind(listener, server.path)
            self._files[server.path] = os.lstat(server.path).st_ino
            _hand_over(server)
            os.chmod(server.path, server.mode)
        except BaseException:
            listener.close()
            raise
        return listener


def place(server: Server) -> str:
    return server.path or f"{server.host or '*'}:{server.port}"


def _has_others(directory: str, family: str) -> bool:
    return any(name.startswith(family) for name in os.listdir(directory))


def _bind(listener: _socket.socket, path: str) -> None:
    try:
        listener.bind(path)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        from ..control import socket_files

        plain: Any = listener
        socket_files.bind(plain, path)
        return
    listener.listen(_BACKLOG)


def _hand_over(server: Server) -> None:
    if server.owner == _OURS:
        return
    try:
        os.chown(server.path, *server.owner)
    except OSError as error:
        log.warning(
            f"cannot give {server.path} to {server.owner[0]}:{server.owner[1]} (chown of"
            f" [{server.section}]): {reason(error)}; it stays ours",
            event="listen_failed",
        )


def _at_port(server: Server) -> socket:
    """Raises OSError, OverflowError."""
    from ..observe import listener

    return listener.listen_at(server.host, server.port)
