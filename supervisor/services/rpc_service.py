"""The thread that serves clients of supervisord: its sockets, and its start.

It is the composition root of this part. Without a server in the file, and without a control socket,
there is no thread. The thread sleeps until the first client comes, and imports the server then.
"""

from __future__ import annotations

import select

from ..control.socket_path import OFF
from ..core.primitives import partial
from ..core.record import Record
from ..runtime import log, threads
from .rpc_sockets import ServerSockets

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from ..control.socket_files import ControlSocket
    from ..core.events import Event
    from ..http_server.messages import Response
    from .conductor_state import Services
    from .plan import Plan, Server
    from .plan_changes import PlanChanges
    from .rpc_access import Logs


class RpcParts(Record):
    """All that the methods reach."""

    plan: Plan
    state: Callable[[], Services]
    put: Callable[[Event], None]
    changes: PlanChanges
    control: str | None = None  # a path, `off`, or the first free default place
    logs: Logs | None = None
    send_event: Callable[[str, str], None] | None = None
    # In the main thread; raises OSError.
    write_input: Callable[[str, bytes], None] | None = None
    pages: Callable[[], Mapping[str, Callable[[], Response]]] | None = None  # made in the thread


class RpcService:
    """The sockets, and the thread."""

    def __init__(self) -> None:
        self._sockets = ServerSockets()
        self._control: ControlSocket | None = None

    def start(self, parts: RpcParts) -> None:
        """Open the sockets, and start the thread; the services start whatever happens here."""
        self._sockets.open(parts.plan.servers)
        if not self._sockets.listeners and parts.control == OFF:
            return
        try:
            threads.start(partial(self._run, parts), "rpc")
        except RuntimeError as error:
            log.warning(
                f"cannot start a thread (rpc): {error}; the limit of processes is reached"
                " (pids.max, ulimit -u); supervisorctl and monitors are not answered, the"
                " services go on",
                event="thread_failed",
            )

    def end(self) -> None:
        """Remove the socket files, at the end of the process; from the main thread."""
        self._sockets.remove()
        if self._control is not None:
            self._control.remove()

    def _run(self, parts: RpcParts) -> None:
        """The body of the thread."""
        control = self._open_control(parts.control)
        opened = [*control, *self._sockets.listeners]
        if not opened:
            return
        poll = select.poll()
        for listener, _ in opened:
            poll.register(listener.fileno(), select.POLLIN)
        poll.poll()
        self._serve(parts, opened)

    def _open_control(self, chosen: str | None) -> list[tuple[socket.socket, None]]:
        if chosen == OFF:
            return []
        from ..control import socket_files
        from ..core.errors import reason

        self._control = socket_files.ControlSocket(chosen)
        try:
            listener = self._control.open()
        except OSError as error:
            log.warning(
                f"cannot listen on {self._control.path}: {reason(error)}; choose another path with"
                " --control, or --control=off; supervisorctl cannot reach this supervisor,"
                " the services go on",
                event="listen_failed",
            )
            return []
        return [] if listener is None else [(listener, None)]

    def _serve(self, parts: RpcParts, opened: Sequence[tuple[Any, Server | None]]) -> None:
        import socket

        from .rpc_access import Access
        from .rpc_server import Entrance, RpcServer

        by_default = self._control is not None and self._control.by_default
        entrances: list[tuple[socket.socket, Entrance]] = []
        for listener, server in opened:
            if isinstance(listener, socket.socket):
                whole = listener
            else:
                whole = socket.socket(fileno=listener.detach())
            entrances.append((whole, Entrance(server, by_default and server is None)))
        access = Access(
            main=parts.plan.main,
            state=parts.state,
            put=parts.put,
            changes=parts.changes,
            call=_never,
            logs=parts.logs,
            send_event=parts.send_event,
            write_input=parts.write_input,
        )
        RpcServer(access, parts.pages() if parts.pages else {}).serve_all(entrances)


def _never(_: Callable[[], None]) -> None:
    """The server puts its own thread here."""
