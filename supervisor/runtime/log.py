"""Our own log: few lines, on standard error, never in the way.

`write` takes a message and fields; a thread of the log formats and writes the lines: a full pipe or
a closed standard error must neither block nor end PID 1. Lines beyond a full pipe are dropped and
counted. Messages quote names and answers of others: the log escapes control characters in all of
them. It does without `logging`, which costs every start 5 ms; `capture` takes over the lines of
libraries. The log knows no event by its meaning.
"""

from __future__ import annotations

import posix as os
import time
from _thread import allocate_lock, start_new_thread

from ..core.errors import reason
from ..core.primitives import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _thread import LockType
    from collections.abc import Callable

    Line = tuple[float, str, str, dict[str, object]]  # epoch seconds, level, message, fields

LEVELS = ("debug", "info", "warning", "error")
TEXT = "text"
JSON = "json"
FORMATS = (TEXT, JSON)

_MOST_WAITING = 1000  # lines
_FLUSH_SECONDS = 0.5


class _Queue:
    """Lines on the way to the thread of the log. `_queue` would be a library to load for it."""

    def __init__(self) -> None:
        self._items: deque[Line | LockType] = deque()
        self._filled = allocate_lock()  # locked while the reader has seen all items

    def size(self) -> int:
        return len(self._items)

    def put(self, item: Line | LockType) -> None:
        """From any thread; never waits."""
        self._items.append(item)
        try:
            self._filled.release()
        except RuntimeError:
            pass  # another thread has done so, and the reader is yet to come

    def get(self) -> Line | LockType:
        """Wait for an item; for the thread of the log alone."""
        while not self._items:
            self._filled.acquire()
        return self._items.popleft()


class _Log:
    def __init__(self) -> None:
        self.level = LEVELS.index("info")
        self.json = False
        self.dropped = 0
        self.sink: Callable[[Line], None] | None = None
        self.queue: _Queue | None = None


_log = _Log()


def error(message: str, **fields: object) -> None:
    write("error", message, **fields)


def configure(level: str, style: str) -> None:
    """Write lines from a level of LEVELS on, in a style of FORMATS."""
    _log.level = LEVELS.index(level)
    _log.json = style == JSON


def divert(sink: Callable[[Line], None]) -> None:
    """Give all lines to `sink`, in place of standard error. It is called in the thread of the log,
    may wait, and may raise OSError.
    """
    _log.sink = sink


def wanted(level: str) -> bool:
    """Whether a line of this level would be written."""
    return LEVELS.index(level) >= _log.level


def debug(message: str, **fields: object) -> None:
    write("debug", message, **fields)


def info(message: str, **fields: object) -> None:
    write("info", message, **fields)


def warning(message: str, **fields: object) -> None:
    write("warning", message, **fields)


def write(level: str, message: str, **fields: object) -> None:
    """Write a line, soon; from any thread.

    The fields stand in JSON lines only, beside time, level, logger and message: texts, numbers and
    lists of them; empty fields are left out. `event` is the word for the subject of the line, which
    stays when the sentence changes. The others are service, version, previous, changed, pid,
    signal, method, reason, exit_code, duration_ms, source.
    """
    if not wanted(level):
        return
    fields.setdefault("event", "note")
    line = (time.time(), level, message, fields)
    queue = _log.queue or _begin()
    if queue is None:
        _write_briefly(formatted(line))
    elif queue.size() >= _MOST_WAITING:
        _log.dropped += 1
    else:
        queue.put(line)


class Faults:
    """Unexpected errors, contained where they happen: a line in the log for each kind."""

    def __init__(self) -> None:
        self._said: set[tuple[str, str, int]] = set()

    def say(self, what: str, fault: BaseException) -> str:
        """Log a failed deed once, as "cannot WHAT: WHY"; returns the sentence. Never raises."""
        number = fault.errno or 0 if isinstance(fault, OSError) else 0
        why = reason(fault) if number else f"internal error: {fault!r}"
        kind = (what, type(fault).__name__, number)
        sentence = f"cannot {what}: {why}"
        if kind not in self._said:
            self._said.add(kind)
            try:
                error(f"{sentence}; all else goes on", event="internal_error")
            except Exception:  # there is nowhere left to say it
                pass
        return sentence


def _begin() -> _Queue | None:
    """The queue of the log, whose thread starts now; None where there is no thread."""
    try:
        _log.queue = _Queue()
        start_new_thread(_write_lines, (_log.queue,))
    except RuntimeError:  # no process is left
        _log.queue = None
    return _log.queue


def flush() -> None:
    """Wait until all lines are written; half a second if standard error takes nothing."""
    if _log.queue is None:
        return
    done = allocate_lock()
    done.acquire()
    _log.queue.put(done)
    done.acquire(timeout=_FLUSH_SECONDS)


def capture() -> None:
    """Take over the lines of libraries through `logging` and `warnings`, from warnings on."""
    import logging

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            level = "error" if record.levelno >= logging.ERROR else "warning"
            write(level, f"{record.name}: {record.getMessage()}", event="library")

    logging.captureWarnings(capture=True)
    logging.basicConfig(handlers=[Handler(logging.WARNING)], level=logging.WARNING, force=True)


def clean(text: str) -> str:
    """A text as a line without an effect on a terminal or a parser."""
    if text.isprintable():
        return text
    line = " ".join(text.splitlines())
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)


def formatted(line: Line) -> bytes:
    """A line as standard error gets it."""
    at, level, message, fields = line
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)) + f".{int(at * 1000) % 1000:03d}Z"
    message = clean(message)
    if _log.json:
        import json

        told = {
            name: _plain(value) for name, value in fields.items() if value not in (None, "", (), [])
        }
        head = {"time": stamp, "level": level, "logger": "supervisor", "message": message}
        return json.dumps({**head, **told, **head}).encode() + b"\n"
    return f"{stamp} supervisor {level}: {message}\n".encode(errors="backslashreplace")


def _plain(value: object) -> object:
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return value if isinstance(value, (bool, int, float)) else clean(str(value))


def _write_lines(queue: _Queue) -> None:
    while True:
        item = queue.get()
        if not isinstance(item, tuple):
            item.release()
            continue
        sink = _log.sink or _write_line
        try:
            sink(item)
            if _log.dropped:
                dropped = _log.dropped
                _log.dropped = 0
                message = f"{dropped} lines dropped: the reader of the log takes too few"
                sink((time.time(), "warning", message, {"event": "log_dropped"}))
        except OSError:
            pass  # standard error is closed


def _write_line(line: Line) -> None:
    write_fully(formatted(line))


def write_fully(data: bytes, descriptor: int = 2) -> None:
    """Write all of it, and wait where that is full; not for the main thread. Raises OSError."""
    while data:
        try:
            data = data[os.write(descriptor, data) :]
        except BlockingIOError:
            import select

            poll = select.poll()
            poll.register(descriptor, select.POLLOUT)
            poll.poll()


def complain(
    message: str, *, style: str = TEXT, prefix: str = "supervisor: ", **fields: object
) -> None:
    """Write a line before the log is configured: usage errors. Never raises or blocks for long."""
    if style == JSON:
        _log.json = True
        _write_briefly(formatted((time.time(), "error", message, fields)))
    else:
        _write_briefly(f"{prefix}{clean(message)}\n".encode(errors="backslashreplace"))


def _write_briefly(data: bytes) -> None:
    # A pipe that polls as writable takes 4 KiB at least without blocking (pipe(7)).
    try:
        if _is_writable():
            os.write(2, data[:4096])
    except OSError:
        pass  # standard error is closed


def _is_writable() -> bool:
    try:
        import select
    except (ImportError, OSError):
        return True  # without a descriptor to import it, a line is worth the risk
    poll = select.poll()
    poll.register(2, select.POLLOUT)
    return bool(poll.poll(_FLUSH_SECONDS * 1000))
