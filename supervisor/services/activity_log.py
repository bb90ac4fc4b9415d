"""supervisord's activity log: our own lines in its form, on standard output and in its log file.

The lines about services are those of `supervisord_lines`. The file rotates as those of services do.
"""

from __future__ import annotations

import os
import time

from ..core import events as ev
from ..core.errors import reason
from ..runtime import log
from . import supervisord_lines
from .conductor_state import PlanRead

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..runtime.log import Line
    from .conductor_state import Out, Services
    from .log_files import LogFile
    from .plan import Main, Server

_CRITICAL = "critical"  # the event of lines with this level
_OUTPUT = 1
_NAMES = {"error": "ERRO", "warning": "WARN", "info": "INFO", "debug": "DEBG"}
# Our levels of the abbreviations in supervisord's lines.
_ABBREVIATED = {
    "CRIT": "error",
    "ERRO": "error",
    "WARN": "warning",
    "INFO": "info",
    "DEBG": "debug",
}
# Our streams are never opened by their names: that fails for sockets, and of a file that others
# write too, lines would be lost.
_STANDARD = {
    "/dev/stdout": 1,
    "/dev/stderr": 2,
    "/dev/fd/1": 1,
    "/dev/fd/2": 2,
    "/proc/self/fd/1": 1,
    "/proc/self/fd/2": 2,
}


class ActivityLog:
    """Writes lines as supervisord does."""

    def __init__(self, main: Main) -> None:
        named = _STANDARD.get(main.logfile)
        shown = () if main.silent else (_OUTPUT,)
        self._descriptors = {*shown, *(() if named is None else (named,))}
        self._path = main.logfile if named is None else ""
        self._limits = (main.logfile_maxbytes, main.logfile_backups)
        self._file: LogFile | None = None
        self._put: Callable[[bytes, int], None] = log.write_fully

    def write_by(self, put: Callable[[bytes, int], None]) -> None:
        """Leave our streams to another writer, which puts whole lines there."""
        self._put = put

    def reopen(self) -> None:
        """Open the file, or open it again; a file that cannot be opened is told."""
        if not self._path:
            return
        from .log_files import LogFile

        opened = self._file or LogFile(self._path, *self._limits)
        try:
            opened.open()
        except OSError as error:
            log.warning(
                f"cannot open the log file {self._path}: {reason(error)}; going on without",
                event="log_file_failed",
            )
        else:
            self._file = opened

    def observe(self, event: ev.Event, before: Services, after: Services, orders: Out) -> None:
        """Write the lines of an event."""
        if isinstance(event, ev.Exited):
            log.debug("received SIGCHLD indicating a child quit", event="supervisord")
        for name, message in supervisord_lines.lines(event, before, after, orders):
            log.write(_ABBREVIATED[name], message, event="supervisord")
        if isinstance(event, PlanRead):
            say_started("")

    def write(self, line: Line) -> None:
        """Write a line; for the thread of the log."""
        data = _formatted(line)
        if self._file is not None:
            self._file.write(data)
        for descriptor in self._descriptors:
            try:
                self._put(data, descriptor)
            except OSError:
                continue  # it is closed: the other place may take the line


def say_included(paths: Iterable[str]) -> None:
    for path in paths:
        log.info(f'Included extra file "{path}" during parsing', event="file_included")


def say_servers(servers: Iterable[Server]) -> None:
    """The lines about sockets that listen."""
    for server in servers:
        log.info("RPC interface 'supervisor' initialized", event="listening")
        if server.username is None:
            log.error(
                f"Server {server.section!r} running without any HTTP authentication checking",
                event=_CRITICAL,
            )


def say_started(unwritable: str) -> None:
    """The line of a start; `unwritable`: the pid file, where that cannot be written."""
    if unwritable:
        log.error(f"could not write pidfile {unwritable}", event=_CRITICAL)
    else:
        log.info(f"supervisord started with pid {os.getpid()}", event="supervisor_started")


def _formatted(line: Line) -> bytes:
    at, level, message, fields = line
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at)) + f",{int(at * 1000) % 1000:03d}"
    name = "CRIT" if fields.get("event") == _CRITICAL else _NAMES[level]
    output = fields.get("output")  # of a program, at the level debug: as it is
    text = log.clean(message) if output is None else f"{message}\n{output}"
    return f"{stamp} {name} {text}\n".encode(errors="backslashreplace")
