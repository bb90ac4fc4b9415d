"""Which generations stay on disk. Pure; it must not know of files."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .manifest import Generation


def kept_names(
    found: Mapping[str, Generation | None], spared: Iterable[str], good: Sequence[str], keep: int
) -> set[str]:
    """The names of `spared`, of a generation for each digest in `good`, and of the newest others up
    to `keep` versions. A torn generation (None) never stays.
    """
    newest: dict[str, str] = {}  # digest to name: each content stays once
    for one in sorted(filter(None, found.values()), key=lambda one: one.serial):
        newest[one.digest] = one.name
    names = set(spared)
    kept = {name: one.digest for name, one in found.items() if one and name in names}
    for digest in [*good, *reversed(newest)]:
        enough = digest not in good and len({*kept.values()}) >= keep
        if digest in newest and digest not in kept.values() and not enough:
            kept[newest[digest]] = digest
    return set(kept)
