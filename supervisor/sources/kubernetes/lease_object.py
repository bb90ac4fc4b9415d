"""A Lease of the API as the fleet's values, and back.

Pure. Of a Lease only our annotations, the holder and the duration cross, within bounds; a write
keeps everything else of the object that it replaces. The times are for people and never read.
Must not know requests, nor the meaning of an annotation.

Leases: https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/lease-v1/
"""

from __future__ import annotations

import math

from ...core.primitives import deque
from ...fleet.lease import PREFIX, LeaseState
from .answer_parsing import parsed
from .api_errors import BadDataError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..interface import Label

_MOST = 64  # annotations of ours
_LENGTH = 1 << 14  # characters of each, and of the holder
_LONGEST = 2**31 - 1  # seconds: the field has 32 bits
_REMEMBERED = 8  # states that a write may build on
_FRESH = 30.0  # seconds in which an older state than our write is a late one


class LeaseParser:
    """Parses lists and events of Leases, whole: a write gives back every field."""

    def event(self, text: bytes | bytearray) -> Any:
        """A line of a watch; raises BadDataError."""
        return parsed(text)

    def listing(self, text: bytes | bytearray) -> Any:
        """A list; raises BadDataError."""
        return parsed(text)


def state_of(obj: Any) -> LeaseState:
    """The values of a Lease; raises BadDataError for a foreign shape."""
    if not isinstance(obj, dict):
        raise BadDataError("the answer is not a Lease")
    meta = _map(obj, "metadata")
    version = meta.get("resourceVersion")
    if not (isinstance(version, str) and version):
        raise BadDataError("the Lease has no resourceVersion")
    annotations = _map(meta, "annotations")
    ours = {key: value for key, value in annotations.items() if key.startswith(PREFIX)}
    if len(ours) > _MOST:
        raise BadDataError(f"it has more than {_MOST} annotations {PREFIX}...")
    ours = {key: _text(f"its annotation {key[:100]}", value) for key, value in ours.items()}
    spec = _map(obj, "spec")
    holder = spec.get("holderIdentity")
    holder = "" if holder is None else _text("its holderIdentity", holder)
    seconds = spec.get("leaseDurationSeconds")
    seconds = 0 if seconds is None else seconds
    if type(seconds) is not int or not 0 <= seconds <= _LONGEST:
        raise BadDataError("its leaseDurationSeconds is not a number of seconds")
    return LeaseState(ours, holder, float(seconds), version)


def _map(parent: dict[str, Any], name: str) -> dict[str, Any]:
    found = parent.get(name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise BadDataError(f"its {name} is not a map")
    return found


def _text(name: str, value: object) -> str:
    """A text, cut: the rules skip the words in it that have no meaning."""
    if not isinstance(value, str):
        raise BadDataError(f"{name} is not text")
    return value[:_LENGTH]


def created(label: Label, state: LeaseState, now: str) -> dict[str, Any]:
    """A new Lease. `now` is the time in RFC 3339 with microseconds."""
    meta = {"name": label.name, "namespace": label.namespace}
    return changed({"metadata": meta}, state, now)


def changed(obj: dict[str, Any], state: LeaseState, now: str) -> dict[str, Any]:
    """The Lease with another state."""
    meta = dict(obj["metadata"])
    foreign = {
        key: value
        for key, value in (meta.get("annotations") or {}).items()
        if not key.startswith(PREFIX)
    }
    meta["annotations"] = {**foreign, **state.annotations}
    spec = dict(obj.get("spec") or {})
    if state.holder and state.holder != spec.get("holderIdentity"):
        spec["acquireTime"] = now
    spec["renewTime"] = now
    spec["holderIdentity"] = state.holder
    spec["leaseDurationSeconds"] = math.ceil(min(state.duration, _LONGEST))
    for name in ("holderIdentity", "leaseDurationSeconds"):
        if not spec[name]:
            del spec[name]
    named = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
    return {**obj, **named, "metadata": meta, "spec": spec}


class SeenLeases:
    """The last states of one Lease, each with its object. Safe from any thread."""

    def __init__(self) -> None:
        self._objects: deque[tuple[str, dict[str, Any]]] = deque(maxlen=_REMEMBERED)
        self._written = ""  # the version of our last write
        self._written_at = 0.0

    def add(self, obj: dict[str, Any]) -> LeaseState:
        """Remember an object; its state. Raises BadDataError."""
        state = state_of(obj)
        meta = {key: value for key, value in obj["metadata"].items() if key != "managedFields"}
        self._objects.append((state.resource_version, {**obj, "metadata": meta}))
        return state

    def written(self, state: LeaseState, now: float) -> None:
        """Our write stands. `now` is monotonic."""
        self._written = state.resource_version
        self._written_at = now

    def late(self, state: LeaseState, now: float) -> bool:
        """Whether a watch tells a state that our last write has replaced since.

        Versions are compared as numbers, and only soon after a write: a restored server counts
        from an older number on.
        """
        ours, theirs = self._written, state.resource_version
        comparable = ours.isdecimal() and theirs.isdecimal()
        return comparable and now < self._written_at + _FRESH and int(theirs) < int(ours)

    def find(self, version: str) -> dict[str, Any] | None:
        """The object of a version, if it was seen lately."""
        for seen, obj in tuple(self._objects):
            if seen == version:
                return obj
        return None
