"""The names of events that a listener may ask for, as supervisord has them.

Pure. They are a tree: a name stands for itself and for all names that begin with it and `_`.
"""

from __future__ import annotations

ALL = "EVENT"
_LEAVES = {
    "PROCESS_STATE": "STOPPED EXITED STARTING STOPPING BACKOFF FATAL RUNNING UNKNOWN",
    "PROCESS_COMMUNICATION": "STDOUT STDERR",
    "PROCESS_LOG": "STDOUT STDERR",
    "REMOTE_COMMUNICATION": "",
    "SUPERVISOR_STATE_CHANGE": "RUNNING STOPPING",
    "TICK": "5 60 3600",
    "PROCESS_GROUP": "ADDED REMOVED",
}
NAMES = frozenset(
    (
        ALL,
        *_LEAVES,
        *(f"{stem}_{leaf}" for stem, leaves in _LEAVES.items() for leaf in leaves.split()),
    )
)


def covered(names: frozenset[str]) -> frozenset[str]:
    """All events that a subscription to these names brings."""
    if ALL in names:
        return NAMES
    stems = tuple(f"{name}_" for name in names)
    return frozenset(name for name in NAMES if name in names or name.startswith(stems))
