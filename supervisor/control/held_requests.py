"""Requests that wait for a state: each keeps its place until then.

It owns the places, the deadlines, and the moment to look at the state: after each change, in the
server's thread. It must not know the commands.
"""

from __future__ import annotations

from http import HTTPStatus

from ..http_server.router import plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..http_server.calls import Calls, Timer
    from ..http_server.messages import Response
    from ..http_server.router import Exchange

    Look = Callable[[], Response | None]  # the answer, None while it is not decided


class Place:
    """The place of a request."""

    def __init__(self, exchange: Exchange, calls: Calls) -> None:
        self.exchange = exchange
        self._calls = calls
        self._look: Look | None = None
        self._timer: Timer | None = None
        self.taken = True

    def until(
        self,
        look: Look,
        seconds: float | None = None,
        late: Callable[[], Response] | None = None,
    ) -> None:
        """Answer as soon as `look` has an answer, and with `late` after `seconds`."""
        self._look = look
        self.look()
        if self.taken and seconds is not None and late is not None:
            self._timer = self._calls.after(seconds, lambda: self.answer(late()))

    def look(self) -> None:
        """Look at the state, and answer if it decides."""
        answer = self._look() if self._look and self.taken else None
        if answer is not None:
            self.answer(answer)

    def answer(self, answer: Response) -> None:
        self.leave()
        self.exchange.answer(answer)

    def leave(self) -> None:
        """Give the place up."""
        self.taken = False
        if self._timer is not None:
            self._calls.cancel(self._timer)


class HeldRequests:
    """For the server's thread only, but for `changed`."""

    def __init__(self, most: int, calls: Calls) -> None:
        self._most = most
        self._calls = calls
        self._places: list[Place] = []
        self._due = False  # the server's thread will look at the state

    def enter(self, exchange: Exchange) -> Place | None:
        """A place for a request; None if it was answered, since there are too many."""
        self._clear()
        if len(self._places) >= self._most:
            busy = f"busy: {self._most} clients wait already; try again later"
            exchange.answer(plain(HTTPStatus.SERVICE_UNAVAILABLE, busy))
            return None
        exchange.connection.hold()
        place = Place(exchange, self._calls)
        self._places.append(place)
        return place

    def changed(self) -> None:
        """The state has changed; from the main thread."""
        if self._places and not self._due:
            self._due = True
            self._calls.put(self._look)

    def _look(self) -> None:
        self._due = False  # first: a change during the look needs another look
        for place in tuple(self._places):
            place.look()
        self._clear()

    def _clear(self) -> None:
        """Free the places of answered requests, and of peers who have gone away."""
        for place in self._places:
            if place.taken and not place.exchange.here:
                place.leave()
        self._places = [place for place in self._places if place.taken]
