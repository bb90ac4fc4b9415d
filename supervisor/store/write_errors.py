"""Errors of writing to a directory, as sentences with a remedy for each kind.

Owns the reasons of a failed write; it touches no file. The words of the system come from
`core.errors`.
"""

from __future__ import annotations

import errno
import posix

from ..core.content import shown
from ..core.errors import reason
from ..core.outcomes import ApplyFailure
from ..core.paths import base_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

_ADVICE = {
    errno.ENOSPC: "free some space on that volume, or make it larger",
    errno.EDQUOT: "free some of the quota, or raise it",
    errno.EROFS: "mount a writable volume there, for example an emptyDir",
    errno.ENAMETOOLONG: "shorten the name, or place the key elsewhere with --map",
    errno.EFBIG: "raise the limit of file sizes (ulimit -f), or split the file",
    errno.E2BIG: "leave files out of the configuration, or split it",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENOTDIR: "give a directory",
    errno.EEXIST: "give a directory",
}
_WHOLE = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EROFS,
    errno.EIO,
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOMEM,
)
_REASONS = {
    errno.EFBIG: ApplyFailure.TOO_LARGE,
    errno.E2BIG: ApplyFailure.TOO_LARGE,
    errno.ENAMETOOLONG: ApplyFailure.BAD_KEY,
    errno.EILSEQ: ApplyFailure.BAD_KEY,
}


class ApplyError(Exception):
    """A version is not in place, and the live files are unchanged. The message has the reason and a
    remedy; `words` quotes another program.
    """

    def __init__(self, reason: ApplyFailure, message: str, words: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.words = words


class Explaining:
    """For `with`: an OSError becomes an ApplyError with a sentence for people."""

    def __init__(self, verb: str, path: str, *, giving: bool) -> None:
        """`verb` is the action on `path`; `giving`: files go to another owner."""
        self._verb = verb
        self._path = path
        self._giving = giving

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, _kind: object, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if not isinstance(error, OSError):
            return
        code = error.errno or 0
        if code == errno.EPERM and self._giving:
            advice = "only root may give files to another user: run as root, or leave --owner out"
        elif code in (errno.EACCES, errno.EPERM):
            advice = (
                f"uid {posix.geteuid()} must be allowed to write there: set fsGroup, or run as its"
                " owner"
            )
        else:
            advice = _ADVICE.get(code, "look at that volume")
        message = f"cannot {self._verb} {self._path}: {_named(error)}; {advice}"
        raise ApplyError(_REASONS.get(code, ApplyFailure.WRITE), message) from error


def _named(error: OSError) -> str:
    """The reason with the name of the file, the same at every try."""
    name = error.filename
    # No single file fills a disk, and our own names with '..' differ each time.
    if not isinstance(name, str) or error.errno in _WHOLE or base_name(name).startswith(".."):
        return reason(error)
    return f"{shown(name)}: {reason(error)}"
