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
from ..runtime import log, threads
from . import status
from .connections import BACKLOG, RECEIVE_BUFFER, Limits
from .http_messages import Answer
from .http_service import STUCK, Service, as_json, plain, verdict
from .loop_probe import LoopProbe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Protocol

    from ..core.state import Policy, State
    from .connections import Server
    from .http_service import Exchange

    class Running(Protocol):
        """What the pages are about; `state` is replaced, never changed."""

        state: State
        policy: Policy


_REST_SECONDS = 1.0  # at most, between two pages of metrics
_MOST_SCRAPES = (
    8  # that wait for a page that is not begun yet; the other connections are left to probes
)
_HTML = "text/html; charset=utf-8"


class Site(Service):
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
        super().__init__(limits)
        self._app = app
        self._metrics = _MetricsPage(metrics, self.attempt)
        self._loop = LoopProbe(probe)
        pages = {
            "/metrics": self._metrics.serve,
            "/livez": self._serve_live,
            "/healthz": self._serve_live,
            "/readyz": self._serve_ready,
            "/status": self._serve_status,
            "/": self._serve_index,
        }
        self.routes = {path: {"GET": handler} for path, handler in pages.items()}

    def begin(self) -> None:
        """Give the server to those who answer later."""
        self._metrics.server = self._loop.server = self.server

    # --- the pages

    def _serve_live(self, exchange: Exchange) -> None:
        def tell(turned: bool) -> None:
            exchange.answer(self.attempt("/livez", self._live) if turned else STUCK)

        self._loop.ask(exchange, tell)

    def _live(self) -> Answer:
        return verdict(health.live(self._app.state, self._app.policy))

    def _serve_ready(self, exchange: Exchange) -> None:
        exchange.answer(self.attempt("/readyz", lambda: verdict(health.ready(self._app.state))))

    def _serve_status(self, exchange: Exchange) -> None:
        exchange.answer(self.attempt("/status", self._status))

    def _status(self) -> Answer:
        return as_json(status.shown(self._app.state, time.monotonic(), time.time()))

    def _serve_index(self, exchange: Exchange) -> None:
        """A list of the pages, for a person who looks at the port."""
        paths = [path for path in self.routes if path != "/"]
        title = f"supervisor {__version__}"
        if "text/html" not in exchange.request.accept:
            exchange.answer(plain(HTTPStatus.OK, "\n".join([title, *paths])))
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
            self._waiting.pop(0).answer(plain(HTTPStatus.SERVICE_UNAVAILABLE, busy))
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
