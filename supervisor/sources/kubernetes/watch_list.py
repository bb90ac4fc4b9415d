"""WatchList: a watch that begins with the object itself, in place of a list and a watch.

Owns the request, the bound of the wait for the object, and the memory of the servers without it:
the sources of a process share it. Must not know events, nor what a source does with a failure.

The request: https://kubernetes.io/docs/reference/using-api/api-concepts/#streaming-lists
"""

from __future__ import annotations

from http import HTTPStatus

from ...core.record import Words
from ..interface import RestartReason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .api_errors import FailedTry

# Without a resourceVersion the state is at least as new as the request.
QUERY = {
    "watch": "true",
    "send_initial_events": "true",
    "resource_version_match": "NotOlderThan",
    "allow_watch_bookmarks": "true",
}
# Seconds without a line before the state is complete. An old server never completes it; a server
# that does waits for its own cache at most 3 s.
LULL = 5.0
_AGAIN = 3600.0  # seconds after which a server is asked again

# A server older than WatchList refuses a parameter of it: 422, or 400 of a proxy before it.
_REFUSALS = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY})


class Fallback(Words):
    """The way out of a watch that failed before the state was complete."""

    NONE = "none"  # a list would fail too
    NEXT = "next"  # fail, and list in the next try
    LIST = "list"  # list at once
    LACKING = "lacking"  # the same, and remember the server: it has no WatchList


class Incomplete(Exception):
    """The server ended a watch before its initial events were complete."""


class Memory:
    """The servers without WatchList, by address. Safe from any thread."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def lacks(self, url: str, now: float) -> bool:
        """Whether the server was found without it, and not long ago."""
        return now < self._until.get(url, now)

    def note(self, url: str, now: float) -> None:
        """The server has no WatchList."""
        self._until[url] = now + _AGAIN

    def forget(self, url: str) -> None:
        """The server was away: another may come back."""
        self._until.pop(url, None)


MEMORY = Memory()


def fallback(failed: FailedTry, *, ended: bool, answered: bool) -> Fallback:
    """The way out of a failure. `answered`: the watch was established; `ended`: the server ended
    it.
    """
    late = failed.restart is RestartReason.READ_TIMEOUT
    if ended or failed.status in _REFUSALS or (late and answered):
        return Fallback.LACKING
    # The roles may allow a list alone, and a list has words for an answer that is no watch.
    if late or failed.status == HTTPStatus.FORBIDDEN or failed.restart is RestartReason.BAD_DATA:
        return Fallback.LIST
    if failed.status in (0, HTTPStatus.UNAUTHORIZED) or failed.crowded:
        return Fallback.NONE
    return Fallback.NEXT
