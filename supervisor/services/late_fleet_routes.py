"""Stands for the paths of `supervisorctl fleet` until the first request for one of them.

Light: a supervisor that no client asks about a fleet imports nothing more.
"""

from __future__ import annotations

from ..control.fleet_client import VERBS
from ..core.primitives import partial

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..http_server.router import Exchange, Handler
    from .fleet_routes import FleetRoutes
    from .rpc_server import RpcServer
    from .services_loop import ServicesLoop


class LateFleetRoutes:
    """For the thread of the server."""

    def __init__(self, server: RpcServer, loop: ServicesLoop) -> None:
        self._server = server
        self._loop = loop
        self._made: FleetRoutes | None = None

    def by_path(self) -> Mapping[str, dict[str, Handler]]:
        return {
            "/fleet": {"GET": self._show},
            "/wait/fleet": {"GET": self._wait},
            **{f"/fleet/{verb}": {"POST": partial(self._order, verb)} for verb in VERBS},
        }

    def _routes(self) -> FleetRoutes:
        if self._made is None:
            from .fleet_routes import FleetRoutes

            loop = self._loop
            self._made = FleetRoutes(
                self._server, lambda: loop.services, loop.inbox.put, self._server.takes_orders
            )
            loop.configuration.on_change = self._made.changed
        return self._made

    def _show(self, exchange: Exchange) -> None:
        self._routes().show(exchange)

    def _wait(self, exchange: Exchange) -> None:
        self._routes().wait(exchange)

    def _order(self, verb: str, exchange: Exchange) -> None:
        self._routes().order(verb, exchange)
