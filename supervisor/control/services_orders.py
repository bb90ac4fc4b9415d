"""The verbs of supervisorctl that change something: start, stop, signal, update and so on.

Lines and exit codes are those of supervisord's supervisorctl.
"""

from __future__ import annotations

from .fault_codes import FaultCode
from .services_session import GENERIC, WRONG_ARGUMENTS, identity, parsed
from .services_verbs import takes_nothing, usage
from .xml_values import Fault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from .services_session import Session

    Result = Mapping[str, Any]

_WHY = {
    FaultCode.BAD_NAME: "no such process",
    FaultCode.BAD_SIGNAL: "bad signal name",
    FaultCode.NO_FILE: "no such file",
    FaultCode.NOT_EXECUTABLE: "file is not executable",
    FaultCode.ALREADY_STARTED: "already started",
    FaultCode.NOT_RUNNING: "not running",
    FaultCode.SPAWN_ERROR: "spawn error",
    FaultCode.SHUTDOWN_STATE: "supervisor shutting down",
    FaultCode.ABNORMAL_TERMINATION: "abnormal termination",
}


class Deed:
    """An order about processes: its methods, the word for its success, and a fault without harm."""

    def __init__(self, verb: str, done: str, harmless: int, no_group: int = GENERIC) -> None:
        self.verb = verb
        self.done = done
        self.harmless = harmless
        self.no_group = no_group  # the exit code for an unknown group

    def run(self, session: Session, names: list[str], *params: str) -> None:
        """Perform it for the processes of some words; `params` stand behind the name."""
        if "all" in names:
            self._tell_all(session, session.call(f"{self.verb}AllProcesses", *params))
            return
        for word in names:
            group, name = parsed(word)
            if name is None:
                self._group(session, group, *params)
            else:
                self._tell(session, self._result(session, word, *params))

    def _group(self, session: Session, group: str, *params: str) -> None:
        try:
            results = session.call(f"{self.verb}ProcessGroup", group, *params)
        except Fault as fault:
            if fault.code != FaultCode.BAD_NAME:
                raise
            session.fail(f"{group}: ERROR (no such group)", self.no_group)
        else:
            self._tell_all(session, results)

    def _result(self, session: Session, word: str, *params: str) -> Result:
        group, name = parsed(word)
        status: int = FaultCode.SUCCESS
        description = ""
        try:
            session.call(f"{self.verb}Process", word, *params)
        except Fault as fault:
            status = fault.code
            description = fault.text
        return {"group": group, "name": name, "status": status, "description": description}

    def _tell_all(self, session: Session, results: Iterable[Result]) -> None:
        for result in results:
            self._tell(session, result)

    def _tell(self, session: Session, result: Result) -> None:
        name = identity(result["group"], result["name"])
        status = result["status"]
        if status == FaultCode.SUCCESS:
            session.say(f"{name}: {self.done}")
        elif status == FaultCode.FAILED and self.verb != _START.verb:
            session.say(result["description"])
        else:
            session.say(f"{name}: ERROR ({_why(result)})")
        session.note(status, self.harmless)


def _why(result: Result) -> str:
    """The words for a fault; behind that of a start that goes on stands the reason."""
    status = result["status"]
    description: str = result["description"]
    about = description.partition(": ")[2]
    name = result["name"]
    named = ("", name, f"{result['group']}:{name}")
    if status == FaultCode.ABNORMAL_TERMINATION and about not in named:
        return about
    return _WHY.get(status, description)


_START = Deed("start", "started", FaultCode.ALREADY_STARTED, WRONG_ARGUMENTS)
_STOP = Deed("stop", "stopped", FaultCode.NOT_RUNNING)
_SIGNAL = Deed("signal", "signalled", FaultCode.SUCCESS)


def start(session: Session, arg: str) -> None:
    if not session.is_up():
        return
    if not arg:
        usage(session, "start", "Error: start requires a process name", WRONG_ARGUMENTS)
        return
    _START.run(session, arg.split())


def stop(session: Session, arg: str) -> None:
    if not session.is_up():
        return
    if not arg:
        usage(session, "stop", "Error: stop requires a process name")
        return
    _STOP.run(session, arg.split())


def restart(session: Session, arg: str) -> None:
    if not session.is_up():
        return
    if not arg:
        usage(session, "restart", "Error: restart requires a process name")
        return
    stop(session, arg)
    start(session, arg)


def signal(session: Session, arg: str) -> None:
    if not session.is_up():
        return
    name, *names = arg.split() or [""]
    if not names:
        message = "Error: signal requires a signal name and a process name"
        usage(session, "signal", message)
        return
    _SIGNAL.run(session, names, name)


def clear(session: Session, arg: str) -> None:
    if not session.is_up():
        return
    if not arg:
        usage(session, "clear", "Error: clear requires a process name")
        return
    words = arg.split()
    if "all" in words:
        for result in session.call("clearAllProcessLogs"):
            _tell_cleared(session, result["group"], result["name"], result["status"])
        return
    for word in words:
        status: int = FaultCode.SUCCESS
        try:
            session.call("clearProcessLogs", word)
        except Fault as fault:
            status = fault.code
        _tell_cleared(session, *parsed(word), status)


def _tell_cleared(session: Session, group: str, name: str | None, status: int) -> None:
    known: dict[int, str] = {FaultCode.BAD_NAME: "no such process", FaultCode.FAILED: "failed"}
    told = "cleared" if status == FaultCode.SUCCESS else f"ERROR ({known.get(status, 'failed')})"
    session.say(f"{identity(group, name)}: {told}")
    session.note(status)


# --- all of them ----------------------------------------------------------------------------------


def shutdown(session: Session, arg: str) -> None:
    if not takes_nothing(session, "shutdown", arg):
        return
    if not session.confirmed("Really shut the remote supervisord process down y/N? "):
        return
    try:
        session.call("shutdown")
    except Fault as fault:
        if fault.code != FaultCode.SHUTDOWN_STATE:
            raise
        session.say("ERROR: already shutting down")
    except (FileNotFoundError, ConnectionRefusedError) as error:
        gone = isinstance(error, FileNotFoundError)
        how = "no such file" if gone else "refused connection"
        session.fail(f"ERROR: {session.server.url} {how} (already shut down?)")
    else:
        session.say("Shut down")


def reload(session: Session, arg: str) -> None:
    if not takes_nothing(session, "reload", arg):
        return
    if not session.confirmed("Really restart the remote supervisord process y/N? "):
        return
    try:
        session.call("restart")
    except Fault as fault:
        if fault.code != FaultCode.SHUTDOWN_STATE:
            raise
        session.fail("ERROR: already shutting down")
    else:
        session.say("Restarted supervisord")


# --- groups ---------------------------------------------------------------------------------------


def reread(session: Session, arg: str) -> None:
    if not takes_nothing(session, "reread", arg):
        return
    [[added, changed, removed]] = session.call("reloadConfig")
    found = {
        **dict.fromkeys(added, "available"),
        **dict.fromkeys(changed, "changed"),
        **dict.fromkeys(removed, "disappeared"),
    }
    for name in sorted(found):
        session.say(f"{name}: {found[name]}")
    if not found:
        session.say("No config updates to processes")


def update(session: Session, arg: str) -> None:
    try:
        [[added, changed, removed]] = session.call("reloadConfig")
    except Fault as fault:
        if fault.code != FaultCode.SHUTDOWN_STATE:
            raise
        session.fail("ERROR: already shutting down")
        return
    wanted = set(arg.split())
    if "all" in wanted:
        wanted = set()
    if wanted:
        known = {info["group"] for info in session.call("getAllProcessInfo")} | {*added}
        for name in wanted - known:
            session.fail(f"ERROR: no such group: {name}")
    for name in removed:
        if not wanted or name in wanted:
            _remove_stopped(session, name)
    for name in changed:
        if not wanted or name in wanted:
            session.call("stopProcessGroup", name)
            session.say(f"{name}: stopped")
            session.call("removeProcessGroup", name)
            session.call("addProcessGroup", name)
            session.say(f"{name}: updated process group")
    for name in added:
        if not wanted or name in wanted:
            session.call("addProcessGroup", name)
            session.say(f"{name}: added process group")


def _remove_stopped(session: Session, name: str) -> None:
    results = session.call("stopProcessGroup", name)
    session.say(f"{name}: stopped")
    if any(result["status"] == FaultCode.FAILED for result in results):
        session.fail(f"{name}: has problems; not removing")
        return
    session.call("removeProcessGroup", name)
    session.say(f"{name}: removed process group")


def add(session: Session, arg: str) -> None:
    for name in arg.split():
        try:
            session.call("addProcessGroup", name)
        except Fault as fault:
            match fault.code:
                case FaultCode.SHUTDOWN_STATE:
                    session.fail("ERROR: shutting down")
                case FaultCode.ALREADY_ADDED:
                    session.say("ERROR: process group already active")
                case FaultCode.BAD_NAME:
                    session.fail(f"ERROR: no such process/group: {name}")
                case _:
                    raise
        else:
            session.say(f"{name}: added process group")


def remove(session: Session, arg: str) -> None:
    for name in arg.split():
        try:
            session.call("removeProcessGroup", name)
        except Fault as fault:
            match fault.code:
                case FaultCode.STILL_RUNNING:
                    session.fail(f"ERROR: process/group still running: {name}")
                case FaultCode.BAD_NAME:
                    session.fail(f"ERROR: no such process/group: {name}")
                case _:
                    raise
        else:
            session.say(f"{name}: removed process group")
