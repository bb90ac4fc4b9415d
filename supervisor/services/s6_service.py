"""One service of an s6 tree: the files that say how it runs, as a service of a plan.

It reads service directories of s6 and definitions of s6-rc, which share most files; how services
relate is elsewhere. Times are milliseconds there and seconds here.
"""

from __future__ import annotations

from difflib import get_close_matches

from ..core.quoting import encodable
from ..core.record import Record
from ..core.signal_numbers import TERM
from ..runtime import signals
from . import s6_scripts
from .plan import Finish, Kind, Pace, Readiness, Restart, Retries, Service, Sink, Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from .tree_files import TreeFiles

_LAST_CODE = 125  # of finish: s6-supervise does not start the service again
_FINISH_TIMEOUT = 5000
_MOST = (1 << 32) - 1
_MILLISECONDS = 1000
_FIRST_FREE = 3  # descriptor; those below are the three standard ones
_NEAR = 0.85  # of a name to a known one, to be taken for a slip

_IGNORED = {
    "max-death-tally": "not needed: the metrics count the ends of a service",
    "nosetsid": "not needed: a service never shares a process group with others",
    "flag-essential": "it is about s6-rc -d only; supervisorctl stops any service",
    "flag-recommended": "it is about repositories of s6-rc only",
    "reload-signal": "only s6-svc -l sends it; supervisorctl signal SIGNAL SERVICE does here",
}
_WARNED = {
    "lock-fd": "ignored: a process that an earlier start left is not waited for",
    "flag-newpidns": "ignored: the service has no PID namespace of its own",
    "instances": "ignored: services are not made from instances; write a directory for each",
}
_KNOWN = (
    *_IGNORED,
    *_WARNED,
    *("type", "run", "finish", "up", "down", "dependencies.d", "dependencies", "contents.d"),
    *("contents", "producer-for", "consumer-for", "pipeline-name", "notification-fd", "data"),
    *("env", "log", "timeout-kill", "timeout-up", "timeout-down", "timeout-finish"),
    *("down-signal", "flag-timeout-killpg"),
)


class Shared(Record):
    """The same for all services of a tree."""

    environment: Mapping[str, str]
    failure_ends: bool  # a failed start ends the container


def longrun(files: TreeFiles, path: str, name: str, shared: Shared, *, copied: bool) -> Service:
    """A service that is kept running; `copied`: s6-rc runs copies of its scripts."""
    words = s6_scripts.words(files, f"{path}/run", copied=copied)
    if not files.is_listed(f"{path}/run"):
        files.refuse(path, "has no file `run`; add the program that runs the service")
    _judge_names(files, path)
    kill = _milliseconds(files, f"{path}/timeout-kill", 0)
    if files.is_listed(f"{path}/timeout-down"):
        files.warn(f"{path}/timeout-down", "ignored: timeout-kill ends the stop of a longrun")
    return bare(name, path, shared).replace(
        command=" ".join(words),
        words=words,
        directory=path,
        restart=Restart.ALWAYS,
        retries=Retries(None, Pace.STEADY),
        stopsignal=_down_signal(files, f"{path}/down-signal"),
        stopwaitsecs=kill,
        killasgroup=files.is_listed(f"{path}/flag-timeout-killpg"),
        finish=_finish(files, path, copied=copied),
        readiness=_readiness(files, path),
        oneshot=False,
    )


def oneshot(files: TreeFiles, path: str, name: str, shared: Shared) -> Service:
    """A command that runs once, and one for its stop."""
    up = s6_scripts.command(files, f"{path}/up")
    if not files.is_listed(f"{path}/up"):
        files.refuse(path, "has no file `up`; add one, empty or with the path of a program")
    _judge_names(files, path)
    return bare(name, path, shared).replace(
        command=" ".join(up or ()),
        words=up or (),
        readiness=Readiness(timeout=_milliseconds(files, f"{path}/timeout-up", 0)),
        down=s6_scripts.command(files, f"{path}/down") or (),
        down_timeout=_milliseconds(files, f"{path}/timeout-down", 0),
    )


def bare(name: str, program: str, shared: Shared) -> Service:
    """A oneshot with nothing to run; `program`: the file or directory it stands for."""
    return Service(
        name=name,
        group=name,
        program=program,
        kind=Kind.PROGRAM,
        command="",
        words=(),
        environment=shared.environment,
        restart=Restart.NEVER,
        retries=Retries(0),
        startsecs=0,
        stopwaitsecs=None,
        stdout=Stream(Sink.OUTPUT),
        stderr=Stream(Sink.ERRORS),
        essential=shared.failure_ends,
        oneshot=True,
    )


def _finish(files: TreeFiles, path: str, *, copied: bool) -> Finish | None:
    if not files.is_listed(f"{path}/finish"):
        return None
    words = s6_scripts.words(files, f"{path}/finish", copied=copied)
    timeout = _milliseconds(files, f"{path}/timeout-finish", _FINISH_TIMEOUT)
    return Finish(words, timeout, _LAST_CODE)


def _readiness(files: TreeFiles, path: str) -> Readiness:
    descriptor = _number(files, f"{path}/notification-fd")
    check = f"{path}/data/check"
    if files.exists(check):
        if descriptor is None:
            files.warn(check, "ignored: there is no file notification-fd beside data")
        elif not files.is_executable(check):
            files.warn(check, "is not executable, so no check passes: chmod +x")
    if descriptor is None:
        return Readiness()
    if descriptor < _FIRST_FREE:
        files.warn(
            f"{path}/notification-fd", f"{descriptor} is a standard descriptor; choose 3 or more"
        )
    timeout = _milliseconds(files, f"{path}/timeout-up", 0)
    return Readiness(f"fd:{descriptor}", timeout)


def _down_signal(files: TreeFiles, path: str) -> int:
    text = files.text(path)
    if text is None:
        return TERM
    try:
        return signals.number(text.strip())
    except ValueError:
        files.refuse(path, f"{encodable(text.strip())!r} is no signal; write a name like QUIT")
        return TERM


def _milliseconds(files: TreeFiles, path: str, default: int) -> float | None:
    """Seconds; 0 in the file means without end."""
    found = _number(files, path)
    value = default if found is None else found
    return value / _MILLISECONDS if value else None


def _number(files: TreeFiles, path: str) -> int | None:
    text = files.text(path)
    if text is None:
        return None
    digits = text.rstrip("\n")
    if not digits:
        return 0
    if not (digits.isascii() and digits.isdigit()) or len(digits) > len(str(_MOST)):
        files.refuse(path, f"{encodable(digits)!r} is not a whole number; write 0 or more")
        return None
    value = int(digits)
    if value > _MOST:
        files.refuse(path, f"{value} is too much; write at most {_MOST}")
        return None
    return value


def _judge_names(files: TreeFiles, path: str) -> None:
    for name in files.names(path):
        file = f"{path}/{name}"
        if name in _IGNORED:
            files.ignore(file, _IGNORED[name])
        elif name in _WARNED:
            files.warn(file, _WARNED[name])
        elif name not in _KNOWN:
            close = get_close_matches(name, _KNOWN, n=1, cutoff=_NEAR)
            if close:
                files.warn(file, f"has no meaning for s6 (did you mean {close[0]}?)")
