"""A turn of a fleet's rules: the record as it changes, the orders, and the facts they read.

Pure. Each module of rules changes the record through this one; none keeps a turn.
"""

from __future__ import annotations

from ..core import events as ev
from ..core.life_state import Then
from .policy import place
from .state import Debt, State, Verdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..core.actions import Action
    from ..core.life_state import Life
    from ..core.rollout_state import Rollout
    from .lease import Ledger
    from .policy import FleetPolicy
    from .state import Fleet

    Out = tuple[Action | ev.Event, ...]


class Turn:
    """The record of a fleet within one step."""

    def __init__(
        self, fleet: Fleet, policy: FleetPolicy, pod: tuple[Rollout, Life], now: float
    ) -> None:
        self.fleet = fleet
        self.policy = policy
        self.rollout, self.life = pod
        self.now = now
        self.opened = False  # the gate, in this step: the rollout does not know it yet
        self.tries = 0  # of the trial that this pod wants to claim; 0: none
        self.takes_turn = False  # of serial pods
        self._orders: list[Action | ev.Event] = []
        self._wakes: list[float] = []

    def note(self, **changes: Any) -> None:
        """Change the record, if that is a change."""
        fields = self.fleet.__dict__
        if any(fields[name] != value for name, value in changes.items()):
            self.fleet = self.fleet.replace(**changes)

    def order(self, *orders: Action | ev.Event) -> None:
        self._orders += orders

    def passed(self, at: float) -> bool:
        """Whether a time has come; if not, the rules are to be asked then."""
        if self.now >= at:
            return True
        self._wakes.append(at)
        return False

    def result(self) -> tuple[Fleet, Out]:
        """The record after the step, and the orders."""
        self.note(wake=min(self._wakes, default=None))
        return self.fleet, tuple(self._orders)

    # --- facts ------------------------------------------------------------------------------------

    @property
    def place(self) -> float:
        """The place of this pod among all, for the newest version."""
        return self.place_of(self.fleet.name)

    def place_of(self, version: str) -> float:
        """The place of this pod among all for a version; pods of the same identity differ."""
        identity = self.policy.identity
        return place(f"{identity} {self.claim}" if self.fleet.twin else identity, version)

    @property
    def claim(self) -> str:
        """The mark of this pod on its claims: from its disk, else of this process."""
        return self.rollout.versions.marks.claim or self.policy.claim

    def owns(self, ledger: Ledger) -> bool:
        """Whether this pod holds the Lease, and not another pod of the same identity."""
        if ledger.holder != self.policy.identity:
            return False
        unmarked = not self.rollout.versions.marks.claim
        return ledger.claim in ("", self.claim) or (unmarked and ledger.claim == self.fleet.found)

    def signed(self, ledger: Ledger) -> Ledger:
        """The Lease with the mark of this pod on its claim."""
        return ledger.replace(claim=self.claim)

    @property
    def ledger(self) -> Ledger | None:
        """The Lease as last read; None while it is unknown or not ours."""
        return self.fleet.ledger

    @property
    def runs_it(self) -> bool:
        """Whether the app runs on the newest version, seen to work by the pod itself."""
        return self.rollout.settled and self.life.ready

    @property
    def works(self) -> bool:
        """Whether the app runs on the newest version, seen to work at least in or after a trial
        without a verdict.
        """
        seen = self.rollout.versions.seen == self.fleet.version == self.rollout.runs_on
        return self.runs_it or (seen and self.life.ready)

    @property
    def can_tell(self) -> bool:
        """Whether another trial in this pod risks nothing, and may end with a verdict."""
        return self.works and not self.fleet.unchecked

    @property
    def gate_is_open(self) -> bool:
        """Whether the rollout may apply the newest version by now."""
        version = self.fleet.version
        return self.opened or version == self.fleet.cleared == self.rollout.versions.cleared

    @property
    def taken(self) -> bool:
        """Whether the app has the newest version, or may have it."""
        version = self.fleet.version
        reloads = self.rollout.reloads
        return self.rollout.running == version or (reloads.active and reloads.target == version)

    @property
    def ending(self) -> bool:
        """Whether the app ends for good; a restart for a version is no end."""
        return self.life.then is Then.END

    # --- steps that several rules take ------------------------------------------------------------

    def enter(self, state: State, reason: str = "", error: str = "") -> None:
        """Be in a state from now on."""
        if self.fleet.state != state:
            self.note(since=self.now)
        self.note(state=state, reason=reason, error=error)

    def clear(self, *, trial: bool = False, hurry: bool = False) -> None:
        """Let the rollout apply the newest version; in a hurry whatever the hour."""
        version = self.fleet.version
        self.opened = True
        self.note(cleared=version, told="", blamed="")
        self.order(ev.VersionCleared(version, trial, hurry, self.claim if trial else ""))

    def revoke(self) -> None:
        """Let the rollout apply nothing."""
        if self.fleet.cleared:
            self.note(cleared="")
            self.order(ev.VersionCleared(""))

    def condemn(self, version: str, reason: str, error: str) -> None:
        """Have the rollout leave a version, once."""
        if self.fleet.told != version:
            self.note(told=version, cleared="")
            self.order(ev.VersionCondemned(version, reason, error))

    def blame(self, reason: str, error: str, *, publish: bool = True) -> None:
        """The newest version has failed in this pod."""
        fleet = self.fleet
        if fleet.trial is not None:
            self.note(trial=None, trial_seconds=self.now - fleet.trial.began)
        self.note(blamed=fleet.version, cleared="")
        self.enter(State.CONDEMNED, reason, error)
        if publish:
            self.owe(Debt(Verdict.BAD, fleet.name, reason))

    def owe(self, debt: Debt) -> None:
        """Publish a verdict, until it stands."""
        owed = tuple(one for one in self.fleet.owed if one.version != debt.version)
        self.note(owed=(*owed, debt))

    def owes(self, version: str) -> Debt | None:
        """The verdict on a version that is still to be published, if any."""
        return next((one for one in self.fleet.owed if one.version == version), None)
