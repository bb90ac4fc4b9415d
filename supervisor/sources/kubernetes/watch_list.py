"""WatchList: a watch that begins with the object itself, in place of a list and a watch.

Owns the request and its bounds, the choice between WatchList and a list for each try of a source,
and the memory of the servers without WatchList: the sources of a process share it. Must not know
events, nor send a request.

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
# Seconds without a byte before the state is complete. An old server never completes it; a server
# that does waits for its own cache at most 3 s.
LULL = 5.0
EVENTS = 10_000  # before the state is complete: a server may ignore the field selector

_AGAIN = 3600.0  # seconds after which a server is asked again
_RENEWED = 600.0  # the same, once a connection broke: another server may have taken over
# A single failure may pass; two in a row (the weight of a sure one), beside a good list, do not.
_PROOF = 2
# A crowded server refuses both ways. After these refusals in a row it may refuse only one of them.
_CROWDS = 4

# A server older than WatchList refuses a parameter of it: 422, or 400 of a proxy before it.
_REFUSALS = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY})


class Way(Words):
    """The first request of a try."""

    WATCH_LIST = "watchlist"
    LIST = "list"


class Memory:
    """The servers whose WatchList failed beside a good list, by address. Safe from any thread."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[int, float]] = {}  # the weight of the failures, the last time

    def lacks(self, url: str, now: float) -> bool:
        """Whether the server was found without it, and not long ago."""
        weight, at = self._found.get(url, (0, now))
        return weight >= _PROOF and now < at + _AGAIN

    def note(self, url: str, now: float, weight: int = _PROOF) -> bool:
        """WatchList failed, and a list worked. Whether this is the proof, and the first."""
        before, _ = self._found.get(url, (0, now))
        self._found[url] = min(_PROOF, before + weight), now
        return before < _PROOF <= before + weight

    def broke(self, url: str, now: float) -> None:
        """A connection broke: the server may have been replaced in between."""
        weight, at = self._found.get(url, (0, now))
        if now > at + _RENEWED:
            self._found[url] = weight, now - _AGAIN

    def forget(self, url: str) -> None:
        """WatchList worked; or the server was away, and another may come back."""
        self._found.pop(url, None)


MEMORY = Memory()


class Choice:
    """Chooses the way of each try of a source.

    A failure says nothing about the other way, unless no server was reached: both ways alternate
    until one of them brings a watch, and that way stays.
    """

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._next: Way | None = None  # None: as the server is known
        self._weight = 0  # of the failures of WatchList since the last watch
        self._crowds = 0  # refusals of a crowded server in a row
        self._denied = False  # a list was forbidden since the last watch

    def way(self, url: str, now: float, spare: float) -> Way:
        """The way of a try. `spare`: seconds beside those of a list, before the first content is
        due.
        """
        if self._next is not None:
            return self._next
        # A list must not wait for WatchList when there is no time for both.
        if spare < LULL or self._memory.lacks(url, now):
            return Way.LIST
        return Way.WATCH_LIST

    def no_stream(self, failed: FailedTry, *, hurry: bool) -> bool:
        """WatchList brought no complete state. Whether to list in the same try; `hurry`: the first
        content is due.
        """
        if not self._turns(failed):
            return False
        late = failed.restart is RestartReason.READ_TIMEOUT
        refused = failed.status in _REFUSALS
        sure = late or refused or failed.crowded
        self._weight = max(self._weight, _PROOF if sure else 1)
        self._next = Way.LIST
        if failed.crowded or failed.retry_after or failed.status == HTTPStatus.UNAUTHORIZED:
            return False
        if failed.status == HTTPStatus.FORBIDDEN:
            return not self._denied  # the roles may allow a list alone
        # A list has words for an answer that is no watch.
        return hurry or late or refused or failed.restart is RestartReason.BAD_DATA

    def no_list(self, failed: FailedTry, *, listed: bool) -> None:
        """A list failed or, once `listed`, the watch after it."""
        if listed and failed.restart is RestartReason.BAD_DATA:
            return  # the content: WatchList would bring the same
        if self._turns(failed):
            self._next = Way.WATCH_LIST
            self._denied = self._denied or failed.status == HTTPStatus.FORBIDDEN
            if listed and failed.status == HTTPStatus.FORBIDDEN:
                self._next = Way.LIST  # WatchList needs the same right
            if listed and failed.status == HTTPStatus.GONE:
                self._next = None

    def established(self, way: Way, url: str, now: float) -> bool:
        """A watch was established. Whether this proves that the server has no WatchList."""
        weight = self._weight
        self._next = None
        self._weight = self._crowds = 0
        self._denied = False
        if way is Way.WATCH_LIST:
            self._memory.forget(url)
            return False
        return weight > 0 and self._memory.note(url, now, weight)

    def _turns(self, failed: FailedTry) -> bool:
        """Whether the next try goes the other way."""
        if failed.unsent:
            return False
        self._crowds = self._crowds + 1 if failed.crowded else 0
        return self._crowds % _CROWDS == 0
