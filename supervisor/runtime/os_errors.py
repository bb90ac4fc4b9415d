"""What a disk refuses, in sentences for people that say what to do about it."""

from __future__ import annotations

import errno
import os

from ..core.content import shown

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
    errno.EFBIG: "too_large",
    errno.E2BIG: "too_large",
    errno.ENAMETOOLONG: "bad_key",
    errno.EILSEQ: "bad_key",
}


class FilesError(Exception):
    """What is live is as it was. The message says why and what to do.

    `reason` is write, hook, bad_key, too_large, validate or failed; `words` are those of another
    program.
    """

    def __init__(self, reason: str, message: str, words: str = "") -> None:
        super().__init__(message)
        self.reason, self.words = reason, words


class Saying:
    """Turns an OSError that leaves a `with` into a FilesError with a sentence for people."""

    def __init__(self, verb: str, path: str, *, giving: bool) -> None:
        """`verb` is what is done to `path`; `giving`: files are given to another owner."""
        self._verb, self._path, self._giving = verb, path, giving

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
                f"uid {os.geteuid()} must be allowed to write there: set fsGroup, or run as its"
                " owner"
            )
        else:
            advice = _ADVICE.get(code, "look at that volume")
        message = f"cannot {self._verb} {self._path}: {reason(error)}; {advice}"
        raise FilesError(_REASONS.get(code, "write"), message) from error


def reason(error: OSError) -> str:
    """What the system said, as the end of a sentence that is the same at every try."""
    what = error.strerror or str(error)
    name = error.filename
    # Of a full disk no single file is the cause, and names of ours that begin with '..' are others
    # each time.
    named = (
        isinstance(name, str)
        and error.errno not in _WHOLE
        and not os.path.basename(name).startswith("..")
    )
    return f"{f'{shown(name)}: ' if named else ''}{what[:1].lower()}{what[1:]}"
