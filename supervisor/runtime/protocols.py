"""The parts beside the loop, as the loop sees them. For type checkers only: nothing imports this
when it runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from ..core import actions as act
from ..core import events as ev
from ..core.life_state import Ended
from ..core.service import Service

Order = act.Action | Ended
Observer = Callable[[ev.Event, Service, Service, tuple[Order, ...]], None]


class Rules(Protocol):
    """The pure rules of a loop: the next state with its orders, and the time of the next deadline.

    The state is a `Service`, or whatever a role of several services has for it.
    """

    def step(
        self, state: Any, event: ev.Event, now: float, policy: Any, /
    ) -> tuple[Any, tuple[Any, ...]]: ...
    def wake_at(self, state: Any, policy: Any, /) -> float | None: ...


class Sync(Protocol):
    """Puts configuration in place; each call runs in a short thread of its own and reports by
    event. `version` is the only one to apply; empty for any.
    """

    def apply(self, version: str = "") -> None: ...
    def apply_at_once(self, version: str = "") -> bool:
        """The same without a new thread, if another waits for it; from the main thread, returns at
        once.
        """

    def check(self, version: str = "") -> None: ...
    def mark(self) -> None: ...
    def recover(self, order: act.Recover) -> None: ...

    def roll_back(self, digest: str) -> None: ...


class Reloader(Protocol):
    """Makes the app take up its configuration; as above."""

    def __call__(self, attempt: int, pid: int, *, told: bool = False) -> None: ...
    def cancel(self, attempt: int) -> None:
        """Have an attempt end soon; from the main thread, returns at once."""


class FleetDeeds(Protocol):
    """Performs the orders of a fleet's rules, and reports by event."""

    @property
    def orders(self) -> tuple[type[act.Action], ...]:
        """The types of these orders."""

    def perform(self, order: Any, /) -> None:
        """Returns at once."""


class Readiness(Protocol):
    """Finds out when the app is ready, in a short thread of its own, and reports by event."""

    def wait(self, pid: int) -> None: ...
