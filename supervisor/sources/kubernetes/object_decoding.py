"""From an object of the API to its files.

Pure. It must not know the origin of the object, nor whether it is the wanted one.

Data and binaryData: https://kubernetes.io/docs/concepts/configuration/configmap/
"""

from __future__ import annotations

import binascii
import datetime as dt

from ...core.source_states import PAUSE
from .api_errors import BadDataError, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_GO_ON = frozenset({"", "false", "no", "off", "0"})  # values of the annotation without a pause
KEYS = 10_000  # of an object: as many as files of a directory


def files(obj: Any, *, private: bool) -> dict[str, bytes]:
    """Key to bytes, of data and binaryData: base64 but for a ConfigMap's data, which is text.

    The values leave the object: both forms of an object of 1 MiB would be in memory else.
    """
    found: dict[str, bytes] = {}
    for field in ("data", "binaryData"):
        values = obj.pop(field, None) or {}
        if not isinstance(values, dict):
            raise BadDataError(f"{field} is not a map")
        coded = private or field == "binaryData"
        found |= {key: _decoded(field, key, values.pop(key), coded=coded) for key in tuple(values)}
    if len(found) > KEYS:
        raise BadDataError(f"it has {len(found):,} keys; the limit is {KEYS:,}")
    return found


def _decoded(field: str, key: str, value: Any, *, coded: bool) -> bytes:
    if coded and type(value) is bytes:  # by the parser
        return value
    try:
        return binascii.a2b_base64(value, strict_mode=True) if coded else bytes(value.encode())
    except (ValueError, TypeError, AttributeError) as exc:
        form = "base64" if coded else "text"
        raise BadDataError(f"the value of {shown(repr(key))} in {field} is not {form}") from exc


def revision(meta: Any) -> str:
    """Names this state of the object in the whole cluster: by uid and resourceVersion."""
    return f"{meta.get('uid') or ''}/{meta.get('resourceVersion') or ''}"


def paused(meta: Any) -> bool:
    """Whether the annotation asks for a pause: by `true`, or by words of a person's own."""
    try:
        value = (meta.get("annotations") or {}).get(PAUSE)
    except AttributeError:
        return False
    return value is not None and str(value).strip().lower() not in _GO_ON


def changed_at(meta: Any) -> float | None:
    """The time of the object's last change, epoch seconds: of its newest managedFields entry."""
    try:
        times = [entry["time"] for entry in meta.get("managedFields") or () if entry.get("time")]
        newest = max(times, default=None) or meta["creationTimestamp"]
        return dt.datetime.fromisoformat(newest).timestamp()
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
