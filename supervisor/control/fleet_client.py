"""`supervisorctl fleet`: its words as a request, and the answer as a table.

Pure: `client` sends the request. Imported by that command only.
"""

from __future__ import annotations

from ..core.versions import NAMING
from . import service_option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

VERBS = ("approve", "condemn", "recall", "clear")


def request(words: Sequence[str], *, several: bool = False) -> str:
    """Method and target for the words behind `fleet`; `several`: of services. Raises ValueError."""
    others, service = service_option.without(words, several=several)
    hint = "; --service NAME names a service" if several and not service else ""
    verb, *rest = others or ("status",)
    if verb in ("status", "--json"):
        if rest not in ([], ["--json"]):
            raise ValueError(f"fleet: status takes --json only, not {' '.join(rest)}{hint}")
        return f"GET /fleet?{service}" if service else "GET /fleet"
    if verb not in VERBS:
        raise ValueError(f"fleet: there is status, {', '.join(VERBS)}, not {verb}{hint}")
    if len(rest) > (verb != "clear"):
        raise ValueError(f"fleet: {verb} does not take {' '.join(rest)}{hint}")
    version = "".join(rest)
    if version and not is_version(version):
        raise ValueError(f"fleet: {verb}: {version!r} is no version: give {NAMING} digits or more")
    return f"POST /fleet/{verb}?version={version}" + (f"&{service}" if service else "")


def is_version(text: str) -> bool:
    """Whether a text can name a version by its first digits."""
    return len(text) >= NAMING and not set(text) - set("0123456789abcdef")


def shown(words: Sequence[str], text: str) -> str:
    """The answer for people; as it is with --json, and for an order."""
    if not set(words) <= {"status"}:
        return text
    import json

    from . import tables

    return tables.table(_rows(json.loads(text)))


def tables_of(text: str) -> str:
    """The answer about several services, for people: a table for each."""
    import json

    from . import tables

    return "\n".join(
        tables.table([("service", tables.cell(name)), *_rows(record)])
        for name, record in json.loads(text).items()
    )


def _rows(record: Mapping[str, Any]) -> Iterable[Sequence[str]]:
    from .tables import cell

    for name, value in record.items():
        if name != "bad":
            yield name.replace("_", " "), cell(value)
            continue
        for one in value:
            by = f" at {one['pod']}" if one["pod"] else ""
            yield "bad", f"{cell(one['version'])}: {one['reason']}{by}"
