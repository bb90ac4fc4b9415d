"""The two sides of a source: `Source` reads, `Sink` takes what it reports.

A source runs in a thread of its own, reads the whole content whenever it may have changed, and
reports it. It must not know whether the content is new, where it is written and when the app is
reloaded. To add a source: a package beside this module with a class like `Source`, and its
opener in `wiring/sources.py`.
"""

from __future__ import annotations

from ..core.record import Record, Words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Protocol

    from ..core.file_permissions import Permission

    class Sink(Protocol):
        """The reports of a source. Every call is safe from any thread, returns at once and raises
        nothing. Each is also a contact, but for `disconnected`, `restarted` and `failed`.
        """

        def read(
            self, content: Content | None, missing: str = "does not exist", saw: str = ""
        ) -> None:
            """The whole content now; None for a missing object, with the end of a sentence in
            `missing` for the reason. `saw` is the type of the watch event behind it.
            """

        def connected(self) -> None:
            """A watch was established."""

        def disconnected(self) -> None:
            """A watch ended."""

        def contact(self) -> None:
            """The server (or the directory) answered just now, and had nothing new."""

        def watched(self, kind: str) -> None:
            """A watch event brought nothing new: added, modified, deleted, bookmark or error."""

        def restarted(self, reason: RestartReason) -> None:
            """A watch ended, and the source begins again."""

        def failed(self, failure: Failure, retry_in: float) -> None:
            """Reading failed; the next try comes in `retry_in` seconds (none if it is fatal)."""

    class Source(Protocol):
        """One object or directory. `run` is the body of a thread."""

        @property
        def label(self) -> Label: ...

        def run(self, sink: Sink) -> None:
            """Read, watch, read again, until a failure that is fatal; raises only what the sink
            raises.
            """


class RestartReason(Words):
    """Why a watch ended: the label of a metric."""

    SERVER_TIMEOUT = "server_timeout"  # the usual end
    READ_TIMEOUT = "read_timeout"
    GONE = "gone"  # events were lost
    HTTP = "http"
    CONNECTION = "connection"
    AUTH = "auth"
    BAD_DATA = "bad_data"


class FailureReason(Words):
    """Why reading failed: in metrics, status and log."""

    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    UNREACHABLE = "unreachable"
    SERVER_ERROR = "server_error"
    BAD_DATA = "bad_data"
    CONFIG = "config"


class Label(Record):
    """Names a source in logs and metrics: kind is configmap, secret or directory."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        where = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.kind} {where}"


class Content(Record):
    """The whole content of a source: relative path (a key) to bytes."""

    files: Mapping[str, bytes]
    # A Secret: its files are for their owner only, unless `permitted` has them.
    private: bool = False
    changed_at: float | None = None  # the time of its last change, epoch seconds, if known
    permitted: Mapping[str, Permission] = {}  # of each file, where files have permissions
    directories: Sequence[str] = ()  # the empty directories, each with `/` at its end
    revision: str = ""  # of the object, cluster-wide: uid and resourceVersion; none of a directory
    paused: bool = False  # people ask, at the source, to put no new version in place


class Failure(Record):
    """Why reading failed: a reason for metrics and change of state, a sentence for people."""

    reason: FailureReason
    message: str
    fatal: bool = False  # no retry can help: the access itself is misconfigured
