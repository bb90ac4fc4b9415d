"""Errands to the API server: requests in a thread that ends after the last; none waits at rest.

A thread performs the errands in their order over its own connection. Must not know the requests.
"""

from __future__ import annotations

import time

from ...core.primitives import deque
from ...core.record import Record
from ...runtime import threads
from .api_client import open_client
from .api_errors import UnsentError
from .client_library import LibraryLog

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .api_client import ApiClient
    from .credentials import Access

SECONDS = (5.0, 10.0)  # to connect, and for the whole exchange
LAST_WORDS = 1.0  # seconds for an errand of a process that ends
_MOST = 32  # errands that wait: a frozen server holds each for the time of an exchange


class Errand(Record):
    """A deed with a client, and the report of its failure; without a client there is no login."""

    do: Callable[[ApiClient], None]
    failed: Callable[[Exception, ApiClient | None], None]


class Errands:
    """A queue of errands, and the thread that empties it."""

    def __init__(self, access: Access, name: str) -> None:
        """`name`: of the thread."""
        self._access = access
        self._name = name
        self._lock = threads.Lock()  # guards both of these
        self._waiting: deque[Errand] = deque()
        self._running = False
        self._added = 0.0  # when the last errand came
        self._idle: threads.Gate | None = None  # opened after the last errand

    def add(self, errand: Errand) -> None:
        """Perform an errand after those that wait. Returns at once; it fails if too many wait."""
        self._added = time.monotonic()
        with self._lock:
            full = len(self._waiting) >= _MOST
            if not full:
                self._waiting.append(errand)
            idle = not self._running
            self._running = True
        if full:
            errand.failed(UnsentError(f"{_MOST} requests wait for an answer"), None)
        elif idle:
            self._start()

    def finish(self, by: float) -> None:
        """Wait for all errands until then (monotonic), and for none that is older than
        `LAST_WORDS`.
        """
        left = min(by, self._added + LAST_WORDS) - time.monotonic()
        with self._lock:
            if not self._running or left <= 0:
                return
            self._idle = idle = threads.Gate()
        idle.wait(left)

    def _start(self) -> None:
        try:
            threads.start(self._run, self._name)
        except RuntimeError as error:  # the limit of processes
            while (errand := self._next()) is not None:
                errand.failed(UnsentError(str(error)), None)

    def _run(self) -> None:
        library = LibraryLog()
        client: ApiClient | None = None
        try:
            while (errand := self._next()) is not None:
                try:
                    if client is None:
                        client = open_client(self._access, library)
                    errand.do(client)
                except Exception as error:  # the outer edge: the others are performed all the same
                    errand.failed(error, client)
                    if client is not None:
                        client.close()
                    client = None
        finally:
            if client is not None:
                client.close()
            library.close()

    def _next(self) -> Errand | None:
        """The next errand; None ends the thread."""
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            self._running = False
            if self._idle is not None:
                self._idle.open()
            return None
