"""Where the control socket is: the places that the supervisor may choose and supervisorctl looks
at.

Both sides ask here, so that they agree without a word. Nothing is opened or made; nothing heavy is
imported, as a health check pays for it.
"""

from __future__ import annotations

import os

from .. import PREFIX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

OFF = "off"  # instead of a path


def default_path() -> str | None:
    """The place of the control socket where none was chosen; None if neither directory can be
    written to.
    """
    for path in _places():
        if os.access(os.path.dirname(path), os.W_OK | os.X_OK):
            return path
    return None


def candidates(environ: Mapping[str, str]) -> list[str]:
    """Where a supervisor of this container may listen, the likeliest first; none if the socket is
    switched off.
    """
    chosen = environ.get(f"{PREFIX}CONTROL", "").strip()
    if chosen == OFF:
        return []
    places = [*_places(), *_others()]
    return [chosen, *places] if chosen else places


def family(path: str) -> tuple[str, str]:
    """Directory and first part of the names that supervisors of all containers choose beside a
    default place.
    """
    directory, name = os.path.split(path)
    return directory, name.rpartition("-")[0] + "-"


def _places() -> list[str]:
    # Containers of a pod may share either directory, and users a /tmp.
    container = _container()
    return [
        f"/run/config-supervisor-{container}.sock",
        f"/tmp/config-supervisor-{os.geteuid()}-{container}.sock",
    ]


def _others() -> list[str]:
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
    found = [name for name in names if name.startswith("config-supervisor-") and name.endswith(end)]
    return sorted({f"/tmp/{name}" for name in found} - {*_places()})


def _container() -> str:
    """The identity of our container on this machine: the inode of its mount namespace.

    Each container has its own, even where a pod shares the PID namespace, and every process that a
    runtime starts in the container enters it: namespaces(7), the "Container exec" of runtimes,
    probes of the kubelet.
    """
    for kind in ("mnt", "pid"):
        try:
            return str(os.stat(f"/proc/self/ns/{kind}").st_ino)
        except OSError:  # no /proc, or a kernel that shows no such namespace (gVisor)
            continue
    return "0"
