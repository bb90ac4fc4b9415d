"""Requests of HTTP, answered by a table of routes: the same for the port and the control socket.

It owns the way from a request to its route and back. A service that derives from it owns the table
and the answers; `connections` owns the sockets, `http_messages` the syntax.
"""

from __future__ import annotations

import time
from http import HTTPStatus

from ..core.health import Verdict
from ..core.quoting import encodable
from ..runtime import log
from . import http_messages
from .connections import Limits, Server
from .http_messages import Answer, Malformed

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping

    from .connections import Connection
    from .http_messages import Request

    Handler = Callable[["Exchange"], None]
    Routes = Mapping[str, Mapping[str, Handler]]

PLAIN = "text/plain; charset=utf-8"
JSON = "application/json"


class Exchange:
    """One request, and the way to answer it; in the server's thread only."""

    def __init__(self, connection: Connection, request: Request) -> None:
        self.connection, self.request = connection, request

    @property
    def here(self) -> bool:
        """Whether the peer still waits."""
        return self.connection.here

    def answer(self, answer: Answer) -> None:
        """Answer, once; nothing happens if the peer has gone away."""
        keep, head = self.request.keep, self.request.method == "HEAD"
        self.connection.answer(
            http_messages.write(answer, head=head, keep=keep, now=time.time()), keep=keep
        )


class Service:
    """Serves the routes of a derived class."""

    routes: Routes  # by path, then by method; HEAD is answered as GET without the body

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.server: Server
        self._failing: set[str] = set()  # pages that cannot be made, which was logged

    def serve(self, listener: socket.socket) -> None:
        """Serve a listening socket; the body of a thread. Raises OSError if that cannot begin."""
        self.server = Server(listener, self, self._limits)
        self.begin()
        self.server.run()

    def begin(self) -> None:
        """Prepare the derived class to serve: `server` is there now."""

    def stop(self) -> None:
        """Have `serve` return soon; from any thread, once it serves."""
        self.server.call(self.server.stop)

    def refusal(self, connection: Connection) -> Answer | None:
        """The answer to a peer whose requests are not served; None for any other."""
        del connection
        return None

    # --- the talk on a connection

    def read(self, connection: Connection) -> None:
        """Answer the request that has come, if it is there wholly."""
        try:
            request = http_messages.read(connection.received, self._limits.received)
        except Malformed as error:
            self._end(connection, plain(error.status, f"cannot answer: {error}"))
            return
        if request is None:
            return
        refused = self.refusal(connection)
        if refused is not None:
            self._end(connection, refused)
            return
        connection.take(request.size)
        self._route(Exchange(connection, request))

    def late(self, connection: Connection) -> None:
        """Answer a request that did not come in time."""
        why = f"the request did not come within {self._limits.request_seconds:g} seconds"
        self._end(connection, plain(HTTPStatus.REQUEST_TIMEOUT, f"cannot answer: {why}"))

    def _end(self, connection: Connection, answer: Answer) -> None:
        connection.take(len(connection.received))
        connection.answer(
            http_messages.write(answer, head=False, keep=False, now=time.time()), keep=False
        )

    def _route(self, exchange: Exchange) -> None:
        request = exchange.request
        methods = self.routes.get(request.path, {})
        known = methods or {method for table in self.routes.values() for method in table}
        method = "GET" if request.method == "HEAD" else request.method
        if method not in known:
            allow = ", ".join(["GET", "HEAD"] * ("GET" in known) + sorted({*known} - {"GET"}))
            text = f"only {allow} are answered\n".encode()
            exchange.answer(Answer(HTTPStatus.METHOD_NOT_ALLOWED, PLAIN, text, allow))
        elif not methods:
            paths = ", ".join(path for path in self.routes if path != "/")
            exchange.answer(plain(HTTPStatus.NOT_FOUND, f"not found; there is {paths}"))
        else:
            methods[method](exchange)

    def attempt(self, path: str, make: Callable[[], Answer]) -> Answer:
        """The answer of a page; a failure is an answer too, and a warning when it begins."""
        try:
            answer = make()
        except Exception as error:  # the outer edge of a request
            if path not in self._failing:
                self._failing.add(path)
                log.warning(
                    f"cannot serve {path}: {error!r}; this is said once, until it succeeds",
                    event="page_failed",
                )
            return plain(HTTPStatus.INTERNAL_SERVER_ERROR, f"cannot serve {path}: see the log")
        self._failing.discard(path)
        return answer


def plain(status: HTTPStatus, text: str) -> Answer:
    return Answer(status, PLAIN, f"{encodable(text)}\n".encode())


def verdict(found: Verdict) -> Answer:
    """The answer to a probe."""
    word = "ok" if found.ok else "not ok"
    status = HTTPStatus.OK if found.ok else HTTPStatus.SERVICE_UNAVAILABLE
    return plain(status, f"{word}: {found.reason}")


def as_json(value: object) -> Answer:
    import json

    body = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    return Answer(HTTPStatus.OK, JSON, body.encode())


STUCK = verdict(Verdict(ok=False, reason="the main loop does not answer"))
