"""The paths /fleet, /fleet/VERB and /wait/fleet of several services, for `supervisorctl fleet`.

It owns the way from a request to events for the rules of each fleet, and back; `service=NAME` names
the service. Imported by the first such request. It must not know the rules.
"""

from __future__ import annotations

from http import HTTPStatus

from ..control import fleet_commands
from ..control.arguments import argument, patience
from ..control.commands import Answer
from ..control.fleet_client import VERBS, is_version
from ..control.held_requests import HeldRequests
from ..core.primitives import partial
from ..core.versions import short
from ..fleet.events import FleetOrdered, FleetVerb
from ..http_server.router import as_json, plain
from ..runtime import log
from . import fleet_orders
from .configuration_routes import REFUSED, client, said

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..control.held_requests import Place
    from ..core.events import Event
    from ..http_server.connection import Connection
    from ..http_server.messages import Response
    from ..http_server.router import Exchange, Router
    from .conductor_state import Services

_WAITING = 8  # clients
_PATIENCE = 8.0  # seconds for the rules, which answer sooner unless the service goes down meanwhile
_SILENT = f"no answer within {_PATIENCE:g} s; see the log"


class FleetRoutes:
    """For the thread of the server."""

    def __init__(
        self,
        server: Router,
        services: Callable[[], Services],
        put: Callable[[Event], None],
        takes_orders: Callable[[Connection], bool],
    ) -> None:
        """`services` returns the present state; `takes_orders`: whether a client may change
        anything.
        """
        self._services = services
        self._put = put
        self._takes_orders = takes_orders
        self._calls = server.calls
        self._held = HeldRequests(_WAITING, server.calls)

    def changed(self) -> None:
        """The state has changed; from the main thread."""
        self._held.changed()

    def show(self, exchange: Exchange) -> None:
        found = fleet_orders.chosen(self._services(), argument(exchange.request.query, "service"))
        if isinstance(found, Answer):
            exchange.answer(said(found))
            return
        place = self._held.enter(exchange)
        if place is None:
            return
        errors = {one: fleet_orders.unread(self._services(), one) for one in found}
        asked = [one for one, error in errors.items() if not error]

        def answer(replies: Mapping[str, str]) -> Response:
            known = {**dict.fromkeys(asked, _SILENT), **replies}
            return as_json(fleet_orders.shown(self._services(), {**errors, **known}))

        self._ask(
            place, {one: FleetOrdered(FleetVerb.STATUS, service=one) for one in asked}, answer
        )

    def order(self, verb: str, exchange: Exchange) -> None:
        query = exchange.request.query
        version = argument(query, "version")
        name = fleet_orders.subject(self._services(), verb, argument(query, "service"))
        if verb not in VERBS or (version and not is_version(version)):
            exchange.answer(plain(HTTPStatus.BAD_REQUEST, f"cannot {verb}: no such order"))
        elif not self._takes_orders(exchange.connection):
            exchange.answer(plain(HTTPStatus.FORBIDDEN, REFUSED))
        elif isinstance(name, Answer):
            exchange.answer(said(name))
        elif (place := self._held.enter(exchange)) is not None:
            log.info(
                f"{name}: {verb} of {short(version) or 'the newest version'} ordered by"
                f" {client(exchange)}",
                event="fleet_ordered",
                service=name,
                version=short(version),
            )

            def answer(replies: Mapping[str, str]) -> Response:
                found = fleet_commands.ordered(verb, version, replies.get(name, _SILENT))
                return said(found.replace(text=f"{name}: {found.text}"))

            self._ask(place, {name: FleetOrdered(verb, version, service=name)}, answer)

    def _ask(
        self,
        place: Place,
        orders: Mapping[str, FleetOrdered],
        answer: Callable[[Mapping[str, str]], Response],
    ) -> None:
        """Put an order for each service; answer once all are settled."""
        replies: dict[str, str] = {}

        def heard(name: str, error: str) -> None:
            replies[name] = error
            place.look()

        def reply(name: str, error: str) -> None:  # from the main thread
            self._calls.put(partial(heard, name, error))

        def look() -> Response | None:
            return answer(replies) if replies.keys() == orders.keys() else None

        for name, order in orders.items():
            self._put(order.replace(reply=partial(reply, name)))
        place.until(look, _PATIENCE, lambda: answer(replies))

    def wait(self, exchange: Exchange) -> None:
        query = exchange.request.query
        name = argument(query, "service")
        try:
            limit = patience(query)
        except ValueError as error:
            exchange.answer(plain(HTTPStatus.BAD_REQUEST, f"cannot wait: {error}"))
            return

        def look() -> Response | None:
            found = fleet_orders.waited(self._services(), name)
            return None if found is None else said(found)

        def late() -> Response:
            why = fleet_orders.late(self._services(), name)
            text = f"not settled in the fleet within {limit or 0:g}s: {why}"
            return plain(HTTPStatus.CONFLICT, text)

        place = self._held.enter(exchange)
        if place is not None:
            place.until(look, limit, late)
