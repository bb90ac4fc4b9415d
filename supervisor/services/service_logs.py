"""The logs of services: a pipe for each stream that needs one, and the questions about its lines.

It owns the table of channels and files; `stream_routes` says which stream needs a pipe, the relay
reads it. Without such a stream there is no relay, and no thread. It knows no client.
"""

from __future__ import annotations

import os
import stat

from ..core.errors import CANNOT_RUN, SpawnError, reason
from ..core.primitives import partial
from ..runtime import log
from . import stream_routes
from .service_files import NOTHING, Contribution, FilePart
from .stream_routes import CHANNELS, STDERR, STDOUT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .log_files import LogFile
    from .log_relay import Relay
    from .log_ring import Ring
    from .log_streams import Channel, Follower, LastLines, LogStream, Watcher, Watchers
    from .running_plan import RunningPlan
    from .stream_routes import Route
    from .syslog_socket import SyslogSocket

    Log = LogFile | Ring
    Write = Callable[[bytes, int], None]  # whole lines, and the descriptor

_NUMBERS = {STDOUT: 1, STDERR: 2}


class NoLogError(LookupError):
    """A stream whose bytes do not come to us, or a service that never ran."""


class ServiceLogs(FilePart):
    """The lines of all services.

    Starts are for the main thread; all about a channel ("stdout" or "stderr") for any thread.
    """

    def __init__(self, plan: RunningPlan, use: Callable[[Write], None]) -> None:
        """`use` is called once the relay writes our output, with the way to write our own lines."""
        self._plan = plan
        self._use = use
        self._relay: Relay | None = None
        self._watchers: Watchers | None = None
        self._channels: dict[tuple[str, str], Channel] = {}
        self._last: dict[str, LastLines] = {}
        self._files: dict[str, LogFile] = {}
        self._syslog: SyslogSocket | None = None
        self._opened: dict[str, tuple[list[LogStream], list[int]]] = {}  # of starts under way
        plan.add_logs(self.reopen)

    def open(self, identity: str) -> Contribution:
        """Pipes for the streams of a start. Raises SpawnError, OSError."""
        service = self._plan.service(identity)
        streams: dict[int, int | str] = {}
        try:
            for channel in CHANNELS:
                route = stream_routes.route(service, channel, self._plan.plan)
                if route is None or (_is_foreign(route.path) and not route.watched):
                    continue  # the service writes there itself
                if self._begun():
                    streams[_NUMBERS[channel]] = self._pipe(identity, channel, route)
        except BaseException:
            self.failed(identity)
            raise
        if not streams:
            return NOTHING
        if service.redirect_stderr and _NUMBERS[STDOUT] in streams:
            streams[_NUMBERS[STDERR]] = streams[_NUMBERS[STDOUT]]
        if service.uid:
            self._hand_over(identity, service.uid)
        return Contribution(streams)

    def open_script(self, identity: str) -> Contribution:
        return self.open(identity)

    def started(self, identity: str, pid: int) -> None:
        streams, theirs = self._opened.pop(identity, ((), ()))
        for fd in theirs:
            os.close(fd)
        for stream in streams:
            stream.pid = pid
            if self._relay is not None:
                self._relay.add(stream)

    def failed(self, identity: str) -> None:
        streams, theirs = self._opened.pop(identity, ((), ()))
        for fd in (*theirs, *(stream.fd for stream in streams)):
            os.close(fd)

    def _begun(self) -> bool:
        """Whether there is a relay; it begins with the first stream that needs it."""
        if self._relay is not None:
            return True
        from .log_relay import Relay
        from .log_streams import Watchers

        relay = Relay()
        try:
            relay.start()
        except RuntimeError as error:
            log.warning(
                f"cannot start a thread (logs): {error}; a service writes to our output itself,"
                " without tags; the limit of processes is reached (pids.max, ulimit -u)",
                event="thread_failed",
            )
            relay.close()
            return False
        self._relay = relay
        self._watchers = self._watchers or Watchers()
        self._use(relay.write)
        return True

    def _pipe(self, identity: str, name: str, route: Route) -> int:
        """Make the pipe of a stream; the end for the service."""
        from .log_ring import Ring
        from .log_streams import Channel, LastLines, LogStream, Sinks, Watchers

        channel = self._channels.get((identity, name)) or Channel(identity, name)
        file = self._file(identity, route) if route.path else None
        # A client neither reads nor clears a FIFO or a device.
        channel.file = None if file is None or not file.regular else file
        if channel.ring is None and file is None and route.output:
            channel.ring = Ring()
        if identity not in self._last:
            self._last[identity] = LastLines()
        sinks = Sinks(route, self._last[identity], file=file)
        if self._relay is not None and route.output and not route.quiet:
            sinks = sinks.replace(output=self._relay.output(route.output))
        if route.syslog:
            sinks = sinks.replace(syslog=self._system_log())
        self._watchers = self._watchers or Watchers()
        ours, theirs = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(ours, False)
        streams, ends = self._opened.setdefault(identity, ([], []))
        streams.append(LogStream(ours, channel, sinks, self._watchers))
        ends.append(theirs)
        self._channels[identity, name] = channel
        return theirs

    def _file(self, identity: str, route: Route) -> LogFile:
        """The file of a stream, opened by its path. Raises SpawnError."""
        from .log_files import LogFile

        file = self._files.get(route.path) or LogFile(route.path)
        file.limit(route.maxbytes, route.backups)
        try:
            file.open()
        except OSError as error:
            why = f"cannot start {identity}: cannot open its log {route.path}: {reason(error)}"
            raise SpawnError(CANNOT_RUN, why) from error
        self._files[route.path] = file
        return file

    def _system_log(self) -> SyslogSocket:
        if self._syslog is None:
            from .syslog_socket import SyslogSocket

            self._syslog = SyslogSocket()
        return self._syslog

    def _hand_over(self, identity: str, uid: int) -> None:
        """Let the user of a service open /dev/stdout by its name."""
        for fd in self._opened[identity][1]:
            try:
                os.fchown(fd, uid, -1)
            except OSError:
                return  # we are not root: the user is ours

    def read(self, identity: str, channel: str, offset: int, length: int) -> bytes:
        """Bytes of a log, with the offsets of supervisord's readProcessLog. Raises NoLogError,
        BadSpanError, OSError.
        """
        return self._log(identity, channel).read(offset, length)

    def tail(
        self, identity: str, channel: str, offset: int, length: int
    ) -> tuple[bytes, int, bool]:
        """Bytes of a log, its size, and whether there were more, as tailProcessLog. Raises
        NoLogError, OSError.
        """
        return self._log(identity, channel).tail(offset, length)

    def clear(self, identity: str, channel: str) -> None:
        """Begin a log again. Raises NoLogError, OSError."""
        self._log(identity, channel).clear()

    def _log(self, identity: str, name: str) -> Log:
        channel = self._channels.get((identity, name))
        found = (
            (channel.file or channel.ring) if channel is not None else self._unused(identity, name)
        )
        if found is None:
            raise NoLogError(f"{identity} has no log of {name} here")
        return found

    def _unused(self, identity: str, name: str) -> Log | None:
        """The log of a service that was not started yet: its file may be there."""
        route = stream_routes.route(self._plan.service(identity), name, self._plan.plan)
        if route is not None and not route.path and route.output:
            from .log_ring import Ring

            return Ring()
        if route is None or not route.path or _is_foreign(route.path):
            return None
        from .log_files import LogFile

        return LogFile(route.path)

    def follow(self, identity: str, channel: str, call: Follower) -> Callable[[], None]:
        """Call a function with each piece of a stream, in the thread of the relay; it must not
        block. Returns the function that ends this. Raises NoLogError.
        """
        found = self._channels.get((identity, channel))
        if found is None:
            raise NoLogError(f"{identity} has no log of {channel} here")
        found.followers = (*found.followers, call)
        return partial(_unfollow, found, call)

    def watch(self, call: Watcher) -> None:
        """Call a function with each piece of the streams with events, as `follow`."""
        from .log_streams import Watchers

        self._watchers = self._watchers or Watchers()
        self._watchers.chunks = (*self._watchers.chunks, call)

    def watch_captured(self, call: Watcher) -> None:
        """Call a function with each text between the marks of PROCESS_COMMUNICATION."""
        from .log_streams import Watchers

        self._watchers = self._watchers or Watchers()
        self._watchers.captured = (*self._watchers.captured, call)

    def last_lines(self, identity: str) -> list[str]:
        """The last lines of a service, of both streams."""
        last = self._last.get(identity)
        return [] if last is None else last.lines()

    def dropped(self, identity: str, channel: str) -> int:
        """The lines that a full output did not take, or a system log."""
        found = self._channels.get((identity, channel))
        return 0 if found is None else found.dropped

    def write_output(self, data: bytes) -> None:
        """Write whole lines to our standard output; waits while its reader is slow. Raises
        OSError.
        """
        if self._relay is None:
            log.write_fully(data, _NUMBERS[STDOUT])
        else:
            self._relay.write(data, _NUMBERS[STDOUT])

    def reopen(self) -> None:
        """Open all files again by their paths, soon."""
        if self._relay is not None:
            for file in tuple(self._files.values()):
                self._relay.order(file.reopen)

    def finish(self) -> None:
        """Write all that is left in the pipes, within a bound."""
        if self._relay is not None:
            self._relay.finish()


def _unfollow(channel: Channel, call: Follower) -> None:
    channel.followers = tuple(one for one in channel.followers if one is not call)


def _is_foreign(path: str) -> bool:
    """Whether a log file is a FIFO or a device. The service opens it itself, for that may wait,
    unless its bytes are asked for elsewhere too.
    """
    if not path:
        return False
    try:
        return not stat.S_ISREG(os.stat(path).st_mode)
    except OSError:
        return False  # it is yet to be made, or the start fails with the reason
