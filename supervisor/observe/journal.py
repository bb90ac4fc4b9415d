"""The events that are worth a line in the log, and its fields: pure, from an event and the states
around it.

Quiet when all is well: a bare init says nothing. With a configuration: a line for the start, for
each change and for each change between working and failing; repetitions only in debug.
"""

from __future__ import annotations

from ..core import events as ev
from ..core.backoff import backoff
from ..core.machine import BACKOFF_FIRST, BACKOFF_MOST
from ..core.record import Record
from ..core.state import Phase, Reloads, State
from ..runtime import signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    Line = tuple[str, str, dict[str, object]]  # level, message, fields


def short(digest: str) -> str:
    """A digest as people compare them."""
    return digest[:8] or "none"


class Journal(Record):
    """Knows the names that the state has only numbers for."""

    program: str
    configured: bool = False
    method: str = ""  # of reloads
    configroot: str = ""
    sidecar: bool = False  # the app runs in another container
    hook_output: str = "log"  # whether other programs' words stand in the log: log, withhold, auto

    def lines(
        self, event: ev.Event, before: State, after: State, now: float = 0.0
    ) -> Iterator[Line]:
        """The lines that an event is worth; `now` is monotonic, for how long something took."""
        match event:
            case ev.Started(pid):
                yield self._started(pid, after)
            case ev.StartFailed(code, error):
                yield self._line("error", "start_failed", error, exit_code=code)
            case ev.Exited() if event.pid == before.pid:
                yield self._ended(event, before, after, now)
            case ev.SignalReceived(signum):
                yield self._signalled(signum, before, after)
            case ev.DeadlinePassed():
                yield from self._late(before, after)
            case ev.ConfigApplied():
                yield from self._applied(event, before, after)
            case ev.ConfigFailed():
                yield from self._failed(event, before, after)
            case ev.AppUnready(pid, error) if (
                not after.config.live and after.phase is Phase.UNREADY
            ):
                yield self._line(
                    "warning",
                    "unready",
                    f"{self.program} is {self._quoted(error, event.words, after)}",
                    pid=pid,
                )
            case ev.SourceRead() | ev.SourceFailed():
                yield from self._source(event, before, after)
        yield from self._reloads(before, after, now)

    def _line(self, level: str, event: str, message: str, **fields: object) -> Line:
        return level, message, {"event": event, "service": self.program, **fields}

    def _quietly(self, level: str) -> str:
        return level if self.configured else "debug"

    def _started(self, pid: int, after: State) -> Line:
        config = after.config
        files = "1 file" if config.files == 1 else f"{config.files} files"
        on = f" on configuration {short(config.live)} ({files})" if config.live else ""
        message = f"started {self.program} (pid {pid}){on}"
        return self._line(
            self._quietly("info"), "started", message, pid=pid, version=config.live[:8]
        )

    def _ended(self, event: ev.Exited, before: State, after: State, now: float) -> Line:
        signum = event.signum
        how = f"was ended by {signals.name(signum)}" if signum else f"ended with code {event.code}"
        level, what = self._after_the_end(after)
        fields: dict[str, object] = {"pid": event.pid, "exit_code": event.code}
        if signum:
            fields["signal"] = signals.name(signum)
        return self._line(
            level,
            "exited",
            f"{self.program} {how}{what}",
            **fields,
            duration_ms=_since(before.started_at, now),
        )

    def _after_the_end(self, after: State) -> tuple[str, str]:
        """The level of the line about an end of the app, and how it goes on."""
        if after.final:
            return self._quietly("info"), ""
        if after.replacing or after.phase is Phase.STARTING:
            on = (
                "the last good" if after.config.returning or after.config.rolled_back else "the new"
            )
            return "info" if on == "the new" else "warning", f"; starting it on {on} configuration"
        wait = backoff(after.failures, BACKOFF_FIRST, BACKOFF_MOST)
        return "warning", f"; starting it again in {wait:g}s"

    def _signalled(self, signum: int, before: State, after: State) -> Line:
        name = signals.name(signum)
        stopping = after.phase is Phase.STOPPING and not after.replacing
        if stopping and (before.phase is not Phase.STOPPING or before.replacing):
            message = f"got {name}: stopping {self.program}"
            return self._line(
                self._quietly("info"), "stopping", message, signal=name, pid=after.pid
            )
        if after.phase is Phase.DONE:
            message = f"got {name}: ending"
            if not self.sidecar:
                message = f"got {name} while {self.program} was not running: ending"
            return self._line(self._quietly("info"), "stopping", message, signal=name)
        if before.phase is Phase.WAITING and after.held == before.held:
            message = f"got {name} before {self.program} was started: it is not passed on"
            return self._line("info", "signal", message, signal=name)
        return self._line("debug", "signal", f"got {name}", signal=name)

    def _late(self, before: State, after: State) -> Iterator[Line]:
        if after.phase is Phase.KILLING:
            message = f"{self.program} did not end in time: killing it"
            yield self._line("warning", "killing", message, pid=after.pid, signal="SIGKILL")
        if after.leftovers_killed and not before.leftovers_killed:
            message = f"processes that {self.program} left behind did not end in time: killing them"
            yield self._line("warning", "killing_leftovers", message, signal="SIGKILL")

    def _applied(self, event: ev.ConfigApplied, before: State, after: State) -> Iterator[Line]:
        version, changes = short(event.digest), event.changes
        fields = {"version": version, "previous": event.previous[:8], "changed": changes}
        if event.cached and after.config.cached:
            errors = "; ".join(s.error for s in after.sources if s.error)
            if not after.config.desired:
                errors = errors or "no answer from the source"
            what = "going on with the last configuration written here"
            message = f"{errors}; {what}, {version}" if errors else f"{what}, {version}"
            yield self._line("warning", "config_cached", message, **fields)
        elif event.rolled_back:
            message = f"configuration {version} is back in place: {changes}"
            yield self._line("warning", "config_rolled_back", message, **fields)
        elif before.phase is Phase.WAITING and after.phase is Phase.DONE:  # --once
            sources = ", ".join(source.name for source in after.sources)
            files = "1 file" if event.files == 1 else f"{event.files} files"
            place = f"in {self.configroot}" if self.configroot else "in place"
            message = f"configuration {version} from {sources} is {place} ({files}): {changes}"
            yield self._line("info", "config_applied", message, **fields, source=sources)
        elif before.phase is not Phase.WAITING:
            yield self._line(
                "info",
                "config_applied",
                f"configuration {version} is in place: {changes}",
                **fields,
            )

    def _failed(self, event: ev.ConfigFailed, before: State, after: State) -> Iterator[Line]:
        fields = {"version": event.digest[:8], "reason": event.reason}
        live = before.config.live
        if event.reason == "no_generation":
            if after.phase is Phase.DONE:
                # The first part was said when it happened.
                error = (
                    event.error.removeprefix(f"{before.config.error}; ")
                    if before.config.error
                    else event.error
                )
                yield self._line(
                    "error", "config_failed", f"cannot start {self.program}: {error}", **fields
                )
            return
        # A version of its own is news, however much its failure is like the last one.
        if event.reason == "overtaken":
            yield self._line("debug", "config_failed", event.error, **fields)
            return
        again = before.config.error == event.error and (
            before.config.failures > 0 or event.reason == "rollback"
        )
        rest = f"; configuration {short(live)} stays" if live else ""
        if after.phase is Phase.WAITING and not live and after.config.rejected == event.digest:
            rest = "; waiting for a correction"
        fields["previous"] = live[:8]
        message = f"{self._quoted(event.error, event.words, after)}{rest}"
        yield self._line("debug" if again else "error", "config_failed", message, **fields)

    def _source(
        self, event: ev.SourceRead | ev.SourceFailed, before: State, after: State
    ) -> Iterator[Line]:
        old, new = before.sources[event.source], after.sources[event.source]
        name, kept = new.name, after.config.live
        missing = event.missing if isinstance(event, ev.SourceRead) else ""
        if new.trouble and new.trouble != old.trouble:
            level = "warning" if after.phase is not Phase.DONE else "error"
            yield self._line(level, "source_failed", new.error, source=name, reason=new.trouble)
        elif old.trouble and not new.trouble:
            yield self._line("info", "source_recovered", f"{name} can be read again", source=name)
        if new.present is False and old.present is not False:
            rest = (
                f"configuration {short(kept)} stays in use"
                if kept
                else "waiting for it to be created"
            )
            yield self._line("warning", "source_missing", f"{name} {missing}; {rest}", source=name)
        elif new.present and old.present is False:
            message = f"{name} exists again" if kept else f"{name} exists now"
            yield self._line("info", "source_found", message, source=name)

    def _reloads(self, before: State, after: State, now: float) -> Iterator[Line]:
        done, back = after.reloads, after.config.returning
        if done.finished == before.reloads.finished:
            return
        fields: dict[str, object] = {
            "version": done.target[:8],
            "method": self.method,
            "pid": before.pid,
            "duration_ms": _since(before.reloads.began or 0.0, now),
        }
        if done.failed > before.reloads.failed:
            again = done.failures > 1 and not back
            rest = f"; going back to configuration {short(back)}" if back else ""
            message = (
                f"{self._complaint(done)}: {self._quoted(done.error, done.words, after)}{rest}"
            )
            fields["reason"] = done.outcome
            yield self._line("debug" if again else "error", "reload_failed", message, **fields)
        elif done.outcome == "superseded":
            message = f"a newer configuration ends the reload of {short(done.target)}"
            yield self._line("debug", "reload_superseded", message, **fields)
        else:
            verb = "started" if _is_start(done) else "reloaded"
            rest = (
                "it runs on configuration"
                if after.ready
                else "it is not ready yet on configuration"
            )
            message = f"{verb} {self.program}: {rest} {short(done.target)}"
            yield self._line("info", "reloaded", message, **fields)

    def _quoted(self, error: str, words: str, after: State) -> str:
        """An error with the words of the program that said so, which may quote a Secret."""
        quotes = self.hook_output == "log" or (
            self.hook_output == "auto" and not after.config.secret
        )
        if not words or quotes:
            return f"{error}: {words}" if words else error
        return f"{error} (it said {len(words)} characters, which supervisorctl status shows)"

    def _complaint(self, done: Reloads) -> str:
        if done.outcome == "unverified":
            return f"cannot tell whether {self.program} works on configuration {short(done.target)}"
        if _is_start(done):
            return f"{self.program} does not work on configuration {short(done.target)}"
        return f"cannot reload {self.program}"


def _is_start(done: Reloads) -> bool:
    """Whether a verdict is about a start; one that was ordered for a reload (by restart) is about
    that.
    """
    return done.trial and done.began != done.paced


def _since(began: float, now: float) -> int | None:
    """Milliseconds; None where the beginning is not known."""
    return round((now - began) * 1000) if began and now else None
