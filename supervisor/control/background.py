"""Slow calls for requests, in a thread beside the server's, at most one at a time.

It owns the queue and the thread; it must not know pages or commands.
"""

from __future__ import annotations

from functools import partial

from ..runtime import threads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..http_server.calls import Calls
    from ..http_server.router import Exchange

    Call = tuple[Exchange, Callable[[], Callable[[], None]]]


class Background:
    """For the server's thread only."""

    def __init__(self, calls: Calls) -> None:
        self._server_calls = calls
        self._calls: list[Call] = []
        self._busy = False

    def run(self, exchange: Exchange, call: Callable[[], Callable[[], None]]) -> None:
        """Make a call for a request, unless its peer goes away before; the server's thread then
        calls the result. Raises RuntimeError where no thread can be started.

        `call` must not raise.
        """
        self._calls = [*(one for one in self._calls if one[0].here), (exchange, call)]
        if not self._busy:
            self._next()

    def _next(self) -> None:
        while self._calls:
            exchange, call = self._calls.pop(0)
            if exchange.here:
                threads.start(partial(self._work, call), "control")
                self._busy = True
                return

    def _work(self, call: Callable[[], Callable[[], None]]) -> None:
        self._server_calls.put(partial(self._done, call()))

    def _done(self, then: Callable[[], None]) -> None:
        self._busy = False
        try:
            then()
        finally:
            self._next()
