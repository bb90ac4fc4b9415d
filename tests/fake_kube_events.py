"""Kubernetes Events in the fake API server: checked as in a cluster, and kept for tests.

Knows no HTTP, no tokens and no faults. Rules: the events.k8s.io/v1 reference of the Kubernetes
documentation, and the API server's validation of Events of that group.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any

from tests.fake_kube_kinds import Json, RefusedError

GROUP = "events.k8s.io"
NOTE_LIMIT, WORD_LIMIT = 1024, 128  # bytes of the note; of action, reason and reportingInstance
_LABEL = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_QUALIFIED = re.compile(
    rf"(?:{_LABEL}(?:\.{_LABEL})*/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{{0,61}}[A-Za-z0-9])?"
)
_MICRO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(?:Z|[-+]\d\d:\d\d)")
_OF_THE_OLD_API = (
    "deprecatedSource",
    "deprecatedCount",
    "deprecatedFirstTimestamp",
    "deprecatedLastTimestamp",
)


class Reported:
    """The accepted Events, in the order of their arrival."""

    def __init__(self) -> None:
        self.all: list[Json] = []

    def create(self, namespace: str, body: Json) -> Json:
        """Accept an Event; RefusedError where a cluster refuses it."""
        meta = body.get("metadata") or {}
        when = body.get("eventTime")
        if when is not None and not (isinstance(when, str) and _MICRO_TIME.fullmatch(when)):
            text = (
                f'Event in version "v1" cannot be handled as a Event: parsing time "{when}" as'
                ' "2006-01-02T15:04:05'
            )
            raise RefusedError(400, "BadRequest", text + '.000000Z07:00"')
        if meta.get("namespace", namespace) != namespace:
            text = (
                "the namespace of the provided object does not match the namespace sent on the"
                " request"
            )
            raise RefusedError(400, "BadRequest", text)
        name = meta.get("name", "")
        if faults := [*_name_faults(name), *_faults(namespace, body)]:
            text = faults[0] if len(faults) == 1 else f"[{', '.join(faults)}]"
            raise RefusedError(422, "Invalid", f'Event "{name}" is invalid: {text}')
        if any(one["metadata"]["name"] == name for one in self.all):
            raise RefusedError(409, "AlreadyExists", f'events.{GROUP} "{name}" already exists')
        self.all.append({**copy.deepcopy(body), "metadata": {**meta, "namespace": namespace}})
        return self.all[-1]

    def reasons(self) -> list[str]:
        return [one["reason"] for one in self.all]


def _name_faults(name: Any) -> Iterator[str]:
    if not name:
        yield "metadata.name: Required value: name or generateName is required"
    elif not isinstance(name, str) or len(name) > 253 or not _NAME.fullmatch(name):
        yield (
            f'metadata.name: Invalid value: "{name}": a lowercase RFC 1123 subdomain must consist'
            " of ..."
        )


def _faults(namespace: str, body: Json) -> Iterator[str]:
    regarding = body.get("regarding") or {}
    # An Event about an object without a namespace, a node, belongs into `default`.
    if regarding.get("namespace", "default") != namespace:
        given = regarding.get("namespace", "")
        yield f'involvedObject.namespace: Invalid value: "{given}": does not match event.namespace'
    if not body.get("eventTime"):
        yield "eventTime: Required value"
    controller = body.get("reportingController", "")
    if not controller:
        yield "reportingController: Required value"
    elif not _QUALIFIED.fullmatch(controller):
        yield (
            f'reportingController: Invalid value: "{controller}": name part must consist of'
            " alphanumeric characters"
        )
    for field in ("reportingInstance", "action", "reason"):
        if not body.get(field):
            yield f"{field}: Required value"
        elif len(body[field].encode()) > WORD_LIMIT:
            yield f'{field}: Invalid value: "{field}": can have at most {WORD_LIMIT} bytes'
    if len(body.get("note", "").encode()) > NOTE_LIMIT:
        yield f'message: Invalid value: "": can have at most {NOTE_LIMIT} bytes'
    if body.get("type") not in {"Normal", "Warning"}:
        yield f'type: Invalid value: "{body.get("type", "")}": has to be Normal or Warning'
    for field in _OF_THE_OLD_API:
        if body.get(field):
            yield f"{field}: Invalid value: has to be unset"
