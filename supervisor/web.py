"""HTTP for machines: /metrics, /livez, /readyz, /status. Read only; nothing here changes anything.

Runs in its own thread, imported after the app was started. A port that is taken is a warning, no more.
"""

from __future__ import annotations

import json
import socket
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from . import __version__, health, log
from .state import stale

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from .state import Policy, State

    class Running(Protocol):
        """What the pages are about; `state` is replaced, never changed."""

        state: State
        policy: Policy


_ANSWER_SECONDS = 1.0  # a loop that takes longer for one turn is not alive
_CLIENT_SECONDS = 10.0  # for a client to send its request
_PLAIN = "text/plain; charset=utf-8"

Answer = tuple[int, str, bytes]  # status, content type, body


class Pages:
    """What each path answers."""

    def __init__(
        self,
        app: Running,
        probe: Callable[[Callable[[], None]], None],
        metrics: Callable[[str], tuple[str, bytes]],
    ) -> None:
        self._app, self._probe, self._metrics = app, probe, metrics
        self.routes: dict[str, Callable[[str], Answer]] = {
            "/metrics": self._serve_metrics,
            "/livez": self._serve_live,
            "/healthz": self._serve_live,
            "/readyz": self._serve_ready,
            "/status": self._serve_status,
        }

    def _serve_metrics(self, accept: str) -> Answer:
        return HTTPStatus.OK, *self._metrics(accept)

    def _serve_live(self, _: str) -> Answer:
        turned = threading.Event()
        self._probe(turned.set)
        if not turned.wait(_ANSWER_SECONDS):
            return _verdict(health.Verdict(ok=False, reason="the main loop does not answer"))
        return _verdict(health.live(self._app.state, self._app.policy))

    def _serve_ready(self, _: str) -> Answer:
        return _verdict(health.ready(self._app.state))

    def _serve_status(self, _: str) -> Answer:
        body = json.dumps(status(self._app.state), indent=2) + "\n"
        return HTTPStatus.OK, "application/json", body.encode()


def _verdict(verdict: health.Verdict) -> Answer:
    word = "ok" if verdict.ok else "not ok"
    code = HTTPStatus.OK if verdict.ok else HTTPStatus.SERVICE_UNAVAILABLE
    return code, _PLAIN, f"{word}: {verdict.reason}\n".encode()


def status(state: State) -> dict[str, object]:
    """The state for people and scripts. Digests, names and counts; never content."""
    config, reloads = state.config, state.reloads
    return {
        "version": __version__,
        "app": {
            "phase": state.phase.value,
            "pid": state.pid or None,
            "starts": state.starts,
            "exits": state.exits,
            "last_exit_code": state.exit_code if state.exits else None,
            "last_exit_signal": state.exit_signal or None,
            "last_start_error": state.error or None,
        },
        "config": {
            "desired": config.desired or None,
            "live": config.live or None,
            "running": config.running or None,
            "good": config.good or None,
            "rejected": config.rejected or None,
            "rolled_back": config.rolled_back,
            "stale": stale(state),
            "from_earlier_run": config.cached,
            "files": config.files,
            "bytes": config.size,
            "last_change": config.changes or None,
            "last_error": config.error or None,
        },
        "reloads": {
            "attempts": reloads.attempt,
            "last_outcome": reloads.outcome or None,
            "last_error": reloads.error or None,
            "coalesced": config.coalesced,
        },
        "sources": [
            {
                "name": source.name,
                "present": source.present,
                "trouble": source.trouble or None,
                "error": source.error or None,
            }
            for source in state.sources
        ],
    }


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 16

    def __init__(self, host: str, port: int, pages: Pages) -> None:
        # No host: both families, through one dual-stack socket where the kernel has IPv6.
        self.address_family = (
            socket.AF_INET6 if ":" in host or (not host and socket.has_dualstack_ipv6()) else socket.AF_INET
        )
        self.pages = pages
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        if self.address_family == socket.AF_INET6 and self.server_address[0] in ("", "::"):
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super(ThreadingHTTPServer, self).server_bind()  # not HTTPServer's: it asks the DNS for our name

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002 - the base's
        """A client that hung up, or a bug: neither is worth a traceback."""
        import sys  # noqa: PLC0415 - only here

        log.debug(f"request from {client_address}: {sys.exc_info()[1]!r}")


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    server_version = f"supervisor/{__version__}"
    sys_version = ""
    protocol_version = "HTTP/1.1"
    timeout = _CLIENT_SECONDS

    def do_GET(self) -> None:
        route = self.server.pages.routes.get(self.path.partition("?")[0])
        if route is None:
            paths = ", ".join(self.server.pages.routes)
            self._answer(HTTPStatus.NOT_FOUND, _PLAIN, f"not found; there is {paths}\n".encode())
            return
        try:
            answer = route(self.headers.get("Accept", ""))
        except Exception as error:  # noqa: BLE001 - the outer edge of a request: a failing page is an answer too
            log.warning(f"cannot serve {self.path}: {error!r}")
            answer = HTTPStatus.INTERNAL_SERVER_ERROR, _PLAIN, f"cannot serve: {error!r}\n".encode()
        self._answer(*answer)

    do_HEAD = do_GET  # noqa: N815 - the name that http.server looks for

    def _refuse(self) -> None:
        self.close_connection = True  # its body was not read
        self._answer(HTTPStatus.METHOD_NOT_ALLOWED, _PLAIN, b"GET and HEAD only\n", allow="GET, HEAD")

    do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _refuse  # noqa: N815 - as above

    def _answer(self, code: int, kind: str, body: bytes, allow: str = "") -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if allow:
            self.send_header("Allow", allow)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        log.debug(f"{self.address_string()} {format % args}")


def serve(listen: tuple[str, int], pages: Pages) -> None:
    """Serve for ever; the body of a thread. Returns, after a warning, if the address cannot be had."""
    host, port = listen
    where = f"{f'[{host}]' if ':' in host else host}:{port}"
    try:
        server = _Server(host, port, pages)
    except (OSError, OverflowError) as error:
        log.warning(f"cannot listen on {where}: {error}; there are no metrics and no probes, everything else goes on")
        return
    # A port of 0 is chosen by the kernel, so somebody has to be told.
    say = log.info if port == 0 else log.debug
    say(f"metrics and probes on {f'[{host}]' if ':' in host else host or '*'}:{server.server_address[1]}")
    server.serve_forever(poll_interval=3600)
