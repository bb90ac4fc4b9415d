"""The paths of objects in the Kubernetes API.

Pure. Must not know requests.
"""

from __future__ import annotations

import urllib.parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..interface import Label

_CORE = "/api/v1"
_GROUPS = {"lease": "/apis/coordination.k8s.io/v1"}


def collection(label: Label) -> str:
    """The objects of the label's kind and namespace."""
    where = urllib.parse.quote(label.namespace, safe="")
    return f"{_GROUPS.get(label.kind, _CORE)}/namespaces/{where}/{label.kind}s"


def single(label: Label) -> str:
    """The label's object."""
    return f"{collection(label)}/{urllib.parse.quote(label.name, safe='')}"
