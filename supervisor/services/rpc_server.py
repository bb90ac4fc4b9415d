"""The paths of supervisord's clients: /RPC2, /logtail/NAME and /mainlogtail.

It owns the way from a request to a method and back, and the rights of each entrance. It must not
know the methods, nor how a socket was opened. A thread of the role serves it, imported with the
first client.
"""

from __future__ import annotations

import os
from http import HTTPStatus

from ..control import peer
from ..control.fault_codes import FaultCode
from ..control.held_requests import HeldRequests
from ..core.primitives import partial
from ..core.record import Record
from ..http_server.limits import Limits
from ..http_server.messages import Response
from ..http_server.router import Router, plain
from ..runtime import log
from ..runtime.client_limit import affordable
from . import rpc_format, rpc_methods
from .log_tails import HEAD_BYTES, Tails
from .rpc_access import single
from .rpc_faults import RpcError
from .rpc_password import admits

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from ..http_server.connection import Connection
    from ..http_server.messages import Request
    from ..http_server.router import Exchange, Handler
    from .plan import Server
    from .rpc_access import Access

    Pages = Mapping[str, Callable[[], Response]]

LIMITS = Limits(
    connections=32,
    received=8192,
    body=256 * 1024,
    unsent=8 << 20,
    request_seconds=10.0,
    share_of_files=8,
)
RPC = "/RPC2"
LOG_TAIL = "/logtail/"
MAIN_LOG_TAIL = "/mainlogtail"
_STDOUT = "stdout"  # the channel of a path without one
_WAITING = 1 / 2  # of the clients may wait for an answer
_FOLLOWING = 1 / 4  # of the clients may follow a log
_XML = "text/xml"
_CHALLENGE = 'Basic realm="supervisor", charset="UTF-8"'


class Entrance(Record):
    """The rights of the peers of a listening socket."""

    server: Server | None = None  # None: the control socket
    by_default: bool = False  # the control socket is at a default place

    @property
    def takes_orders(self) -> bool:
        return self.server is None or bool(self.server.path) or self.server.password is not None


class RpcServer(Router):
    """Serves all sockets for clients of supervisord, in one thread."""

    def __init__(self, access: Access, pages: Pages, limits: Limits = LIMITS) -> None:
        """Raises OSError."""
        super().__init__(limits)
        self._access = access.replace(call=self.calls.put)
        self._entrances: dict[int, Entrance] = {}
        clients = affordable(limits.connections, limits.share_of_files)
        self._held = HeldRequests(int(clients * _WAITING), self.calls)
        self._tails = Tails(int(clients * _FOLLOWING), self.calls)
        self.routes: dict[str, dict[str, Handler]] = {
            RPC: {"POST": self._call},
            MAIN_LOG_TAIL: {"GET": self._follow_main},
        }
        for path, page in pages.items():
            self.routes[path] = {"GET": partial(self._show, path, page)}

    def serve_all(self, entrances: Sequence[tuple[socket.socket, Entrance]]) -> None:
        """Serve until `stop`; the body of a thread."""
        self._entrances = {listener.fileno(): entrance for listener, entrance in entrances}
        self.serve(*(listener for listener, _ in entrances))

    def _entrance(self, connection: Connection) -> Entrance:
        return self._entrances[connection.entrance.fileno()]

    def takes_orders(self, connection: Connection) -> bool:
        """Whether a client may change anything."""
        return self._entrance(connection).takes_orders

    def methods_of(self, path: str) -> Mapping[str, Handler]:
        if path.startswith(LOG_TAIL):
            return {"GET": self._follow}
        return super().methods_of(path.rstrip("/") if path.startswith(RPC) else path)

    def unknown(self, exchange: Exchange, paths: Sequence[str]) -> Response:
        del exchange
        there = ", ".join([*paths, f"{LOG_TAIL}NAME"])
        why = f"not found; use supervisorctl, or a client of {there}; pages are on --listen"
        return plain(HTTPStatus.NOT_FOUND, why)

    def refusal(self, connection: Connection, request: Request) -> Response | None:
        entrance = self._entrance(connection)
        if entrance.server is not None:
            if admits(entrance.server, request.authorization):
                return None
            text = b"refused: it needs the username and password of the configuration file\n"
            return Response(
                HTTPStatus.UNAUTHORIZED, "text/plain; charset=utf-8", text, challenge=_CHALLENGE
            )
        pid, uid = peer.credentials(connection.socket)
        if uid not in (0, os.geteuid()):
            why = f"as uid {os.geteuid()} or root, not uid {uid}"
        elif entrance.by_default and not pid:
            why = "in the container of the supervisor, or name --control"
        else:
            return None
        return plain(HTTPStatus.FORBIDDEN, f"refused: run supervisorctl {why}")

    def _show(self, path: str, page: Callable[[], Response], exchange: Exchange) -> None:
        exchange.answer(self.attempt(path, page))

    # --- methods

    def _call(self, exchange: Exchange) -> None:
        try:
            call = rpc_format.read(exchange.body)
        except rpc_format.Malformed as error:
            exchange.answer(plain(HTTPStatus.BAD_REQUEST, f"cannot read the call: {error}"))
            return
        orders = self._entrance(exchange.connection).takes_orders
        log.debug(f"XML-RPC method called: {call.method!r}", event="rpc_call")
        try:
            value = rpc_methods.call(self._access, call, orders=orders)
        except RpcError as error:
            value = error
        if not rpc_methods.is_later(value):
            exchange.answer(_answer(value))
        elif (place := self._held.enter(exchange)) is not None:

            def answer(value: Any) -> None:
                if place.taken:
                    place.answer(_answer(value))

            value(answer)

    # --- logs

    def _follow(self, exchange: Exchange) -> None:
        path = exchange.request.path
        if "%" in path:
            from urllib.parse import unquote

            path = unquote(path, errors="replace")
        name, _, channel = path.removeprefix(LOG_TAIL).partition("/")
        channel = channel or _STDOUT
        logs = self._access.logs
        if self._refused(exchange):
            return
        try:
            identity = single(self._access.state(), name)
            head = partial(logs.read, identity, channel, -HEAD_BYTES, 0)
            self._tails.begin(exchange, head, partial(logs.follow, identity, channel))
        except (LookupError, RpcError, OSError):
            why = f"not found: there is no log of {name!r} for {channel!r} here"
            exchange.answer(plain(HTTPStatus.NOT_FOUND, why))

    def _follow_main(self, exchange: Exchange) -> None:
        if self._refused(exchange):
            return
        try:
            self._tails.begin_main(exchange, self._access.main.logfile)
        except OSError:
            exchange.answer(plain(HTTPStatus.NOT_FOUND, "not found: there is no log file"))

    def _refused(self, exchange: Exchange) -> bool:
        """Answer a client that cannot follow; whether it was answered."""
        if exchange.request.method == "HEAD":
            exchange.answer(Response(HTTPStatus.OK, "text/plain; charset=utf-8", b""))
            return True
        if not self._tails.full():
            return False
        busy = "busy: too many clients follow a log already; try again later"
        exchange.answer(plain(HTTPStatus.SERVICE_UNAVAILABLE, busy))
        return True


def _answer(value: Any) -> Response:
    """The response with a value, or with a fault."""
    try:
        if isinstance(value, RpcError):
            body = rpc_format.fault(value.fault, value.text)
        else:
            body = rpc_format.response(value)
    except TypeError as error:  # a method gave a value without a type
        log.error(f"cannot answer a call: internal error: {error!r}", event="internal_error")
        body = rpc_format.fault(FaultCode.FAILED, FaultCode.FAILED.name)
    return Response(HTTPStatus.OK, _XML, body)
