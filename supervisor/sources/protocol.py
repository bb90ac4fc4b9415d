"""Where configuration comes from.

A source runs in a thread of its own, reads the whole content whenever it may have changed, and
tells a sink. It decides nothing: whether content is new, what is written and when the app is
reloaded is not its business. To add one: a module here with a class like these, and its opener in
`feeds.py`.
"""

from __future__ import annotations

from ..core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Protocol

    from ..core.permissions import Permission

    class Sink(Protocol):
        """What a source may say. Every call is safe from any thread and returns at once; none
        raises.
        """

        def read(
            self, content: Content | None, missing: str = "does not exist", saw: str = ""
        ) -> None:
            """The whole content now, a contact too; None when there is none, with `missing` for
            the reason: the end of a sentence. `saw` is the type of the watch event that brought it.
            """

        def connected(self) -> None:
            """A watch was established: a contact too."""

        def disconnected(self) -> None:
            """A watch ended."""

        def contact(self) -> None:
            """The server (or the directory) answered just now, and had nothing new."""

        def watched(self, kind: str) -> None:
            """A watch event brought nothing new, a contact too: added, modified, deleted, bookmark
            or error.
            """

        def restarted(self, reason: str) -> None:
            """A watch ended: one of RESTART_REASONS."""

        def failed(self, trouble: Trouble, retry_in: float) -> None:
            """Reading failed; the next try comes in that many seconds (none if it is fatal)."""

    class Source(Protocol):
        """One object or directory. `run` is the body of a thread."""

        label: Label

        def run(self, sink: Sink) -> None:
            """Read, watch, read again, until a failure that is fatal; raises only what the sink
            raises.
            """


RESTART_REASONS = (
    "server_timeout",
    "read_timeout",
    "gone",
    "http",
    "connection",
    "auth",
    "bad_data",
)


class Label(Record):
    """Names a source in logs and metrics: kind is configmap, secret or directory."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        where = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.kind} {where}"


class Content(Record):
    """Everything that a source holds: relative path (a key) to bytes."""

    files: Mapping[str, bytes]
    private: bool = (
        False  # a Secret: its files are for their owner only, where `permitted` does not tell
    )
    changed_at: float | None = None  # when it was changed at its origin, epoch seconds, if known
    permitted: Mapping[str, Permission] = {}  # who may read each file, where files have that
    directories: Sequence[str] = ()  # those with nothing in them, each with `/` at its end


class Trouble(Record):
    """Why reading failed: a short reason for metrics and change of state, a whole sentence for
    people.
    """

    reason: str  # unauthorized, forbidden, unreachable, server_error, bad_data, config
    message: str
    fatal: bool = False  # retrying cannot help: the access itself is misconfigured
