"""XML-RPC of both supervisors on the same file: names, signatures, structs, faults."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import xmlrpc.client
from functools import partial
from subprocess import PIPE, STDOUT
from typing import Any

import pytest

from tests.harness import wait_until
from tests.output_lines import Lines
from tests.services.sides import Side

pytestmark = pytest.mark.timeout(120)

# Values of each run.
OWN = {"start", "stop", "now", "pid", "description"}
CALLS: tuple[tuple[str, tuple[object, ...]], ...] = (
    ("supervisor.getVersion", ()),
    ("supervisor.getAPIVersion", ()),
    ("supervisor.getIdentification", ()),
    ("supervisor.getState", ()),
    ("supervisor.getState", (1,)),
    ("supervisor.nosuch", ()),
    ("supervisor._update", ("x",)),
    ("supervisor.getState.__class__", ()),
    ("nosuch.getState", ()),
    ("getState", ()),
    ("supervisor.getProcessInfo", ("nosuch",)),
    ("supervisor.getProcessInfo", ("pair:*",)),
    ("supervisor.getProcessInfo", ("pair:",)),
    ("supervisor.getProcessInfo", ("pair:nosuch",)),
    ("supervisor.getProcessInfo", ("left",)),
    ("supervisor.getProcessInfo", ()),
    ("supervisor.startProcess", ("nosuch",)),
    ("supervisor.startProcess", ("web",)),
    ("supervisor.startProcess", ("web", False)),
    ("supervisor.startProcess", ("missing", False)),
    ("supervisor.startProcess", ("pair:*",)),
    ("supervisor.startProcessGroup", ("nosuch",)),
    ("supervisor.startProcessGroup", ("pair",)),
    ("supervisor.startProcessGroup", ("missing",)),
    ("supervisor.startProcessGroup", ("quick", True)),
    ("supervisor.stopProcess", ("nosuch",)),
    ("supervisor.stopProcess", ("cat",)),
    ("supervisor.stopProcess", ("pair:right",)),
    ("supervisor.stopProcessGroup", ("nosuch",)),
    ("supervisor.stopProcessGroup", ("pair",)),
    ("supervisor.stopProcessGroup", ("pair",)),
    ("supervisor.startProcess", ("folder", False)),
    ("supervisor.signalProcess", ("web", "nosuch")),
    ("supervisor.signalProcess", ("nosuch", "HUP")),
    ("supervisor.signalProcess", ("cat", "HUP")),
    ("supervisor.signalProcess", ("web", "SIGCONT")),
    ("supervisor.signalProcess", ("web", "18")),
    ("supervisor.signalProcessGroup", ("nosuch", "CONT")),
    ("supervisor.signalProcessGroup", ("web", "CONT")),
    ("supervisor.signalAllProcesses", ("CONT",)),
    ("supervisor.readProcessStdoutLog", ("web", 0, 0)),
    ("supervisor.readProcessStdoutLog", ("web", 0, 3)),
    ("supervisor.readProcessStdoutLog", ("web", -3, 0)),
    ("supervisor.readProcessStdoutLog", ("web", -3, 1)),
    ("supervisor.readProcessStdoutLog", ("web", 0, -1)),
    ("supervisor.readProcessStdoutLog", ("web", 100, 5)),
    ("supervisor.readProcessStdoutLog", ("nosuch", 0, 0)),
    ("supervisor.readProcessStderrLog", ("web", 0, 0)),
    ("supervisor.tailProcessStdoutLog", ("web", 0, 100)),
    ("supervisor.tailProcessStdoutLog", ("web", 0, 3)),
    ("supervisor.tailProcessStdoutLog", ("web", 100, 3)),
    ("supervisor.tailProcessStderrLog", ("nosuch", 0, 3)),
    ("supervisor.clearProcessLogs", ("web",)),
    ("supervisor.clearProcessLog", ("nosuch",)),
    ("supervisor.readLog", (0, -1)),
    ("supervisor.readLog", (-1, 1)),
    ("supervisor.addProcessGroup", ("web",)),
    ("supervisor.addProcessGroup", ("nosuch",)),
    ("supervisor.removeProcessGroup", ("web",)),
    ("supervisor.removeProcessGroup", ("nosuch",)),
    ("supervisor.removeProcessGroup", ("cat",)),
    ("supervisor.addProcessGroup", ("cat",)),
    ("supervisor.reloadConfig", ()),
    ("supervisor.sendProcessStdin", ("cat", "x")),
    ("supervisor.sendProcessStdin", ("nosuch", "x")),
    ("supervisor.sendRemoteCommEvent", ("a", "b")),
    ("system.methodHelp", ("nosuch",)),
    ("system.methodSignature", ("nosuch",)),
    ("system.multicall", ([],)),
    ("system.multicall", ([{"methodName": "supervisor.getState"}],)),
    ("system.multicall", ([{"params": []}],)),
    ("system.multicall", ([{"methodName": "system.multicall", "params": [[]]}],)),
    ("system.multicall", ([{"methodName": "a.b"}, {"methodName": "supervisor.getVersion"}],)),
)


def answer(side: Side, name: str, arguments: tuple[object, ...]) -> Any:
    """The value of a call, or its fault, without the paths of a side."""
    try:
        value: Any = getattr(side.methods, name)(*arguments)
    except xmlrpc.client.Fault as error:
        value = (error.faultCode, error.faultString)
    return plain(value, str(side.place))


def plain(value: Any, place: str) -> Any:
    match value:
        case str():
            # The original keeps the AUTO logs in files, ours are in memory.
            return re.sub(r"^/tmp/.*-supervisor-.*\.log$|^auto$", "", value).replace(place, "PLACE")
        case list() | tuple():
            return [plain(one, place) for one in value]
        case dict():
            return {key: plain(one, place) for key, one in value.items() if key not in OWN}
    return value


def test_calls_have_the_same_answers(sides: list[Side]) -> None:
    for side in sides:
        side.settled()
    differing = []
    for name, arguments in CALLS:
        theirs, ours = (answer(side, name, arguments) for side in sides)
        if theirs != ours:
            differing.append((name, arguments, theirs, ours))
    assert not differing, "\n".join(map(str, differing))


def test_structs_have_the_same_fields(sides: list[Side]) -> None:
    for side in sides:
        side.settled()
    infos = [side.methods.supervisor.getAllProcessInfo() for side in sides]
    kinds = [
        [{key: type(one) for key, one in struct.items()} for struct in found] for found in infos
    ]
    assert kinds[0] == kinds[1]
    rows = ("supervisor.getAllProcessInfo", "supervisor.getAllConfigInfo", "system.listMethods")
    for name in rows:
        theirs, ours = (answer(side, name, ()) for side in sides)
        differing = [pair for pair in zip(theirs, ours, strict=True) if pair[0] != pair[1]]
        assert not differing, "\n".join(map(str, differing))
    for name in sides[0].methods.system.listMethods():
        signatures = [answer(side, "system.methodSignature", (name,)) for side in sides]
        assert signatures[0] == signatures[1], name
        assert len(sides[1].methods.system.methodHelp(name)) > len(name) / 2


def test_tail_f_follows(sides: list[Side]) -> None:
    """The original supervisorctl prints each line as it comes."""
    for side in sides:
        side.settled()
        command = [*side.ctl, "tail", "-f", "web"]
        with subprocess.Popen(command, stdout=PIPE, stderr=STDOUT) as ctl:
            assert ctl.stdout is not None
            lines = Lines(ctl.stdout)
            lines.expect("^==> Press Ctrl-C to exit <==$")
            lines.expect("^hello$")
            side.methods.supervisor.stopProcess("web")
            side.methods.supervisor.startProcess("web")
            lines.expect("^hello$")
            ctl.send_signal(signal.SIGINT)
            lines.rest()
        assert ["==> Press Ctrl-C to exit <==", "hello", "hello"] == lines.seen[:3]


def test_maintail_f_follows(sides: list[Side]) -> None:
    for side in sides:
        side.settled()
        command = [*side.ctl, "maintail", "-f"]
        with subprocess.Popen(command, stdout=PIPE, stderr=STDOUT) as ctl:
            assert ctl.stdout is not None
            lines = Lines(ctl.stdout)
            lines.expect("^==> Press Ctrl-C to exit <==$")
            lines.expect("success: web entered RUNNING state")
            side.methods.supervisor.stopProcess("web")
            lines.expect("stopped: web")
            ctl.send_signal(signal.SIGINT)
            lines.rest()


def test_fg_writes_the_input(sides: list[Side]) -> None:
    """`supervisorctl fg`: logs and standard input of a program."""
    for side in sides:
        side.settled()
        side.methods.supervisor.startProcess("cat")
        command = [*side.ctl, "fg", "cat"]
        environ = {**os.environ, "PYTHONUNBUFFERED": "1"}
        with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, stderr=STDOUT, env=environ) as ctl:
            assert ctl.stdin is not None
            assert ctl.stdout is not None
            lines = Lines(ctl.stdout)
            lines.expect("Press Ctrl-C to exit")
            ctl.stdin.write(b"said\n")
            ctl.stdin.flush()
            lines.expect("^said$")
            wait_until(partial(_logged, side))
            ctl.kill()


def _logged(side: Side) -> None:
    assert "said\n" == side.methods.supervisor.readProcessStdoutLog("cat", 0, 0)
