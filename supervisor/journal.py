"""What is worth a line in the log: pure, from an event and the states around it.

Quiet when all is well: a bare init says nothing. With a configuration: a line for the start, for each change
and for each change between working and failing; repetitions only in debug.
"""

from __future__ import annotations

from . import events as ev
from . import signals
from .machine import BACKOFF_FIRST, BACKOFF_MOST
from .pursuit import backoff
from .record import Record
from .state import Phase, State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

Line = tuple[str, str]  # level, message


def short(digest: str) -> str:
    """A digest as people compare them."""
    return digest[:8] or "none"


class Journal(Record):
    """Knows the names that the state has only numbers for."""

    program: str
    configured: bool = False

    def lines(self, event: ev.Event, before: State, after: State) -> Iterator[Line]:
        """The lines that an event is worth."""
        match event:
            case ev.Started(pid):
                yield self._quietly("info"), self._started(pid, after)
            case ev.StartFailed(_, error):
                yield "error", error
            case ev.Exited(_, code, signum) if event.pid == before.pid:
                yield self._ended(code, signum, after)
            case ev.SignalReceived(signum):
                yield self._signalled(signum, before, after)
            case ev.DeadlinePassed():
                yield from self._late(before, after)
            case ev.ConfigApplied() | ev.ConfigFailed():
                yield from self._config(event, before, after)
            case ev.SourceRead(source) | ev.SourceFailed(source):
                yield from self._source(source, before, after)
        yield from self._reloads(before, after)

    def _quietly(self, level: str) -> str:
        return level if self.configured else "debug"

    def _started(self, pid: int, after: State) -> str:
        config = after.config
        files = "1 file" if config.files == 1 else f"{config.files} files"
        if not config.live:
            return f"started {self.program} (pid {pid})"
        return f"started {self.program} (pid {pid}) on configuration {short(config.live)} ({files})"

    def _ended(self, code: int, signum: int, after: State) -> Line:
        how = f"was ended by {signals.name(signum)}" if signum else f"ended with code {code}"
        if after.final:
            return self._quietly("info"), f"{self.program} {how}"
        if after.replacing or after.phase is Phase.STARTING:
            on = "the last good" if after.reloads.outcome == "child_exited" else "the new"
            return "info" if on == "the new" else "warning", f"{self.program} {how}; starting it on {on} configuration"
        wait = backoff(after.failures, BACKOFF_FIRST, BACKOFF_MOST)
        return "warning", f"{self.program} {how}; starting it again in {wait:g}s"

    def _signalled(self, signum: int, before: State, after: State) -> Line:
        name = signals.name(signum)
        stopping = after.phase is Phase.STOPPING and not after.replacing
        if stopping and (before.phase is not Phase.STOPPING or before.replacing):
            return self._quietly("info"), f"got {name}: stopping {self.program}"
        if after.phase is Phase.DONE:
            return self._quietly("info"), f"got {name} while {self.program} was not running: ending"
        return "debug", f"got {name}"

    def _late(self, before: State, after: State) -> Iterator[Line]:
        if after.phase is Phase.KILLING:
            yield "warning", f"{self.program} did not end in time: killing it"
        if after.leftovers_killed and not before.leftovers_killed:
            yield (
                "warning",
                f"processes that {self.program} left behind did not end in time: killing them",
            )

    def _config(self, event: ev.ConfigApplied | ev.ConfigFailed, before: State, after: State) -> Iterator[Line]:
        match event:
            case ev.ConfigApplied(digest, changes) if event.cached and after.config.cached:
                errors = "; ".join(s.error for s in after.sources if s.error) or "no answer from the source"
                yield (
                    "warning",
                    f"{errors}; going on with the last configuration written here, {short(digest)}",
                )
            case ev.ConfigApplied(digest, changes) if event.rolled_back:
                yield "warning", f"configuration {short(digest)} is back in place: {changes}"
            case ev.ConfigApplied(digest, changes) if before.phase is not Phase.WAITING:
                yield "info", f"configuration {short(digest)} is in place: {changes}"
            case ev.ConfigFailed(digest, reason, error) if reason == "no_generation":
                if after.phase is Phase.DONE:
                    yield "error", error
            case ev.ConfigFailed(digest, _, error):
                again = before.config.error == error
                rest = f"; configuration {short(before.config.live)} stays" if before.config.live else ""
                yield "debug" if again else "error", f"{error}{rest}"

    def _source(self, source: int, before: State, after: State) -> Iterator[Line]:
        old, new = before.sources[source], after.sources[source]
        name = new.name
        if new.trouble and new.trouble != old.trouble:
            yield "warning" if after.phase is not Phase.DONE else "error", new.error
        elif old.trouble and not new.trouble:
            yield "info", f"{name} can be read again"
        if new.present is False and old.present is not False:
            kept = after.config.live
            yield (
                "warning",
                f"{name} does not exist; "
                + (f"configuration {short(kept)} stays in use" if kept else "waiting for it to be created"),
            )
        elif new.present and old.present is False:
            yield "info", f"{name} exists again" if after.config.live else f"{name} exists now"

    def _reloads(self, before: State, after: State) -> Iterator[Line]:
        done = after.reloads
        if done.failed > before.reloads.failed:
            again = done.failures > 1 and not after.config.returning
            back = f"; going back to configuration {short(after.config.returning)}" if after.config.returning else ""
            yield "debug" if again else "error", f"cannot reload {self.program}: {done.error}{back}"
        elif done.finished > before.reloads.finished:
            if done.outcome == "superseded":
                yield "debug", f"a newer configuration ends the reload of {short(done.target)}"
            else:
                yield "info", f"reloaded {self.program}: it runs on configuration {short(done.target)}"
