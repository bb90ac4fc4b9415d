"""The start budget: the time for the start of all services.

Pure, and part of the conductor. Once it is over, services that still wait for others are given up,
and whatever waits for tries goes on: the command of a container starts in any case.
"""

from __future__ import annotations

from . import dependencies

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .conductor_turn import Turn


def begin(turn: Turn) -> None:
    budget = turn.state.roster.start_budget
    if budget is not None:
        turn.change(start_by=turn.now + budget)


def pass_deadline(turn: Turn) -> None:
    start_by = turn.state.start_by
    if start_by is None or start_by > turn.now:
        return
    turn.change(start_by=None)
    roster = turn.state.roster
    waiting = [name for name, member in turn.members.items() if member.up and not member.begun]
    running = [name for name, member in turn.members.items() if member.begun]
    reasons = {name: dependencies.waiting_for(name, roster, turn.members) for name in waiting}
    for name in running:
        turn.note_tried(name)
    for name, need in reasons.items():
        if need and name != roster.main:
            turn.refuse(
                name, f"waits for {need}, and the {roster.start_budget:g}s for all are over"
            )
