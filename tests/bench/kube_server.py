"""The fake API server in a process of its own: it shares no interpreter with the harness.

Run with the paths for a kubeconfig and a service account, it serves, and takes orders on stdin, a
JSON line each; the answer is a JSON line. `KubeServer` is the other end: it starts the process and
gives the orders. "Accepted" is the moment when the new version is in the store and rendered for the
watches, before its first byte is sent: the rendering is in no figure, the sending is in the figure
of every candidate.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
import urllib.parse
from typing import Any, Self

from tests.fake_kube import FakeKube
from tests.fake_kube_kinds import manifest
from tests.fake_kube_store import Event

PATIENCE = 30.0  # seconds for the stream to take a version before the next


class Content:
    """Contents of a given size, different in every version; cheap to make and to compare."""

    @staticmethod
    def data(version: int, size: int, keys: int) -> dict[str, str]:
        """`keys` values of `size` bytes together: lines of configuration, the first with
        `version`.
        """
        line = "listen 127.0.0.1:8080;  # what an administrator would have written\n"
        each = max(16, size // keys)
        body = (line * (each // len(line) + 1))[: each - 16]
        return {
            f"key-{number:03}.conf": f"# {version:012}\n{body}"[:each] for number in range(keys)
        }


class _Orders:
    """The orders of the process, a method each; every answer is fit for JSON."""

    def __init__(self, kube: FakeKube) -> None:
        self._kube = kube
        self._version = 0
        self._accepted = 0
        kube.store.heard = self._heard

    def _heard(self, event: Event) -> None:
        self._kube._spread(event)
        self._accepted = time.monotonic_ns()

    def put(self, namespace: str, name: str, size: int, keys: int) -> int:
        """Make or change an object; the moment of its acceptance, in ns."""
        self._version += 1
        store = self._kube.store
        store.namespaces.add(namespace)
        body = manifest(name, Content.data(self._version, size, keys), None, kind="configmap")
        if store.select("configmaps", namespace, name)[1]:
            store.replace("configmaps", namespace, name, body)
        else:
            store.create("configmaps", namespace, body)
        store._events.clear()
        return self._accepted

    def stream(self, namespace: str, name: str, size: int, keys: int, seconds: float) -> int:
        """Change an object without a pause, each version once the last is sent; their number."""
        count = 0
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.put(namespace, name, size, keys)
            count += 1
            if not self._drained():
                break
        return count

    def _drained(self) -> bool:
        changed = self._kube.store.lock
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            with changed:
                if not any(stream.queue for stream in self._kube._streams):
                    return True
            time.sleep(0.0002)
        return False

    def cut(self) -> int:
        """End every watch as at its timeout; their number."""
        watchers = self._kube.watchers()
        self._kube.cut("clean")
        return watchers

    def watchers(self, namespace: str) -> int:
        with self._kube.store.lock:
            return sum(stream.ask.namespace == namespace for stream in self._kube._streams)

    def asked(self, namespace: str) -> list[tuple[str, float]]:
        """Each request for a namespace: its verb, and the timeout of a watch (else 0)."""
        own = (ask for ask in self._kube.log if ask.namespace == namespace)
        return [(ask.verb, float(ask.query.get("timeoutSeconds") or 0)) for ask in own]


class KubeServer:
    """The running server, from the side of the harness."""

    def __init__(self, folder: str) -> None:
        self.kubeconfig = os.path.join(folder, "kubeconfig")
        self.account = os.path.join(folder, "account")  # the directory of a service account
        command = [
            sys.executable,
            "-m",
            "tests.bench.kube_server",
            self.kubeconfig,
            self.account,
        ]
        self._popen = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.port: int = self._answer()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._popen.stdin is not None
        assert self._popen.stdout is not None
        self._popen.stdin.close()
        self._popen.wait(10)
        self._popen.stdout.close()

    @property
    def pid(self) -> int:
        return self._popen.pid

    def order(self, word: str, *arguments: object) -> Any:
        """Call a method of `_Orders` in the process; its answer."""
        self.begin(word, *arguments)
        return self._answer()

    def begin(self, word: str, *arguments: object) -> None:
        """The same without a wait: `end` gives the answer."""
        assert self._popen.stdin is not None
        self._popen.stdin.write(json.dumps([word, *arguments]) + "\n")
        self._popen.stdin.flush()

    def end(self) -> Any:
        return self._answer()

    def _answer(self) -> Any:
        assert self._popen.stdout is not None
        line = self._popen.stdout.readline()
        if not line:
            raise RuntimeError(
                f"the API server ended with {self._popen.wait(10)}; its output is above"
            )
        return json.loads(line)


def serve(kubeconfig: str, account: str) -> None:
    """Until stdin ends. Writes a kubeconfig and the files of a service account."""
    # The thread that sends must not wait for the thread of the orders.
    sys.setswitchinterval(0.0002)
    with FakeKube() as kube:
        kube.bookmark_every = math.inf  # as a real server in a quiet cluster
        orders = _Orders(kube)
        kube.write_kubeconfig(kubeconfig)
        kube.write_service_account(account)
        print(urllib.parse.urlsplit(kube.url).port, flush=True)
        for line in sys.stdin:
            word, *arguments = json.loads(line)
            print(json.dumps(getattr(orders, word)(*arguments)), flush=True)


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2])
