"""Detects an app that changes its own configuration: the same files change right after each of
several reloads.

Pure, from the times of versions. Each such change causes a reload, which causes the next change.
"""

from __future__ import annotations

from .content import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .content import Changes

_SOON = 1.0  # seconds after a version got in place
_ROW = 5  # reloads, one after the other


class ChangeLoop:
    """Follows every version, from its offer to its place."""

    def __init__(self) -> None:
        self._applied_at: float | None = None
        self._offers = 0  # since then
        self._files: frozenset[str] = frozenset()
        self._row = 0

    def applied(self, now: float) -> None:
        """A version is in place, and the app will reload."""
        # Without an offer the loop has ended; a program with more offers does not wait for reloads.
        if self._offers != 1:
            self._row = 0
        self._applied_at = now
        self._offers = 0

    def offered(self, now: float, changes: Changes) -> str:
        """A version with these changes is offered; returns a warning, once for each loop."""
        self._offers += 1
        soon = self._applied_at is not None and now - self._applied_at <= _SOON
        # Files with a new name each time are known by their directory.
        named = [path.rpartition("/")[0] or path for path in changes.added]
        files = frozenset([*changes.changed, *changes.removed, *named])
        if not soon or files != self._files:
            self._row = 0
        self._files = files
        self._row += soon
        if self._row != _ROW or self._offers != 1:
            return ""
        names = ", ".join(shown(path) for path in sorted(files)[:3])
        return (
            f"{names} changed right after each of the last {_ROW} reloads, as if the app wrote it,"
            " and each change is a reload again; have the app write elsewhere, or leave it out"
            " with --ignore"
        )
