"""Errors that cross packages: each carries a sentence for the user and leads to one exit code.

And the one maker of sentences from errors of the system.
"""

from __future__ import annotations

import errno
import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .events import Event

# Exit codes, as shells and env(1) have them: the one table that the program reads.
FAILED = 1  # a service failed for good although its programs ended with 0
USAGE = 2
TIMED_OUT = 124  # timeout(1)
CANNOT_RUN = 125  # the supervisor itself failed
NOT_EXECUTABLE = 126
NOT_FOUND = 127
BY_SIGNAL = 128  # plus the number of the signal

# The ends of sentences about a program that cannot run, for causes without a code of their own.
IS_DIRECTORY = "it is a directory"
NO_INTERPRETER = (
    "the file is there, but its interpreter (the #! line, or the ELF loader) or the target of a"
    " link is not"
)


class UsageError(Exception):
    """The value of an option cannot be understood or used; the message says which and why."""

    code = USAGE


class NoCommand(UsageError):
    """There is no program to run, and no option that does without one."""


class StartError(Exception):
    """We cannot run; the message says why and what to do. Exit code 125."""


class RulesFailed(Exception):
    """The rules raised an error for an event that they must not miss."""

    def __init__(self, event: Event | None) -> None:
        super().__init__(f"{event!r}")
        self.event = event


class SpawnError(Exception):
    """The program could not be started.

    `code` is the exit code of a shell; `short`: processes, memory or descriptors were short, or the
    file is being written, so the next try may work.
    """

    def __init__(self, code: int, message: str, *, short: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.short = short


# Of descriptors, memory or processes: the same call may succeed in a moment.
SHORTAGES = frozenset({errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE})


def is_shortage(error: BaseException) -> bool:
    """Whether a deed failed for a shortage, an import of a shared library among them."""
    if isinstance(error, OSError):
        return error.errno in SHORTAGES
    loaded = isinstance(error, ImportError) and posix.strerror(errno.EMFILE) in str(error)
    return loaded or isinstance(error, MemoryError)


def reason(error: BaseException) -> str:
    """The words of an error as the end of a sentence: no number, no file name, no capital."""
    words = str(getattr(error, "strerror", None) or error)
    if not words:
        return type(error).__name__
    return words if words[1:2].isupper() else words[:1].lower() + words[1:]
