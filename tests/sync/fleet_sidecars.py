"""Sidecars of a fleet: whole programs without a command, each beside an app with an HTTP port."""

from __future__ import annotations

import os
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.sync.fleet_pods import KEY, Group, Pod, identities


class App:
    """The app of another container: it reads its file for `POST /reload`, and answers `GET /check`
    by its content.
    """

    def __init__(self, file: str) -> None:
        self.taken: list[str] = []
        self._file = file
        app = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                app.taken.append(Path(app._file).read_text())
                self._answer(HTTPStatus.OK)

            def do_GET(self) -> None:
                bad = "bad" in app.taken[-1:]
                self._answer(HTTPStatus.INTERNAL_SERVER_ERROR if bad else HTTPStatus.OK)

            def _answer(self, status: HTTPStatus) -> None:
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class SidecarPod(Pod):
    """A pod whose supervisor has no command."""

    app: App

    @property
    def taken(self) -> list[str]:
        return list(self.app.taken)

    def open(self) -> None:
        """Start the app, which runs whatever becomes of the supervisor."""
        self.app = App(os.path.join(self.root, KEY))
        self.command = []
        self.options += [
            f"--reload-http={self.app.url}/reload",
            f"--verify={self.app.url}/check",
            "--reload-timeout=5s",
        ]


class SidecarGroup(Group):
    """Such pods; the first of them is the canary of the contents that it is made for."""

    def begin(self, *later: str, pods: int = 3) -> list[Pod]:
        self.kube.create("web", {KEY: "one"})
        for own in identities(pods, *later):
            pod = SidecarPod(self.run, self.kube, self.scratch, own)
            self.pods.append(pod)
            pod.open()
            pod.start()
            if len(self.pods) == 1:
                self.expect_good("one")
        for one in self.pods:
            one.expect("one")
            one.expect_good()
        return self.pods

    def close(self) -> None:
        for pod in self.pods:
            if isinstance(pod, SidecarPod):
                pod.app.close()
