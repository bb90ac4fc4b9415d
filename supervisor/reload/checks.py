"""Questions whose answer is yes, or why not: whether the app is ready, whether a reload has worked.

A check is asked in a thread that may wait; it is given seconds and must keep to them. It knows
nothing of reloads, phases or versions: `reload.py` and the machine decide what follows from an
answer. Checks of single programs stand in `verifiers.py`.
"""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod

from ..core import events as ev
from ..core.errors import reason
from ..core.quoting import legible
from ..options import parsers
from ..process import procfs
from ..runtime import log
from . import url
from .http_request import HttpRequest, RequestFailed
from .interrupt import Interrupt
from .trust import Trust

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..process.hooks import Outcome, Runner

_OUTPUT = 1024  # characters of a command's output in a message, the last ones: as much as of a body
_READY_TRY = 5.0  # seconds for one try of a readiness check
_READY_FIRST, _READY_MOST = (
    0.1,
    1.0,
)  # seconds between two tries: an app starts in a moment, or takes long


class CheckFailed(Exception):
    """No; the message says why, in a sentence that can stand behind the name of what was checked.

    `unable`: it could not be asked, which is no answer. `words` are those of another program, which
    may hold secrets.
    """

    def __init__(self, message: str, *, unable: bool = False, words: str = "") -> None:
        super().__init__(message)
        self.unable, self.words = unable, words


class CheckedApp:
    """The app, as far as a check may ask about it."""

    def __init__(self, pid: int, runner: Runner) -> None:
        """`pid` is 0 when the app runs in another container."""
        self.pid = pid
        self.cancelled = Interrupt()
        self._runner = runner

    def run(self, argv: Sequence[str], seconds: float) -> Outcome:
        """Run a command as the app's user, in its environment; code 124 when its time was over.
        Never raises.
        """
        return self._runner.run(argv, seconds, self.cancelled.is_set)


class Check(ABC):
    """One question. By itself it is about the present; `before` makes it one about a change."""

    def before(self, subject: CheckedApp, seconds: float) -> Check:  # noqa: ARG002 - what the others need
        """Look at how things are before a reload, within `seconds`; the check to ask after it.

        Raises CheckFailed when it cannot be seen: whether something has changed could not be told
        afterwards.
        """
        return self

    @abstractmethod
    def once(self, subject: CheckedApp, seconds: float) -> None:
        """Ask once, within `seconds`; raises CheckFailed."""


class HttpCheck(Check):
    """A GET that must be answered by a status of 200 to 299."""

    def __init__(self, text: str, trust: Trust) -> None:
        self._request = HttpRequest("GET", url.parse(text), trust=trust)

    def once(self, subject: CheckedApp, seconds: float) -> None:
        try:
            answer = self._request.send(seconds, subject.cancelled)
        except RequestFailed as failure:
            raise CheckFailed(f"{self._request}: {failure}") from failure
        if not 200 <= answer.status < 300:
            raise CheckFailed(
                f"{self._request}: {self._request.explain(answer)}",
                words=self._request.words(answer),
            )


class TcpCheck(Check):
    """A port that must take a connection; nothing is sent."""

    def __init__(self, host: str, port: int) -> None:
        """Without a host it is 127.0.0.1, then ::1."""
        self._hosts, self._port = (host,) if host else ("127.0.0.1", "::1"), port

    def once(self, subject: CheckedApp, seconds: float) -> None:
        from . import deadline_socket

        until = time.monotonic() + seconds
        problems = []
        for index, host in enumerate(self._hosts):
            now = time.monotonic()
            share = max(0.0, until - now) / (len(self._hosts) - index)
            try:
                with deadline_socket.connect_tcp(host, self._port, now + share, subject.cancelled):
                    return
            except OSError as error:
                problems.append(f"{host}: {reason(error)}")
        raise CheckFailed(f"cannot connect to port {self._port} of {', of '.join(problems)}")


class CommandCheck(Check):
    """A command that must end with code 0."""

    def __init__(self, argv: Sequence[str]) -> None:
        self.argv = tuple(argv)

    def once(self, subject: CheckedApp, seconds: float) -> None:
        outcome = subject.run(self.argv, seconds)
        if outcome.code:
            raise CheckFailed(
                ended(self.argv[0], outcome), unable=bool(outcome.unable), words=said(outcome)
            )


def ended(program: str, outcome: Outcome) -> str:
    """How a command ended, for people. Its arguments may hold secrets."""
    return outcome.unable or f"{os.path.basename(program)} ended with code {outcome.code}"


def said(outcome: Outcome) -> str:
    """The last words of a command, in one line. They may hold secrets: for the log and the control
    socket alone.
    """
    return legible(outcome.output[-_OUTPUT:])


def filled(argv: Sequence[str], directory: str) -> tuple[str, ...]:
    """A command with the directory of the configuration in place of each `{dir}`."""
    return tuple(word.replace("{dir}", directory) for word in argv)


def parse(text: str, directory: str, trust: Trust = Trust()) -> Check:
    """Read `http[s]://...`, `tcp:[HOST:]PORT`, or a command in which `{dir}` stands for
    `directory`.

    `trust` is for https. Raises ValueError, whose message repeats nothing that may be secret.
    """
    text = text.strip()
    if text.startswith(("http:", "https:")):
        return HttpCheck(text, trust)
    if not text.startswith("tcp:"):
        return CommandCheck(filled(parsers.command(text), directory))
    host, _, port = text.removeprefix("tcp:").rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    if (
        not (port.isdecimal() and 0 < int(port) < 65536)
        or "/" in host
        or (":" in bare and bare == host)
    ):
        raise ValueError(f"{text!r} is not tcp:[HOST:]PORT (examples: tcp:8080, tcp:[::1]:8080)")
    return TcpCheck(bare, int(port))


class Readiness:
    """Finds out when the app is ready."""

    def __init__(
        self, check: Check, runner: Runner, put: Callable[[ev.Event], None], seconds: float
    ) -> None:
        """A start that is not ready within `seconds` is late."""
        self._check, self._runner, self._put, self._seconds = check, runner, put, seconds
        self._subject: CheckedApp | None = None

    def wait(self, pid: int) -> None:
        """Ask until the answer is yes, then report `AppReady`, and `AppUnready` if that is late;
        for a short thread.

        Ends without `AppReady` when the app has ended, when a later `wait` has begun, or when it
        was cancelled.
        """
        self.cancel()
        self._subject = subject = CheckedApp(pid, self._runner)
        pause, late_at, late = _READY_FIRST, time.monotonic() + self._seconds, False
        while not subject.cancelled.is_set() and procfs.exists(pid):
            try:
                self._check.once(subject, _READY_TRY)
            except Exception as failure:  # the outer edge of the thread; mostly CheckFailed
                log.debug(f"not ready: {failure}")
                if time.monotonic() >= late_at and not late:
                    late = True
                    error = f"not ready within {self._seconds:g}s: {failure}"
                    unable, words = getattr(failure, "unable", False), getattr(failure, "words", "")
                    self._put(ev.AppUnready(pid, error, not unable, words))
                subject.cancelled.wait(pause)
                pause = min(_READY_MOST, pause * 2)
            else:
                if not subject.cancelled.is_set():
                    self._put(ev.AppReady(pid))
                return

    def cancel(self) -> None:
        """Nobody wants to know any more; from any thread."""
        if self._subject is not None:
            self._subject.cancelled.set()
