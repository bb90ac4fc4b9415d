"""The program with rules that fail: break_rules.py EVENT ARGUMENTS...

Once the app runs, the rules raise for each event of the type EVENT; for all, if it is `Event`.
"""

from __future__ import annotations

import sys

from config_supervisor.__main__ import main
from config_supervisor.core import events
from config_supervisor.core import service as rules

step, broken = rules.step, getattr(events, sys.argv.pop(1))
seen: set[type[events.Event]] = set()


def breaking(
    service: rules.Service, event: events.Event, now: float, policy: rules.Policy
) -> tuple[rules.Service, rules.Out]:
    if events.Started in seen and isinstance(event, broken):
        raise ArithmeticError("of the test")
    seen.add(type(event))
    return step(service, event, now, policy)


rules.step = breaking
main()
