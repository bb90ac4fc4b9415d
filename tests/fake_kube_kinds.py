"""The kinds of objects in the fake API server: paths, fields, and the rules of their validation.

ConfigMaps, Secrets and Leases. A refusal has the code, reason and message of a cluster. Knows no
HTTP, no tokens, no faults, and none of the stored objects. Rules: the API server's validation and
update strategies of these kinds.
"""

from __future__ import annotations

import base64
import binascii
import copy
import re
from collections.abc import Mapping
from typing import Any

from config_supervisor.core.record import Record

Json = dict[str, Any]


class Kind(Record):
    """A kind of object: the group and the writable fields beside the metadata.

    `conditional`: an update must name the version that it replaces. `put_creates`: an update of a
    missing object creates it.
    """

    name: str
    group: str
    fields: tuple[str, ...]
    conditional: bool = False
    put_creates: bool = False

    @property
    def api_version(self) -> str:
        return f"{self.group}/v1" if self.group else "v1"


_CONTENT = ("data", "binaryData", "immutable", "type")
KINDS = {
    "configmaps": Kind("ConfigMap", "", _CONTENT),
    "secrets": Kind("Secret", "", _CONTENT),
    "leases": Kind("Lease", "coordination.k8s.io", ("spec",), conditional=True, put_creates=True),
}
OBJECT_LIMIT = 1 << 20  # bytes of all values together
ANNOTATION_LIMIT = 1 << 18  # bytes of all annotations of an object together
_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_MICRO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(?:Z|[-+]\d\d:\d\d)")
_META = (
    "name",
    "namespace",
    "labels",
    "annotations",
    "uid",
    "creationTimestamp",
    "ownerReferences",
    "finalizers",
)
_SPEC: dict[str, type] = {
    "holderIdentity": str,
    "leaseDurationSeconds": int,
    "leaseTransitions": int,
    "acquireTime": str,
    "renewTime": str,
}


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


def validate(resource: str, obj: Json) -> None:
    """Raise RefusedError for an object that the API server refuses."""
    name = obj["metadata"].get("name", "")
    if not isinstance(name, str) or len(name) > 253 or not _NAME.fullmatch(name):
        message = f'metadata.name: Invalid value: "{name}": a lowercase RFC 1123 subdomain must ...'
        raise invalid(resource, str(name), message)
    _validate_annotations(resource, obj["metadata"])
    if resource == "leases":
        _validate_lease(name, obj.get("spec") or {})
        return
    size = 0
    for field in ("data", "binaryData"):
        coded = field == "binaryData" or resource == "secrets"
        for key, value in (obj.get(field) or {}).items():
            if not _KEY.fullmatch(key) or len(key) > 253 or key == "." or key.startswith(".."):
                message = (
                    f'{field}[{key}]: Invalid value: "{key}": a valid config key must consist of '
                )
                raise invalid(resource, name, message + "alphanumeric characters, '-', '_' or '.'")
            if field == "binaryData" and key in (obj.get("data") or {}):
                message = (
                    f'data[{key}]: Invalid value: "{key}": duplicate of key present in binaryData'
                )
                raise invalid(resource, name, message)
            size += _size(field, value, coded=coded)
    if size > OBJECT_LIMIT:
        message = f"[]: Too long: must have at most {OBJECT_LIMIT} bytes"
        raise invalid(resource, name, message)


def _validate_annotations(resource: str, meta: Json) -> None:
    size = 0
    for key, value in (meta.get("annotations") or {}).items():
        if not isinstance(value, str):
            text = "json: cannot unmarshal into Go struct field ObjectMeta.metadata.annotations"
            raise RefusedError(400, "BadRequest", f"{text} of type string")
        size += len(key.encode()) + len(value.encode())
    if size > ANNOTATION_LIMIT:
        text = f"metadata.annotations: Too long: may not be more than {ANNOTATION_LIMIT} bytes"
        raise invalid(resource, meta["name"], text)


def _validate_lease(name: str, spec: Json) -> None:
    for field, kind in _SPEC.items():
        value = spec.get(field)
        if value is None:
            continue
        if type(value) is not kind:
            text = f"json: cannot unmarshal into Go struct field LeaseSpec.spec.{field}"
            raise RefusedError(400, "BadRequest", text)
        if field.endswith("Time") and not _MICRO_TIME.fullmatch(str(value)):
            text = f'parsing time "{value}" as "2006-01-02T15:04:05.000000Z07:00"'
            raise RefusedError(400, "BadRequest", text)
    duration = spec.get("leaseDurationSeconds")
    if duration is not None and duration <= 0:
        text = f"spec.leaseDurationSeconds: Invalid value: {duration}: must be greater than 0"
        raise invalid("leases", name, text)


def lease_manifest(name: str, annotations: Mapping[str, str] | None = None, **spec: object) -> Json:
    """The JSON of a Lease; `spec` is by the names of its fields."""
    kind = KINDS["leases"]
    meta = {"name": name, "annotations": dict(annotations or {})}
    return {"metadata": meta, "kind": kind.name, "apiVersion": kind.api_version, "spec": spec}


def manifest(
    name: str,
    data: Mapping[str, str | bytes] | None,
    binary: Mapping[str, bytes] | None,
    *,
    kind: str,
) -> Json:
    """The JSON of a ConfigMap or Secret with these plain values."""
    encoded = {key: base64.b64encode(value).decode() for key, value in (binary or {}).items()}
    body: Json = {"metadata": {"name": name}, "kind": KINDS[f"{kind}s"].name, "apiVersion": "v1"}
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


def clean(resource: str, body: Json) -> Json:
    """The writable part of a request's object, in the API server's form."""
    meta = body.get("metadata") or {}
    kind = KINDS[resource]
    obj: Json = {
        "kind": kind.name,
        "apiVersion": kind.api_version,
        **{key: copy.deepcopy(body[key]) for key in kind.fields if body.get(key)},
    }
    if resource == "secrets":
        obj.setdefault("type", "Opaque")
        for key, value in (body.get("stringData") or {}).items():
            obj.setdefault("data", {})[key] = base64.b64encode(value.encode()).decode()
    obj["metadata"] = {key: copy.deepcopy(meta[key]) for key in _META if meta.get(key)}
    return obj


def invalid(resource: str, name: str, message: str) -> RefusedError:
    return RefusedError(422, "Invalid", f'{KINDS[resource].name} "{name}" is invalid: {message}')


def conflict(resource: str, name: str, why: str) -> RefusedError:
    text = f'Operation cannot be fulfilled on {resource} "{name}": {why}'
    return RefusedError(409, "Conflict", text)
