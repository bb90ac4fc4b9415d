"""The pages of the port: /metrics, /livez, /readyz, /status, and the list of them. Read only.

It owns the paths and their content; it must not know sockets, HTTP's syntax or how a metric is
counted. Two threads at most, whatever comes: the server's, which answers short requests by itself,
and a thread for the page of metrics. So no page holds up a probe.

To add an endpoint: a method, and its line in `Site.__init__`.
"""

from __future__ import annotations

import time
from http import HTTPStatus

from .. import __version__
from ..core import health
from ..http_server.limits import Limits
from ..http_server.loop_probe import LoopProbe
from ..http_server.messages import Response
from ..http_server.router import STUCK, Router, as_json, plain, verdict
from . import status
from .metrics_page import MetricsPage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Protocol

    from ..core import service
    from ..http_server.router import Exchange

    class Running(Protocol):
        """The subject of the pages; `state` is replaced, never changed."""

        state: service.Service
        policy: service.Policy


_HTML = "text/html; charset=utf-8"


def _for_browser(exchange: Exchange) -> bool:
    """Whether a client takes HTML by name, as browsers do: others take anything, and get text."""
    ranges = exchange.request.accept.lower().replace(" ", "").split(",")
    return any(one == "text/html" or one.startswith("text/html;") for one in ranges)


class Site(Router):
    """The pages by their paths."""

    def __init__(
        self,
        app: Running,
        probe: Callable[[Callable[[], None]], None],
        metrics: Callable[[str], tuple[str, bytes]],
        limits: Limits = Limits(),
    ) -> None:
        """`probe` has the main loop call its argument in the next turn; `metrics` gives content
        type and body for an Accept header. Raises OSError.
        """
        super().__init__(limits)
        self._app = app
        self._metrics = metrics
        self._loop = LoopProbe(probe, self.calls)
        pages = {
            "/metrics": MetricsPage(self._metrics_page, self.calls).serve,
            "/livez": self._serve_live,
            "/healthz": self._serve_live,
            "/readyz": self._serve_ready,
            "/status": self._serve_status,
            "/": self._serve_index,
        }
        self.routes = {path: {"GET": page} for path, page in pages.items()}

    def _metrics_page(self, accept: str) -> Response:
        return self.attempt("/metrics", lambda: Response(HTTPStatus.OK, *self._metrics(accept)))

    def _serve_live(self, exchange: Exchange) -> None:
        def answer(turned: bool) -> None:
            exchange.answer(self.attempt("/livez", self._live) if turned else STUCK)

        self._loop.ask(exchange, answer)

    def _live(self) -> Response:
        return verdict(health.live(self._app.state, self._app.policy))

    def _serve_ready(self, exchange: Exchange) -> None:
        exchange.answer(self.attempt("/readyz", self._ready))

    def _ready(self) -> Response:
        return verdict(health.ready(self._app.state))

    def _serve_status(self, exchange: Exchange) -> None:
        exchange.answer(self.attempt("/status", self._status))

    def _status(self) -> Response:
        return as_json(status.shown(self._app.state, time.monotonic(), time.time()))

    def _serve_index(self, exchange: Exchange) -> None:
        """The status for a person with a browser; the list of the pages for any other client."""
        paths = [path for path in self.routes if path != "/"]
        if _for_browser(exchange):
            exchange.answer(self.attempt("/", lambda: self._status_page(paths)))
        else:
            exchange.answer(plain(HTTPStatus.OK, "\n".join([f"supervisor {__version__}", *paths])))

    def _status_page(self, paths: Sequence[str]) -> Response:
        from . import page_style, status_page

        clock = time.time()
        body = status_page.page(self._records(clock), paths, clock)
        return Response(HTTPStatus.OK, _HTML, body, policy=page_style.POLICY)

    def _records(self, clock: float) -> Mapping[str, Mapping[str, object]]:
        """The records of the status page, by service."""
        service = self._app.state
        return {service.name: status.shown(service, time.monotonic(), clock)}

    def unknown(self, exchange: Exchange, paths: Sequence[str]) -> Response:
        if not _for_browser(exchange):
            return super().unknown(exchange, paths)
        from . import page_style, status_page

        body = status_page.unknown(paths)
        return Response(HTTPStatus.NOT_FOUND, _HTML, body, policy=page_style.POLICY)
