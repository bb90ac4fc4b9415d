"""The rollout of versions to an app as values: its record and its policy.

No rules stand here.
"""

from __future__ import annotations

from .record import Record, Words
from .reloads import Reloads
from .versions import Pace, Versions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .holds import Hold
    from .orders import OpenOrder
    from .reload_windows import ReloadWindow
    from .service import Service


class Doubt(Words):
    """Why the running version does not count."""

    NONE = "none"
    UNKNOWN = "unknown"  # a failed or overtaken reload leaves it open
    ORDERED = "ordered"  # a reload was ordered, whatever the app runs on


class RolloutPolicy(Record):
    """The options about versions and reloads. Durations are seconds."""

    sidecar: bool = False  # the app runs in another container
    once: bool = False  # put the first version in place and end
    validate: bool = False  # a version is validated before it is put in place
    verify: bool = False  # a verification tells whether the app works on a version
    reload_signal: int = 0  # the signal of a reload; 0 for another method
    signal_checked: bool = True  # only an app with a handler gets it
    restart_to_reload: bool = False  # the reload method is a restart
    rollback: bool = False  # the last good version replaces a failed version
    unhealthy_on_failure: bool = False  # liveness fails while the last reload is a failure
    initial_sync_timeout: float = 60.0
    pace: Pace = Pace()
    windows: tuple[ReloadWindow, ...] = ()  # in which a new version may be put in place; any time
    reload_timeout: float = 30.0
    verify_window: float = 5.0


class Rollout(Record):
    versions: Versions = Versions()
    reloads: Reloads = Reloads()
    running: str = ""  # the version that the app took up last; see `doubt`
    doubt: Doubt = Doubt.NONE
    orders: tuple[OpenOrder, ...] = ()  # of clients, not answered yet
    hold: Hold | None = None  # of a version that waits; None until there is a window or a pause
    first_due: float | None = None  # when the app starts on a version of an earlier run

    @property
    def runs_on(self) -> str:
        """The running version; empty while it does not count."""
        return self.running if self.doubt is Doubt.NONE else ""

    @property
    def stale(self) -> bool:
        """Whether the app runs on something else than the sources hold, or held when last read."""
        return self.versions.cached or self.versions.desired not in ("", self.runs_on)

    @property
    def settled(self) -> bool:
        """Whether the newest version is running, and good."""
        versions = self.versions
        return versions.live == self.runs_on == versions.desired == versions.good


_NOTHING = Rollout()


def rollout_of(service: Service) -> Rollout:
    """The service's rollout, empty where it has no configuration."""
    return service.rollout or _NOTHING
