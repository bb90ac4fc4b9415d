"""The rollout of versions to one app as values: its record, and what the user chose about it.

No rules stand here.
"""

from __future__ import annotations

from .record import Record, Words
from .reload_state import Reloads
from .versions import Pace, Versions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .service import Service


class Doubt(Words):
    """Why the version that the app runs on does not count."""

    NONE = "none"
    UNKNOWN = "unknown"  # a failed or overtaken reload leaves it open
    ORDERED = "ordered"  # a reload was ordered, whatever the app runs on


class RolloutPolicy(Record):
    """What the user chose about versions and reloads. Durations are seconds."""

    sidecar: bool = False  # the app runs in another container
    once: bool = False  # put the first version in place and end
    validate: bool = False  # a version is validated before it is put in place
    verify: bool = False  # a verification tells whether the app works on a version
    reload_signal: int = 0  # the signal that is the reload; 0 for another method
    signal_checked: bool = True  # it is sent to an app that catches it, and to no other
    restart_to_reload: bool = False  # the reload method is a restart
    rollback: bool = False  # a version that fails is replaced by the last good one
    unhealthy_on_failure: bool = False  # liveness fails while the last reload is a failure
    initial_sync_timeout: float = 60.0
    pace: Pace = Pace()
    reload_timeout: float = 30.0
    verify_window: float = 5.0


class Rollout(Record):
    versions: Versions = Versions()
    reloads: Reloads = Reloads()
    running: str = ""  # the version that the app took up last, as far as `doubt` leaves it certain
    doubt: Doubt = Doubt.NONE
    first_due: float | None = None  # when the app starts on a version of an earlier run

    @property
    def runs_on(self) -> str:
        """The version that the app runs on; empty while that does not count."""
        return self.running if self.doubt is Doubt.NONE else ""

    @property
    def stale(self) -> bool:
        """Whether the app runs on something else than the sources hold, or held when last read."""
        return self.versions.cached or self.versions.desired not in ("", self.runs_on)

    @property
    def settled(self) -> bool:
        """Whether the app runs on the newest version, and that is good."""
        versions = self.versions
        return versions.live == self.runs_on == versions.desired == versions.good


_NOTHING = Rollout()


def rollout_of(service: Service) -> Rollout:
    """The service's rollout; an empty one where it has no configuration."""
    return service.rollout or _NOTHING
