"""The objects of the fake API server, and the rules of their changes.

One resourceVersion counts over all objects; every real change makes an event; a change of nothing
changes nothing; an update that names a version or a uid is refused unless it is the present one.
Knows no HTTP, no tokens and no faults. Rules: the API concepts page of the Kubernetes
documentation, and the API server's registry (create on update, unconditional updates).
"""

from __future__ import annotations

import copy
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

from config_supervisor.core.record import Record
from tests.fake_kube_kinds import KINDS, Json, RefusedError, clean, conflict, invalid, validate


class Event(Record):
    """A change: its version, ADDED, MODIFIED or DELETED, and the object after it."""

    version: int
    type: str
    resource: str
    obj: Json

    def concerns(self, resource: str, namespace: str, name: str) -> bool:
        """Whether a watch on a selection sees it ('' selects all)."""
        meta = self.obj["metadata"]
        return (
            self.resource == resource
            and namespace in {"", meta["namespace"]}
            and name in {"", meta["name"]}
        )


class Store:
    """All objects of a cluster. Every method may be called from any thread."""

    def __init__(self) -> None:
        self.lock = threading.RLock()  # of every change
        self.version = 1000
        self.compacted = 0  # watches from before this version are answered 410
        self.namespaces = {"default"}
        self._objects: dict[tuple[str, str, str], Json] = {}
        self._events: list[Event] = []
        self.heard: Callable[[Event], None] = lambda _: None  # called with every event, in order

    def select(self, resource: str, namespace: str, name: str = "") -> tuple[int, list[Json]]:
        """The version of the whole store, and the selected objects ('' selects all)."""
        with self.lock:
            chosen = [
                obj
                for (kind, space, title), obj in sorted(self._objects.items())
                if kind == resource and namespace in {"", space} and name in {"", title}
            ]
            return self.version, chosen

    def get(self, resource: str, namespace: str, name: str) -> Json:
        with self.lock:
            try:
                return self._objects[resource, namespace, name]
            except KeyError:
                raise RefusedError(404, "NotFound", f'{resource} "{name}" not found') from None

    def since(self, version: int) -> list[Event]:
        """The events after a version; RefusedError(410) when they are compacted away."""
        with self.lock:
            if version < self.compacted:
                message = f"too old resource version: {version} ({self.compacted})"
                raise RefusedError(410, "Expired", message)
            return [event for event in self._events if event.version > version]

    def compact(self) -> None:
        """Forget all history: a watch from any version up to now is 410."""
        with self.lock:
            self.version += 1
            self.compacted = self.version
            self._events.clear()

    def create(self, resource: str, namespace: str, body: Json, *, unchecked: bool = False) -> Json:
        with self.lock:
            if namespace not in self.namespaces:
                raise RefusedError(404, "NotFound", f'namespaces "{namespace}" not found')
            obj = clean(resource, body)
            name = obj["metadata"].get("name", "")
            if (resource, namespace, name) in self._objects:
                raise RefusedError(409, "AlreadyExists", f'{resource} "{name}" already exists')
            if not unchecked:
                validate(resource, obj)
            now = _now()
            obj["metadata"] |= {
                "namespace": namespace,
                "uid": str(uuid.uuid4()),
                "creationTimestamp": now,
            }
            return self._put("ADDED", resource, obj)

    def replace(self, resource: str, namespace: str, name: str, body: Json) -> Json:
        """As a PUT: a kind that allows it is created by it."""
        with self.lock:
            given = body.get("metadata") or {}
            if given.get("name", name) != name:
                text = f"the name of the object ({given['name']}) does not match the name on the"
                raise RefusedError(400, "BadRequest", f"{text} URL ({name})")
            if KINDS[resource].put_creates and not self.select(resource, namespace, name)[1]:
                _check_uid(resource, name, given, "")
                return self.create(resource, namespace, body)
            old = self.get(resource, namespace, name)
            obj = clean(resource, body)
            _check_uid(resource, name, given, old["metadata"]["uid"])
            version = given.get("resourceVersion")
            if not version and KINDS[resource].conditional:
                text = "metadata.resourceVersion: Invalid value: 0: must be specified for an update"
                raise invalid(resource, name, text)
            if version and version != old["metadata"]["resourceVersion"]:
                why = "the object has been modified; please apply your changes to the latest"
                raise conflict(resource, name, f"{why} version and try again")
            kept = ("name", "namespace", "uid", "creationTimestamp")
            obj["metadata"] |= {key: old["metadata"][key] for key in kept}
            validate(resource, obj)
            if old.get("immutable") and any(
                obj.get(key) != old.get(key) for key in ("data", "binaryData", "immutable")
            ):
                message = "data: Forbidden: field is immutable when `immutable` is set"
                raise invalid(resource, name, message)
            if obj == clean(resource, old):
                return old
            return self._put("MODIFIED", resource, obj)

    def patch(self, resource: str, namespace: str, name: str, body: Json) -> Json:
        """A JSON merge patch (RFC 7396)."""
        with self.lock:
            old = copy.deepcopy(self.get(resource, namespace, name))
            return self.replace(resource, namespace, name, _merge(old, body))

    def delete(self, resource: str, namespace: str, name: str) -> Json:
        with self.lock:
            obj = copy.deepcopy(self.get(resource, namespace, name))
            del self._objects[resource, namespace, name]
            return self._tell("DELETED", resource, obj)

    def _put(self, kind: str, resource: str, obj: Json) -> Json:
        meta = obj["metadata"]
        meta["managedFields"] = [
            {
                "manager": "fake",
                "operation": "Update",
                "apiVersion": KINDS[resource].api_version,
                "time": _now(),
                "fieldsType": "FieldsV1",
                "fieldsV1": {},
            }
        ]
        self._objects[resource, meta["namespace"], meta["name"]] = obj
        return self._tell(kind, resource, obj)

    def _tell(self, kind: str, resource: str, obj: Json) -> Json:
        self.version += 1
        obj["metadata"]["resourceVersion"] = str(self.version)
        event = Event(self.version, kind, resource, obj)
        self._events.append(event)
        self.heard(event)
        return obj


def _check_uid(resource: str, name: str, given: Json, actual: str) -> None:
    """As a cluster: it holds an update by its precondition before it looks at the version."""
    if given.get("uid") and given["uid"] != actual:
        why = f"Precondition failed: UID in precondition: {given['uid']}, UID in object meta: "
        raise conflict(resource, name, why + actual)


def _merge(target: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _merge(result.get(key), value)
    return result


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
