"""Which streams of services need a pipe to us, and the way of their lines.

Pure. A stream without a tag, a watcher or a file stays as it is inherited, and costs nothing.
"""

from __future__ import annotations

from ..core.record import Record
from .plan import Kind, Sink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .plan import Main, Plan, Service, Stream

STDOUT = "stdout"
STDERR = "stderr"
CHANNELS = (STDOUT, STDERR)
_OUTPUT = 1
_ERRORS = 2
_OURS = {Sink.OUTPUT: _OUTPUT, Sink.ERRORS: _ERRORS}


class Route(Record):
    """The way of a stream that comes to us by a pipe."""

    output: int = 0  # the stream of ours that it goes to; 0: none
    quiet: bool = False  # not written there: the activity log shows it already
    tag: str = ""  # before each line there
    json: bool = False  # an object for each line there, in place of the tag
    drops: bool = False  # lines that our output does not take; else their writer waits
    path: str = ""  # of its log file
    shared: bool = False  # whether other streams go to that file
    maxbytes: int = 0
    backups: int = 0
    syslog: str = ""  # the name before its lines in the system log; "": it has none there
    strips: bool = False  # removes escape sequences
    events: bool = False
    capture: int = 0  # bytes of a text between the marks of PROCESS_COMMUNICATION
    copied: bool = False  # into the activity log

    @property
    def watched(self) -> bool:
        """Whether the bytes go to more places than a file, or change on the way to it."""
        elsewhere = self.events or self.capture or self.syslog or self.copied
        return bool(elsewhere or self.strips)


def stream(service: Service, channel: str) -> Stream:
    return service.stdout if channel == STDOUT else service.stderr


def route(service: Service, channel: str, plan: Plan) -> Route | None:
    """The way of a stream; None where it needs no pipe of its own."""
    if channel == STDERR and service.redirect_stderr:
        return None  # it is the other stream
    if channel == STDOUT and (service.kind is Kind.LISTENER or service.output_to):
        return None  # a protocol, or the input of another service
    one = stream(service, channel)
    logging = service.logging
    followed = _followed(one, plan.main, follows=plan.follows_supervisord)
    formatted = bool(logging.tag) or logging.format != "text" or logging.overflow == "drop"
    ours = one.sink in _OURS
    if not (followed or one.sink in (Sink.AUTO, Sink.FILE) or (ours and formatted)):
        return None
    syslog = one.syslog or one.sink is Sink.SYSLOG
    found = Route(
        syslog=service.name if syslog else "",
        strips=plan.main.strip_ansi,
        events=one.events,
        capture=one.capture_maxbytes,
        copied=_copied(plan.main, follows=plan.follows_supervisord),
    )
    if one.sink is Sink.FILE:
        users = [path for each in plan.services for path in _files(each)]
        shared = users.count(one.path) > 1
        return found.replace(
            path=one.path, shared=shared, maxbytes=one.maxbytes, backups=one.backups
        )
    if one.sink is Sink.AUTO or ours:
        output = _OURS.get(one.sink, _output_of(channel, plan))
        return found.replace(
            output=output,
            quiet=found.copied and one.sink is Sink.AUTO,
            tag=_tag(service, one, plan),
            json=logging.format == "json",
            drops=logging.overflow == "drop",
        )
    return found


def _followed(one: Stream, main: Main, *, follows: bool) -> bool:
    """Whether the bytes of a stream go to more places than its sink."""
    if one.syslog or one.sink is Sink.SYSLOG or one.events or one.capture_maxbytes:
        return True
    return _copied(main, follows=follows) or (main.strip_ansi and one.sink is not Sink.NONE)


def _copied(main: Main, *, follows: bool) -> bool:
    return follows and main.loglevel in ("debug", "trace", "blather")


def _files(service: Service) -> list[str]:
    """The files of a service, by path."""
    streams = (service.stdout,) if service.redirect_stderr else (service.stdout, service.stderr)
    return [one.path for one in streams if one.sink is Sink.FILE]


def _output_of(channel: str, plan: Plan) -> int:
    """The output of supervisord is one stream."""
    return _OUTPUT if channel == STDOUT or plan.follows_supervisord else _ERRORS


def _tag(service: Service, one: Stream, plan: Plan) -> str:
    if plan.follows_supervisord and one.sink is Sink.AUTO:
        return service.logging.tag or service.identity
    return service.logging.tag
