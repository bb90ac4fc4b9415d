"""The state of one object, by the events of a watch.

Pure: from a history of events to a history of states. A watch may begin with the objects that
exist already (the initial events); their end is a bookmark, and only from there on the state is
complete: an object that did not appear before is absent. Must not know connections, pauses, nor
the content of an object.

Events: https://kubernetes.io/docs/reference/using-api/api-concepts/#streaming-lists
"""

from __future__ import annotations

from ...core.record import Record
from .api_errors import BadDataError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..interface import Label

INITIAL_END = "k8s.io/initial-events-end"  # an annotation of the bookmark
_KINDS = frozenset({"ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"})


class News(Record):
    """The meaning of an event: `saw` is its type in lower case, `error` a Status object.

    With `told`, it brings a state: `obj`, or None for an absent object. `foreign`: of another
    object, or of none.
    """

    saw: str
    told: bool = False
    obj: Any = None
    error: Any = None
    foreign: bool = False


class ObjectEvents:
    """Reads the events of a watch. `complete`: the initial events are over."""

    def __init__(self, label: Label, obj: Any = None, *, initial: bool = False) -> None:
        """`obj` is the object at the begin of the watch; with `initial`, events bring it first."""
        self.complete = not initial
        self._label = label
        self._uid = _uid(obj)
        self._held: Any = None  # the object so far, until the initial events are over

    def take(self, event: Any) -> News:
        """Read an event; raises BadDataError for anything else."""
        try:
            kind = event["type"]
            obj = event["object"]
            ours = concerns(obj, self._label)
            known = kind in _KINDS
            ended = kind == "BOOKMARK" and not self.complete and _ends_initial(obj)
        except (KeyError, TypeError, AttributeError):
            known = False
        if not known:
            raise BadDataError("the watch sent something else than a watch event")
        saw = kind.lower()
        if kind == "ERROR":
            return News(saw, error=obj)
        if ended:
            held = self._held
            self._held = None
            self.complete = True
            return News(saw, True, held)
        return self._changed(saw, obj) if ours else News(saw, foreign=True)

    def _changed(self, saw: str, obj: Any) -> News:
        if saw in ("added", "modified"):
            self._uid = _uid(obj)
            now = obj
        elif saw == "deleted" and _uid(obj) == self._uid:
            # Any other uid is of a former object with this name, which a new object has replaced.
            self._uid = ""
            now = None
        else:
            return News(saw)
        if self.complete:
            return News(saw, True, now)
        self._held = now
        return News(saw)


def concerns(obj: Any, label: Label) -> bool:
    """Whether an object is the label's: a server may ignore the path or the field selector."""
    meta = obj.get("metadata") or {}
    kind = str(obj.get("kind", label.kind))
    where = meta.get("namespace", label.namespace), meta.get("name")
    return where == (label.namespace, label.name) and kind.lower() == label.kind


def _uid(obj: Any) -> str:
    return "" if obj is None else str(obj["metadata"].get("uid", ""))


def _ends_initial(obj: Any) -> bool:
    meta = obj.get("metadata") or {}
    return (meta.get("annotations") or {}).get(INITIAL_END) == "true"
