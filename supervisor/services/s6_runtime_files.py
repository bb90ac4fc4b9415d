"""Writes the files of s6-overlay that scripts of a tree expect, and reads the exit code at the end.

A file that cannot be written is a warning: trees without scripts that need it run on.
"""

from __future__ import annotations

import os
import shutil

from ..core.errors import reason
from ..runtime import log
from . import s6_runtime
from .ini_file import Place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from .s6_runtime import Runtime
    from .verdicts import Verdicts

_PROGRAM = 0o755
_PLAIN = 0o644
_ENCODING = "utf-8"
_MOST_CODE_BYTES = 64  # of the exit code file


def write(runtime: Runtime, environ: Mapping[str, str], verdicts: Verdicts) -> str:
    """The variables, the programs that stop the container, and the place of the exit code; the
    reason why they cannot be written, else "".
    """
    directory = runtime.environment_directory
    try:
        shutil.rmtree(directory, ignore_errors=True)
        if runtime.writes_environment:
            os.makedirs(directory, exist_ok=True)
            for name, value in s6_runtime.variables(environ).items():
                _write(f"{directory}/{name}", value, _PLAIN)
        for path, text in s6_runtime.orders(runtime, os.getpid()).items():
            os.makedirs(os.path.dirname(path), exist_ok=True)
            _write(path, text, _PROGRAM)
        if not os.path.lexists(runtime.old_scan_directory):
            os.makedirs(os.path.dirname(runtime.old_scan_directory), exist_ok=True)
            os.symlink(runtime.scan_directory, runtime.old_scan_directory)
        os.makedirs(os.path.dirname(runtime.exit_code_file), exist_ok=True)
        if os.path.lexists(runtime.exit_code_file):
            os.unlink(runtime.exit_code_file)  # of an earlier start of the container
    except OSError as error:
        name = error.filename if isinstance(error.filename, str) else directory
        verdicts.warn(
            Place(name),
            f"cannot be written: {reason(error)}; scripts that need with-contenv, halt, an exit"
            " code file, s6-svc or s6-notifyoncheck fail; mount a tmpfs at /run",
        )
        return reason(error)
    return ""


def write_programs(runtime: Runtime, verdicts: Verdicts) -> None:
    """with-contenv and printcontenv, where the image has none."""
    for path, text in s6_runtime.programs(runtime).items():
        if os.path.lexists(path):
            continue
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            _write(path, text, _PROGRAM)
        except OSError as error:
            verdicts.warn(
                Place(path),
                f"is not in the image, and cannot be written: {reason(error)}; scripts that begin"
                " with it fail; keep s6-overlay's programs in the image",
            )


def exit_code(runtime: Runtime, code: int) -> int:
    """The exit code of the container: that of the file, where a script has written one."""
    path = runtime.exit_code_file
    try:
        with open(path, "rb") as file:
            text = file.read(_MOST_CODE_BYTES).decode("ascii", "replace")
    except FileNotFoundError:
        return code
    except OSError as error:
        log.warning(
            f"cannot read {path}: {reason(error)}; the exit code is {code}", event="exit_code_file"
        )
        return code
    found = s6_runtime.exit_code(text)
    if found is None:
        log.warning(
            f"cannot use {path}: {text.strip()!r} is no exit code; the exit code is {code}",
            event="exit_code_file",
        )
        return code
    return found


def _write(path: str, text: str, mode: int) -> None:
    """Replace a file at once: a link or a program that runs there stays as it is."""
    temporary = f"{path}.new"
    with open(temporary, "w", encoding=_ENCODING, errors="surrogateescape", newline="") as file:
        file.write(text)
        os.fchmod(file.fileno(), mode)
    os.rename(temporary, path)
