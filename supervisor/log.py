"""Our own log: few lines, on standard error, never in the way.

A line is formatted by whoever has something to say and written by a thread of its own: a full pipe or a closed
standard error must neither block nor end PID 1. Lines that nobody takes away are dropped and counted. `logging`
is not imported for this (5 ms in every container); `capture` brings in what libraries log with it.
"""

from __future__ import annotations

import os
import time

from . import threads

TYPE_CHECKING = False
if TYPE_CHECKING:
    import threading
    from queue import SimpleQueue

LEVELS = ("debug", "info", "warning", "error")
FORMATS = ("text", "json")

_MOST_WAITING = 1000  # lines
_FLUSH_SECONDS = 0.5


class _Log:
    def __init__(self) -> None:
        self.level = LEVELS.index("info")
        self.json = False
        self.dropped = 0
        self.queue: SimpleQueue[bytes | threading.Event] | None = None


_log = _Log()


def error(message: str) -> None:
    write("error", message)


threads.complain = error


def configure(level: str, style: str) -> None:
    """Say from which of LEVELS on lines are written, and in which of FORMATS."""
    _log.level = LEVELS.index(level)
    _log.json = style == "json"


def wanted(level: str) -> bool:
    """Whether a line of this level would be written."""
    return LEVELS.index(level) >= _log.level


def debug(message: str) -> None:
    write("debug", message)


def info(message: str) -> None:
    write("info", message)


def warning(message: str) -> None:
    write("warning", message)


def write(level: str, message: str) -> None:
    """Write one line, soon; from any thread. Line breaks in it become spaces: one fact, one line."""
    if not wanted(level):
        return
    line = _format(level, " ".join(message.splitlines()))
    if _log.queue is None:
        from queue import SimpleQueue  # noqa: PLC0415 - most bare inits never say anything

        _log.queue = SimpleQueue()
        try:
            threads.start(_write_lines, "log")
        except RuntimeError:  # the limit of processes is reached
            _log.queue = None
            _write_briefly(line)
            return
    if _log.queue.qsize() >= _MOST_WAITING:
        _log.dropped += 1
        return
    _log.queue.put(line)


def flush() -> None:
    """Wait until everything is written, or half a second if nobody reads."""
    if _log.queue is None:
        return
    import threading  # noqa: PLC0415 - imported already, with the queue's thread

    done = threading.Event()
    _log.queue.put(done)
    done.wait(_FLUSH_SECONDS)


def capture() -> None:
    """Take over what libraries say through `logging` and `warnings`, from warnings on."""
    import logging  # noqa: PLC0415 - only roles that import such libraries pay for it

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            level = "error" if record.levelno >= logging.ERROR else "warning"
            write(level, f"{record.name}: {record.getMessage()}")

    logging.captureWarnings(capture=True)
    logging.basicConfig(handlers=[Handler(logging.WARNING)], level=logging.WARNING, force=True)


def _format(level: str, message: str) -> bytes:
    now = time.time()
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now * 1000) % 1000:03d}Z"
    if _log.json:
        import json  # noqa: PLC0415 - only with --log-format json

        line = json.dumps({"time": stamp, "level": level, "logger": "supervisor", "message": message})
    else:
        line = f"{stamp} supervisor {level}: {message}"
    return line.encode(errors="backslashreplace") + b"\n"


def _write_lines() -> None:
    assert _log.queue is not None  # noqa: S101 - `write` made it before it started this thread
    while True:
        item = _log.queue.get()
        if not isinstance(item, bytes):
            item.set()
            continue
        if _log.dropped:
            dropped, _log.dropped = _log.dropped, 0
            item += _format("warning", f"{dropped} lines dropped: nobody reads standard error")
        try:
            _write_fully(item)
        except OSError:
            pass  # standard error is closed; there is nowhere left to say so


def _write_fully(data: bytes) -> None:
    while data:
        try:
            data = data[os.write(2, data) :]
        except BlockingIOError:
            import select  # noqa: PLC0415 - only if our parent made standard error non-blocking

            poll = select.poll()
            poll.register(2, select.POLLOUT)
            poll.poll()


def complain(message: str) -> None:
    """Say something before there is a log: usage errors. Never raises, never blocks for long."""
    _write_briefly(f"supervisor: {message}\n".encode(errors="backslashreplace"))


def _write_briefly(data: bytes) -> None:
    # A pipe that polls as writable takes 4 KiB at least without blocking (pipe(7)).
    import select  # noqa: PLC0415 - only when something is wrong

    poll = select.poll()
    poll.register(2, select.POLLOUT)
    try:
        if poll.poll(_FLUSH_SECONDS * 1000):
            os.write(2, data[:4096])
    except OSError:
        pass  # standard error is closed; there is nowhere left to say so
