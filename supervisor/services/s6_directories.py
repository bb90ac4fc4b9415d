"""The service directories of longruns at run time, as s6-rc makes them: copies, with the files of a
supervisor beside them.

s6-notifyoncheck looks for a locked `supervise/lock`, for `event` and `notification-fd` in its
directory; s6-svc writes letters into `supervise/control`; s6-svstat and s6-svwait read
`supervise/status`. Without such files services run all the same.
"""

from __future__ import annotations

import fcntl
import os
import select
import shutil

from ..core.errors import reason
from ..core.primitives import deque
from ..runtime import log, threads
from . import s6_control
from .ini_file import Place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..core import events as ev
    from .plan import Group, Plan, Service
    from .verdicts import Verdicts

_OURS = ("supervise", "event")
_SUPERVISE = 0o700
_EVENT = 0o3730  # as s6-mkfifodir makes it: others may add FIFOs, and remove their own
_CONTROL = 0o600
_MOST_LETTERS = 64  # read at once


def copied(plan: Plan, scan: str, verdicts: Verdicts, told: str = "") -> Plan:
    """The plan with a copy below `scan` as the directory of each longrun.

    `told`: the reason why the other files cannot be written, which holds for these too.
    """
    failed: dict[str, list[str]] = {}  # by reason

    def moved(one: Service) -> Service:
        if one.directory is None:
            return one
        place = f"{scan}/{one.name}"
        try:
            _copy(one.directory, place)
        except OSError as error:
            failed.setdefault(_reason(error), []).append(one.name)
            return one
        return one.replace(directory=place)

    def group(one: Group) -> Group:
        return one.replace(services=tuple(map(moved, one.services)))

    plan = plan.replace(groups=tuple(map(group, plan.groups)))
    failed.pop(told, None)
    for why, names in failed.items():
        verdicts.warn(
            Place(scan),
            f"cannot be written: {why}; s6-svc and s6-notifyoncheck do not work for"
            f" {', '.join(names)}; mount a tmpfs at /run",
        )
    return plan


def _copy(source: str, place: str) -> None:
    shutil.copytree(
        source,
        place,
        symlinks=True,
        dirs_exist_ok=True,
        ignore=shutil.ignore_patterns(*_OURS, "log"),
    )
    for name, mode in zip(_OURS, (_SUPERVISE, _EVENT), strict=True):
        os.makedirs(f"{place}/{name}", exist_ok=True)
        os.chmod(f"{place}/{name}", mode)


def _reason(error: OSError) -> str:
    """The first of the errors that copytree reports."""
    details = error.args[0] if error.args else None
    if isinstance(details, list) and details:
        return str(details[0][-1])
    return reason(error)


class Supervision:
    """The locks and control FIFOs of service directories, and the thread that reads letters."""

    def __init__(self, put: Callable[[ev.Event], None]) -> None:
        self._put = put
        self._kept: list[int] = []  # open for good: a lock lasts as long as its descriptor
        self._controls: dict[int, str] = {}
        self._orders: deque[Callable[[], None]] = deque()
        self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    @property
    def identities(self) -> frozenset[str]:
        """The services with such files."""
        return frozenset(self._controls.values())

    def post(self, order: Callable[[], None]) -> None:
        """Have the thread call a function; from any thread."""
        self._orders.append(order)
        os.eventfd_write(self._bell, 1)

    def begin(self, services: Iterable[Service], scan: str) -> None:
        """Open the files of services whose directory is below `scan`."""
        for one in services:
            if one.directory != f"{scan}/{one.name}":
                continue
            try:
                self._open(one.identity, f"{one.directory}/supervise")
            except OSError as error:
                log.warning(
                    f"cannot open the files of s6-svc for {one.name}: {reason(error)}; going on"
                    " without",
                    event="s6_directory",
                    service=one.identity,
                )
        if self._controls:
            threads.start(self._read, "s6-svc")

    def _open(self, identity: str, folder: str) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        lock = os.open(f"{folder}/lock", flags, 0o644)
        self._kept.append(lock)
        fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path = f"{folder}/control"
        if not os.path.exists(path):
            os.mkfifo(path, _CONTROL)
        # Open for writing, too: without a writer it would be at its end all the time.
        control = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._controls[control] = identity

    def _read(self) -> None:
        poll = select.poll()
        for control in self._controls:
            poll.register(control, select.POLLIN)
        poll.register(self._bell, select.POLLIN)
        while True:
            for file, _ in poll.poll():
                if file == self._bell:
                    os.eventfd_read(self._bell)
                else:
                    self._take(file)
            while self._orders:
                self._orders.popleft()()

    def _take(self, control: int) -> None:
        try:
            letters = os.read(control, _MOST_LETTERS).decode("ascii", "replace")
        except BlockingIOError:
            return
        for letter in letters:
            order = s6_control.order(letter, self._controls[control])
            if order is not None:
                self._put(order)
