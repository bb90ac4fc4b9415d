"""HTTP for machines: /metrics, /livez, /readyz, /status. Read only; nothing here changes anything.

Two threads at most, whatever comes: that of `connections`, which answers by itself what takes no
time, and while a page of metrics is made, which looks at every process of the app, one that does
nothing else. So no page holds up a probe. Pages are made one after the other, with a rest as long
as each took; requests that wait for the same page share it. The main loop is asked whether it turns
once for all who want to know.

Imported in the first of these threads, after the app was started. A port that is taken is a
warning, no more.
"""

from __future__ import annotations

import errno
import socket
import time
from functools import partial
from http import HTTPStatus

from .. import __version__
from ..core import health
from ..core.quoting import encodable
from ..runtime import log, threads
from . import http_messages, status
from .connections import BACKLOG, RECEIVE_BUFFER, Limits, Server
from .http_messages import Answer, Malformed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Protocol

    from ..core.state import Policy, State
    from .connections import Connection
    from .http_messages import Request

    class Running(Protocol):
        """What the pages are about; `state` is replaced, never changed."""

        state: State
        policy: Policy


_ANSWER_SECONDS = 1.0  # a loop that takes longer for one turn is not alive
_TURNED_SECONDS = 0.05  # a loop that turned this recently need not be asked again
_REST_SECONDS = 1.0  # at most, between two pages of metrics
_MOST_SCRAPES = (
    8  # that wait for a page that is not begun yet; the other connections are left to probes
)
_PLAIN = "text/plain; charset=utf-8"
_HTML = "text/html; charset=utf-8"
_METHODS = ("GET", "HEAD")


class Exchange:
    """One request, and the way to answer it; in the server's thread only."""

    def __init__(self, connection: Connection, request: Request) -> None:
        self._connection, self.request = connection, request

    @property
    def here(self) -> bool:
        """Whether the peer still waits."""
        return self._connection.here

    def answer(self, answer: Answer) -> None:
        """Answer, once; nothing happens if the peer has gone away."""
        keep, head = self.request.keep, self.request.method == "HEAD"
        self._connection.answer(
            http_messages.write(answer, head=head, keep=keep, now=time.time()), keep=keep
        )


class Site:
    """What each path answers."""

    def __init__(
        self,
        app: Running,
        probe: Callable[[Callable[[], None]], None],
        metrics: Callable[[str], tuple[str, bytes]],
        limits: Limits = Limits(),
    ) -> None:
        """`probe` has the main loop call something in its next turn; `metrics` makes a page for an
        Accept header.
        """
        self._app, self._probe, self._limits = app, probe, limits
        self._metrics = _MetricsPage(metrics, self._try)
        self._server: Server
        self._turning: list[
            tuple[float, Exchange]
        ] = []  # who waits for a turn of the main loop, and until when
        self._asked, self._turned = False, float("-inf")
        self._timed = False  # there is a timer for the first of them
        self._failing: set[str] = set()  # pages that cannot be made, which was said
        self.routes: dict[str, Callable[[Exchange], None]] = {
            "/metrics": self._metrics.serve,
            "/livez": self._serve_live,
            "/healthz": self._serve_live,
            "/readyz": self._serve_ready,
            "/status": self._serve_status,
            "/": self._serve_index,
        }

    def serve(self, listener: socket.socket) -> None:
        """Serve what comes to a listening socket; the body of a thread. Raises OSError if that
        cannot begin.
        """
        self._server = self._metrics.server = Server(listener, self, self._limits)
        self._server.run()

    def stop(self) -> None:
        """Have `serve` return soon; from any thread, once it serves."""
        self._server.call(self._server.stop)

    # --- the talk on a connection

    def read(self, connection: Connection) -> None:
        """Answer the request that has come, if it is there wholly."""
        try:
            request = http_messages.read(connection.received, self._limits.received)
        except Malformed as error:
            self._refuse(connection, error)
            return
        if request is None:
            return
        connection.take(request.size)
        exchange = Exchange(connection, request)
        if request.method not in _METHODS:
            allow = ", ".join(_METHODS)
            answer = Answer(
                HTTPStatus.METHOD_NOT_ALLOWED,
                _PLAIN,
                f"only {allow} are answered\n".encode(),
                allow,
            )
            exchange.answer(answer)
            return
        route = self.routes.get(request.path)
        if route is None:
            paths = ", ".join(path for path in self.routes if path != "/")
            exchange.answer(_plain(HTTPStatus.NOT_FOUND, f"not found; there is {paths}"))
            return
        route(exchange)

    def late(self, connection: Connection) -> None:
        """Answer a request that did not come in time."""
        seconds = self._limits.request_seconds
        why = f"the request did not come within {seconds:g} seconds"
        self._refuse(connection, Malformed(HTTPStatus.REQUEST_TIMEOUT, why))

    def _refuse(self, connection: Connection, error: Malformed) -> None:
        connection.take(len(connection.received))
        answer = _plain(error.status, f"cannot answer: {error}")
        connection.answer(
            http_messages.write(answer, head=False, keep=False, now=time.time()), keep=False
        )

    def _try(self, path: str, make: Callable[[], Answer]) -> Answer:
        """The answer of a page; one that cannot be made is an answer too, and a warning when that
        begins.
        """
        try:
            answer = make()
        except Exception as error:  # the outer edge of a request
            if path not in self._failing:
                self._failing.add(path)
                log.warning(
                    f"cannot serve {path}: {error!r}; this is said once, until it succeeds",
                    event="page_failed",
                )
            return _plain(HTTPStatus.INTERNAL_SERVER_ERROR, f"cannot serve {path}: see the log")
        self._failing.discard(path)
        return answer

    # --- the pages

    def _serve_live(self, exchange: Exchange) -> None:
        now = time.monotonic()
        if now - self._turned < _TURNED_SECONDS:
            exchange.answer(self._try("/livez", self._live))
            return
        self._turning = [
            *((end, one) for end, one in self._turning if one.here),
            (now + _ANSWER_SECONDS, exchange),
        ]
        self._time_turn()
        if not self._asked:
            self._asked = True
            server = self._server
            self._probe(lambda: server.call(self._loop_turned))

    def _loop_turned(self) -> None:
        self._asked, self._turned = False, time.monotonic()
        waiting, self._turning = self._turning, []
        for _, exchange in waiting:
            exchange.answer(self._try("/livez", self._live))

    def _time_turn(self) -> None:
        if self._turning and not self._timed:
            self._timed = True
            self._server.after(self._turning[0][0] - time.monotonic(), self._turn_is_late)

    def _turn_is_late(self) -> None:
        self._timed, now = False, time.monotonic()
        while self._turning and self._turning[0][0] <= now:
            _, exchange = self._turning.pop(0)
            exchange.answer(
                _verdict(health.Verdict(ok=False, reason="the main loop does not answer"))
            )
        self._time_turn()

    def _live(self) -> Answer:
        return _verdict(health.live(self._app.state, self._app.policy))

    def _serve_ready(self, exchange: Exchange) -> None:
        exchange.answer(self._try("/readyz", lambda: _verdict(health.ready(self._app.state))))

    def _serve_status(self, exchange: Exchange) -> None:
        exchange.answer(self._try("/status", self._status))

    def _status(self) -> Answer:
        import json

        shown = status.shown(self._app.state, time.monotonic(), time.time())
        body = json.dumps(shown, indent=2, ensure_ascii=False) + "\n"
        return Answer(HTTPStatus.OK, "application/json", body.encode())

    def _serve_index(self, exchange: Exchange) -> None:
        """A list of the pages, for a person who looks at the port."""
        paths = [path for path in self.routes if path != "/"]
        title = f"supervisor {__version__}"
        if "text/html" not in exchange.request.accept:
            exchange.answer(_plain(HTTPStatus.OK, "\n".join([title, *paths])))
            return
        links = "".join(f'<li><a href="{path}">{path}</a></li>\n' for path in paths)
        head = (
            f'<!DOCTYPE html>\n<html lang="en">\n<meta charset="utf-8">\n<title>{title}</title>\n'
        )
        body = f"{head}<h1>{title}</h1>\n<ul>\n{links}</ul>\n</html>\n"
        exchange.answer(Answer(HTTPStatus.OK, _HTML, body.encode()))


class _MetricsPage:
    """Makes pages of metrics, one at a time, beside the server's thread."""

    server: Server

    def __init__(
        self,
        make: Callable[[str], tuple[str, bytes]],
        attempt: Callable[[str, Callable[[], Answer]], Answer],
    ) -> None:
        self._make, self._attempt = make, attempt
        self._waiting: list[Exchange] = []
        self._busy = False  # a page is being made, or the rest after it is not over

    def serve(self, exchange: Exchange) -> None:
        """Answer with a page that is made from now on."""
        self._waiting = [*(one for one in self._waiting if one.here), exchange]
        if len(self._waiting) > _MOST_SCRAPES:
            busy = f"{_MOST_SCRAPES} others wait for this page already"
            self._waiting.pop(0).answer(_plain(HTTPStatus.SERVICE_UNAVAILABLE, busy))
        self._begin()

    def _begin(self) -> None:
        if self._busy or not self._waiting:
            return
        self._busy = True
        accept = self._waiting[0].request.accept
        served = [one for one in self._waiting if one.request.accept == accept]
        self._waiting = [one for one in self._waiting if one.request.accept != accept]
        body = partial(self._work, accept, served)
        try:
            threads.start(body, "metrics")
        except RuntimeError:  # the limit of processes is reached: late is better than never
            body()

    def _work(self, accept: str, served: list[Exchange]) -> None:
        began = time.monotonic()
        answer = self._attempt("/metrics", lambda: Answer(HTTPStatus.OK, *self._make(accept)))
        self.server.call(partial(self._made, served, answer, time.monotonic() - began))

    def _made(self, served: list[Exchange], answer: Answer, took: float) -> None:
        for exchange in served:
            exchange.answer(answer)
        self.server.after(min(took, _REST_SECONDS), self._rested)

    def _rested(self) -> None:
        self._busy = False
        self._begin()


def _plain(status: HTTPStatus, text: str) -> Answer:
    return Answer(status, _PLAIN, f"{encodable(text)}\n".encode())


def _verdict(verdict: health.Verdict) -> Answer:
    word = "ok" if verdict.ok else "not ok"
    code = HTTPStatus.OK if verdict.ok else HTTPStatus.SERVICE_UNAVAILABLE
    return _plain(code, f"{word}: {verdict.reason}")


# --- the port


def listen_at(host: str, port: int) -> socket.socket:
    """A listening socket; without a host for both families, where the kernel has IPv6. Raises
    OSError.
    """
    both = not host and socket.has_dualstack_ipv6()
    listener = socket.socket(socket.AF_INET6 if both or ":" in host else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(
            socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER
        )  # each connection has it from here
        if both or host == "::":
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except (OSError, OverflowError):
        listener.close()
        raise
    return listener


def serve(host: str, ports: Sequence[int], site: Site) -> None:
    """Serve on the first of these ports that is free; the body of a thread. Returns, after a
    warning, if none is.
    """
    shown = f"[{host}]" if ":" in host else host
    try:
        with _listen_first(host, ports) as listener:
            port = listener.getsockname()[1]
            # A port that the user did not name: only the log tells which.
            say = log.debug if port == ports[0] else log.info
            say(f"metrics and probes on {shown or '*'}:{port}", event="listening")
            site.serve(listener)
    except (OSError, OverflowError) as error:
        more = f" to {ports[-1]}" if len(ports) > 1 else ""
        taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        remedy = (
            "containers of a pod share their ports: choose another with --listen; " if taken else ""
        )
        log.warning(
            f"cannot listen on {shown}:{ports[0]}{more}: {error}; {remedy}there are no metrics and"
            " no probes, everything else goes on",
            event="listen_failed",
        )


def _listen_first(host: str, ports: Sequence[int]) -> socket.socket:
    """A listening socket on the first port that is not taken. Raises OSError."""
    for port in ports[:-1]:
        try:
            return listen_at(host, port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
    return listen_at(host, ports[-1])
