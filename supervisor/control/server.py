"""The control socket: the pages and the orders of supervisorctl.

It speaks HTTP as the port does, by the same code, on a unix socket for our user and root: no order
comes over TCP. It owns the routes and reads the state; it puts events, and must not touch the app
or its files. The result of an order is read from the state alone. No client can hold up the main
loop.

Two threads at most: the server's, and another while the generations on disk are read, which may
take long.
"""

from __future__ import annotations

import os
import signal
from functools import partial
from http import HTTPStatus

from .. import __version__
from ..core import events as ev
from ..core import health
from ..core.errors import reason
from ..core.rollout_state import rollout_of
from ..core.versions import short
from ..http_server.limits import Limits
from ..http_server.loop_probe import LoopProbe
from ..http_server.messages import Response
from ..http_server.router import STUCK, Router, as_json, plain, verdict
from ..runtime import log, shortages
from ..runtime.client_limit import affordable
from ..store.write_errors import ApplyError
from . import commands, peer
from .arguments import argument, patience
from .background import Background
from .fleet_client import VERBS as FLEET_VERBS
from .fleet_client import is_version
from .held_requests import HeldRequests

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Protocol, TypeVar

    from ..core import service
    from ..http_server.connection import Connection
    from ..http_server.messages import Request
    from ..http_server.router import Exchange
    from ..runtime.protocols import Order
    from ..store.manifest import Generation
    from .commands import Goal, Look
    from .held_requests import Place
    from .socket_files import ControlSocket

    Settlement = TypeVar("Settlement")

    class Supervised(Protocol):
        """The main loop; `state` is replaced, never changed."""

        state: service.Service
        policy: service.Policy

    class Pages(Protocol):
        """The pages that need more than the state."""

        def generations(self) -> Sequence[Generation]:
            """The generations on disk, newest first. Raises ApplyError."""

        def status(self, state: service.Service) -> Mapping[str, object]:
            """The page /status of a state."""


LIMITS = Limits(
    connections=16, received=4096, request_seconds=10.0, idle_seconds=10.0, share_of_files=8
)
_NO_FLEET = "this supervisor is in no fleet; see --fleet"
_WAITING = 3 / 4  # of the clients may wait; the other places are for health checks
# The status for each exit code of `commands`.
_STATUS = {0: HTTPStatus.OK, 1: HTTPStatus.CONFLICT, 2: HTTPStatus.BAD_REQUEST}


class Control(Router):
    """Serves a control socket."""

    def __init__(
        self,
        socket_file: ControlSocket,
        app: Supervised,
        put: Callable[[ev.Event], None],
        pages: Pages,
        limits: Limits = LIMITS,
    ) -> None:
        super().__init__(limits)
        self._socket_file = socket_file
        self._app = app
        self._put = put
        self._pages = pages
        self._loop = LoopProbe(lambda reply: put(ev.Probed(reply)), self.calls)
        clients = affordable(limits.connections, limits.share_of_files)
        self._held = HeldRequests(int(clients * _WAITING), self.calls)
        self._background = Background(self.calls)
        self._ended = False
        self.routes = {
            "/livez": {"GET": self._serve_live},
            "/status": {"GET": self._serve_status},
            "/generations": {"GET": self._serve_generations},
            "/pid": {"GET": partial(_tell, str(os.getpid()))},
            "/version": {"GET": partial(_tell, __version__)},
            "/reload": {"POST": self._reload},
            "/rollback": {"POST": self._roll_back},
            "/shutdown": {"POST": self._shut_down},
            "/fleet": {"GET": self._serve_fleet},
            "/wait/fleet": {"GET": self._wait_for_fleet},
        }
        for verb in FLEET_VERBS:
            self.routes[f"/fleet/{verb}"] = {"POST": partial(self._order_fleet, verb)}
        for name, goal in commands.GOALS.items():
            look = partial(commands.waited, goal)
            self.routes[f"/wait/{name}"] = {"GET": partial(self._wait, name, goal, look)}

    def run(self) -> None:
        """Serve until `stop`; the body of a thread. Returns, after a line in the log, if there is
        no place for a socket.
        """
        try:
            listener = shortages.outlast("listen for supervisorctl", self._socket_file.open)
            if listener is None:
                log.info(
                    "cannot make a control socket: neither /run nor /tmp can be written to, and"
                    " supervisorctl finds none; name a place with --control, or give --control=off",
                    event="no_control_socket",
                )
                return
            log.debug(f"control socket: {self._socket_file.path}", event="listening")
            with listener:
                self.serve(listener)
        except OSError as error:
            log.warning(
                f"cannot listen on {self._socket_file.path}: {reason(error)}; choose"
                " another path with --control, or --control=off; supervisorctl cannot reach this"
                " supervisor, everything else goes on",
                event="listen_failed",
            )
        finally:
            self.close()

    def observe(
        self,
        event: ev.Event,
        before: service.Service,
        after: service.Service,
        orders: tuple[Order, ...],
    ) -> None:
        """Look at the new state for the requests that wait; from the main thread."""
        del event, orders
        if after is not before and not self._ended:
            self._held.changed()

    def end(self) -> None:
        """Remove the socket file, at the end of the process; from the main thread."""
        self._ended = True
        self._socket_file.remove()

    def refusal(self, connection: Connection, request: Request) -> Response | None:
        """Only our user and root are served; by default, only those of our container."""
        del request
        pid, uid = peer.credentials(connection.socket)
        if uid not in (0, os.geteuid()):
            why = f"as uid {os.geteuid()} or root, not uid {uid}"
        elif self._socket_file.by_default and not pid:
            why = "in the container of its supervisor, or name --control"
        else:
            return None
        return plain(HTTPStatus.FORBIDDEN, f"refused: run supervisorctl {why}")

    # --- answered at once

    def _serve_live(self, exchange: Exchange) -> None:
        def live() -> Response:
            return verdict(health.live(self._app.state, self._app.policy))

        def tell(turned: bool) -> None:
            exchange.answer(self.attempt("/livez", live) if turned else STUCK)

        self._loop.ask(exchange, tell)

    def _serve_status(self, exchange: Exchange) -> None:
        exchange.answer(as_json(self._pages.status(self._app.state)))

    def _shut_down(self, exchange: Exchange) -> None:
        def go_on(turned: bool) -> None:
            if not turned:
                exchange.answer(STUCK)
                return
            log.info(f"shutdown ordered by {_peer(exchange)}", event="shutdown_ordered")
            # First the answer: the end of the process waits for no client.
            exchange.answer(plain(HTTPStatus.OK, "Shut down"))
            self._put(ev.SignalReceived(signal.SIGTERM))

        self._loop.after_events(exchange, go_on)

    # --- answered when the generations on disk were read

    def _serve_generations(self, exchange: Exchange) -> None:
        def tell(found: Sequence[Generation]) -> None:
            exchange.answer(as_json(commands.listed(found, self._app.state)))

        self._with_generations(exchange, tell)

    def _with_generations(
        self, exchange: Exchange, then: Callable[[Sequence[Generation]], None]
    ) -> None:
        def call() -> Callable[[], None]:
            try:
                found = self._pages.generations()
            except ApplyError as error:
                return partial(exchange.answer, plain(HTTPStatus.CONFLICT, str(error)))
            except Exception as error:  # as for every request: a failure is an answer too
                return partial(exchange.answer, self.failed(exchange.request.path, error))
            return partial(self.guard, exchange, partial(then, found))

        try:
            self._background.run(exchange, call)
        except RuntimeError as error:  # the container's limit of processes
            why = f"cannot read the generations: {error}; try again later"
            exchange.answer(plain(HTTPStatus.SERVICE_UNAVAILABLE, why))

    # --- answered when something has come true

    def _wait(self, name: str, goal: Goal, waited: Look, exchange: Exchange) -> None:
        try:
            seconds = patience(exchange.request.query)
        except ValueError as error:
            exchange.answer(plain(HTTPStatus.BAD_REQUEST, f"cannot wait: {error}"))
            return

        def late() -> Response:
            reason = goal(self._app.state).reason
            return plain(HTTPStatus.CONFLICT, f"not {name} within {seconds or 0:g}s: {reason}")

        if (place := self._held.enter(exchange)) is not None:
            look = self._decided(exchange, waited)
            place.until(look, seconds, late)

    def _reload(self, exchange: Exchange) -> None:
        before = self._app.state
        if not before.sources:
            why = "no configuration is kept live here; see --configmap and --config-dir"
            exchange.answer(plain(HTTPStatus.CONFLICT, f"cannot reload: {why}"))
        elif (place := self._held.enter(exchange)) is not None:
            log.info(f"reload ordered by {_peer(exchange)}", event="reload_ordered")
            self._order(place, ev.ReloadOrdered, commands.reloaded)

    def _roll_back(self, exchange: Exchange) -> None:
        wanted = argument(exchange.request.query, "to") or "1"
        if not commands.is_rollback(wanted):
            why = "it must be a number of generations, 1 or more, or a version"
            exchange.answer(plain(HTTPStatus.BAD_REQUEST, f"cannot roll back: {why}"))
        elif (place := self._held.enter(exchange)) is not None:
            self._with_generations(exchange, partial(self._roll_back_to, place, wanted))

    def _roll_back_to(self, place: Place, wanted: str, found: Sequence[Generation]) -> None:
        before = self._app.state
        target = commands.earlier(found, rollout_of(before).versions, wanted)
        if isinstance(target, commands.Answer):
            place.answer(_said(target))
            return
        log.info(
            f"rollback to configuration {short(target)} ordered by {_peer(place.exchange)}",
            event="rollback_ordered",
            version=short(target),
        )
        order = partial(ev.RollbackOrdered, target)
        self._order(place, order, partial(commands.rolled_back, target))

    # --- the fleet, whose code only a role with --fleet imports

    def _serve_fleet(self, exchange: Exchange) -> None:
        if self._app.state.fleet is None:
            exchange.answer(plain(HTTPStatus.CONFLICT, _NO_FLEET))
        elif (place := self._held.enter(exchange)) is not None:
            from ..fleet.events import FleetOrdered, FleetVerb

            self._order(place, partial(FleetOrdered, FleetVerb.STATUS, ""), self._fleet_shown)

    def _fleet_shown(self, error: str) -> Response:
        """The page once the Lease is read; with the error where it cannot be read."""
        from ..fleet import summary

        state = self._app.state
        return as_json(
            {**summary.shown(state.fleet, rollout_of(state)), "lease_error": error or None}
        )

    def _wait_for_fleet(self, exchange: Exchange) -> None:
        if self._app.state.fleet is None:
            exchange.answer(plain(HTTPStatus.CONFLICT, f"cannot wait for that: {_NO_FLEET}"))
            return
        from . import fleet_commands

        self._wait("settled in the fleet", fleet_commands.followed, fleet_commands.waited, exchange)

    def _order_fleet(self, verb: str, exchange: Exchange) -> None:
        version = argument(exchange.request.query, "version")
        if self._app.state.fleet is None:
            exchange.answer(plain(HTTPStatus.CONFLICT, f"cannot {verb}: {_NO_FLEET}"))
        elif version and not is_version(version):
            exchange.answer(plain(HTTPStatus.BAD_REQUEST, f"cannot {verb}: no such version"))
        elif (place := self._held.enter(exchange)) is not None:
            from ..fleet.events import FleetOrdered
            from . import fleet_commands

            log.info(
                f"{verb} of {short(version) or 'the newest version'} ordered by {_peer(exchange)}",
                event="fleet_ordered",
                version=short(version),
            )
            said = partial(fleet_commands.ordered, verb, version)
            self._order(place, partial(FleetOrdered, verb, version), said)

    def _order(
        self,
        place: Place,
        order: Callable[[Callable[[Settlement], None]], ev.Event],
        said: Callable[[Settlement], commands.Answer | Response],
    ) -> None:
        """Put an order; the rules answer it once it is settled."""

        def reply(settled: Settlement) -> None:
            self.calls.put(partial(answer, settled))  # from the main thread

        def answer(settled: Settlement) -> None:
            if place.taken:
                found = said(settled)
                place.answer(found if isinstance(found, Response) else _said(found))

        def go_on(turned: bool) -> None:
            if not turned and place.taken:
                place.answer(STUCK)

        self._put(order(reply))
        self._loop.after_events(place.exchange, go_on)

    def _decided(self, exchange: Exchange, look: Look) -> Callable[[], Response | None]:
        """A rule of `commands`, applied to the newest state at each call."""

        def decided() -> Response | None:
            try:
                said = look(self._app.state)
            except Exception as error:  # as above
                return self.failed(exchange.request.path, error)
            return None if said is None else _said(said)

        return decided


def _tell(text: str, exchange: Exchange) -> None:
    exchange.answer(plain(HTTPStatus.OK, text))


def _said(answer: commands.Answer) -> Response:
    return plain(_STATUS[answer.code], answer.text)


def _peer(exchange: Exchange) -> str:
    pid, uid = peer.credentials(exchange.connection.socket)
    return f"uid {uid} (pid {pid}) through the control socket"
