"""Where the control socket is: the places that the supervisor may choose and supervisorctl looks at.

Both sides ask here, so that they agree without a word. Nothing is opened or made; nothing heavy is imported,
as a health check pays for it.
"""

from __future__ import annotations

import os

from . import PREFIX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

OFF = "off"  # instead of a path


def default_path() -> str | None:
    """The place of the control socket where none was chosen; None if neither directory can be written to.

    The user id in the second keeps supervisors of different users apart in a /tmp that they share.
    """
    for path in _places():
        if os.access(os.path.dirname(path), os.W_OK | os.X_OK):
            return path
    return None


def candidates(environ: Mapping[str, str]) -> list[str]:
    """Where a supervisor of this container may listen, the likeliest first; none if the socket is switched off."""
    chosen = environ.get(f"{PREFIX}CONTROL", "").strip()
    if chosen == OFF:
        return []
    return [chosen, *_places()] if chosen else _places()


def _places() -> list[str]:
    return ["/run/supervisor.sock", f"/tmp/supervisor-{os.geteuid()}.sock"]  # noqa: S108 - sticky, the uid is checked
