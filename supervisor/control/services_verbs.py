"""The verbs of supervisorctl that show something: status, pid, avail, logs, version.

Lines and exit codes are those of supervisord's supervisorctl; `--json` is ours.
"""

from __future__ import annotations

from .fault_codes import FaultCode
from .services_server import StatusError
from .services_session import (
    GENERIC,
    NOT_RUNNING,
    STATUS_DOWN,
    STATUS_UNKNOWN,
    UNREACHABLE,
    identity,
    parsed,
)
from .xml_values import Fault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from .services_session import Session

    Info = Mapping[str, Any]

_NAME_WIDTH = 33  # and more, where a name needs it
_GAP = 3
_DOWN = frozenset({"STOPPED", "EXITED", "FATAL", "UNKNOWN"})
_TAIL_BYTES = 1600
_MOST_TAIL_WORDS = 3
_OK, _UNAUTHORIZED, _NOT_FOUND = 200, 401, 404
_CHANNELS = ("stderr", "stdout")
_LOG_FAULTS: dict[int, str] = {
    FaultCode.NO_FILE: "no log file",
    FaultCode.FAILED: "unknown error reading log",
    FaultCode.BAD_NAME: "no such process name",
}


def usage(session: Session, verb: str, message: str, code: int = GENERIC) -> None:
    """A wrong command line of a verb: its line, and the help of the verb."""
    from . import services_help

    session.fail(message, code)
    session.say(services_help.of(verb))


def takes_nothing(session: Session, verb: str, arg: str) -> bool:
    if arg:
        usage(session, verb, f"Error: {verb} accepts no arguments")
    return not arg


# --- states ---------------------------------------------------------------------------------------


def status(session: Session, arg: str) -> None:
    if not session.is_up():
        session.code = STATUS_UNKNOWN
        return
    infos = session.call("getAllProcessInfo")
    names = arg.split()
    chosen = infos if not names or "all" in names else [*_chosen(session, infos, names)]
    if session.json:
        session.say_json(chosen)
    else:
        _show(session, chosen)
    if any(info["statename"] in _DOWN for info in chosen):
        session.code = STATUS_DOWN


def _chosen(session: Session, infos: list[Info], names: list[str]) -> Iterator[Info]:
    for word in names:
        group, name = parsed(word)
        found = [
            info
            for info in infos
            if info["group"] == group and (name is None or info["name"] == name)
        ]
        yield from found
        if found:
            continue
        if name is None:
            session.fail(f"{group}: ERROR (no such group)", STATUS_UNKNOWN)
        else:
            session.fail(f"{word}: ERROR (no such process)", STATUS_UNKNOWN)


def _show(session: Session, infos: list[Info]) -> None:
    names = [identity(info["group"], info["name"]) for info in infos]
    width = max([_NAME_WIDTH, *(len(name) + _GAP for name in names)])
    for name, info in zip(names, infos, strict=True):
        session.say(f"{name:<{width}}{info['statename']:<10}{info['description']}")


def health(session: Session, arg: str) -> None:
    """Supervisord has no such verb; of ours, the health of a single app is the same path."""
    if not takes_nothing(session, "health", arg):
        return
    if not session.is_up():
        session.code = UNREACHABLE
        return
    code, text = session.server.ask("GET /livez")
    if code == _NOT_FOUND:
        session.fail(f"error: {session.server.url} is no config-supervisor: it has no `health`")
    elif code == _UNAUTHORIZED:
        raise StatusError(code, "")
    elif code == _OK:
        session.say(text.rstrip())
    else:
        session.fail(text.rstrip())


def pid(session: Session, arg: str) -> None:
    if not session.is_up():
        return
    pids = _pids(session, arg.split())
    if session.json:
        session.say_json(dict(pids))
        return
    for _, number in pids:
        session.say(str(number))


def _pids(session: Session, names: list[str]) -> Iterator[tuple[str, int]]:
    if not names:
        yield "supervisor", session.call("getPID")
    elif "all" in names:
        for info in session.call("getAllProcessInfo"):
            yield identity(info["group"], info["name"]), info["pid"]
    else:
        for name in names:
            try:
                number = session.call("getProcessInfo", name)["pid"]
            except Fault as fault:
                if fault.code != FaultCode.BAD_NAME:
                    raise
                session.fail(f"No such process {name}")
                continue
            yield name, number
            if not number:
                session.code = NOT_RUNNING


def avail(session: Session, arg: str) -> None:
    if not takes_nothing(session, "avail", arg):
        return
    infos = session.call("getAllConfigInfo")
    if session.json:
        session.say_json(infos)
        return
    for info in infos:
        name = identity(info["group"], info["name"])
        used = "in use" if info["inuse"] else "avail"
        start = "auto" if info["autostart"] else "manual"
        rank = f"{info['group_prio']}:{info['process_prio']}"
        session.say(f"{name:<32} {used:<9} {start:<9} {rank}")


def version(session: Session, arg: str) -> None:
    if takes_nothing(session, "version", arg) and session.is_up():
        session.say(session.call("getSupervisorVersion"))


def open_url(session: Session, arg: str) -> None:
    """Go on with another server."""
    url = arg.strip()
    if not url.startswith(("unix://", "http://")):
        session.fail("ERROR: url must be http:// or unix://")
        return
    session.server = session.server.at(url)
    code = session.code
    status(session, "")
    session.code = code


# --- logs -----------------------------------------------------------------------------------------


def tail(session: Session, arg: str) -> None:
    if not session.is_up():
        return
    words = arg.split()
    if not words:
        usage(session, "tail", "Error: too few arguments")
        return
    if len(words) > _MOST_TAIL_WORDS:
        usage(session, "tail", "Error: too many arguments")
        return
    modifier = words.pop(0) if words[0].startswith("-") else ""
    if not words:
        session.fail("Error: tail requires process name")
        return
    name = words[0]
    channel = words[-1].lower() if len(words) > 1 else "stdout"
    if channel not in _CHANNELS:
        session.fail(f"Error: bad channel {channel!r}")
    elif modifier == "-f":
        follow(session, f"/logtail/{name}/{channel}")
    elif (size := _size(session, modifier)) is not None:
        _show_log(session, name, f"readProcess{channel.title()}Log", name, -size, 0)


def maintail(session: Session, arg: str) -> None:
    if not session.is_up():
        return
    words = arg.split()
    if len(words) > 1:
        usage(session, "maintail", "Error: too many arguments")
        return
    modifier = words[0] if words else ""
    if modifier == "-f":
        follow(session, "/mainlogtail")
    elif modifier and not modifier.startswith("-"):
        session.fail(f"Error: bad argument {modifier}")
    elif (size := _size(session, modifier)) is not None:
        _show_log(session, "supervisord", "readLog", -size, 0)


def _size(session: Session, modifier: str) -> int | None:
    """The bytes of `-N`; None after the line about a wrong one."""
    if not modifier:
        return _TAIL_BYTES
    try:
        return int(modifier[1:])
    except ValueError:
        session.fail(f"Error: bad argument {modifier}")
        return None


def _show_log(session: Session, name: str, method: str, *params: str | int) -> None:
    try:
        text = session.call(method, *params)
    except Fault as fault:
        if fault.code not in _LOG_FAULTS:
            raise
        session.fail(f"{name}: ERROR ({_LOG_FAULTS[fault.code]})")
    else:
        session.say(text)


def follow(session: Session, path: str) -> None:
    """Write a log as it grows, until Ctrl-C."""
    session.say("==> Press Ctrl-C to exit <==")
    try:
        for piece in session.server.follow(path).pieces():
            session.write(piece)
    except StatusError as error:
        session.complain(f"{session.server.url}{path} Cannot read, status code {error.status}")
    except KeyboardInterrupt:
        session.say("")
