"""Answers to the clients of `supervisorctl fleet` and `wait --fleet`, from the state alone.

Pure. Imported by the first such request of a role with --fleet.
"""

from __future__ import annotations

from ..core.health import Verdict
from ..core.rollout_state import rollout_of
from ..core.versions import short
from ..fleet import summary
from ..fleet.state import State
from .commands import Answer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..core.service import Service

_DONE = {
    "approve": "approved {}: the pods of the fleet take it without a trial",
    "condemn": "condemned {}: no further pod takes it",
    "recall": "recalled {}: the pods that run on it go back; pods at rest hear of it at the next"
    " change of the source (kubectl annotate)",
    "clear": "cleared: the fleet knows no trial and no condemned version any more",
}


def ordered(verb: str, version: str, error: str) -> Answer:
    """The answer to an order; an empty error is success."""
    if error:
        return Answer(1, error)
    named = short(version) if version else "the newest version"
    return Answer(0, _DONE[verb].format(named))


def followed(service: Service) -> Verdict:
    """Whether the app runs on the newest version, and the fleet knows it as good."""
    fleet = service.fleet
    if fleet is None:
        return Verdict(ok=False, reason="this supervisor is in no fleet; see --fleet")
    rollout = rollout_of(service)
    settled = fleet.state is State.SETTLED and fleet.version and not rollout.stale
    return Verdict(bool(settled), summary.sentence(fleet, rollout))


def waited(service: Service) -> Answer | None:
    """The answer to `wait --fleet`; None while it is not decided."""
    verdict = followed(service)
    if verdict.ok:
        return Answer(0, verdict.reason)
    fleet = service.fleet
    if fleet is None or fleet.state is State.CONDEMNED:
        return Answer(1, f"cannot wait for that: {verdict.reason}")
    return None
