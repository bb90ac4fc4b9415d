"""The programs of hooks, looked up before the app starts: is each there, and executable?

It answers only where the answer is sure: a program on a file system that hangs, below a directory
that changes, or behind a relative path passes. It runs nothing.
"""

from __future__ import annotations

import os
import stat

from ..core.errors import IS_DIRECTORY, StartError
from ..runtime import threads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .spawning import Command

NOWHERE = ("no such file", "not found in PATH")  # begin a reason of `missing`
_PATIENCE = 1.0  # seconds for a file system that hangs: the app's start does not wait for it


def check(
    hooks: Iterable[tuple[str, Sequence[str]]], command: Command, changing: Sequence[str]
) -> None:
    """Raises StartError for the first program of `hooks` that cannot run.

    `hooks` are pairs of option and command line, which run with the PATH of `command`. Files below
    the `changing` directories may come later.
    """
    answered = threads.Gate()
    wrong: list[str] = []

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
        return  # without a thread the answer is not known
    answered.wait(_PATIENCE)
    if wrong:
        raise StartError(f"{wrong[0]}; correct the option, or put the program into the image")


def missing(program: str, path: str, changing: Sequence[str] = ()) -> str:
    """Why a program cannot run; empty if it can, or where the answer is not sure."""
    folders = [""] if "/" in program else path.split(":")
    why = NOWHERE[0] if "/" in program else f"{NOWHERE[1]} ({path})"
    for candidate in (os.path.join(folder, program) for folder in folders):
        if not os.path.isabs(candidate) or any(
            f"{candidate}/".startswith(f"{directory}/") for directory in changing
        ):
            return ""
        try:
            found = os.stat(candidate)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:
            return ""
        if not stat.S_ISREG(found.st_mode):
            why = IS_DIRECTORY if stat.S_ISDIR(found.st_mode) else "it is not a file"
        elif found.st_mode & 0o111:
            return ""
        else:
            why = "it is not executable"
    return why
