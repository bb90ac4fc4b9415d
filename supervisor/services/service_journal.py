"""The log lines of several services in our own words, from an event and the services around it.

Pure. A line for each start, end, failure and stop; supervisord's words are in `supervisord_lines`.
"""

from __future__ import annotations

from ..core import events as ev
from ..core.actions import Kill
from ..core.life_state import Phase, Then
from ..core.signal_numbers import KILL
from ..core.upkeep import UNREADY_END
from ..core.upkeep_state import ScriptEnded
from ..runtime import signals
from . import plan_update

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .conductor_state import Member, Out, Services

    Line = tuple[str, str, dict[str, object]]  # level, message, fields


def lines(
    event: ev.Event, before: Services, after: Services, orders: Out, now: float
) -> Iterator[Line]:
    """The lines of an event; `now` is monotonic."""
    match event:
        case ev.SignalReceived(signum):
            yield _signal(signum, before, after)
        case ev.Started(pid, service=name) if name in after.members:
            yield _started(name, pid, after.members[name])
        case ev.StartFailed(code, error, service=name) if name in after.members:
            then = _then(after.members[name], now)
            yield _line("error", "start_failed", name, f"{name}: {error}{then}", exit_code=code)
        case ev.Exited(pid, service=name) if _is_of(before, name, pid) and name in after.members:
            yield _ended(event, before.members[name], after.members[name], now)
        case ev.AppUnready(pid, error, words=words, service=name) if _is_awaited(before, name, pid):
            told = f"{name} is {error}{f': {words}' if words else ''}"
            yield _line("warning", "unready", name, told, pid=pid)
        case ScriptEnded(script, code, error, name) if code and name in after.members:
            told = error or f"{script} of {name} ended with code {code}"
            yield _line("warning", "script_ended", name, told, exit_code=code)
    for name in after.changed:
        if name in before.members and name in after.members:
            yield from _changed(event, name, before.members[name], after)
    for order in orders:
        if isinstance(order, Kill) and order.signum == KILL and order.service in after.members:
            yield from _kill(order.service, after)
    yield from _stop(before, after)
    if after.roster is not before.roster:
        yield from _plan_changed(before, after)


def _line(level: str, event: str, service: str, message: str, **fields: object) -> Line:
    return level, message, {"event": event, "service": service, **fields}


def _started(name: str, pid: int, member: Member) -> Line:
    message = f"started {name} (pid {pid})"
    rollout = member.service.rollout
    if rollout is None or not rollout.versions.live:
        return _line("info", "started", name, message, pid=pid)
    from ..core.versions import counted, short

    version = short(rollout.versions.live)
    message = f"{message} on configuration {version} ({counted(rollout.versions.files)})"
    return _line("info", "started", name, message, pid=pid, version=version)


def _is_of(services: Services, name: str, pid: int) -> bool:
    return name in services.members and services.members[name].life.pid == pid


def _is_awaited(services: Services, name: str, pid: int) -> bool:
    """Whether its start was not late before."""
    started = _is_of(services, name, pid)
    return started and services.members[name].life.phase is Phase.STARTING


def _signal(signum: int, before: Services, after: Services) -> Line:
    name = signals.name(signum)
    if after.stopping is not None and before.stopping is None:
        return _line("info", "stopping", "", f"got {name}: stopping all services", signal=name)
    return _line("debug", "signal", "", f"got {name}", signal=name)


def _ended(event: ev.Exited, was: Member, member: Member, now: float) -> Line:
    name = event.service
    how = f"was ended by {signals.name(event.signum)}" if event.signum else ""
    how = how or f"ended with code {event.code}"
    life = member.life
    if life.error == UNREADY_END:
        how += " before it was ready"
    failed = life.gave_up or life.then is Then.RESTART
    fields: dict[str, object] = {"pid": event.pid, "exit_code": event.code}
    if event.signum:
        fields["signal"] = signals.name(event.signum)
    if was.life.starts:
        fields["duration_ms"] = round((now - was.life.started_at) * 1000)
    level = "warning" if failed else "info"
    return _line(level, "exited", name, f"{name} {how}{_then(member, now)}", **fields)


def _then(member: Member, now: float) -> str:
    """The next step after an end or a failed start, as the end of a sentence."""
    life = member.life
    if life.then is Then.RESTART:
        return f"; starting it again in {max(0.0, life.retry_at - now):.1f}s"
    return ""


def _changed(event: ev.Event, name: str, was: Member, services: Services) -> Iterator[Line]:
    member = services.members[name]
    if not isinstance(event, ev.AppUnready):
        yield from _late(name, was, member)
    life = member.life
    checked = services.roster.places[name].policy.life.ready
    if checked and life.phase is Phase.RUNNING and was.life.phase is not Phase.RUNNING:
        yield _line("info", "ready", name, f"{name} is ready", pid=life.pid)
    if member.refused and not was.refused:
        yield _line("error", "refused", name, f"cannot start {name}: it {member.refused}")
    elif life.gave_up and not life.ordered and member.failed and not was.failed:
        count = life.failures
        tries = "1 failure" if count == 1 else f"{count} failures in a row"
        code = life.exit_code
        yield _line("error", "gave_up", name, f"{name} is given up: {tries}", exit_code=code)


def _late(name: str, was: Member, member: Member) -> Iterator[Line]:
    """The line of a service that has not reported its readiness in time."""
    life = member.life
    if life.phase is Phase.UNREADY and was.life.phase is Phase.STARTING:
        status = f": {life.status}" if life.status else ""
        yield _line("warning", "unready", name, f"{name} is {life.error}{status}", pid=life.pid)


def _kill(name: str, services: Services) -> Iterator[Line]:
    life = services.members[name].life
    if life.phase is Phase.KILLING:
        message = f"{name} did not end in time: killing it"
        yield _line("warning", "killing", name, message, pid=life.pid, signal="SIGKILL")


def _stop(before: Services, after: Services) -> Iterator[Line]:
    stopping = after.stopping
    if stopping is None or before.stopping is not None or stopping.code is None:
        return
    code = stopping.code
    if stopping.cause:
        message = f"{stopping.cause} is down for good: stopping all services, exit code {code}"
    else:
        message = f"no service is left to run: ending with code {code}"
    yield _line("info", "stopping", stopping.cause, message, exit_code=code)


def _plan_changed(before: Services, after: Services) -> Iterator[Line]:
    changes = plan_update.results_of(before.roster, after.roster)
    told = ", ".join(f"{one.name} {one.answer.lower()}" for one in changes)
    if told:
        yield _line("info", "plan_changed", "", f"the plan is changed: {told}")
