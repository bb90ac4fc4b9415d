"""`supervisorctl fg`: the output of a service as it comes, and lines of a person to its input."""

from __future__ import annotations

import os
import select

from .fault_codes import FaultCode
from .services_session import GENERIC
from .services_verbs import usage
from .xml_values import Fault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .services_server import Answer
    from .services_session import Session

_INPUT = 0
_PIECE = 1 << 16
_RUNNING = "RUNNING"


def foreground(session: Session, arg: str) -> None:
    if not session.is_up():
        return
    names = arg.split()
    if not names:
        usage(session, "fg", "ERROR: no process name supplied")
    elif len(names) > 1:
        session.fail("ERROR: too many process names supplied")
    else:
        _begin(session, names[0])


def _begin(session: Session, name: str) -> None:
    try:
        info = session.call("getProcessInfo", name)
    except Fault as fault:
        if fault.code != FaultCode.BAD_NAME:
            raise
        session.fail("ERROR: bad process name supplied")
        return
    if info["statename"] != _RUNNING:
        session.fail("ERROR: process not running")
        return
    session.say("==> Press Ctrl-C to exit <==")
    streams = [
        session.server.follow(f"/logtail/{name}/{channel}") for channel in ("stdout", "stderr")
    ]
    try:
        _attend(session, name, streams)
    except KeyboardInterrupt:
        pass
    finally:
        session.say("Exiting foreground")
        for stream in streams:
            stream.close()


def _attend(session: Session, name: str, streams: list[Answer]) -> None:
    """Pass lines and output on, until the end of either."""
    typed = b""
    while True:
        ready, _, _ = select.select([_INPUT, *(stream.fileno() for stream in streams)], [], [])
        for stream in streams:
            if stream.fileno() in ready:
                session.write(stream.read())
                if stream.over:
                    return
        if _INPUT in ready:
            data = os.read(_INPUT, _PIECE)
            *lines, typed = (typed + data).split(b"\n")
            if not data or not all(_pass_on(session, name, line + b"\n") for line in lines):
                return


def _pass_on(session: Session, name: str, line: bytes) -> bool:
    """Send a line to a service; whether it runs on."""
    try:
        session.call("sendProcessStdin", name, line.decode(errors="replace"))
        if session.call("getProcessInfo", name)["statename"] == _RUNNING:
            return True
    except Fault as fault:
        if fault.code != FaultCode.NOT_RUNNING:
            session.fail(f"ERROR: {fault.text}", GENERIC)
            return False
    session.say("Process got killed")
    return False
