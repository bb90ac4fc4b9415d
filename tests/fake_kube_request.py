"""A request to the fake API server: its verb, object and query, for roles, faults and tests.

Must not know the answers, nor connections.
"""

from __future__ import annotations

import copy
import re
import time
import urllib.parse

from tests import fake_kube_events
from tests.fake_kube_kinds import KINDS

_PATH = re.compile(
    r"(?:/api/v1|/apis/(?P<group>[^/]+)/v1)(?:/namespaces/(?P<namespace>[^/]+))?"
    r"/(?P<resource>[^/]+)(?:/(?P<name>[^/]+))?"
)
_SPACE = re.compile(r"/api/v1/namespaces(?:/([^/]+))?")
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


class Ask:
    """A request for RBAC and the log: verb, resource, namespace, name, query, token.

    `agent` is the client's name for itself, `client` the address of its connection, `serial` the
    number of its certificate, 0 without.
    """

    def __init__(self, method: str, target: str, authorization: str) -> None:
        self.at = time.monotonic()
        self.agent = ""
        self.client = ("", 0)
        self.serial = 0
        self.status = 0  # until it is answered
        url = urllib.parse.urlsplit(target)
        self.path = url.path
        self.query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        scheme, _, self.token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            self.token = ""
        self.method = method
        self.group, self.namespace, self.resource, self.name = _target(self.path)
        self.single = bool(self.name)
        self.initial_events = self.query.get("sendInitialEvents", "").lower() in {"1", "t", "true"}
        self.verb = _VERBS.get(method) or ("get" if self.single else self._reading())

    def _reading(self) -> str:
        for term in filter(None, self.query.get("fieldSelector", "").split(",")):
            if term.startswith("metadata.name="):
                self.name = term.partition("=")[2].lstrip("=")
        return "watch" if self.query.get("watch", "").lower() in {"1", "t", "true"} else "list"

    def is_a(self, verb: str) -> bool:
        """Whether it has a verb, and a resource if one is named: `update` or `update leases`.

        `both` is a watch that begins with the objects, `read` is that or a list.
        """
        verb, _, resource = verb.partition(" ")
        if resource and resource != self.resource:
            return False
        verbs = [self.verb]
        if self.verb == "watch" and self.initial_events:
            verbs += ["both", "read"]
        if self.verb == "list":
            verbs += ["read"]
        return verb in verbs

    def creating(self) -> Ask:
        """The same request, asking for the right to create."""
        other = copy.copy(self)
        other.verb = "create"
        return other

    @property
    def selection(self) -> tuple[str, str, str]:
        return self.resource, self.namespace, self.name

    def __repr__(self) -> str:
        return f"{self.at:.3f} {self.verb} {self.path} {self.query} {self.status}"


def _target(path: str) -> tuple[str, str, str, str]:
    """The group, namespace, resource and name of a path; all empty for none of ours."""
    if space := _SPACE.fullmatch(path):
        return "", "", "namespaces", space[1] or ""
    found = _PATH.fullmatch(path)
    if found is None:
        return "", "", "", ""
    group, namespace, resource, name = (part or "" for part in found.groups())
    known = KINDS[resource].group if resource in KINDS else None
    if resource == "events" and namespace:
        known = fake_kube_events.GROUP
    return (group, namespace, resource, name) if group == known else ("", "", "", "")
