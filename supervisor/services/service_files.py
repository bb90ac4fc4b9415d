"""The descriptors and variables that each start of a service gets, from the parts that own them.

It composes contributions, and tells the parts how a start went. It knows no part; it forks nothing.
"""

from __future__ import annotations

from ..core import events as ev
from ..core.errors import CANNOT_RUN, SpawnError, reason
from ..core.record import Record
from ..runtime import log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ..process.spawning import Command
    from .conductor_state import Services
    from .plan import Group

    Spawn = Callable[[Command, str], ev.Forked]


class Contribution(Record):
    """The share of a part in a start."""

    streams: Mapping[int, int | str] = {}  # 0 to 2: a descriptor of ours, or a path to append to
    files: Mapping[int, int] = {}  # above 2: a descriptor of ours
    variables: Mapping[str, str] = {}


NOTHING = Contribution()


class FilePart:
    """A part with descriptors or variables for services. For the main thread; nothing may block."""

    def open(self, identity: str) -> Contribution:
        """The share in the next start of a service. Raises OSError, with nothing left open."""
        del identity
        return NOTHING

    def open_script(self, identity: str) -> Contribution:
        """The share in a script of a service: outputs, as those of its program. Raises OSError."""
        del identity
        return NOTHING

    def started(self, identity: str, pid: int) -> None:
        """The service has a process, with copies of the descriptors: close the child's ends."""

    def failed(self, identity: str) -> None:
        """No process was made: close all of this start."""

    def ended(self, identity: str) -> None:
        """The process has ended, or its program could not be run."""

    def drain(self, identity: str, until: float, done: Callable[[], None]) -> bool:
        """Call `done`, in any thread, once the service has read all that waits for it, or at that
        time; whether it will be called.
        """
        del identity, until, done
        return False

    def replan(self, groups: Mapping[str, Group]) -> None:
        """The plan has these groups from now on."""

    def end(self) -> None:
        """All services have ended."""


class ServiceFiles:
    """Opens the shares of all parts for each start; a later part wins over an earlier one."""

    def __init__(self, *parts: FilePart) -> None:
        self._parts = parts
        self._pids: dict[str, int] = {}  # of the last start of each service
        self._faults = log.Faults()

    def start(self, identity: str, command: Command, spawn: Spawn) -> ev.Forked:
        """Start the program with all shares. Raises SpawnError, with nothing left open."""
        self._has_ended(identity)  # the next start is ordered before the end is observed
        opened: list[FilePart] = []
        try:
            for part in self._parts:
                command = _with(command, part.open(identity))
                opened.append(part)
            forked = spawn(command, identity)
        except OSError as error:
            self._tell(opened, lambda part: part.failed(identity), identity)
            why = f"cannot start {command.argv[0]}: cannot open its streams: {reason(error)}"
            raise SpawnError(CANNOT_RUN, why, short=True) from error
        except Exception:
            self._tell(opened, lambda part: part.failed(identity), identity)
            raise
        self._pids[identity] = forked.pid
        self._tell(opened, lambda part: part.started(identity, forked.pid), identity)
        return forked

    def script(self, identity: str, command: Command, spawn: Callable[[Command], int]) -> int:
        """Start a script of a service with the outputs of its program; its pid. Raises OSError,
        SpawnError, with nothing left open.
        """
        opened: list[FilePart] = []
        try:
            for part in self._parts:
                share = part.open_script(identity)
                if share is not NOTHING:
                    command = _with(command, share)
                    opened.append(part)
            pid = spawn(command)
        except Exception:
            self._tell(opened, lambda part: part.failed(identity), identity)
            raise
        self._tell(opened, lambda part: part.started(identity, pid), identity)
        return pid

    def drain(self, identity: str, until: float, done: Callable[[], None]) -> bool:
        """Whether a part lets the service read first, and calls `done` then; see `FilePart`."""
        return any(part.drain(identity, until, done) for part in self._parts)

    def observe(self, event: ev.Event, before: Services, after: Services, _: object) -> None:
        """Tell the parts of the end of a process, or of another plan."""
        if isinstance(event, (ev.Exited, ev.StartFailed)):
            member = before.members.get(event.service)
            if member is not None and self._pids.get(event.service) == member.life.pid:
                self._has_ended(event.service)
        if after.roster is not before.roster:
            self._tell(self._parts, lambda part: part.replan(after.roster.groups), "the old plan")

    def _has_ended(self, identity: str) -> None:
        if self._pids.pop(identity, None) is not None:
            self._tell(self._parts, lambda part: part.ended(identity), identity)

    def end(self) -> None:
        """All services have ended."""
        self._tell(self._parts, lambda part: part.end(), "all services")

    def _tell(
        self, parts: Iterable[FilePart], tell: Callable[[FilePart], None], identity: str
    ) -> None:
        for part in parts:
            try:
                tell(part)
            except Exception as error:  # a part costs no other part, and no service
                self._faults.say(f"close the files of {identity} ({type(part).__name__})", error)


def _with(command: Command, share: Contribution) -> Command:
    if share.streams or share.files:
        command = command.replace(files={**command.files, **share.streams, **share.files})
    env = command.env
    for name, value in share.variables.items():
        env = env.plus(name, value)
    return command if env is command.env else command.replace(env=env)
