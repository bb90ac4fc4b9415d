"""The plan: all that is needed to run several services, as records.

Pure, and without a file format: `supervisord_format` makes a plan, an s6 tree can make one too.
Names that a file leaves out have their defaults here already, so a reader of a plan asks for no
dialect. The meaning of a graph is in `plan_graph`, of two plans in `plan_difference`.
"""

from __future__ import annotations

from ..core.record import Record, Words
from ..core.signal_numbers import TERM

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..options.declarations import Settings

PRIORITY = 999
LISTENER_PRIORITY = -1  # listeners start first and stop last
_DESCRIPTORS = 256  # the numbers that a service may report its readiness on
_NOTIFY, _DESCRIPTOR = "notify", "fd:"  # checks by reports


class Restart(Words):
    """Which ends of a running service are followed by a start; the words of `--restart`."""

    NEVER = "never"
    ON_FAILURE = "on-failure"  # an exit code that is not expected, or a signal
    ALWAYS = "always"


class Pace(Words):
    """The pause before a start that follows a failed one, or the end of a running service."""

    LINEAR = "linear"  # 1s, 2s, 3s after failed starts; none after RUNNING
    EXPONENTIAL = "exponential"  # with jitter, after RUNNING too
    STEADY = "steady"  # a second or more from start to start


class Condition(Words):
    """The state of a dependency that lets its dependents start."""

    STARTED = "started"  # its program runs
    READY = "ready"  # its readiness check passed; without one: it ran for startsecs
    COMPLETED = "completed"  # it ended, with an expected exit code
    TRIED = "tried"  # its start is over: it is ready, completed, or down for good


class Sink(Words):
    """Where a stream of a service goes."""

    AUTO = "auto"  # our standard output, tagged in any case, and a ring buffer
    NONE = "none"  # nowhere
    FILE = "file"  # the file `path`
    OUTPUT = "stdout"  # our own standard output, inherited or written to; never opened
    ERRORS = "stderr"
    SYSLOG = "syslog"  # an old name of `syslog = true` without a file


class Kind(Words):
    """The kind of a group, by the section that makes it."""

    PROGRAM = "program"  # one program, or the programs of a [group:x]
    LISTENER = "eventlistener"
    FASTCGI = "fcgi-program"


class Dependency(Record):
    service: str  # the identity of a service of the plan
    condition: Condition = Condition.READY


class Stream(Record):
    """Standard output or standard error of a service, and its log."""

    sink: Sink = Sink.AUTO
    path: str = ""  # of Sink.FILE, as written
    maxbytes: int = 50 << 20  # rotation begins here; 0: none
    backups: int = 10
    syslog: bool = False  # besides the sink
    events: bool = False  # PROCESS_LOG events for each chunk
    capture_maxbytes: int = 0  # 0: no PROCESS_COMMUNICATION events


class Retries(Record):
    """When a service that failed is started again."""

    tries: int | None = 3  # further starts after the first failed one; then FATAL. None: no end
    pace: Pace = Pace.LINEAR
    window: float | None = None  # seconds in which `tries` count; None: failures in a row


class Logging(Record):
    """How lines of a service appear among those of others; for sinks of our own output."""

    tag: str = ""  # stands before each line; "" for none
    format: str = "text"  # text or json
    overflow: str = "block"  # block the service, or drop lines and count them


class Readiness(Record):
    check: str = ""  # CMD, URL, tcp:PORT, notify, fd:N; "": RUNNING after startsecs is ready
    timeout: float | None = None  # seconds, of a oneshot until its end; None: without end

    @property
    def notifies(self) -> bool:
        """Whether the service reports by sd_notify(3)."""
        return self.check == _NOTIFY

    @property
    def descriptor(self) -> int | None:
        """The N of `fd:N`, to which the service writes a newline; None for another check.

        Raises ValueError for another N than a descriptor above the standard streams.
        """
        if not self.check.startswith(_DESCRIPTOR):
            return None
        text = self.check.removeprefix(_DESCRIPTOR)
        if not (text.isascii() and text.isdecimal() and 2 < int(text[:4]) < _DESCRIPTORS):
            raise ValueError(f"{self.check!r} is not fd:N with N from 3 to {_DESCRIPTORS - 1}")
        return int(text)

    @property
    def reported(self) -> bool:
        """Whether the service reports its readiness, and no check is asked."""
        return self.notifies or self.descriptor is not None


def is_report(check: str) -> bool:
    """Whether `ready = CHECK` asks for a report of the service itself, right or wrong."""
    return check == _NOTIFY or check.startswith(_DESCRIPTOR)


class Finish(Record):
    """A program that is run at each end of a service, before the next start.

    Behind its words stand the exit code or 256, the number of the signal or 0, the name of the
    service, and its process group.
    """

    words: tuple[str, ...]
    timeout: float | None = None  # seconds until KILL; None: without end
    last_code: int | None = None  # with this exit code it forbids the next start


class Service(Record):
    """One process to keep: its start, its stop, its streams, and its rank among others."""

    name: str  # unique in its group
    group: str
    program: str  # the section that made it; numprocs makes several of one
    kind: Kind
    command: str  # "": nothing to run, its start completes at once
    words: tuple[str, ...]  # of the command; empty where it cannot be split: a start is FATAL
    number: int = 0  # process_num
    directory: str | None = None
    user: str | None = None  # as written: a name or a number
    uid: int | None = None
    user_of_main: bool = False  # user and uid are those of [supervisord]
    umask: int | None = None
    environment: Mapping[str, str] = {}  # that of [supervisord] included
    priority: int = PRIORITY
    autostart: bool = True
    restart: Restart = Restart.ON_FAILURE
    retries: Retries = Retries()
    startsecs: int = 1  # seconds; alive for longer than this is RUNNING, 0: at once
    exitcodes: tuple[int, ...] = (0,)
    stopsignal: int = TERM
    stopwaitsecs: float | None = 10  # None: KILL at the end of the stop budget only
    stopasgroup: bool = False
    killasgroup: bool = False
    redirect_stderr: bool = False
    stdout: Stream = Stream()
    stderr: Stream = Stream()
    serverurl: str | None = None  # None: that of the plan; "": the service is told none
    finish: Finish | None = None
    down: tuple[str, ...] = ()  # run at the stop of a oneshot that completed
    down_timeout: float | None = None  # seconds until KILL; None: without end
    output_to: str = ""  # the service whose standard input is our standard output, by a pipe
    depends_on: tuple[Dependency, ...] = ()
    essential: bool = False  # its end for good ends the container, with its code
    main: bool = False  # its code is that of an ordered stop
    oneshot: bool = False  # its end with an expected code is no loss, even where essential
    signals: bool = False  # it gets the signals that the supervisor forwards
    readiness: Readiness = Readiness()
    logging: Logging = Logging()
    settings: Settings | None = None  # its configuration and reloads; None: it has none
    config_keys: tuple[str, ...] = ()  # patterns of the keys of its sources; empty: all keys

    @property
    def identity(self) -> str:
        """The name for people and for supervisorctl: `group:name`, or `name` where both agree."""
        return self.name if self.name == self.group else f"{self.group}:{self.name}"


class Socket(Record):
    """The listening socket that all processes of an fcgi-program have as descriptor 0."""

    address: str  # unix:///PATH or tcp://HOST:PORT
    owner: tuple[int, int] | None = None
    mode: int | None = None
    backlog: int | None = None


class Group(Record):
    name: str
    kind: Kind = Kind.PROGRAM
    priority: int = PRIORITY
    services: tuple[Service, ...] = ()
    events: frozenset[str] = frozenset()  # of a listener
    buffer_size: int = 10
    tags_output: bool = False  # result_handler = supervisor_stdout:event_handler
    socket: Socket | None = None  # of an fcgi-program


class Server(Record):
    """A socket for supervisorctl and monitors."""

    section: str
    path: str = ""  # of a unix socket
    host: str = ""  # of a TCP socket; "" for all addresses
    port: int = 0
    mode: int = 0o700
    owner: tuple[int, int] = (-1, -1)  # -1: ours
    username: str | None = None
    password: str | None = None  # clear, or {SHA} and a hexadecimal digest

    @property
    def url(self) -> str:
        if self.path:
            return f"unix://{self.path}"
        return f"http://{self.host or 'localhost'}:{self.port}"


class Main(Record):
    """The section [supervisord], with the options of the command line."""

    logfile: str = ""  # "": none besides our own log
    logfile_maxbytes: int = 50 << 20
    logfile_backups: int = 10
    loglevel: str = "info"
    pidfile: str = ""  # "": none
    identifier: str = "supervisor"
    user: str | None = None  # of programs without a user
    uid: int | None = None
    minfds: int = 0  # the limit of descriptors is raised to this, for services too
    silent: bool = False
    strip_ansi: bool = False
    nodaemon: bool = False
    start_budget: float | None = None  # seconds for the start of all services; None: without end
    stop_budget: float | None = None  # seconds for the stop of all services; None: without end


class Plan(Record):
    main: Main = Main()
    groups: tuple[Group, ...] = ()  # by priority and name; names are unique
    servers: tuple[Server, ...] = ()
    follows_supervisord: bool = False  # its signals, log lines, exit code, order of stops
    spares_leftovers: bool = False  # processes that a service leaves behind run on
    included: tuple[str, ...] = ()  # paths of the files that [include] added

    @property
    def ends_leftovers(self) -> bool:
        """Whether processes that a service leaves behind end before its next start."""
        return not (self.follows_supervisord or self.spares_leftovers)

    @property
    def services(self) -> tuple[Service, ...]:
        """All services, in the order of the groups."""
        return tuple(one for group in self.groups for one in group.services)

    @property
    def server_url(self) -> str | None:
        """SUPERVISOR_SERVER_URL of services: a unix socket before a TCP one."""
        servers = sorted(self.servers, key=lambda server: not server.path)
        return servers[0].url if servers else None
