"""The original supervisorctl against both supervisors: the same lines, the same exit codes.

Both run the same file; numbers of processes, times and paths are left out. The rows are those of
supervisorctl's commands, in an order in which each finds something to do.
"""

from __future__ import annotations

import threading

import pytest

from tests.services.sides import CONFIGURATION, Side

pytestmark = pytest.mark.timeout(240)

# web differs, cat is gone, late is new.
CHANGED = CONFIGURATION.replace("sleep 1000", "sleep 2000", 1).replace(
    "[program:cat]\ncommand = cat\nautostart = false\n", "[program:late]\ncommand = sleep 1000\n"
)
COMMANDS = (
    "status",
    "status web pair:*",
    "status nosuch",
    "status nosuch:*",
    "start cat",
    "start cat",
    "start quick",
    "start missing",
    "start job",
    "start nosuch",
    "start nosuch:*",
    "start",
    "start pair:*",
    "start right",
    "status job",
    "stop cat",
    "stop cat",
    "stop nosuch",
    "stop nosuch:*",
    "stop",
    "stop pair:*",
    "restart web",
    "restart cat web",
    "restart nosuch",
    "restart",
    "signal HUP pair:left",
    "signal 0 web",
    "signal CONT web",
    "signal XX web",
    "signal HUP nosuch",
    "signal CONT pair:*",
    "signal CONT all",
    "signal",
    "pid nosuch",
    "pid missing",
    "avail",
    "tail web",
    "tail -5 web",
    "tail web stderr",
    "tail nosuch",
    "tail web nosuch",
    "clear web",
    "clear nosuch",
    "clear all",
    "tail web",
    "foo",
    "add nosuch",
    "add web",
    "remove nosuch",
    "remove web",
    "reread",
    "=changed",
    "reread",
    "avail",
    "update",
    "update",
    "status",
    "remove job",
    "add job",
    "reread",
    "=broken",
    "reread",
    "update",
    "=changed",
    "start all",
    "stop all",
    "status",
    "reload",
    "=wait",
    "status",
    "shutdown",
    "=end",
    "status",
    "shutdown",
)


def play(side: Side, found: list[tuple[str, int, str]]) -> None:
    side.settled()
    for command in COMMANDS:
        match command:
            case "=changed":
                side.write(CHANGED)
            case "=broken":
                side.write(CHANGED + "[program:x]\ncommand = a\nstartsecs = x\n")
            case "=wait":
                side.settled()
            case "=end":
                side.process.wait(timeout=20)
            case _:
                found.append((command, *side.run(command)))


@pytest.mark.slow
def test_supervisorctl_says_the_same(sides: list[Side]) -> None:
    theirs: list[tuple[str, int, str]] = []
    ours: list[tuple[str, int, str]] = []
    played = zip(sides, (theirs, ours), strict=True)
    threads = [threading.Thread(target=play, args=one) for one in played]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(ours) == len([one for one in COMMANDS if not one.startswith("=")])
    differing = [(one, other) for one, other in zip(theirs, ours, strict=True) if one != other]
    assert not differing, "\n".join(map(str, differing))
