"""How single values are written: text in, value out, ValueError with a sentence if it cannot be.

Pure: nothing here looks at the world, so a path is not checked for existence nor a user looked up.
"""

from __future__ import annotations

from ..core import signal_numbers
from ..core.errors import reason
from ..core.record import Record
from ..runtime import signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..core.reload_windows import ReloadWindow

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DIGITS = "0123456789"
_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-.")
_HOST_CHARACTERS = _NAME_CHARACTERS | frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ_")
_IPV6_CHARACTERS = frozenset("0123456789abcdefABCDEF:.")
_MOST_SECONDS = 10 * 365 * 24 * 3600.0  # clocks and system calls take no more than some 290 years
_MOST_ID = 2**32 - 2  # of a user or a group; the next number means "none" to the kernel (chown(2))
_MOST_PORT = 2**16 - 1
_MOST_DIGITS = 100  # of a number, leading zeros included
_MOST_SOCKET_PATH = 107  # bytes: sun_path of unix(7) with its NUL


class ObjectName(Record):
    """`[NS/]NAME[:SUBDIR]`; empty namespace or subdir when not given."""

    namespace: str
    name: str
    subdir: str


def duration(text: str) -> float:
    """`500ms`, `2s`, `1h30m` or 0, as seconds: as Go's time.ParseDuration has it, without a
    sign and without units below a millisecond.
    """
    rest = text.strip()
    seconds = 0.0
    while rest:
        number = rest[: len(rest) - len(rest.lstrip(_DIGITS + "."))]
        rest = rest[len(number) :]
        unit = "ms" if rest.startswith("ms") else rest[:1]
        rest = rest[len(unit) :]
        try:
            seconds += float(number) * _UNITS[unit]
        except (ValueError, KeyError):
            break
    else:
        if text.strip():
            return _bounded(text, seconds)
    if text.strip() and not text.strip().strip("0"):
        return 0.0
    raise ValueError(f"{text!r} is not a duration (examples: 500ms, 2s, 1h30m)")


def _bounded(text: str, seconds: float) -> float:
    if seconds > _MOST_SECONDS:
        raise ValueError(f"{text!r} is longer than 10 years ({_MOST_SECONDS / _UNITS['h']:g}h)")
    return seconds


def reload_window(text: str) -> ReloadWindow:
    from . import window_format  # the library of zones is for a window only

    return window_format.parse(text)


def signal_number(text: str) -> int:
    return signals.number(text)


def caught_signal(text: str) -> int:
    """A signal for which a program can have a handler."""
    number = signals.number(text)
    if number in signal_numbers.UNCATCHABLE:
        raise ValueError(
            f"{text!r} cannot be caught by any program; name a signal on which the app reloads"
        )
    return number


def ending_signal(text: str) -> int:
    """A signal to end a program with; KILL ends it at once."""
    number = signals.number(text)
    if number == signal_numbers.STOP:
        raise ValueError(f"{text!r} ends no program: it freezes it, and cannot be caught")
    return number


def rewrite(text: str) -> tuple[int, int]:
    """`FROM:TO`, TO may be 0."""
    source, colon, target = text.partition(":")
    if not colon:
        raise ValueError(f"{text!r} is not FROM:TO (example: TERM:QUIT; TO 0 drops the signal)")
    number = signals.number(source)
    if number not in signals.FORWARDED:
        raise ValueError(f"{signals.name(number)} is never forwarded, so it cannot be rewritten")
    return number, 0 if target.strip() == "0" else signals.number(target)


def object_name(text: str) -> ObjectName:
    """A ConfigMap or Secret, RFC 1123 names as the API server demands them."""
    path, _, subdir = text.partition(":")
    parts = path.split("/")
    if len(parts) > 2:
        raise ValueError(
            f"{text!r} has {len(parts)} parts where [NAMESPACE/]NAME[:SUBDIR] is expected"
        )
    if len(parts) == 2 and not parts[0]:
        raise ValueError(f"{text!r} has an empty namespace; leave out the slash for the pod's own")
    name = parts[-1]
    where = namespace(parts[0]) if len(parts) == 2 else ""
    if not _is_dns_name(name, 253):
        raise ValueError(f"{name!r} is not an object's name (lower case letters, digits, - and .)")
    return ObjectName(where, name, _below(subdir.removesuffix("/")) if subdir else "")


def _below(path: str) -> str:
    """A path below configroot; raises ValueError for any other."""
    from ..core.content import check_path

    check_path(path)
    return path


def lease_name(text: str) -> str:
    """An object in the pod's namespace, an RFC 1123 name as the API server demands it."""
    name = text.strip()
    if not _is_dns_name(name, 253):
        raise ValueError(f"{name!r} is not an object's name (lower case letters, digits, - and .)")
    return name


def namespace(text: str) -> str:
    if "." in text or not _is_dns_name(text, 63):
        raise ValueError(f"{text!r} is not a namespace (lower case letters, digits and -)")
    return text


def _is_dns_name(text: str, most: int) -> bool:
    ends = text[:1] + text[-1:]
    return 0 < len(text) <= most and _NAME_CHARACTERS.issuperset(text) and not set(ends) & set("-.")


def mapping(text: str) -> tuple[str, str]:
    key, equals, target = text.partition("=")
    if not (key and equals and target):
        raise ValueError(f"{text!r} is not KEY=PATH")
    return key, _below(target)


def mode(text: str) -> int:
    """Octal permissions, with or without a leading 0 or 0o."""
    digits = text.strip().removeprefix("0o")
    if not digits or not set(digits) <= set("01234567") or int(digits, 8) > 0o7777:
        raise ValueError(f"{text!r} is not an octal mode (example: 0640)")
    return int(digits, 8)


def umask(text: str) -> int:
    """An octal mask of permission bits (umask(2) takes no others)."""
    mask = mode(text)
    if mask > 0o777:
        raise ValueError(f"{text!r} is not a umask: it has bits beyond 0777")
    return mask


def user(text: str) -> tuple[str, str]:
    """`USER[:GROUP]` as two words, the second empty when not given; names are looked up later."""
    name, colon, group = text.strip().partition(":")
    if not name or (colon and not group):
        raise ValueError(f"{text!r} is not USER[:GROUP]")
    for one in (name, group):
        if one.isdecimal() and not _is_number(one, _MOST_ID):
            raise ValueError(f"{one!r} is not the number of a user or group (0 to {_MOST_ID})")
    return name, group


def listen(text: str) -> tuple[str, int]:
    """`[HOST]:PORT` with an IPv6 host in brackets, a bare PORT, or `off` (port -1)."""
    if text.strip() == "off":
        return "", -1
    host, _, port = text.strip().rpartition(":")
    if not _is_number(port, _MOST_PORT):
        raise ValueError(
            f"{text!r} is not [HOST]:PORT or off (examples: :9911, 127.0.0.1:9911, [::1]:9911)"
        )
    bare = host.removeprefix("[").removesuffix("]")
    allowed = _IPV6_CHARACTERS if host != bare or ":" in host else _HOST_CHARACTERS
    if (
        host not in (bare, f"[{bare}]")
        or not allowed.issuperset(bare.partition("%")[0])
        or (host and not bare)
    ):
        raise ValueError(
            f"{host!r} in {text!r} is not a host; an IPv6 address stands in brackets ([::1]:9911)"
        )
    return bare, int(port)


def command(text: str) -> tuple[str, ...]:
    """A command line as a shell would split it; no shell runs it."""
    import shlex

    try:
        argv = tuple(shlex.split(text))
    except ValueError as error:
        raise ValueError(f"{text!r} is not a command: {reason(error)}") from None
    if not argv:
        raise ValueError("it is empty")
    return argv


def check(text: str) -> str:
    """A command, `tcp:[HOST:]PORT`, a URL, or the name of a verifier, which may have a URL behind
    it.

    A mistyped URL would be taken for a command. The message repeats neither credentials nor a
    query.
    """
    scheme, mark, rest = word(text).strip().partition("://")
    prefix, colon, scheme = scheme.rpartition(":")
    if not mark or any(c.isspace() for c in scheme):
        return text
    if scheme.lower() not in ("http", "https") or prefix not in ("", "prometheus"):
        place = rest.partition("?")[0].rpartition("@")[2]
        raise ValueError(
            f"'{prefix}{colon}{scheme}://{place}' is not a URL that can be asked: http:// or"
            " https://"
        )
    return f"{prefix}{colon}{scheme.lower()}://{rest}"


def exit_code(text: str) -> int:
    return _number(text, 255, "an exit code (0 to 255)")


def versions(text: str) -> int:
    number = _number(text, 100, "a number from 1 to 100")
    if not number:
        raise ValueError(f"{text!r} is not a number from 1 to 100")
    return number


def count(text: str) -> int:
    return _number(text, 1000, "a number")


def _number(text: str, most: int, what: str) -> int:
    if not _is_number(text.strip(), most):
        raise ValueError(f"{text!r} is not {what}")
    return int(text)


def _is_number(text: str, most: int) -> bool:
    """Whether a text is a whole number up to `most`; int() refuses numbers of thousands of digits
    with other words.
    """
    return text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS and int(text) <= most


def switch(text: str) -> bool:
    words = {
        "1": True,
        "true": True,
        "yes": True,
        "on": True,
        "0": False,
        "false": False,
        "no": False,
        "off": False,
    }
    if text.strip().lower() not in words:
        raise ValueError(f"{text!r} is not true or false")
    return words[text.strip().lower()]


def word(text: str) -> str:
    if not text.strip():
        raise ValueError("it is empty")
    return text


def path(text: str) -> str:
    if not text.strip() or "\0" in text:
        raise ValueError(f"{text!r} is not a path")
    return text


def socket_path(text: str) -> str:
    if len(path(text).encode(errors="surrogateescape")) > _MOST_SOCKET_PATH:
        raise ValueError(
            f"{text!r} is longer than the {_MOST_SOCKET_PATH} bytes that the path of a socket may"
            " have"
        )
    return text


def choice(*words: str, **synonyms: str) -> Callable[[str], str]:
    """A parser for these words in either case; a synonym stands for a word."""

    def parse(text: str) -> str:
        word = text.strip().lower()
        word = synonyms.get(word, word)
        if word not in words:
            raise ValueError(f"{text!r} is not one of {', '.join(words)}")
        return word

    return parse
