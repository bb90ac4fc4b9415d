"""The program that runs the services of a plan: log, limits, processes, loop, exit code.

The composition root of this role, below `cli`. It reads the file by the reader that it gets.
"""

from __future__ import annotations

import gc
import os
import sys
import time

from .. import __version__
from ..core.errors import UsageError, reason
from ..core.primitives import partial
from ..options import command_line, services_group
from ..process import parent
from ..process.children import Processes
from ..runtime import log
from ..runtime.inbox import Inbox
from ..runtime.loop import Parts
from . import open_file_limit
from .fastcgi_listeners import FastcgiSockets
from .notify_files import ReadinessReports
from .pid_file import PidFile
from .running_plan import RunningPlan
from .service_events import ServiceEvents
from .service_files import ServiceFiles
from .service_logs import ServiceLogs
from .service_observation import Observation
from .services_loop import ServicesLoop
from .standard_input import StandardInputs
from .verdicts import Level

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from ..core import events as ev
    from ..options.declarations import Settings
    from ..runtime.signals import Inherited
    from .conductor_state import Out, Services
    from .plan import Plan
    from .rpc_service import RpcService
    from .service_files import FilePart
    from .service_journal import Line
    from .service_logs import Write
    from .verdicts import Verdicts

    Read = Callable[[], tuple[Plan | None, Verdicts]]

# Descriptors kept back from threads, and the seconds until another thread runs, as in `cli`.
_RESERVE = 4
_SWITCH = 0.0005
_NO_CONTROL = "off"  # the word of --control
_ERRORS = 2
# The levels of supervisord, with ours that show the same lines.
_LEVELS = {
    "critical": "error",
    "error": "error",
    "warn": "warning",
    "info": "info",
    "debug": "debug",
    "trace": "debug",
    "blather": "debug",
}


def run(
    read: Read,
    settings: Settings,
    environ: Mapping[str, str],
    inherited: Inherited,
    attend: Callable[[ServicesLoop], None] | None = None,
) -> int:
    """Run the services to the end of all; the exit code of the container.

    `settings`: the options about the supervisor as a whole; `attend` begins more beside the loop.
    Raises UsageError for a file that is refused; StartError, OSError where we cannot be prepared.
    """
    plan, verdicts = _accepted(read)
    raised = open_file_limit.raised(plan.main.minfds)
    log.configure(_LEVELS[plan.main.loglevel], settings.log_format)
    announce, reopen, write_by = _announcer(plan)
    _warn(verdicts, environ)
    _say_read(plan, raised=raised)
    inbox = Inbox(inherited.taken)
    processes = Processes(inherited.replace(files=()))
    _prepare_process(processes, settings, inherited)
    pid_file = PidFile(plan.main.pidfile)
    running = RunningPlan(plan, partial(_read_again, read), reopen)
    observation = Observation(plan, settings, environ, inbox)
    clients = _clients(plan, settings.control, served=observation.served)
    logs = ServiceLogs(running, write_by)
    events = ServiceEvents(running, plan.main.identifier, logs)
    ends = (pid_file.remove, *((clients.end,) if clients else ()), logs.finish)
    observers = (announce, *observation.observers, *events.observers)
    parts = Parts(observers=observers, at_end=(*ends, *observation.at_end))
    inputs = StandardInputs()
    files = ServiceFiles(inputs, logs, events, *_on_demand(plan, running, inbox.put))
    loop = ServicesLoop(inbox, processes, running, files, parts)
    observation.begin(loop.current, logs)
    if clients is not None:
        clients.send_event = events.remote_communication
        clients.start(loop, inputs, logs)
    _say_started(plan, pid_file, clients)
    return _run(loop, attend)


def _accepted(read: Read) -> tuple[Plan, Verdicts]:
    plan, verdicts = read()
    if plan is None:
        raise UsageError(_refusal(verdicts))
    return plan, verdicts


def _run(loop: ServicesLoop, attend: Callable[[ServicesLoop], None] | None) -> int:
    if attend is not None:
        attend(loop)
    # As in `cli`: the objects of the start stay.
    gc.freeze()
    gc.enable()
    return loop.run()


def _on_demand(
    plan: Plan, running: RunningPlan, put: Callable[[ev.Event], None]
) -> tuple[FilePart, ...]:
    """Parts of starts that do nothing until a service asks for them."""
    reports = ReadinessReports(running.service, put)
    sockets = FastcgiSockets(running.service, running.group)
    if not any(one.output_to for one in plan.services):
        return reports, sockets
    from .service_pipes import ServicePipes

    return reports, sockets, ServicePipes(plan.services)


def _clients(plan: Plan, control: str | None, *, served: bool) -> RpcService | None:
    """The sockets for clients of supervisord; None where there are none."""
    place = control or _control_place(plan, served=served)
    if not plan.servers and place == _NO_CONTROL:
        return None
    from .rpc_service import RpcService

    return RpcService(place)


def _control_place(plan: Plan, *, served: bool) -> str | None:
    """None for the first free default place of the control socket, or `off`.

    With supervisord's defaults there is one only beside other sockets.
    """
    beside = bool(plan.servers) or served
    return None if beside or not plan.follows_supervisord else _NO_CONTROL


def _warn(verdicts: Verdicts, environ: Mapping[str, str]) -> None:
    for verdict in verdicts:
        if verdict.level is Level.WARN:
            log.warning(str(verdict), event="file_warning")
    for name, meant in command_line.unknown_variables(environ, services_group.OWN):
        log.warning(
            f"{name} stands for no option{f' (did you mean {meant}?)' if meant else ''}",
            event="unknown_variable",
        )


def _say_read(plan: Plan, *, raised: bool) -> None:
    """The lines of supervisord about its file and its limit."""
    if not plan.follows_supervisord:
        return
    from . import activity_log

    activity_log.say_included(plan.included)
    if raised:
        log.info(f"Increased RLIMIT_NOFILE limit to {plan.main.minfds}", event="limit_raised")


def _refusal(verdicts: Verdicts) -> str:
    """All errors of a file, in one sentence."""
    return "; ".join(str(one) for one in verdicts if one.level is Level.REFUSE)


def _read_again(read: Read) -> Plan:
    return _accepted(read)[0]


def _announcer(plan: Plan) -> tuple[Any, Callable[[], None], Callable[[Write], None]]:
    """The observer that writes the log in the words of the mode, and the ways to open the log again
    and to leave our streams to another writer.

    The observers of this loop get the services, those of a single app its service.
    """
    if plan.follows_supervisord:
        from .activity_log import ActivityLog

        activity = ActivityLog(plan.main)
        log.divert(activity.write)
        activity.reopen()
        return activity.observe, activity.reopen, activity.write_by
    from . import service_journal

    return partial(_announce, service_journal.lines), _nothing, _write_by


def _nothing() -> None:
    """Standard error is never opened again."""


def _write_by(put: Write) -> None:
    log.divert(lambda line: put(log.formatted(line), _ERRORS))


def _prepare_process(processes: Processes, settings: Settings, inherited: Inherited) -> None:
    for descriptor in inherited.files:
        os.set_inheritable(descriptor, False)  # one app can have it, several services cannot
    try:
        if settings.subreaper == "auto" and os.getpid() != 1:
            parent.become_subreaper()
            processes.adopts = True
        if settings.parent_death_signal is not None:
            parent.die_with_parent(settings.parent_death_signal)
    except OSError as error:
        log.warning(f"{reason(error)}; going on without", event="preparation_failed")
    sys.setswitchinterval(_SWITCH)
    processes.reserve.hold(_RESERVE)


def _say_started(plan: Plan, pid_file: PidFile, clients: RpcService | None) -> None:
    problem = pid_file.write()
    if plan.follows_supervisord:
        from . import activity_log

        activity_log.say_servers(clients.open_sections if clients else ())
        activity_log.say_started(plan.main.pidfile if problem else "")
        return
    if problem:
        log.warning(
            f"cannot write the pid file {plan.main.pidfile}: {problem}; going on", event="pid_file"
        )
    names = ", ".join(one.identity for one in plan.services)
    message = f"supervisor {__version__}: services {names}"
    log.info(message, event="supervisor_started", role="services", release=__version__)


def _announce(
    lines: Callable[..., Iterable[Line]],
    event: ev.Event,
    before: Services,
    after: Services,
    orders: Out,
) -> None:
    for level, message, fields in lines(event, before, after, orders, time.monotonic()):
        log.write(level, message, **fields)
