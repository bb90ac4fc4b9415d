#!/opt/supervisor/bin/python3 -I
"""supervisor-install: copies its own tree into a volume, for the containers that mount it.

An init container runs it, and the app's container mounts the volume, at /opt/supervisor for
example:

    DIR/.versions/XXXX/{bin,lib,share}    a version
    DIR/current                           a link to the version in use
    DIR/{share,lib,bin}                   links through `current`

Nothing has its final name before the copy is complete: the first time `bin` appears last, and later
one rename of `current` exchanges everything. Running programs keep the previous version, which
stays until the next install. The next run removes a copy that was cut off. Must not know the
program.
"""

from __future__ import annotations

import errno
import fcntl
import filecmp
import os
import shutil
import sys
import time

HOME = os.path.dirname(
    os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
)  # TREE/lib/programs/NAME
PARTS = ("share", "lib", "bin")  # in the order in which they appear
USAGE = """\
usage: supervisor-install DIR

Copies the supervisor into DIR, a volume. The app's container mounts the volume anywhere, and
starts bin/supervisor from there. The same version in DIR stays untouched; another version is
replaced in one step.

exit codes: 0; 1: failed, and DIR shows what it showed before; 2: usage
"""


class InstallError(Exception):
    """The reason why it cannot be installed, and the remedy."""


def main(words: list[str]) -> int:
    """Run with these arguments; returns the exit code."""
    if words in (["-h"], ["--help"]):
        sys.stdout.write(USAGE)
        return 0
    if len(words) != 1 or words[0].startswith("-"):
        sys.stderr.write(USAGE)
        return 2
    os.umask(0o022)  # the app may be of another user
    try:
        said = install(words[0])
    except InstallError as error:
        sys.stderr.write(f"supervisor-install: {error}\n")
        return 1
    sys.stdout.write(f"{said}\n")
    return 0


def install(target: str) -> str:
    """Install this version in `target`, an existing directory; returns a sentence about the result.
    Raises InstallError.
    """
    try:
        # Of two at once (two pods on one volume) the second waits, and then finds the work done.
        lock = os.open(target, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            return _install(target)
        finally:
            os.close(lock)
    except OSError as error:
        raise InstallError(f"cannot install into {target}: {_reason(error, target)}") from error


def _install(target: str) -> str:
    for name in (*PARTS, "current"):
        path = os.path.join(target, name)
        if os.path.lexists(path) and not _link_of(path).startswith((".versions/", "current/")):
            raise InstallError(
                f"cannot install into {target}: {path} is not of supervisor-install; use an empty"
                " volume"
            )
    versions = os.path.join(target, ".versions")
    os.makedirs(versions, exist_ok=True)
    live = _link_of(os.path.join(target, "current"))
    if live and _same(HOME, os.path.join(target, live)):
        _show(target)
        return f"{target} has this version already"
    for name in os.listdir(versions):  # first, so that at most two exist
        if not name.startswith(".") and os.path.join(".versions", name) != live:
            shutil.rmtree(os.path.join(versions, name))
    copy = _copy(versions)
    _link(os.path.join(".versions", os.path.basename(copy)), os.path.join(target, "current"))
    _show(target)
    return f"installed into {target}"


def _copy(versions: str) -> str:
    copy = os.path.join(versions, str(time.time_ns()))
    try:
        for folder, _, names in os.walk(HOME):
            made = os.path.normpath(os.path.join(copy, os.path.relpath(folder, HOME)))
            os.mkdir(made)
            for name in names:
                shutil.copy(
                    os.path.join(folder, name), os.path.join(made, name), follow_symlinks=False
                )
    except OSError:
        shutil.rmtree(copy, ignore_errors=True)
        raise
    return copy


def _show(target: str) -> None:
    for name in PARTS:
        _link(os.path.join("current", name), os.path.join(target, name))


def _link(to: str, path: str) -> None:
    """Make a link, in one step."""
    if _link_of(path) == to:
        return
    fresh = os.path.join(os.path.dirname(path), ".versions", f".{os.path.basename(path)}")
    if os.path.lexists(fresh):
        os.unlink(fresh)
    os.symlink(to, fresh)
    os.rename(fresh, path)


def _link_of(path: str) -> str:
    return os.readlink(path) if os.path.islink(path) else ""


def _same(one: str, other: str) -> bool:
    """Whether two trees are equal, byte by byte: a power cut may leave the right names
    and sizes.
    """
    files = _files(one)
    try:
        return files == _files(other) and all(
            filecmp.cmp(os.path.join(one, path), os.path.join(other, path), shallow=False)
            for path in files
        )
    except OSError:
        return False  # an unreadable tree cannot run


def _files(tree: str) -> dict[str, int]:
    """The files of a tree, with their modes."""
    paths = [os.path.join(folder, name) for folder, _, names in os.walk(tree) for name in names]
    return {os.path.relpath(path, tree): os.lstat(path).st_mode for path in paths}


def _reason(error: OSError, target: str) -> str:
    """The reason and the remedy."""
    about = f"{error.strerror} ({error.filename})" if error.filename else str(error.strerror)
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return (
                f"{about}; {_room(target)}; make the volume larger (sizeLimit): two versions may be"
                " in it"
            )
        case errno.EACCES | errno.EPERM:
            return (
                f"{about}; run as a user who may write there, or set fsGroup in the pod's"
                " securityContext"
            )
        case errno.EROFS:
            return f"{about}; mount a volume there that this container may write to"
        case errno.ENOENT | errno.ENOTDIR:
            return f"{about}; mount a volume there"
    return about


def _room(target: str) -> str:
    needed = sum(os.lstat(os.path.join(HOME, path)).st_size for path in _files(HOME))
    free = os.statvfs(target)
    return f"{-(-needed >> 20)} MiB are needed, {free.f_bavail * free.f_frsize >> 20} MiB are free"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
