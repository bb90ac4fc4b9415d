"""The generation of an earlier version, to put it in place again.

It changes nothing.
"""

from __future__ import annotations

from ..core.outcomes import ApplyFailure
from .write_errors import ApplyError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from .configroot import Generation, Root


def find(root: Root, digest: str, others: Collection[str]) -> Generation:
    """The generation of a version. Raises ApplyError.

    An app that edits each version in its place goes back to an edited one, rather than to none of
    the `others`.
    """
    why = f"no generation in {root.path} has it any more"
    damaged = None
    for generation in root.generations():
        if generation.digest == digest:
            fault = root.fault(generation)
            if not fault:
                return generation
            root.warn_of_damage(fault)
            damaged = generation
            why = fault
    if damaged is None or _has_intact(root, others):
        raise ApplyError(ApplyFailure.ROLLBACK, why)
    return damaged


def _has_intact(root: Root, versions: Collection[str]) -> bool:
    return any(one.digest in versions and not root.fault(one) for one in root.generations())
