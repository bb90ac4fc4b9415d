"""A pipe of a service and the ways of its bytes: ring, file, our output, system log, watchers.

`LogStream` is the pipe of one start, `Channel` the log of a stream over all starts. It reads no
pipe and waits for nothing: the relay does. For the thread of the relay.
"""

from __future__ import annotations

import time

from ..core.record import Record
from ..runtime import log
from .escape_sequences import EscapeFilter
from .line_format import as_json, tagged
from .line_stream import LineStream
from .log_ring import Ring

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .event_capture import Capture
    from .log_files import LogFile
    from .log_outputs import Output
    from .stream_routes import Route
    from .syslog_socket import SyslogSocket

    Follower = Callable[[bytes], None]
    Watcher = Callable[[str, str, int, bytes], None]  # identity, channel, pid, data

_LAST = 4096  # bytes of the last lines of a service


class Channel:
    """The log of a stream of a service. Its fields may be read from any thread."""

    def __init__(self, identity: str, name: str) -> None:
        self.identity = identity
        self.name = name  # stdout or stderr
        self.ring: Ring | None = None
        self.file: LogFile | None = None
        self.followers: tuple[Follower, ...] = ()
        self.dropped = 0  # lines
        self.told = 0  # of these


class LastLines:
    """The last lines of a service, of both streams, in the order in which they came."""

    def __init__(self) -> None:
        self._ring = Ring(_LAST)
        self.add = self._ring.add

    def lines(self) -> list[str]:
        text = self._ring.content().decode(errors="replace")
        return [line for line in text.splitlines() if line.strip()]


class Sinks(Record):
    """The places that a route names."""

    route: Route
    last: LastLines
    output: Output | None = None
    file: LogFile | None = None
    syslog: SyslogSocket | None = None


class Watchers:
    """All that get the bytes of services besides the logs."""

    def __init__(self) -> None:
        self.chunks: tuple[Watcher, ...] = ()
        self.captured: tuple[Watcher, ...] = ()


class LogStream:
    """The pipe of one start, and its lines."""

    def __init__(self, fd: int, channel: Channel, sinks: Sinks, watchers: Watchers) -> None:
        self.fd = fd
        self.pid = 0
        self.channel = channel
        self.output = sinks.output
        self._sinks = sinks
        self._watchers = watchers
        self._lines = LineStream()
        route = sinks.route
        self._format = tagged(route.tag)
        if route.json:
            self._format = as_json(channel.identity, channel.name)
        self._escapes = EscapeFilter() if sinks.route.strips else None
        self._capture: Capture | None = None
        if sinks.route.capture:
            from .event_capture import Capture

            self._capture = Capture(sinks.route.capture)

    @property
    def blocked(self) -> bool:
        """Whether the service waits for the reader of our output."""
        output = self.output
        return output is not None and output.full and not self._sinks.route.drops

    def take(self, data: bytes) -> None:
        """The next bytes from the pipe."""
        if self._capture is not None:
            data, captured = self._capture.feed(data)
            for text in captured:
                for watch in self._watchers.captured:
                    watch(self.channel.identity, self.channel.name, self.pid, text)
        self._strip(data)

    def end(self) -> None:
        """The pipe has ended: its last line is whole."""
        if self._capture is not None:
            self._strip(self._capture.rest())
        if self._escapes is not None:
            self._log(self._escapes.end())
        line = self._lines.end()
        if line:
            self._put(line)

    def _strip(self, data: bytes) -> None:
        self._log(data if self._escapes is None else self._escapes.feed(data))

    def _log(self, data: bytes) -> None:
        if not data:
            return
        channel = self.channel
        route = self._sinks.route
        if channel.ring is not None:
            channel.ring.add(data)
        self._sinks.last.add(data)
        for follow in channel.followers:
            follow(data)
        if route.events:
            for watch in self._watchers.chunks:
                watch(channel.identity, channel.name, self.pid, data)
        if route.copied:
            _copy(channel, data)
        file = self._sinks.file
        if file is not None and not route.shared:
            file.write(data)
            if self._sinks.syslog is None:
                return
        lines = self._lines.feed(data)
        if lines:
            self._put(lines)

    def _put(self, lines: bytes) -> None:
        """Whole lines, to the places of lines."""
        sinks = self._sinks
        if sinks.file is not None and sinks.route.shared:
            sinks.file.write(lines)
        if sinks.syslog is not None:
            self.channel.dropped += sinks.syslog.write(sinks.route.syslog, lines)
            self.channel.told = self.channel.dropped
        if sinks.output is None:
            return
        if sinks.route.drops and sinks.output.full:
            self.channel.dropped += lines.count(b"\n")
            return
        self._tell_dropped()
        sinks.output.put(self._format(lines, time.time()))

    def _tell_dropped(self) -> None:
        channel = self.channel
        if channel.dropped > channel.told:
            count = channel.dropped - channel.told
            channel.told = channel.dropped
            log.warning(
                f"dropped {count} lines of {channel.identity}: the reader of our output was slow",
                event="log_dropped",
                service=channel.identity,
            )


def _copy(channel: Channel, data: bytes) -> None:
    """Copy bytes into the activity log, as supervisord does at the level debug."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = f"Undecodable: {data!r}"
    name = channel.identity.rpartition(":")[2]
    log.debug(f"{name!r} {channel.name} output:", event="child_output", output=text)
