"""Whether the program of a hook is there, looked up before the app starts: an answer only where it
is sure.

A program on a file system that hangs, below a directory that changes, or found by a relative path
is not judged.
"""

from __future__ import annotations

import os
import stat

from ..core.errors import StartError
from ..runtime import threads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .spawning import Command

_PATIENCE = 1.0  # seconds for a file system that hangs: the app's start does not wait for it


def check(
    hooks: Iterable[tuple[str, Sequence[str]]], command: Command, changing: Sequence[str]
) -> None:
    """Raises StartError for the first program of `hooks`, pairs of option and command line, that
    cannot be run.

    They run as `command` does: with its PATH. What lies below the `changing` directories may come
    later.
    """
    answered, wrong = threads.Gate(), list[str]()

    def look() -> None:
        try:
            for option, argv in hooks:
                why = missing(argv[0], command.env.get("PATH", "/bin:/usr/bin"), changing)
                if why:
                    wrong.append(f"cannot run {argv[0]} ({option}): {why}")
        finally:
            answered.open()

    try:
        threads.start(look, "programs")
    except RuntimeError:
        return  # no thread is to be had: it is not known
    answered.wait(_PATIENCE)
    if wrong:
        raise StartError(f"{wrong[0]}; correct the option, or put the program into the image")


def missing(program: str, path: str, changing: Sequence[str] = ()) -> str:
    """Why it cannot be run; empty if it can, or where that is not sure."""
    folders = [""] if "/" in program else path.split(":")
    why = "no such file" if "/" in program else f"not found in PATH ({path})"
    for candidate in (os.path.join(folder, program) for folder in folders):
        if not os.path.isabs(candidate) or any(
            f"{candidate}/".startswith(f"{one}/") for one in changing
        ):
            return ""
        try:
            found = os.stat(candidate)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:
            return ""
        if not stat.S_ISREG(found.st_mode):
            why = "it is a directory" if stat.S_ISDIR(found.st_mode) else "it is no file"
        elif found.st_mode & 0o111:
            return ""
        else:
            why = "it is not executable"
    return why
