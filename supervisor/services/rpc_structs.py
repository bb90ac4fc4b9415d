"""The structs of supervisord's XML-RPC: a process, its configuration, the result of an order.

Pure. The names of fields are those of its API: http://supervisord.org/api.html.
"""

from __future__ import annotations

from ..control.fault_codes import FaultCode
from .plan import Sink
from .service_orders import Answer, Verb
from .supervisord_states import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .conductor_state import Services
    from .plan import Group, Service, Stream
    from .service_orders import OrderResult

    Struct = dict[str, Any]

_NONE = "none"  # for a value that is not set
_STANDARD = {Sink.OUTPUT: "/dev/stdout", Sink.ERRORS: "/dev/stderr", Sink.SYSLOG: "syslog"}
_FAULTS = {
    Answer.BAD_NAME: FaultCode.BAD_NAME,
    Answer.SHUTDOWN_STATE: FaultCode.SHUTDOWN_STATE,
    Answer.NO_FILE: FaultCode.NO_FILE,
    Answer.NOT_EXECUTABLE: FaultCode.NOT_EXECUTABLE,
    Answer.SPAWN_ERROR: FaultCode.SPAWN_ERROR,
    Answer.UNREADY: FaultCode.ABNORMAL_TERMINATION,
    Answer.ALREADY_STARTED: FaultCode.ALREADY_STARTED,
    Answer.NOT_RUNNING: FaultCode.NOT_RUNNING,
    Answer.ALREADY_ADDED: FaultCode.ALREADY_ADDED,
    Answer.STILL_RUNNING: FaultCode.STILL_RUNNING,
}
# Their text has the reason behind the code, not the name.
_WITH_REASON = (FaultCode.NO_FILE, FaultCode.NOT_EXECUTABLE)


def process_info(services: Services, identity: str, now: float, epoch: float) -> Struct:
    """The struct of getProcessInfo; `now` is monotonic, `epoch` in seconds since 1970."""
    one = shown(services, identity, now, epoch)
    service = services.roster.places[identity].service
    output = log_path(service.stdout)
    return {
        "name": one.name,
        "group": one.group,
        "start": one.start,
        "stop": one.stop,
        "now": one.now,
        "state": one.state,
        "statename": str(one.statename),
        "spawnerr": one.spawnerr,
        "exitstatus": one.exitstatus,
        "logfile": output,
        "stdout_logfile": output,
        "stderr_logfile": log_path(service.stderr),
        "pid": one.pid,
        "description": one.description,
    }


def log_path(stream: Stream) -> str:
    """The path of a log; empty where there is no file."""
    return stream.path if stream.sink is Sink.FILE else _STANDARD.get(stream.sink, "")


def config_info(group: Group, service: Service, *, in_use: bool) -> Struct:
    """The struct of a process in getAllConfigInfo."""
    return {
        "autostart": service.autostart,
        "directory": _or_none(service.directory),
        "uid": _or_none(None if service.user_of_main else service.uid),
        "command": service.command,
        "exitcodes": list(service.exitcodes),
        "group": group.name,
        "group_prio": group.priority,
        "inuse": in_use,
        "killasgroup": service.killasgroup,
        "name": service.name,
        "process_prio": service.priority,
        "redirect_stderr": service.redirect_stderr,
        "startretries": _or_none(service.retries.tries),
        "startsecs": service.startsecs,
        **_stream_info("stdout", service.stdout),
        "stopsignal": service.stopsignal,
        "stopwaitsecs": _or_none(service.stopwaitsecs),
        **_stream_info("stderr", service.stderr),
        "serverurl": service.serverurl or _NONE,
    }


def _stream_info(name: str, stream: Stream) -> Struct:
    sink = stream.sink
    path = str(sink) if sink in (Sink.AUTO, Sink.NONE) else log_path(stream)
    return {
        f"{name}_capture_maxbytes": stream.capture_maxbytes,
        f"{name}_events_enabled": stream.events,
        f"{name}_logfile": path,
        f"{name}_logfile_backups": stream.backups,
        f"{name}_logfile_maxbytes": stream.maxbytes,
        f"{name}_syslog": stream.syslog,
    }


def _or_none(value: object) -> object:
    return _NONE if value is None else value


def fault_of(result: OrderResult, verb: Verb) -> FaultCode | None:
    """The fault of a result; None for a success."""
    if result.answer in (Answer.SUCCESS, Answer.ADDED, Answer.UPDATED, Answer.REMOVED):
        return None
    if result.answer is Answer.FAILED and verb is Verb.START:
        return FaultCode.ABNORMAL_TERMINATION
    return _FAULTS.get(result.answer, FaultCode.FAILED)


def fault_about(fault: FaultCode, name: str, result: OrderResult) -> str:
    """The text behind the code: the name as the client gave it, or the reason."""
    reasoned = fault in _WITH_REASON or result.answer is Answer.UNREADY
    return result.error or name if reasoned else name


def order_status(services: Services, result: OrderResult, verb: Verb) -> Struct:
    """The struct of a process in the answer about several."""
    place = services.roster.places.get(result.name)
    name, group = (place.service.name, place.service.group) if place else (result.name,) * 2
    fault = fault_of(result, verb)
    if fault is None:
        return status(name, group, FaultCode.SUCCESS, "OK")
    about = fault_about(fault, result.name, result)
    return status(name, group, fault, f"{fault.name}: {about}")


def status(name: str, group: str, fault: FaultCode, description: str) -> Struct:
    return {"name": name, "group": group, "status": int(fault), "description": description}
