"""Environments as execve(2) takes them: all entries in order, doubles and odd ones included.

`os.environ` drops doubles. This module reads our own environment and env files; it does not know
the variables of this program.
"""

from __future__ import annotations

import errno
import posix
import sys
from _stat import S_ISFIFO

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_MOST_BYTES = 1 << 24  # of an env file, far above what execve(2) takes
_PIECE = 1 << 16
_PATIENCE = 2.0  # seconds for a pipe to have bytes
_SEPARATORS = "\x1c\x1d\x1e\x1f"  # white space to Python, not to docker (unicode.IsSpace)


class Environment:
    """The environment of a program to start. A mapping as far as posix.execve needs it."""

    def __init__(self, entries: Iterable[bytes] = ()) -> None:
        self._entries = list(entries)
        self._ctypes: Any = None
        self._libc: Any = None

    def get(self, name: str, default: str = "") -> str:
        """The value of a variable; the first entry counts, as for getenv(3)."""
        start = encode(name) + b"="
        return next(
            (decode(entry[len(start) :]) for entry in self._entries if entry.startswith(start)),
            default,
        )

    def set(self, name: str, value: str) -> None:
        """Give a variable one value."""
        entry = encode(f"{name}={value}")
        places = [index for index, one in enumerate(self._entries) if _name(one) == encode(name)]
        if places:
            self._entries[places[0]] = entry
            for index in reversed(places[1:]):
                del self._entries[index]
        else:
            self._entries.append(entry)

    def plus(self, name: str, value: str) -> Environment:
        """A copy with another variable, as well prepared as this environment."""
        copy = Environment(self._entries)
        copy._ctypes = self._ctypes
        copy._libc = self._libc
        copy.set(name, value)
        return copy

    def remove(self, names: Iterable[str]) -> None:
        """Remove variables."""
        gone = {encode(name) for name in names}
        self._entries = [one for one in self._entries if _name(one) not in gone]

    def hand_on_sockets(self, parent: int, child: int) -> None:
        """Hand sockets that were passed to the parent on to the child (sd_listen_fds(3))."""
        if self.get("LISTEN_PID") == str(parent):
            self.set("LISTEN_PID", str(child))
            self.remove(["LISTEN_PIDFDID"])

    def prepare(self) -> None:
        """Import the modules of `execve`; before a fork."""
        if not all(_can_be_split(one) for one in self._entries):
            import ctypes

            self._ctypes = ctypes
            self._libc = ctypes.CDLL(None, use_errno=True)

    def execve(self, path: str, argv: tuple[str, ...]) -> None:
        """Become a program with this environment. Raises OSError."""
        if self._ctypes is None:
            posix.execve(path, argv, self)  # type: ignore[arg-type]
        else:
            strings = self._ctypes.c_char_p
            words = (strings * (len(argv) + 1))(*map(encode, argv), None)
            entries = (strings * (len(self) + 1))(*self._entries, None)
            self._libc.execve(encode(path), words, entries)
            number = self._ctypes.get_errno()
            raise OSError(number, posix.strerror(number))

    # The mapping for posix.execve, which joins each key and value by "="; a key may begin with "=".

    def keys(self) -> list[bytes]:
        return [_name(one) for one in self._entries]

    def values(self) -> list[bytes]:
        return [one[len(_name(one)) + 1 :] for one in self._entries]

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, name: str) -> str:
        return self.get(name)


def _name(entry: bytes) -> bytes:
    """The part before the `=`; names of Wine and Windows begin with `=`."""
    return entry[:1] + entry[1:].partition(b"=")[0]


def _can_be_split(entry: bytes) -> bool:
    """Whether posix.execve can express the entry."""
    return b"=" in entry[1:]


def encode(text: str) -> bytes:
    """The bytes of a text of the kernel, as `os.fsencode` has it."""
    return text.encode(sys.getfilesystemencoding(), "surrogateescape")


def decode(entry: bytes) -> str:
    """The text of bytes of the kernel, as `os.fsdecode` has it."""
    return entry.decode(sys.getfilesystemencoding(), "surrogateescape")


def variables() -> dict[str, str]:
    """The variables of our start, as `os.environ` has them."""
    return {decode(name): decode(value) for name, value in posix.environ.items()}


def own() -> Environment:
    """The environment of our start; the interpreter adds LC_CTYPE to os.environ in the C locale
    (PEP 538).
    """
    try:
        with open("/proc/self/environ", "rb") as file:
            return Environment(file.read().split(b"\0")[:-1])
    except OSError:
        return Environment(name + b"=" + value for name, value in posix.environ.items())


def read_file(path: str) -> list[tuple[str, str]]:
    """Names and values of an env file, as docker reads it: literal values, `#` begins a comment
    line.

    A name alone stands for our own variable, which the app inherits anyway. Raises OSError, and
    ValueError for a line of another form.
    """
    lines = _read_all(path).removeprefix(_BYTE_ORDER_MARK).split(b"\n")
    found = []
    for number, raw in enumerate(lines, 1):
        line = _without_indent(decode(raw.removesuffix(b"\r")))
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not name or any(map(_is_space, name)) or "\0" in line:
            raise ValueError(f"line {number} is not KEY=VALUE")
        if equals:
            found.append((name, value))
    return found


def _read_all(path: str) -> bytes:
    """The bytes of a file, or of a pipe that has a writer (`<(...)` of a shell). Raises OSError.

    A TERM waits for it: a FIFO without a writer is an error at once, a silent writer soon.
    """
    descriptor = posix.open(path, posix.O_RDONLY | posix.O_NONBLOCK | posix.O_CLOEXEC)
    data = b""
    try:
        if S_ISFIFO(posix.fstat(descriptor).st_mode) and not _is_ready(descriptor):
            raise OSError(errno.EAGAIN, "it is a FIFO, and nothing was written to it")
        while piece := _read_piece(descriptor):
            data += piece
            if len(data) > _MOST_BYTES:
                raise OSError(errno.EFBIG, f"it has more than {_MOST_BYTES} bytes")
    finally:
        posix.close(descriptor)
    return data


def _read_piece(descriptor: int) -> bytes:
    try:
        return posix.read(descriptor, _PIECE)
    except BlockingIOError:
        if _is_ready(descriptor):
            return posix.read(descriptor, _PIECE)
        raise OSError(errno.EAGAIN, "its writer fell silent") from None


def _is_ready(descriptor: int) -> bool:
    """Whether a pipe has bytes or an end to read, in time."""
    import select

    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(_PATIENCE * 1000))


def _without_indent(line: str) -> str:
    start = next(
        (index for index, character in enumerate(line) if not _is_space(character)), len(line)
    )
    return line[start:]


def _is_space(character: str) -> bool:
    return character.isspace() and character not in _SEPARATORS
