"""The paths /config/reload, /config/rollback and /config/generations, for `supervisorctl config`.

It owns the way from a request to an order and back; `service=NAME` names the service, `to=N` or
`to=VERSION` the aim of a rollback. Two threads at most: the server's, and another while the
generations on disk are read. It must not know the orders' rules.
"""

from __future__ import annotations

from http import HTTPStatus

from ..control import peer
from ..control.arguments import argument
from ..control.background import Background
from ..control.commands import Answer
from ..control.held_requests import HeldRequests
from ..core.primitives import partial
from ..http_server.router import as_json, plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..control.held_requests import Place
    from ..http_server.connection import Connection
    from ..http_server.messages import Response
    from ..http_server.router import Exchange, Handler, Router
    from .configuration_orders import ConfigurationOrders, Reply

REFUSED = "refused: an order needs a unix socket, or a password in the configuration file"
_WAITING = 8  # clients
# The status for each exit code of supervisorctl.
_STATUS = {0: HTTPStatus.OK, 1: HTTPStatus.CONFLICT, 2: HTTPStatus.BAD_REQUEST}


class ConfigurationRoutes:
    """For the thread of the server."""

    def __init__(
        self,
        server: Router,
        orders: ConfigurationOrders,
        takes_orders: Callable[[Connection], bool],
    ) -> None:
        """`takes_orders`: whether a client may change anything."""
        self._orders = orders
        self._takes_orders = takes_orders
        self._calls = server.calls
        self._held = HeldRequests(_WAITING, server.calls)
        self._background = Background(server.calls)

    def by_path(self) -> Mapping[str, dict[str, Handler]]:
        return {
            "/config/reload": {"POST": self._reload},
            "/config/rollback": {"POST": self._roll_back},
            "/config/generations": {"GET": self._show_generations},
        }

    def _reload(self, exchange: Exchange) -> None:
        name = argument(exchange.request.query, "service")
        self._order(exchange, partial(self._orders.reload, name, client(exchange)))

    def _roll_back(self, exchange: Exchange) -> None:
        name = argument(exchange.request.query, "service")
        wanted = argument(exchange.request.query, "to") or "1"
        self._order(exchange, partial(self._orders.roll_back, name, wanted, client(exchange)))

    def _order(self, exchange: Exchange, order: Callable[[Reply], None]) -> None:
        if not self._takes_orders(exchange.connection):
            exchange.answer(plain(HTTPStatus.FORBIDDEN, REFUSED))
            return
        self._later(exchange, order, said)

    def _show_generations(self, exchange: Exchange) -> None:
        name = argument(exchange.request.query, "service")

        def show(reply: Callable[[list[dict[str, object]] | Answer], None]) -> None:
            reply(self._orders.generations(name))

        def shown(found: list[dict[str, object]] | Answer) -> Response:
            return said(found) if isinstance(found, Answer) else as_json(found)

        self._later(exchange, show, shown)

    def _later(
        self,
        exchange: Exchange,
        work: Callable[[Callable[..., None]], None],
        response: Callable[..., Response],
    ) -> None:
        """Answer with the response to the reply of some work, which reads the disk."""
        place = self._held.enter(exchange)
        if place is None:
            return

        def reply(found: object) -> None:  # from any thread
            self._calls.put(partial(_answer, place, response, found))

        def call() -> Callable[[], None]:
            work(reply)
            return _done

        try:
            self._background.run(exchange, call)
        except RuntimeError as error:  # the container's limit of processes
            why = f"cannot start a thread: {error}; try again later"
            place.answer(plain(HTTPStatus.SERVICE_UNAVAILABLE, why))


def _done() -> None:
    """The reply answers."""


def _answer(place: Place, response: Callable[..., Response], found: object) -> None:
    if place.taken:
        place.answer(response(found))


def said(answer: Answer) -> Response:
    """The response with an answer."""
    return plain(_STATUS[answer.code], answer.text)


def client(exchange: Exchange) -> str:
    """The client of a request, for the log."""
    try:
        pid, uid = peer.credentials(exchange.connection.socket)
    except OSError:  # of a TCP socket
        return "a client with the password"
    return f"uid {uid} (pid {pid})"
