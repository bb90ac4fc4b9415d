"""The files of clients of a fake API server: a kubeconfig, a service account.

Knows nothing of the server.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from typing import Any


def kubeconfig(url: str, pem: str, token: str, namespace: str, changes: Mapping[str, Any]) -> str:
    """A kubeconfig with a cluster, user and context; `changes`: user, cluster, context entries to
    overlay.
    """
    cluster = {"server": url, "certificate-authority-data": base64.b64encode(pem.encode()).decode()}
    context = {"cluster": "fake", "user": "admin", "namespace": namespace}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "fake",
        "clusters": [{"name": "fake", "cluster": _overlaid(cluster, changes.get("cluster", {}))}],
        "users": [{"name": "admin", "user": changes.get("user", {"token": token})}],
        "contexts": [
            {"name": "fake", "context": {**context, **changes.get("context", {})}},
            *changes.get("contexts", []),
        ],
    }
    return json.dumps(content)


def _overlaid(entry: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**entry, **changes}
    return {key: value for key, value in merged.items() if value is not None}


def write(path: str, text: str) -> str:
    """In one step, as a kubelet and a careful admin do it: a reader never sees half a file."""
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path + ".new", "w") as out:
        out.write(text)
    os.rename(path + ".new", path)
    return path
