"""Reload by a signal to a process of another container."""

from __future__ import annotations

from ...core.outcomes import Outcome
from ...process import pid_lookup, procfs
from ...process.pid_lookup import PidLookup, ProcessMissing
from ...process.signal_disposition import SignalGate
from ..attempt import ReloadError
from ..option_values import read
from .signal import deliver, until_taken

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...options.declarations import Settings
    from ..attempt import Attempt

_FIND_AGAIN = 0.25  # seconds between two searches of /proc, which cost more than a look at the app


class Process:
    """Send a signal to a process of another container, once it is there and catches it."""

    def __init__(self, target: PidLookup, signum: int, *, checked: bool = True) -> None:
        """Without `checked` the signal is sent whatever the process does with it."""
        self._target, self._signum, self._checked = target, signum, checked

    def __call__(self, attempt: Attempt) -> None:
        gate = SignalGate(self._signum, checked=self._checked)
        pid = self._wait(attempt, gate)
        if not pid_lookup.may_signal(pid):
            uid = procfs.user_of(pid)
            raise ReloadError(
                Outcome.PERMISSION,
                f"cannot signal {self._target} (pid {pid}, uid {uid}): operation not permitted; "
                f"run the sidecar as the same uid (runAsUser: {uid})",
            )
        deliver(attempt, pid, self._signum)
        attempt.watch(pid)
        if gate.held:
            until_taken(attempt, pid, self._signum)

    def _wait(self, attempt: Attempt, gate: SignalGate) -> int:
        """The pid, once the process takes the signal; raises ReloadError."""
        while True:
            try:
                pid = self._target.find()
            except ProcessMissing as error:
                trouble = ReloadError(Outcome.NO_PROCESS, str(error))
            else:
                why = gate.look(pid)
                if not why:
                    return pid
                trouble = ReloadError(Outcome.NO_HANDLER, f"{self._target} (pid {pid}) {why}")
            attempt.checkpoint()
            if attempt.seconds_left() <= 0:
                raise trouble
            attempt.pause(_FIND_AGAIN)


def make(settings: Settings, directory: str) -> Process:
    del directory
    checked = settings.reload_signal_check == "auto"
    target = read("reload_process", lambda: PidLookup(settings.reload_process or ""))
    return Process(target, settings.reload_signal, checked=checked)
