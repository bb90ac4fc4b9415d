"""The objects of the fake API server, and the rules of their changes.

One resourceVersion counts over all objects; every real change makes an event; a change of nothing
changes nothing; a refusal has the code, reason and message of a cluster.
Knows no HTTP, no tokens and no faults. Rules: the API concepts page of the Kubernetes
documentation, and the API server's validation of ConfigMaps and Secrets.
"""

from __future__ import annotations

import base64
import binascii
import copy
import re
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from config_supervisor.core.record import Record

Json = dict[str, Any]

RESOURCES = {"configmaps": "ConfigMap", "secrets": "Secret"}
OBJECT_LIMIT = 1 << 20  # bytes of all values together
_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


class RefusedError(Exception):
    """A refused request: HTTP code, reason and message of the Status body."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code, self.reason = code, reason

    def status(self) -> Json:
        """The body of the answer."""
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": str(self),
            "reason": self.reason,
            "code": self.code,
        }


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
            obj = _clean(resource, body)
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
        with self.lock:
            old = self.get(resource, namespace, name)
            obj = _clean(resource, body)
            given = body.get("metadata", {}).get("resourceVersion")
            if given and given != old["metadata"]["resourceVersion"]:
                message = (
                    f'Operation cannot be fulfilled on {resource} "{name}": the object has been '
                )
                raise RefusedError(409, "Conflict", message + "modified; please apply your changes")
            kept = ("name", "namespace", "uid", "creationTimestamp")
            obj["metadata"] |= {key: old["metadata"][key] for key in kept}
            validate(resource, obj)
            if old.get("immutable") and any(
                obj.get(key) != old.get(key) for key in ("data", "binaryData", "immutable")
            ):
                message = "data: Forbidden: field is immutable when `immutable` is set"
                raise _invalid(resource, name, message)
            if obj == _clean(resource, old):
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
                "apiVersion": "v1",
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


def validate(resource: str, obj: Json) -> None:
    """Raise RefusedError for an object that the API server refuses."""
    name = obj["metadata"].get("name", "")
    if not isinstance(name, str) or len(name) > 253 or not _NAME.fullmatch(name):
        message = f'metadata.name: Invalid value: "{name}": a lowercase RFC 1123 subdomain must ...'
        raise _invalid(resource, str(name), message)
    size = 0
    for field in ("data", "binaryData"):
        coded = field == "binaryData" or resource == "secrets"
        for key, value in (obj.get(field) or {}).items():
            if not _KEY.fullmatch(key) or len(key) > 253 or key == "." or key.startswith(".."):
                message = (
                    f'{field}[{key}]: Invalid value: "{key}": a valid config key must consist of '
                )
                raise _invalid(resource, name, message + "alphanumeric characters, '-', '_' or '.'")
            if field == "binaryData" and key in (obj.get("data") or {}):
                message = (
                    f'data[{key}]: Invalid value: "{key}": duplicate of key present in binaryData'
                )
                raise _invalid(resource, name, message)
            size += _size(field, value, coded=coded)
    if size > OBJECT_LIMIT:
        message = f"[]: Too long: must have at most {OBJECT_LIMIT} bytes"
        raise _invalid(resource, name, message)


def manifest(
    name: str,
    data: Mapping[str, str | bytes] | None,
    binary: Mapping[str, bytes] | None,
    *,
    kind: str,
) -> Json:
    """The JSON of a ConfigMap or Secret with these plain values."""
    encoded = {key: base64.b64encode(value).decode() for key, value in (binary or {}).items()}
    body: Json = {"metadata": {"name": name}, "kind": RESOURCES[f"{kind}s"], "apiVersion": "v1"}
    if kind == "secret":
        plain = {k: v.encode() if isinstance(v, str) else v for k, v in (data or {}).items()}
        coded = {key: base64.b64encode(value).decode() for key, value in plain.items()}
        return {**body, "data": {**coded, **encoded}}
    return {**body, "data": dict(data or {}), "binaryData": encoded}


def _size(field: str, value: object, *, coded: bool) -> int:
    if not isinstance(value, str):
        raise RefusedError(
            400, "BadRequest", f"json: cannot unmarshal into Go struct field .{field}"
        )
    if not coded:
        return len(value.encode())
    try:
        return len(base64.b64decode(value, validate=True))
    except binascii.Error:
        raise RefusedError(400, "BadRequest", f"illegal base64 data in .{field}") from None


def _clean(resource: str, body: Json) -> Json:
    """The writable part of a request's object, in the API server's form."""
    meta = body.get("metadata") or {}
    known = ("data", "binaryData", "immutable", "type")
    obj: Json = {
        "kind": RESOURCES[resource],
        "apiVersion": "v1",
        **{key: copy.deepcopy(body[key]) for key in known if body.get(key)},
    }
    if resource == "secrets":
        obj.setdefault("type", "Opaque")
        for key, value in (body.get("stringData") or {}).items():
            obj.setdefault("data", {})[key] = base64.b64encode(value.encode()).decode()
    kept = ("name", "namespace", "labels", "annotations", "uid", "creationTimestamp")
    obj["metadata"] = {key: meta[key] for key in kept if meta.get(key)}
    return obj


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


def _invalid(resource: str, name: str, message: str) -> RefusedError:
    return RefusedError(422, "Invalid", f'{RESOURCES[resource]} "{name}" is invalid: {message}')


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
