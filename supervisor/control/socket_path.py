"""The places of the control socket: the supervisor takes the first free place, and supervisorctl
tries all.

It owns the list for both sides; it must not open or make a file, nor import anything heavy, since
every health check imports it.
"""

from __future__ import annotations

import os

from .. import PREFIX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

OFF = "off"  # instead of a path
PLAIN = "/run/config-supervisor.sock"
FAMILY = "config-supervisor-"  # begins every other name


def default_paths() -> list[str]:
    """The places for a control socket whose directory can be written to, the best first."""
    return [path for path in _places() if os.access(os.path.dirname(path), os.W_OK | os.X_OK)]


def chosen_path(environ: Mapping[str, str]) -> str:
    """The path, or `off`, in CONFIG_SUPERVISOR_CONTROL; empty if it is not set."""
    return environ.get(f"{PREFIX}CONTROL", "").strip()


def candidates() -> list[str]:
    """Where a supervisor of this container may listen by default, the likeliest first."""
    return [*_places(), *_of_other_users()]


def _places() -> list[str]:
    """The plain name, then names of this container: a pod's containers may share either directory,
    and users a /tmp.
    """
    container = _container()
    return [
        PLAIN,
        f"/run/{FAMILY}{container}.sock",
        f"/tmp/{FAMILY}{os.geteuid()}-{container}.sock",
    ]


def _of_other_users() -> list[str]:
    """For root, the places of this container's other users: `docker exec -u 0` beside
    `USER 1000`.
    """
    if os.geteuid() != 0:
        return []
    end = f"-{_container()}.sock"
    try:
        names = os.listdir("/tmp")
    except OSError:
        return []
    found = [name for name in names if name.startswith(FAMILY) and name.endswith(end)]
    return sorted({f"/tmp/{name}" for name in found} - {*_places()})


def _container() -> str:
    """The identity of our container on this machine: the inode of its mount namespace.

    Each container has its own, even where a pod shares the PID namespace, and each process of the
    container enters it: namespaces(7), the "Container exec" of runtimes, probes of the kubelet.
    """
    for kind in ("mnt", "pid"):
        try:
            return str(os.stat(f"/proc/self/ns/{kind}").st_ino)
        except OSError:  # no /proc, or no namespaces are shown (gVisor)
            continue
    return "0"
