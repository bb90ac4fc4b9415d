"""A pod's part in its fleet for people: a record for /status and supervisorctl, and a sentence.

Pure. It decides nothing. Versions are shown by their shared names.
"""

from __future__ import annotations

from ..core.versions import short
from .lease import Ledger
from .state import State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..core.rollout_state import Rollout
    from .state import Debt, Fleet


def shown(fleet: Fleet, rollout: Rollout) -> dict[str, object]:
    """The part of a pod, and the Lease as the pod has read it last."""
    ledger = fleet.shown or Ledger()
    return {
        "group": fleet.group,
        "pod": fleet.pod,
        "state": fleet.state.value,
        "sentence": sentence(fleet, rollout),
        "reason": fleet.reason or None,
        "error": fleet.error or None,
        "newest": fleet.name or None,
        "running": fleet.name_of(rollout.runs_on) or None,
        "lease_read": fleet.shown is not None,
        "trial": ledger.trial or None,
        "tries": ledger.tries,
        "holder": ledger.holder or None,
        "passed": ledger.passed or None,
        "good": list(ledger.good),
        "bad": [
            {"version": one.version, "reason": one.reason, "pod": one.pod or None}
            for one in ledger.bad
        ],
    }


def sentence(fleet: Fleet, rollout: Rollout) -> str:
    """The state of the pod in a line, with the way on where a person has one."""
    version = short(fleet.name or fleet.version)
    ledger = fleet.shown or Ledger()
    remedy = f"{_order(fleet, 'approve')} lets it pass"
    match fleet.state:
        case State.ASKING:
            return f"configuration {version} is new to the fleet: no pod tries it yet"
        case State.CANARY:
            return f"this pod tries configuration {version} for the fleet"
        case State.WAITING:
            holder = ledger.holder.partition("/")[0] or "another pod"
            return f"configuration {version} is on trial at {holder}; {remedy}"
        case State.PASSED:
            return f"configuration {version} has passed its trial; {remedy}"
        case State.DUE:
            return f"configuration {version} is good; this pod takes it at its place"
        case State.CONDEMNED if overruled(fleet):
            return (
                f"configuration {version} fails here, although a person approved it: {_why(fleet)};"
                f" correct it, or order {_order(fleet, 'condemn')}"
            )
        case State.CONDEMNED:
            by = _why(fleet)
            how = by if by.startswith("condemned") else f"condemned: {by}"
            return f"configuration {version} is {how}; {remedy}"
        case State.HELD if rollout.versions.live == fleet.version:
            return f"configuration {version} is in place, without a verdict: {_why(fleet)}"
        case State.HELD:
            return f"configuration {version} is held: {_why(fleet)}"
    running = short(rollout.runs_on)
    return f"running on configuration {running}" if running else "no configuration yet"


def _order(fleet: Fleet, verb: str) -> str:
    """The command of a person."""
    service = f" --service {fleet.service}" if fleet.service else ""
    return f"supervisorctl fleet {verb}{service}"


def overruled(fleet: Fleet) -> bool:
    """Whether the newest version failed in this pod after a person had approved it for all."""
    ledger = fleet.shown
    approved = ledger is not None and fleet.name != "" and ledger.hurry == fleet.name
    return approved and fleet.blamed == fleet.version


def _why(fleet: Fleet) -> str:
    return fleet.error or fleet.reason.replace("_", " ") or "no reason is known"


def given(old: Fleet, new: Fleet) -> tuple[Debt, ...]:
    """The verdicts that the pod gave between two states."""
    more = new.judged - old.judged
    return new.verdicts[-more:] if more > 0 else ()
