"""The log lines of an event, with their fields: of the app here, of versions in `rollout_journal`.

Pure: an event and the states around it give lines; the log writes them. A bare init logs nothing
unless something fails. With a configuration: a line for the start, for each change, and for each
change between working and failing; repetitions at debug only.
"""

from __future__ import annotations

from ..core import events as ev
from ..core.life import restart_pause
from ..core.life_state import ALIVE, Phase, Then
from ..core.record import Record
from ..runtime import signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..core.life_state import Life
    from ..core.service import Service

    Line = tuple[str, str, dict[str, object]]  # level, message, fields


_STOPPING = (Phase.DELAYED, Phase.STOPPING)


class Journal(Record):
    """Makes the lines, with the names for the numbers of the state."""

    program: str
    configured: bool = False
    method: str = ""  # of reloads
    configroot: str = ""
    sidecar: bool = False  # the app runs in another container
    hook_output: str = "log"  # output of other programs in the log: log, withhold, auto
    debug: bool = True  # whether the log takes lines of this level

    def lines(
        self, event: ev.Event, before: Service, after: Service, now: float = 0.0
    ) -> Iterator[Line]:
        """The lines of an event; `now` is monotonic, for durations."""
        passed_on = isinstance(event, ev.SignalReceived) and after is before
        if passed_on and not self.debug and before.life.phase in ALIVE:
            return  # the next signal waits for this line, which would be at debug
        match event:
            case ev.Started(pid):
                yield self._started(pid, after)
            case ev.StartFailed(code, error):
                yield self.line("error", "start_failed", error, exit_code=code)
            case ev.Exited() if event.pid == before.life.pid:
                yield self._ended(event, before, after, now)
            case ev.SignalReceived(signum):
                yield self._signalled(signum, before.life, after.life)
            case ev.DeadlinePassed():
                yield from self._late(before.life, after.life)
            case ev.AppUnready(pid, error) if after.life.phase is Phase.UNREADY:
                if after.rollout is None:  # else a line about the version follows
                    message = f"{self.program} is {self.quoted(error, event.words, after)}"
                    yield self.line("warning", "unready", message, pid=pid)
        if after.rollout is not None and before.rollout is not None:
            from . import rollout_journal

            yield from rollout_journal.lines(self, event, before, after, now)
        if after.fleet is not None:
            from . import fleet_journal

            yield from fleet_journal.lines(self, event, before, after)

    def line(self, level: str, event: str, message: str, **fields: object) -> Line:
        return level, message, {"event": event, "service": self.program, **fields}

    def _quietly(self, level: str) -> str:
        return level if self.configured else "debug"

    def _started(self, pid: int, after: Service) -> Line:
        on = ""
        version = ""
        if after.rollout is not None and after.rollout.versions.live:
            from ..core.versions import counted, short

            versions = after.rollout.versions
            version = short(versions.live)
            on = f" on configuration {version} ({counted(versions.files)})"
        message = f"started {self.program} (pid {pid}){on}"
        return self.line(self._quietly("info"), "started", message, pid=pid, version=version)

    def _ended(self, event: ev.Exited, before: Service, after: Service, now: float) -> Line:
        signum = event.signum
        how = f"was ended by {signals.name(signum)}" if signum else f"ended with code {event.code}"
        level, what = self._after_the_end(after)
        fields: dict[str, object] = {"pid": event.pid, "exit_code": event.code}
        if signum:
            fields["signal"] = signals.name(signum)
        fields["duration_ms"] = since(before.life.started_at, now)
        return self.line(level, "exited", f"{self.program} {how}{what}", **fields)

    def _after_the_end(self, after: Service) -> tuple[str, str]:
        """The level of the line about an end of the app, and the next step."""
        life = after.life
        rollout = after.rollout
        if life.then is Then.END:
            return self._quietly("info"), ""
        if life.then is Then.RESTART or rollout is None:
            return "warning", f"; starting it again in {restart_pause(life):g}s"
        if rollout.versions.returning or rollout.versions.rolled_back:
            return "warning", "; starting it on the last good configuration"
        return "info", "; starting it on the new configuration"

    def _signalled(self, signum: int, before: Life, after: Life) -> Line:
        name = signals.name(signum)
        if _is_stopping(after) and not _is_stopping(before):
            message = f"got {name}: stopping {self.program}"
            level = self._quietly("info")
            return self.line(level, "stopping", message, signal=name, pid=after.pid)
        if after.phase is Phase.ENDED:
            message = f"got {name}: ending"
            if not self.sidecar:
                message = f"got {name} while {self.program} was not running: ending"
            return self.line(self._quietly("info"), "stopping", message, signal=name)
        if before.phase is Phase.WAITING and after.held == before.held:
            message = f"got {name} before {self.program} was started: not forwarded"
            return self.line("info", "signal", message, signal=name)
        return self.line("debug", "signal", f"got {name}", signal=name)

    def _late(self, before: Life, after: Life) -> Iterator[Line]:
        if after.phase is before.phase:
            return
        if after.phase is Phase.KILLING:
            message = f"{self.program} did not end in time: killing it"
            yield self.line("warning", "killing", message, pid=after.pid, signal="SIGKILL")
        if after.phase is Phase.LEFTOVERS_KILLED:
            message = f"processes that {self.program} left behind did not end in time: killing them"
            yield self.line("warning", "killing_leftovers", message, signal="SIGKILL")

    def quoted(self, error: str, words: str, after: Service) -> str:
        """An error with the output of the program that reported it, which may quote a Secret."""
        secret = after.rollout is not None and after.rollout.versions.secret
        quotes = self.hook_output == "log" or (self.hook_output == "auto" and not secret)
        if not words or quotes:
            return f"{error}: {words}" if words else error
        return f"{error} ({len(words)} characters of output withheld; see supervisorctl status)"


def _is_stopping(life: Life) -> bool:
    """Whether the app ends for good, without a new start."""
    return life.phase in _STOPPING and life.then is Then.END


def since(began: float, now: float) -> int | None:
    """Milliseconds; None with an unknown beginning."""
    return round((now - began) * 1000) if began and now else None
