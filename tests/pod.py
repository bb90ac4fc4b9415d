"""A pod's way to the API for a whole program: a mounted service account and its variables.

Knows nothing of the server, nor of the program.
"""

from __future__ import annotations

import os

from config_supervisor.sources.kubernetes.credentials import SERVICE_ACCOUNT

# Over the machine's own files, and for the command only: mounts of its namespace.
_MOUNT = """
mount -t tmpfs tmpfs "$(realpath /var/run)"
mkdir -p "$2"
mount --bind "$1" "$2"
shift 2
exec "$@"
"""


def in_pod(account: str) -> list[str]:
    """The begin of a command: the rest of it finds `account` as the kubelet mounts it.

    Later changes of the directory show there. Other users than root need user namespaces.
    """
    user = ["--user", "--map-root-user"] if os.geteuid() else []
    return ["unshare", "--mount", *user, "--", "sh", "-ec", _MOUNT, "sh", account, SERVICE_ACCOUNT]


def environment(port: int) -> dict[str, str]:
    """The variables by which a pod finds an API server on loopback."""
    return {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(port)}
