"""Requests of HTTP and their responses by a table of routes: for the port and the control socket.

It owns the way from a request to its route and back. A derived class owns the table and the
content; `server` owns the sockets, `messages` the syntax.
"""

from __future__ import annotations

import time
from functools import partial
from http import HTTPStatus

from ..core.health import Verdict
from ..core.quoting import encodable
from ..runtime import log
from . import messages
from .calls import Calls
from .messages import Malformed, Response
from .server import Server

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping, Sequence

    from .connection import Connection
    from .limits import Limits
    from .messages import Request

    Handler = Callable[["Exchange"], None]
    Routes = Mapping[str, Mapping[str, Handler]]

PLAIN = "text/plain; charset=utf-8"
JSON = "application/json"


class Exchange:
    """A request, and the way to answer it; in the server's thread only."""

    def __init__(self, connection: Connection, request: Request, body: bytes = b"") -> None:
        self.connection = connection
        self.request = request
        self.body = body
        self._answered = False

    @property
    def here(self) -> bool:
        """Whether the peer still waits."""
        return self.connection.here and not self._answered

    def answer(self, response: Response) -> None:
        """Answer, once; does nothing once the peer has gone away."""
        if not self.here:
            return
        self._answered = True
        keep = self.request.keep
        head = self.request.method == "HEAD"
        data = messages.write(response, head=head, keep=keep, now=time.time())
        self.connection.answer(data, keep=keep)

    def follow(self, kind: str) -> Callable[[bytes], None]:
        """Answer with a response without an end; a function that sends a piece of it."""
        self._answered = True
        chunked = self.request.minor > 0
        connection = self.connection
        connection.push(messages.stream_head(kind, chunked=chunked, now=time.time()))
        return lambda data: connection.push(messages.chunk(data) if chunked else data)


class Router:
    """Serves the routes of a derived class."""

    routes: Routes  # by path, then by method; HEAD is answered as GET without the body

    def __init__(self, limits: Limits) -> None:
        """Raises OSError."""
        self.calls = Calls()
        self._limits = limits
        self._server: Server | None = None
        self._failing: set[str] = set()  # pages whose failure was logged

    def serve(self, *listeners: socket.socket) -> None:
        """Serve the connections of listening sockets until `stop`; the body of a thread."""
        self._server = Server(listeners, self, self._limits, self.calls)
        self._server.run()

    def stop(self) -> None:
        """Have `serve` return soon; from any thread."""
        self.calls.put(self._end)

    def _end(self) -> None:
        if self._server is not None:
            self._server.stop()

    def close(self) -> None:
        """After `serve` has returned, or instead of it."""
        self.calls.close()

    def refusal(self, connection: Connection, request: Request) -> Response | None:
        """The response to a request that is not served, before its body; None for any other."""
        del connection, request
        return None

    def methods_of(self, path: str) -> Mapping[str, Handler]:
        """The handlers of a path by method; none for a path that does not exist."""
        return self.routes.get(path, {})

    def unknown(self, exchange: Exchange, paths: Sequence[str]) -> Response:
        """The response to a request for a path that is none of `paths`."""
        del exchange
        return plain(HTTPStatus.NOT_FOUND, f"not found; there is {', '.join(paths)}")

    # --- requests

    def read(self, connection: Connection) -> None:
        """Answer a request that has come wholly."""
        limits = self._limits
        try:
            request = messages.read(connection.received, limits.received, bodies=limits.body > 0)
        except Malformed as error:
            self._refuse(connection, plain(error.status, f"cannot answer: {error}"))
            return
        if request is None:
            return
        refused = self.refusal(connection, request)
        if refused is None and request.body > limits.body:
            why = f"cannot answer: the body has more than {limits.body} bytes"
            refused = plain(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, why)
        if refused is not None:
            self._refuse(connection, refused)
            return
        end = request.size + request.body
        if len(connection.received) < end:
            return
        body = bytes(connection.received[request.size : end])
        connection.take(end)
        self._route(Exchange(connection, request, body))

    def late(self, connection: Connection) -> None:
        """Answer a request that did not come in time."""
        why = f"the request did not come within {self._limits.request_seconds:g} seconds"
        self._refuse(connection, plain(HTTPStatus.REQUEST_TIMEOUT, f"cannot answer: {why}"))

    def _refuse(self, connection: Connection, response: Response) -> None:
        connection.take(len(connection.received))
        data = messages.write(response, head=False, keep=False, now=time.time())
        connection.answer(data, keep=False)

    def _route(self, exchange: Exchange) -> None:
        request = exchange.request
        methods = self.methods_of(request.path)
        known = methods or {method for table in self.routes.values() for method in table}
        method = "GET" if request.method == "HEAD" else request.method
        if method not in known:
            allow = ", ".join(["GET", "HEAD"] * ("GET" in known) + sorted({*known} - {"GET"}))
            text = f"only {allow} are answered\n".encode()
            exchange.answer(Response(HTTPStatus.METHOD_NOT_ALLOWED, PLAIN, text, allow))
        elif not methods:
            exchange.answer(self.unknown(exchange, [path for path in self.routes if path != "/"]))
        else:
            self.guard(exchange, partial(methods[method], exchange))

    def attempt(self, path: str, make: Callable[[], Response]) -> Response:
        """The response of a page; a failure gives a response too, and a warning when it begins."""
        try:
            response = make()
        except Exception as error:  # the outer edge of a request
            return self.failed(path, error)
        self._failing.discard(path)
        return response

    def guard(self, exchange: Exchange, body: Callable[[], object]) -> None:
        """Call `body`, which answers now or later; its failure gives a response, as above."""
        try:
            body()
        except Exception as error:  # the outer edge of a request
            exchange.answer(self.failed(exchange.request.path, error))

    def failed(self, path: str, error: Exception) -> Response:
        """The response of a page that could not be made; a warning, the first time."""
        if path not in self._failing:
            self._failing.add(path)
            log.warning(
                f"cannot serve {path}: {error!r}; the next warning follows a success",
                event="page_failed",
            )
        return plain(HTTPStatus.INTERNAL_SERVER_ERROR, f"cannot serve {path}: see the log")


def plain(status: HTTPStatus, text: str) -> Response:
    """A response of one text, with a newline added."""
    return Response(status, PLAIN, f"{encodable(text)}\n".encode())


def verdict(found: Verdict) -> Response:
    """The response to a probe."""
    word = "ok" if found.ok else "not ok"
    status = HTTPStatus.OK if found.ok else HTTPStatus.SERVICE_UNAVAILABLE
    return plain(status, f"{word}: {found.reason}")


def as_json(value: object) -> Response:
    import json

    body = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    return Response(HTTPStatus.OK, JSON, body.encode())


STUCK = verdict(Verdict(ok=False, reason="the main loop does not answer"))
