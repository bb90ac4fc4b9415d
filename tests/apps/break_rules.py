"""The program with rules that fail: break_rules.py EVENT ARGUMENTS...

Once the app runs, `machine.step` raises for each event of that type, and for every event where
EVENT is `Event`.
"""

from __future__ import annotations

import sys

from config_supervisor.__main__ import main
from config_supervisor.core import events, machine
from config_supervisor.core.state import Policy, State

step, broken = machine.step, getattr(events, sys.argv.pop(1))
seen: set[type[events.Event]] = set()


def breaking(state: State, event: events.Event, now: float, policy: Policy) -> machine.Result:
    if events.Started in seen and isinstance(event, broken):
        raise ArithmeticError("of the test")
    seen.add(type(event))
    return step(state, event, now, policy)


machine.step = breaking
main()
