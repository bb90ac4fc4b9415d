"""How single values of a supervisord.conf are written: text in, value out, ValueError if not.

Pure. Numbers are read by `int`, as supervisord reads them, so `1_000` and ` +5` are numbers.
"""

from __future__ import annotations

import shlex

from ..core.record import Record
from ..runtime import signals
from .plan import Condition, Restart, Sink

_TRUE = frozenset({"yes", "true", "on", "1"})
_FALSE = frozenset({"no", "false", "off", "0"})
_UNITS = {"kb": 1 << 10, "mb": 1 << 20, "gb": 1 << 30}
_MOST_EXIT_CODE = 255
_MOST_PORT = (1 << 16) - 1
_MOST_MODE = 0o7777
_MOST_NUMBER = (1 << 31) - 1  # of seconds, some 68 years: clocks and XML-RPC take no more
# A dependency that may fail is for stages of s6-overlay; here it is no dependency.
_CONDITIONS = tuple(one for one in Condition if one is not Condition.TRIED)
_MOST_QUOTED = 40  # characters of a wrong number
_NOT_IN_NAMES = " :/"
_NO_LOG = frozenset({"none", "off", ""})
# Our own descriptors by name: they are written to, and never opened.
_OUR_OUTPUT = frozenset({"/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "/proc/1/fd/1"})
_OUR_ERRORS = frozenset({"/dev/stderr", "/dev/fd/2", "/proc/self/fd/2", "/proc/1/fd/2"})
LOG_LEVELS = ("critical", "error", "warn", "info", "debug", "trace", "blather")


class Wanted(Record):
    """A dependency as written: a name and the condition behind it."""

    name: str
    condition: Condition = Condition.READY


def name(text: str) -> str:
    """A name of a process or group."""
    stripped = text.strip()
    for character in _NOT_IN_NAMES:
        if character in stripped:
            raise ValueError(f"{stripped!r} has a {character!r}, which no name may have")
    return stripped


def boolean(text: str) -> bool:
    word = text.lower()
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    raise ValueError(f"{text!r} is not true or false")


def integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"{_quoted(text)} is not a whole number") from None


def seconds(text: str) -> int:
    """A time in whole seconds, for clocks."""
    return _bounded(text, "seconds, some 68 years")


def descriptors(text: str) -> int:
    """A number of open files, for setrlimit(2)."""
    return _bounded(text, "open files")


def _bounded(text: str, unit: str) -> int:
    found = integer(text)
    if abs(found) > _MOST_NUMBER:
        raise ValueError(f"{_quoted(text)} is beyond {_MOST_NUMBER} {unit}")
    return found


def _quoted(text: str) -> str:
    if len(text) <= _MOST_QUOTED:
        return repr(text)
    return f"{text[:_MOST_QUOTED]!r} ({len(text) - _MOST_QUOTED} characters more)"


def byte_size(text: str) -> int:
    """A number with KB, MB, GB or nothing behind it."""
    unit = _UNITS.get(text.lower()[-2:], 0)
    try:
        return int(text[:-2]) * unit if unit else int(text)
    except ValueError:
        raise ValueError(
            f"{_quoted(text)} is not a size (examples: 0, 4096, 512KB, 50MB)"
        ) from None


def octal(text: str) -> int:
    """Permission bits."""
    try:
        mode = int(text, 8)
    except ValueError:
        raise ValueError(f"{text!r} is not an octal number (example: 022)") from None
    if not 0 <= mode <= _MOST_MODE:
        raise ValueError(f"{text!r} has bits beyond 07777")
    return mode


def exit_codes(text: str) -> tuple[int, ...]:
    if not text:
        return ()
    try:
        codes = tuple(map(int, text.split(",")))
    except ValueError:
        raise ValueError(f"{text!r} is not a list of exit codes (example: 0,2)") from None
    wrong = [code for code in codes if not 0 <= code <= _MOST_EXIT_CODE]
    if wrong:
        raise ValueError(f"{wrong[0]} is not an exit code (0 to {_MOST_EXIT_CODE})")
    return codes


def stop_signal(text: str) -> int:
    """A signal by name or number."""
    return signals.number(text)


def words(text: str) -> tuple[str, ...]:
    """A list with commas."""
    return tuple(word.strip() for word in text.split(",")) if text else ()


def command_words(text: str) -> tuple[str, ...]:
    """The words of a command line; no shell runs it."""
    try:
        found = tuple(shlex.split(text))
    except ValueError as error:
        raise ValueError(
            f"{text!r} is not a command: {str(error).lower()}; a comment begins at each ; or #"
            " behind white space, in quotes too"
        ) from None
    if not found:
        raise ValueError("it is empty")
    return found


def auto_restart(text: str) -> Restart:
    word = text.lower()
    if word == "unexpected":
        return Restart.ON_FAILURE
    if word in _TRUE or word in _FALSE:
        return Restart.ALWAYS if word in _TRUE else Restart.NEVER
    raise ValueError(f"{text!r} is not true, false or unexpected")


def restart(text: str) -> Restart:
    for policy in Restart:
        if text.strip().lower() == policy:
            return policy
    raise ValueError(f"{text!r} is not one of {', '.join(Restart)}")


def sink(text: str) -> Sink:
    """The kind of a log file."""
    word = text.lower()
    if word in _NO_LOG:
        return Sink.NONE
    if word in (Sink.AUTO, Sink.SYSLOG):
        return Sink.AUTO if word == Sink.AUTO else Sink.SYSLOG
    if text in _OUR_OUTPUT:
        return Sink.OUTPUT
    return Sink.ERRORS if text in _OUR_ERRORS else Sink.FILE


def log_level(text: str) -> str:
    level = text.lower()
    if level not in LOG_LEVELS:
        raise ValueError(f"{text!r} is not one of {', '.join(LOG_LEVELS)}")
    return level


def internet_address(text: str) -> tuple[str, int]:
    """`PORT`, `*:PORT` or `HOST:PORT`; the host is empty for all addresses."""
    host, _, port_text = text.rpartition(":")
    try:
        port = int(port_text)
    except ValueError:
        port = 0
    if not 1 <= port <= _MOST_PORT:
        raise ValueError(f"{text!r} is not HOST:PORT (examples: 9001, *:9001, 127.0.0.1:9001)")
    host = host.lower()
    return "" if host == "*" else host, port


def config_keys(text: str) -> tuple[str, ...]:
    """`nginx.conf, conf.d/*`: patterns of keys."""
    found = tuple(filter(None, map(str.strip, text.replace(",", "\n").split("\n"))))
    for pattern in found:
        if pattern.startswith("/") or ".." in pattern.split("/"):
            raise ValueError(f"{pattern!r} is no key: keys are relative paths without '..'")
    if not found:
        raise ValueError("it is empty; remove it for all keys")
    return found


def wanted(text: str) -> tuple[Wanted, ...]:
    """`db, migrate:completed`."""
    found = []
    for word in filter(None, map(str.strip, text.split(","))):
        target, colon, condition = word.partition(":")
        if colon and condition.strip() not in _CONDITIONS:
            names = ", ".join(_CONDITIONS)
            raise ValueError(f"{word!r} is not NAME:CONDITION; conditions: {names}")
        states = [one for one in _CONDITIONS if one == condition.strip()]
        found.append(Wanted(target.strip(), *states))
    return tuple(found)
