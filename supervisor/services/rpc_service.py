"""The thread that serves clients of supervisord: its sockets, and its start.

It is the composition root of this part. Without a server in the file, and without a control socket,
there is no thread. The thread sleeps until the first client comes, and imports the server then.
"""

from __future__ import annotations

import select

from ..core.primitives import partial
from ..runtime import log, shortages, threads
from .rpc_sockets import ServerSockets, place

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence
    from typing import Any

    from ..control.socket_files import ControlSocket
    from .plan import Server
    from .rpc_access import Access, Logs
    from .rpc_server import Entrance, RpcServer
    from .services_loop import ServicesLoop
    from .standard_input import StandardInputs

OFF = "off"  # no control socket: the word of --control


class RpcService:
    """The sockets, and the thread."""

    def __init__(self, control: str | None) -> None:
        """`control`: the path of the control socket, `off`, or None for the first free default
        place.
        """
        self._place = control
        self.send_event: Callable[[str, str], None] | None = None  # type and data
        self._sockets = ServerSockets()
        self._short: tuple[Server, ...] = ()  # sections whose sockets wait for a descriptor
        self._missing = False  # the control socket is not open yet
        self._control: ControlSocket | None = None

    def start(self, loop: ServicesLoop, inputs: StandardInputs, logs: Logs) -> None:
        """Open the sockets, and start the thread; the services start whatever happens here."""
        self._short = self._sockets.open(loop.plan.plan.servers)
        # A file in the way is left to the thread: it may take a while.
        self._missing = self._place != OFF and not self._sockets.open_control(self._place or "")
        if not (self._sockets.listeners or self._missing or self._short):
            return
        try:
            threads.start(partial(self._run, loop, inputs, logs), "rpc")
        except RuntimeError as error:
            log.warning(
                f"cannot start a thread (rpc): {error}; the limit of processes is reached"
                " (pids.max, ulimit -u); supervisorctl and monitors are not answered, the"
                " services go on",
                event="thread_failed",
            )

    @property
    def open_sections(self) -> tuple[Server, ...]:
        """The sections of the file whose sockets listen."""
        return tuple(server for _, server in self._sockets.listeners if server is not None)

    def end(self) -> None:
        """Remove the socket files, at the end of the process; from the main thread."""
        self._sockets.remove()
        if self._control is not None:
            self._control.remove()

    def _run(self, loop: ServicesLoop, inputs: StandardInputs, logs: Logs) -> None:
        """The body of the thread."""
        control = self._open_control()
        for server in self._short:
            open_one = partial(self._sockets.open_one, server)
            shortages.outlast(f"listen on {place(server)} ([{server.section}])", open_one)
        opened = [*control, *self._sockets.listeners]
        if not opened:
            return
        poll = select.poll()
        for listener, _ in opened:
            poll.register(listener.fileno(), select.POLLIN)
        poll.poll()
        make = partial(self._server, loop, inputs, logs)
        made = shortages.outlast("serve supervisorctl and monitors", make)
        made.serve_all(self._entrances(opened))

    def _server(self, loop: ServicesLoop, inputs: StandardInputs, logs: Logs) -> RpcServer:
        from .rpc_server import RpcServer
        from .service_pages import ServicePages

        access = self._access(loop, inputs, logs)
        server = RpcServer(access, ServicePages(loop.current).by_path)
        _add_configuration(server, loop)
        _add_fleet(server, loop)
        return server

    def _open_control(self) -> list[tuple[socket.socket, None]]:
        if not self._missing:
            return []
        from ..core.errors import reason

        self._control = shortages.outlast("listen for supervisorctl", self._control_socket)
        try:
            listener = shortages.outlast("listen for supervisorctl", self._control.open)
        except OSError as error:
            log.warning(
                f"cannot listen on {self._control.path}: {reason(error)}; choose another path with"
                " --control, or --control=off; supervisorctl cannot reach this supervisor,"
                " the services go on",
                event="listen_failed",
            )
            return []
        return [] if listener is None else [(listener, None)]

    def _control_socket(self) -> ControlSocket:
        from ..control import socket_files

        return socket_files.ControlSocket(self._place)

    def _entrances(
        self, opened: Sequence[tuple[Any, Server | None]]
    ) -> list[tuple[socket.socket, Entrance]]:
        import socket

        from .rpc_server import Entrance

        by_default = self._place is None
        found: list[tuple[socket.socket, Entrance]] = []
        for listener, server in opened:
            if isinstance(listener, socket.socket):
                whole = listener
            else:
                whole = socket.socket(fileno=listener.detach())
            found.append((whole, Entrance(server, by_default and server is None)))
        return found

    def _access(self, loop: ServicesLoop, inputs: StandardInputs, logs: Logs) -> Access:
        from .plan_changes import PlanChanges
        from .rpc_access import Access

        put = loop.inbox.put
        return Access(
            main=loop.plan.plan.main,
            state=lambda: loop.services,
            put=put,
            changes=PlanChanges(loop.plan, put, lambda: loop.services),
            call=_never,
            logs=logs,
            send_event=self.send_event,
            write_input=inputs.write,
        )


def _add_configuration(server: RpcServer, loop: ServicesLoop) -> None:
    """The paths of `supervisorctl config`."""
    from .configuration_orders import ConfigurationOrders
    from .configuration_routes import ConfigurationRoutes

    orders = ConfigurationOrders(lambda: loop.services, loop.inbox.put, loop.configuration)
    server.routes |= ConfigurationRoutes(server, orders, server.takes_orders).by_path()


def _add_fleet(server: RpcServer, loop: ServicesLoop) -> None:
    """The paths of `supervisorctl fleet`."""
    from .late_fleet_routes import LateFleetRoutes

    server.routes |= LateFleetRoutes(server, loop).by_path()


def _never(_: Callable[[], None]) -> None:
    """The server puts its own thread here."""
