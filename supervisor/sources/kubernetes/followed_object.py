"""An object to follow, and the two sides of following it: the reports, and the states.

Must not know requests, nor the use of the states.
"""

from __future__ import annotations

from ...core.record import Record
from .api_errors import READING, WATCHING, Deed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    from ..interface import Failure, Label, RestartReason

    class Parser(Protocol):
        """From the bytes of an answer to maps; raises BadDataError."""

        def event(self, text: bytes | bytearray) -> Any: ...

        def listing(self, text: bytes | bytearray) -> Any: ...

    class Reports(Protocol):
        """The reports about following: those of `interface.Sink` without `read`."""

        def connected(self) -> None: ...

        def disconnected(self) -> None: ...

        def contact(self) -> None: ...

        def watched(self, kind: str) -> None: ...

        def restarted(self, reason: RestartReason) -> None: ...

        def failed(self, failure: Failure, retry_in: float) -> None: ...

    class States(Protocol):
        """Takes the states of the object."""

        @property
        def found(self) -> bool:
            """Whether the last state is an object."""

        def take(self, obj: Any, saw: str) -> bool:
            """Report a state, None for an absent object, if it is new; whether it was reported.
            `saw` is the type of the watch event behind it.
            """

        def repeat(self) -> None:
            """Report the last state again: a failure is over."""


class Subject(Record):
    """The object to follow, the parser of its answers, and the words for failures."""

    label: Label  # an empty namespace is filled in at the first connect
    parser: Parser
    reading: Deed = READING
    watching: Deed = WATCHING
