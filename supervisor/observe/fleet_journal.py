"""The log lines of a fleet: pure. A line for each change of the pod's part, and none at rest.

A part of the journal, imported where a role has --fleet only.
"""

from __future__ import annotations

from ..core.rollout_state import rollout_of
from ..core.versions import short
from ..fleet import summary
from ..fleet.events import TrialChecked
from ..fleet.state import BY_INTENT, Own, State, Verdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..core.events import Event
    from ..core.service import Service
    from ..fleet.state import Fleet
    from .journal import Journal, Line

_QUIET = frozenset({State.SETTLED, State.ASKING})
_ON_THE_WAY = frozenset({State.WAITING, State.DUE})
_GRAVE = frozenset({State.CONDEMNED, State.HELD})
_UNSAID = frozenset({Own.CHECK, Own.CHILD_EXITED})  # no other line has their words


def lines(journal: Journal, event: Event, before: Service, after: Service) -> Iterator[Line]:
    """The lines of an event, from the states around it."""
    old = before.fleet
    new = after.fleet
    if new is None or old is None:
        return
    if isinstance(event, TrialChecked):
        yield from _checked(journal, event, old, after)
    if new is old:
        return
    yield from _verdicts(journal, old, new, after)
    if _told(new) != _told(old):
        yield _line(journal, new, after)


def _told(fleet: Fleet) -> tuple[str, str, str]:
    """The parts of the state with a line of their own."""
    return fleet.state, fleet.name or fleet.version, fleet.reason


def _line(journal: Journal, fleet: Fleet, after: Service) -> Line:
    level = "info"
    running = rollout_of(after).runs_on == fleet.version
    # A version that runs here is news no more, nor is a verdict of this pod, or a version that
    # waits for its time: both have lines of their own.
    verdict = fleet.blamed and not summary.overruled(fleet)
    own_line = verdict or fleet.reason in BY_INTENT
    if fleet.state in _QUIET or (running and fleet.state in _ON_THE_WAY) or own_line:
        level = "debug"
    elif fleet.state in _GRAVE:
        level = "warning"
    message = f"fleet {fleet.group}: {summary.sentence(fleet, rollout_of(after))}"
    fields = {"version": short(fleet.name or fleet.version), "reason": fleet.reason}
    return journal.line(level, f"fleet_{fleet.state}", message, **fields)


def _checked(journal: Journal, event: TrialChecked, old: Fleet, after: Service) -> Iterator[Line]:
    """A failed check of the trial, and the first of a row that could not be asked."""
    level = "warning"
    if event.passed or old.trial is None or event.number != old.trial.check:
        return
    if not event.asked and old.unchecked:
        level = "debug"
    problem = "failed" if event.asked else "could not be asked"
    error = journal.quoted(event.error, event.words, after)
    message = f"fleet {old.group}: the check of the trial {problem}: {error}"
    yield journal.line(level, "fleet_check", message, version=short(old.name or old.version))


def _stays(version: str, fleet: Fleet, after: Service) -> bool:
    """Whether a condemned version stays in place, without a way back."""
    versions = rollout_of(after).versions
    newest = version == fleet.name and fleet.version == versions.live
    return newest and not versions.returning and not versions.applying


def _verdicts(journal: Journal, old: Fleet, new: Fleet, after: Service) -> Iterator[Line]:
    """The verdicts of this pod."""
    for one in summary.given(old, new):
        version = short(one.version)
        fields = {"version": version, "reason": one.reason}
        pod = f"fleet {new.group}: this pod"
        match one.verdict:
            case Verdict.GOOD:
                message = f"{pod} found configuration {version} good"
                yield journal.line("info", "fleet_verdict", message, **fields)
            case Verdict.BAD:
                own = new.blamed and one.version == new.name and one.reason in _UNSAID
                error = f" ({new.error})" if own else ""
                message = f"{pod} condemned configuration {version}: {one.reason}{error}"
                if _stays(one.version, new, after):
                    message += "; it stays in place, without a version to go back to"
                yield journal.line("warning", "fleet_verdict", message, **fields)
            case _:
                message = (
                    f"{pod} cannot tell whether configuration {version} works; another pod tries it"
                )
                yield journal.line("warning", "fleet_verdict", message, **fields)
