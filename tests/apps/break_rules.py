"""The program with rules that fail: break_rules.py EVENT ARGUMENTS...

Once the app runs, the rules raise for each event of the type EVENT; for all, if it is `Event`.
With `--services` these are the rules of the conductor.
"""

from __future__ import annotations

import sys
from typing import Any

from config_supervisor.__main__ import main
from config_supervisor.core import events, service
from config_supervisor.services import conductor

broken = getattr(events, sys.argv.pop(1))
rules: Any = conductor if "--services" in sys.argv else service
step = rules.step
seen: set[type[events.Event]] = set()


def breaking(state: object, event: events.Event, now: float, *policy: object) -> object:
    if events.Started in seen and isinstance(event, broken):
        raise ArithmeticError("of the test")
    seen.add(type(event))
    return step(state, event, now, *policy)


rules.step = breaking
main()
