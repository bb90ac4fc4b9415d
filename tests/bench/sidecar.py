"""A stand-in for k8s-sidecar, which is neither on PyPI nor in Debian: the same library calls only.

`sidecar.py KUBECONFIG NAMESPACE ROOT URL [APP...]`: CoreV1Api and Watch over the namespace's
ConfigMaps with its default timeouts (server 60 s, client 66 s), a file written in place when its
digest differs, and then a POST with a fresh `requests` session and retries. The original also has
structured logs, a health server and a process per kind of resource, and costs more than this. It is
no init: here it starts the app itself, first, to be measured like the others. Run by the benchmark
with `python -I`.
"""

from __future__ import annotations

import copy
import hashlib
import logging
import os
import sys
from typing import Any

import requests
from kubernetes import client, config, watch
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

LOG = logging.getLogger("sidecar")
kubernetes_watch: Any = watch  # untyped, as is all of the library
kubernetes_config: Any = config


class Sidecar:
    def __init__(self, namespace: str, root: str, url: str) -> None:
        self.namespace = namespace
        self.root = root
        self.url = url
        self.known: dict[str, Any] = {}

    def follow(self) -> None:
        """A watch from the beginning: every object comes as ADDED first."""
        api = client.CoreV1Api()
        events = kubernetes_watch.Watch().stream(
            api.list_namespaced_config_map,
            namespace=self.namespace,
            timeout_seconds=60,
            _request_timeout=66,
        )
        for event in events:
            item = event["object"]
            old = self.known.get(item.metadata.name)
            self.known[item.metadata.name] = copy.deepcopy(item)
            changed = [self.write(key, text) for key, text in (item.data or {}).items()]
            for key in set(old.data or {}) - set(item.data or {}) if old else ():
                os.remove(os.path.join(self.root, key))
                changed.append(True)
            if any(changed):
                self.post()

    def write(self, key: str, text: str) -> bool:
        """Whether the file had to be written."""
        path = os.path.join(self.root, key)
        if os.path.exists(path):
            present = hashlib.sha256()
            with open(path, "rb") as file:
                for block in iter(lambda: file.read(4096), b""):
                    present.update(block)
            if present.hexdigest() == hashlib.sha256(text.encode()).hexdigest():
                return False
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return True

    def post(self) -> None:
        retries = Retry(
            total=5, connect=10, read=5, backoff_factor=1.1, status_forcelist=[500, 502, 503, 504]
        )
        session = requests.Session()
        session.mount("http://", HTTPAdapter(max_retries=retries))
        answer = session.post(self.url, json=None, timeout=10)
        LOG.debug("%s %s", answer.status_code, answer.text)


def main() -> None:
    kubeconfig, namespace, root, url, *app = sys.argv[1:]
    logging.basicConfig(level=logging.INFO)
    if app and os.fork() == 0:
        os.execvp(app[0], app)
    kubernetes_config.load_kube_config(kubeconfig)
    sidecar = Sidecar(namespace, root, url)
    while True:
        sidecar.follow()


if __name__ == "__main__":
    main()
