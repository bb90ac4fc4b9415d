"""The floor: a minimal Python program as an init, and as a follower of ConfigMaps.

`floor.py -- APP...` reaps, forwards signals, and ends with the app's exit code. `floor.py
KUBECONFIG NAMESPACE NAMES ROOT -- APP...` also lists each object, writes its files plainly, starts
the app, watches, writes changes and sends HUP. Nothing else: no options, no checks, no atomic swap,
no errors, no metrics. Run by the benchmark with `python -I` as a script; it must import only the
standard library.
"""

from __future__ import annotations

import os
import signal
import sys

ALL = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}


def spawn(command: list[str]) -> int:
    """Start the app with no signal blocked."""
    app = os.fork()
    if app == 0:
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.execvp(command[0], command)
    return app


def run(app: int) -> int:
    """Forward and reap until the app has ended; its exit code."""
    while True:
        number = signal.sigwait(ALL)
        if number != signal.SIGCHLD:
            os.kill(app, number)
            continue
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == app:
                return os.waitstatus_to_exitcode(status)
            if pid == 0:
                break


class Follower:
    """A ConfigMap and the connection of its watch."""

    def __init__(self, kubeconfig: str, namespace: str, name: str, root: str) -> None:
        import base64
        import http.client
        import json
        import ssl

        self.parse = json.loads
        self.root = root
        with open(kubeconfig, encoding="utf-8") as file:
            config = json.load(file)
        cluster = config["clusters"][0]["cluster"]
        user = config["users"][0]["user"]
        pem = base64.b64decode(cluster["certificate-authority-data"]).decode()
        address = cluster["server"].removeprefix("https://")
        self.link = http.client.HTTPSConnection(
            address, context=ssl.create_default_context(cadata=pem)
        )
        self.headers = {"Authorization": f"Bearer {user['token']}"}
        self.path = (
            f"/api/v1/namespaces/{namespace}/configmaps?fieldSelector=metadata.name%3D{name}"
        )
        self.version = self.list()

    def ask(self, more: str = "") -> http.client.HTTPResponse:
        self.link.request("GET", self.path + more, headers=self.headers)
        return self.link.getresponse()

    def list(self) -> str:
        answer = self.parse(self.ask().read())
        for item in answer["items"]:
            self.write(item)
        return str(answer["metadata"]["resourceVersion"])

    def write(self, item: dict[str, dict[str, str]]) -> None:
        for key, value in item["data"].items():
            with open(f"{self.root}/{key}", "w", encoding="utf-8") as file:
                file.write(value)

    def follow(self, app: int) -> None:
        """Watch until the server ends the watch, list, and begin again."""
        while True:
            for line in self.ask(f"&watch=1&timeoutSeconds=300&resourceVersion={self.version}"):
                self.write(self.parse(line)["object"])
                os.kill(app, signal.SIGHUP)
            self.version = self.list()


def main() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, ALL)
    split = sys.argv.index("--")
    asked = sys.argv[1:split]
    command = sys.argv[split + 1 :]
    followers = []
    if asked:
        import threading

        kubeconfig, namespace, names, root = asked
        followers = [Follower(kubeconfig, namespace, name, root) for name in names.split(",")]
    app = spawn(command)
    for follower in followers:
        threading.Thread(target=follower.follow, args=(app,), daemon=True).start()
    os._exit(run(app))


TYPE_CHECKING = False
if TYPE_CHECKING:
    import http.client

if __name__ == "__main__":
    main()
