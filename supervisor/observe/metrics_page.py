"""The page of metrics, made in a thread beside the server's: it looks at every process of the app.

Pages are made one after the other, with a rest as long as each took; requests that wait for the
same page share it. It must not know the metrics.
"""

from __future__ import annotations

import time
from functools import partial
from http import HTTPStatus

from ..http_server.router import plain
from ..runtime import threads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..http_server.calls import Calls
    from ..http_server.messages import Response
    from ..http_server.router import Exchange

_REST_SECONDS = 1.0  # at most, between two pages
# Requests for a page whose work has not begun; other connections are left to probes.
_MOST_WAITING = 8


class MetricsPage:
    """`make` gives the response for an Accept header; it runs in a thread of its own."""

    def __init__(self, make: Callable[[str], Response], calls: Calls) -> None:
        self._make = make
        self._calls = calls
        self._waiting: list[Exchange] = []
        self._busy = False  # a page is being made, or the rest after it is not over

    def serve(self, exchange: Exchange) -> None:
        """Answer with a page whose work begins after the request."""
        self._waiting = [*(waiting for waiting in self._waiting if waiting.here), exchange]
        if len(self._waiting) > _MOST_WAITING:
            busy = f"{_MOST_WAITING} other requests wait for this page already"
            self._waiting.pop(0).answer(plain(HTTPStatus.SERVICE_UNAVAILABLE, busy))
        self._begin()

    def _begin(self) -> None:
        if self._busy or not self._waiting:
            return
        self._busy = True
        accept = self._waiting[0].request.accept
        served = [waiting for waiting in self._waiting if waiting.request.accept == accept]
        self._waiting = [waiting for waiting in self._waiting if waiting.request.accept != accept]
        body = partial(self._work, accept, served)
        try:
            threads.start(body, "metrics")
        except RuntimeError:  # the limit of processes is reached: a late page is better than none
            body()

    def _work(self, accept: str, served: list[Exchange]) -> None:
        began = time.monotonic()
        response = self._make(accept)
        self._calls.put(partial(self._made, served, response, time.monotonic() - began))

    def _made(self, served: list[Exchange], response: Response, took: float) -> None:
        for exchange in served:
            exchange.answer(response)
        self._calls.after(min(took, _REST_SECONDS), self._rested)

    def _rested(self) -> None:
        self._busy = False
        self._begin()
