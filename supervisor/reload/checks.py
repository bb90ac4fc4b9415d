"""Checks: questions about the app, answered by yes, or by no with the reason.

A check runs in a thread that may wait; it keeps to the seconds that it gets. It knows nothing of
reloads, phases or versions: the caller decides what follows. Checks of single programs stand in
`verifiers/`.
"""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod

from ..core.errors import TIMED_OUT, reason
from ..core.quoting import legible
from ..options import parsers
from . import url
from .http_request import HttpRequest, RequestFailed
from .interrupt import Interrupt
from .trust import Trust

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..process.hooks import HookOutcome, Runner

# Characters of a command's output in a message, the last ones: as much as of an answer's body.
_OUTPUT = 1024


class CheckFailed(Exception):
    """No; the message is a sentence that can stand behind the name of the check.

    `unable`: the question could not be asked, so there is no answer; with `late`, the answer did
    not come in time. `words` come from another program and may hold secrets.
    """

    def __init__(
        self, message: str, *, unable: bool = False, late: bool = False, words: str = ""
    ) -> None:
        super().__init__(message)
        self.unable, self.late, self.words = unable, late, words


class CheckedApp:
    """The app, as far as a check may ask about it."""

    def __init__(self, pid: int, runner: Runner) -> None:
        """`pid` is 0 when the app runs in another container."""
        self.pid = pid
        self.cancelled = Interrupt()
        self._runner = runner

    def run(self, argv: Sequence[str], seconds: float) -> HookOutcome:
        """Run a command as the app's user, in its environment; code 124 when its time is over.
        Never raises.
        """
        return self._runner.run(argv, seconds, self.cancelled.is_set)


class Check(ABC):
    """A question about the present; `before` makes it a question about a change."""

    def before(self, app: CheckedApp, seconds: float) -> Check:
        """Look at the app before a reload, within `seconds`; the check to ask after the reload.

        Raises CheckFailed when there is nothing to see: a change could not be told afterwards.
        """
        del app, seconds
        return self

    @abstractmethod
    def once(self, app: CheckedApp, seconds: float) -> None:
        """Ask once, within `seconds`; raises CheckFailed."""


class HttpCheck(Check):
    """A GET whose answer must have a status of 200 to 299."""

    def __init__(self, text: str, trust: Trust) -> None:
        self._request = HttpRequest("GET", url.parse(text), trust=trust)

    def once(self, app: CheckedApp, seconds: float) -> None:
        try:
            answer = self._request.send(seconds, app.cancelled)
        except RequestFailed as failure:
            raise CheckFailed(f"{self._request}: {failure}") from failure
        if not 200 <= answer.status < 300:
            raise CheckFailed(
                f"{self._request}: {self._request.explain(answer)}",
                words=self._request.words(answer),
            )


class TcpCheck(Check):
    """A port that must accept a connection; nothing is sent."""

    def __init__(self, host: str, port: int) -> None:
        """Without a host: 127.0.0.1, then ::1."""
        self._hosts = (host,) if host else ("127.0.0.1", "::1")
        self._port = port

    def once(self, app: CheckedApp, seconds: float) -> None:
        from . import deadline_socket

        until = time.monotonic() + seconds
        problems = []
        for index, host in enumerate(self._hosts):
            now = time.monotonic()
            share = max(0.0, until - now) / (len(self._hosts) - index)
            try:
                with deadline_socket.connect_tcp(host, self._port, now + share, app.cancelled):
                    return
            except OSError as error:
                problems.append(f"{host}: {reason(error)}")
        raise CheckFailed(f"cannot connect to port {self._port} of {', of '.join(problems)}")


class CommandCheck(Check):
    """A command that must end with code 0."""

    def __init__(self, argv: Sequence[str]) -> None:
        self.argv = tuple(argv)

    def once(self, app: CheckedApp, seconds: float) -> None:
        outcome = app.run(self.argv, seconds)
        if outcome.code:
            raise CheckFailed(
                describe_end(self.argv[0], outcome),
                unable=bool(outcome.unable),
                late=outcome.code == TIMED_OUT,
                words=last_words(outcome),
            )


def describe_end(program: str, outcome: HookOutcome) -> str:
    """How a command ended, for people. Its arguments may hold secrets and are left out."""
    return outcome.unable or f"{os.path.basename(program)} ended with code {outcome.code}"


def last_words(outcome: HookOutcome) -> str:
    """The end of a command's output, in one line. It may hold secrets: for the log and the control
    socket alone.
    """
    return legible(outcome.output[-_OUTPUT:])


def fill_in(argv: Sequence[str], directory: str) -> tuple[str, ...]:
    """A command with the directory of the configuration in place of each `{dir}`."""
    return tuple(word.replace("{dir}", directory) for word in argv)


def parse(text: str, directory: str, trust: Trust = Trust()) -> Check:
    """Read `http[s]://...`, `tcp:[HOST:]PORT`, or a command in which `{dir}` stands for
    `directory`.

    `trust` is for https. Raises ValueError, whose message repeats no secret.
    """
    text = text.strip()
    if text.startswith(("http:", "https:")):
        return HttpCheck(text, trust)
    if text.startswith("tcp:"):
        return _tcp(text)
    return CommandCheck(fill_in(parsers.command(text), directory))


def _tcp(text: str) -> TcpCheck:
    host, _, port = text.removeprefix("tcp:").rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    known = port.isdecimal() and 0 < int(port) < 65536
    if not known or "/" in host or (":" in bare and bare == host):
        raise ValueError(f"{text!r} is not tcp:[HOST:]PORT (examples: tcp:8080, tcp:[::1]:8080)")
    return TcpCheck(bare, int(port))
