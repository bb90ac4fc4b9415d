"""Ways to make the app take up its configuration, and the course of a reload: look, reload, verify,
report.

A method runs in a short thread; it may wait, and it raises ReloadError. It never signals by itself:
the main thread alone knows that a pid is still the app's. To add one: a class here and its line in
METHODS.
"""

from __future__ import annotations

import time

from ..core import events as ev
from ..core.record import Record
from ..process import other_container
from ..process.hooks import TIMED_OUT
from ..process.other_container import Target, TargetMissing
from ..process.signal_disposition import Gate, has_handler, is_pending
from ..runtime import signals
from .checks import CheckFailed, Subject, ended, filled, said
from .http_request import Request, RequestFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Protocol

    from ..process.hooks import Runner
    from .checks import Check

    class Method(Protocol):
        name: str

        def __call__(self, app: App) -> None:
            """Reload the app; raises ReloadError, at the latest when `app.seconds_left()` reaches
            0.
            """


_LOOK_AGAIN = 0.02  # seconds between two looks at an app that does not catch the signal yet
_FIND_AGAIN = 0.25  # the same for a process of another container: looking through /proc costs more
_VERIFY_AGAIN = 0.25  # seconds between two tries of a verification
_VERIFY_LEAST = (
    1.0  # seconds that a try may take, however short the window: a command needs some to start
)
_REPLY_SECONDS = 5.0  # the main thread answers in well under a millisecond
_ATTEMPT_SECONDS = 10.0  # for one of several requests; a reload that takes longer is not usual
_RETRY_FIRST, _RETRY_MOST = (
    0.25,
    5.0,
)  # seconds between two requests, doubling, less a quarter at random
_RETRIED = frozenset(
    {408, 425, 429, *range(500, 600)}
)  # what may be different the next time (RFC 9110, 15)

# Every value that a failure's `reason` may have; metrics show each from the start.
_NOT_TOLD = ("no_handler", "no_process", "permission", "connect", "hook", "internal")
_TOLD = (
    "http_status",
    "timeout",
    "exec",
    "verify",
    "unverified",
    "not_ready",
    "child_exited",
    "superseded",
)
REASONS = (*_NOT_TOLD, *_TOLD)


class ReloadError(Exception):
    """Why the app could not be reloaded: a reason for the metric, a sentence for people."""

    def __init__(self, reason: str, message: str, words: str = "") -> None:
        """`words` are those of another program, which may hold secrets."""
        super().__init__(message)
        self.reason, self.words = reason, words


class App(Subject):
    """The running app, as far as a reload may touch it, and the time that the reload has."""

    def __init__(
        self,
        attempt: int,
        pid: int,
        put: Callable[[ev.Event], None],
        seconds: float,
        runner: Runner,
    ) -> None:
        """`pid` is 0 when the app runs in another container."""
        super().__init__(pid, runner)
        self._attempt, self._put = attempt, put
        self._watched = 0
        self.delivered: float | None = None  # when the app had been told
        self.allow(seconds)

    def allow(self, seconds: float) -> None:
        """Let the time end this long from now."""
        self._ends = time.monotonic() + seconds

    def seconds_left(self) -> float:
        return self._ends - time.monotonic()

    def pause(self, seconds: float) -> None:
        """Wait, but not beyond the end of the time, nor once nobody wants the reload any more."""
        self.cancelled.wait(max(0.0, min(seconds, self.seconds_left())))

    def watch(self, pid: int) -> None:
        """From now on the end of this process, which is not ours to reap, is a failure of the
        reload.
        """
        self._watched = pid

    def checkpoint(self) -> None:
        """Raises ReloadError if nobody wants the reload any more, or if a watched process has
        ended.
        """
        if self.cancelled.is_set():
            raise ReloadError(
                "superseded", "it was given up: there is a newer version, or the app ends"
            )
        if self._watched and other_container.process_state(self._watched) in "XZ":
            raise ReloadError(
                "child_exited", f"process {self._watched} ended after it was told to reload"
            )

    def signal(self, signum: int) -> bool:
        """Have the main thread send a signal; whether it did (not after a stop, nor for an
        overtaken reload).
        """
        return self.signal_other(0, signum)

    def signal_other(self, pid: int, signum: int) -> bool:
        """The same to a process of another container."""
        from queue import Empty, SimpleQueue

        answer: SimpleQueue[bool] = SimpleQueue()
        self._put(ev.SignalRequested(self._attempt, signum, answer.put, pid))
        try:
            return answer.get(timeout=_REPLY_SECONDS)
        except Empty:
            return False


class Signal:
    """Send a signal, once the app takes it: an app that does not would be ended by it."""

    name = "signal"

    def __init__(self, signum: int, *, checked: bool = True) -> None:
        """Without `checked` it is sent whatever the app does with it."""
        self.signum, self._checked = signum, checked

    def taken_now(self, pid: int) -> bool:
        """Whether it may be sent at once, as far as one cheap look shows."""
        return not self._checked or has_handler(pid, self.signum)

    def __call__(self, app: App) -> None:
        gate = Gate(self.signum, checked=self._checked)
        while why := gate.look(app.pid):
            app.checkpoint()
            if app.seconds_left() <= 0:
                raise ReloadError("no_handler", f"it {why}")
            app.pause(_LOOK_AGAIN)
        _deliver(app, 0, self.signum)
        if gate.held:
            _until_taken(app, app.pid, self.signum)


class Process:
    """Send a signal to a process of another container, once it is there and catches it."""

    name = "process"

    def __init__(self, wanted: Target, signum: int, *, checked: bool = True) -> None:
        """`checked` as for Signal."""
        self._target, self._signum, self._checked = wanted, signum, checked

    def __call__(self, app: App) -> None:
        gate = Gate(self._signum, checked=self._checked)
        while True:
            try:
                pid = self._target.find()
            except TargetMissing as error:
                trouble = ReloadError("no_process", str(error))
            else:
                why = gate.look(pid)
                if not why:
                    break
                trouble = ReloadError("no_handler", f"{self._target} (pid {pid}) {why}")
            app.checkpoint()
            if app.seconds_left() <= 0:
                raise trouble
            app.pause(_FIND_AGAIN)
        if not other_container.may_signal(pid):
            uid = other_container.user_of(pid)
            raise ReloadError(
                "permission",
                f"cannot signal {self._target} (pid {pid}, uid {uid}): operation not permitted; "
                f"run the sidecar as the same uid (runAsUser: {uid})",
            )
        _deliver(app, pid, self._signum)
        app.watch(pid)
        if gate.held:
            _until_taken(app, pid, self._signum)


def _deliver(app: App, pid: int, signum: int) -> None:
    sent = app.signal_other(pid, signum)
    app.checkpoint()
    if not sent:
        raise ReloadError("no_process", "it is being stopped")


def _until_taken(app: App, pid: int, signum: int) -> None:
    """Wait until a signal that the app blocks is no longer pending; raises ReloadError when the
    time is over.
    """
    while is_pending(pid, signum):
        app.checkpoint()
        if app.seconds_left() <= 0:
            raise ReloadError(
                "no_handler", f"it blocks {signals.name(signum)} and has not taken it"
            )
        app.pause(_LOOK_AGAIN)


class Http:
    """Make a request; one of the accepted statuses is success.

    No connection, no answer in 10 s, and the statuses of _RETRIED are tried again as long as there
    is time, not before the Retry-After of the answer; any other status is final.
    """

    name = "http"

    def __init__(
        self,
        request: Request,
        accepted: Sequence[range],
        renew: Callable[[], Request] | None = None,
    ) -> None:
        """`renew` gives the request as it is to be sent now; it may raise ValueError."""
        self._request, self._accepted, self._renew = request, tuple(accepted), renew

    def __call__(self, app: App) -> None:
        from random import uniform

        wait, tries = _RETRY_FIRST, 0
        while True:
            tries += 1
            asked, error = self._try(app)
            if error is None:
                return
            delay = max(asked, wait * uniform(0.75, 1))
            wait = min(_RETRY_MOST, wait * 2)
            if delay >= app.seconds_left():
                waits = f", and asks to wait {asked:.0f}s before the next try" if asked else ""
                tried = f" (tried {tries} times)" if tries > 1 else ""
                raise ReloadError(error.reason, f"{error}{waits}{tried}", error.words)
            app.pause(delay)

    def _try(self, app: App) -> tuple[float, ReloadError | None]:
        """One request: how long the server asks to wait, and what went wrong; raises ReloadError if
        that is final.
        """
        app.checkpoint()
        try:
            if self._renew:
                self._request = self._renew()
        except ValueError as unread:  # a file with credentials that is being replaced
            return 0.0, ReloadError("connect", f"{self._request}: {unread}")
        try:
            answer = self._request.send(
                max(0.001, min(_ATTEMPT_SECONDS, app.seconds_left())), app.cancelled
            )
        except RequestFailed as failure:
            app.checkpoint()
            error = ReloadError(failure.reason, f"{self._request}: {failure}")
            if failure.final:
                raise error from failure
            return 0.0, error
        if any(answer.status in one for one in self._accepted):
            return 0.0, None
        error = ReloadError(
            "http_status",
            f"{self._request}: {self._request.explain(answer)}",
            self._request.words(answer),
        )
        if answer.status not in _RETRIED:
            raise error
        return answer.retry_after, error


class Exec:
    """Run a command; its exit code says whether it worked."""

    name = "exec"

    def __init__(self, argv: Sequence[str], directory: str) -> None:
        """`directory` is where the app sees its configuration: it replaces `{dir}`."""
        self._argv = filled(argv, directory)

    def __call__(self, app: App) -> None:
        outcome = app.run(self._argv, app.seconds_left())
        app.checkpoint()
        reason = "hook" if outcome.unable else "exec"
        if outcome.code == TIMED_OUT and app.seconds_left() <= 0:
            reason = "timeout"  # it ran: the app may have heard of the version
        if outcome.code:
            raise ReloadError(reason, ended(self._argv[0], outcome), said(outcome))


class Restart:
    """Stop the app and start it again. The state machine does both: what is left here is to verify
    the result.
    """

    name = "restart"

    def __call__(self, app: App) -> None:
        """Nothing: it was started on the version."""


METHODS = {one.name: one for one in (Signal, Http, Exec, Restart, Process)}


# --- the course of a reload -----------------------------------------------------------------------


class Way(Record):
    """How an app is reloaded, and what counts as success. Durations are seconds."""

    method: Method
    verification: Check | None = None
    window: float = (
        0.0  # the app must stay alive, and the verification pass, within this after the reload
    )
    timeout: float = 30.0  # for the method, its retries included


class Reloader:
    """Reloads and reports how it went."""

    def __init__(self, way: Way, put: Callable[[ev.Event], None], runner: Runner) -> None:
        self._way, self._put, self._runner = way, put, runner
        self._running: dict[
            int, App
        ] = {}  # by attempt; one that was cancelled may still be ending beside the next
        self._cancelled = 0  # attempts up to this

    def __call__(self, attempt: int, pid: int, *, verify_only: bool = False) -> None:
        """Reload once; the body of a short thread. Always ends in exactly one `ReloadFinished`.

        `verify_only`: the app was just started on the version, or told already. The death of the
        app is not looked for: the main thread sees it first, and cancels.
        """
        app = App(attempt, pid, self._put, self._way.timeout, self._runner)
        self._running[attempt] = app
        if attempt <= self._cancelled:  # the order came before this thread did
            app.cancelled.set()
        reason, error, words = "internal", "internal error", ""
        try:
            self._reload(app, verify_only=verify_only)
            reason, error = "", ""
        except ReloadError as trouble:
            reason, error, words = trouble.reason, str(trouble), trouble.words
        except Exception as trouble:  # the outer edge of the thread: a reload always reports
            error = f"internal error: {trouble!r}"
        finally:
            del self._running[attempt]
            self._put(
                ev.ReloadFinished(attempt, reason, error, delivered=app.delivered, words=words)
            )

    def at_once(self, pid: int) -> int:
        """The signal that is all there is to do before the window, if the app catches it by now;
        else 0.

        The main thread sends it itself then, and orders the rest as `verify_only`: half a
        millisecond less.
        """
        method = self._way.method
        if not isinstance(method, Signal) or self._way.verification is not None:
            return 0
        return method.signum if method.taken_now(pid) else 0

    def cancel(self, attempt: int) -> None:
        """Give an attempt up, and all before it, whether or not its thread has begun; returns at
        once.

        Only the main thread may call it.
        """
        self._cancelled = max(self._cancelled, attempt)
        for number, app in tuple(self._running.items()):
            if number <= attempt:
                app.cancelled.set()

    def _reload(self, app: App, *, verify_only: bool) -> None:
        app.checkpoint()
        check = self._way.verification
        if not verify_only:
            if check is not None:
                check = _look_before(app, check)
            self._way.method(app)
        app.delivered = time.monotonic()
        app.allow(self._way.window)
        _verify(app, check)


def _look_before(app: App, check: Check) -> Check:
    """The check to ask afterwards; an app that is still starting may not answer yet."""
    while True:
        try:
            return check.before(app, min(_ATTEMPT_SECONDS, max(_VERIFY_LEAST, app.seconds_left())))
        except CheckFailed as failure:
            app.checkpoint()
            if app.seconds_left() <= 0:
                reason = "hook" if failure.unable else "verify"
                error = f"it could not be verified, so it was not reloaded: {failure}"
                raise ReloadError(reason, error, failure.words) from failure
            app.pause(_VERIFY_AGAIN)


def _verify(app: App, check: Check | None) -> None:
    """Wait for the window to pass; the check must pass within it and again at its end. Raises
    ReloadError.

    The first pass may be about the old configuration: an app that lets its requests finish answers
    by its old workers for a while. An answer at the end has one second more, so that a single lost
    request undoes nothing.
    """
    if check is not None and not _passes(app, check, "did not pass"):
        return
    app.pause(app.seconds_left())
    app.checkpoint()
    if check is not None:
        app.allow(_VERIFY_LEAST)
        _passes(app, check, "passed at first, but not at the end of its window")


def _passes(app: App, check: Check, otherwise: str) -> bool:
    """Ask until the check passes; whether time is left then. Raises ReloadError when the time is
    over before.
    """
    asked = False
    while True:
        problem = None
        try:
            check.once(app, max(_VERIFY_LEAST, app.seconds_left()))
        except CheckFailed as failure:
            problem, asked = failure, asked or not failure.unable
        app.checkpoint()
        left = app.seconds_left()
        if problem is None:
            return left > 0
        if left <= 0:
            reason, how = ("verify", otherwise) if asked else ("unverified", "could not be asked")
            raise ReloadError(reason, f"the verification {how}: {problem}", problem.words)
        app.pause(_VERIFY_AGAIN)
