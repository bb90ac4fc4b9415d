"""The mode and the owner of each written file and directory.

It must not know their names or places; raises OSError only.
"""

from __future__ import annotations

import os
import stat

from ..core.file_permissions import copied, group_matters, ungrouped
from ..core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..core.content import Entry


class Modes(Record):
    """Modes and owner by option; an option is exact, whatever the umask of the process.

    Without `file` and `dir`: 0777 less `umask` for a directory; for a file the mode at its origin
    less `umask`, or 0666 less `umask`. `owner` is a uid and a gid; -1 leaves either to the system.
    """

    file: int | None = None
    dir: int | None = None
    owner: tuple[int, int] | None = None
    umask: int = 0o022

    def of(self, entry: Entry) -> int:
        """The mode of this file or directory."""
        if entry.directory:
            return 0o777 & ~self.umask if self.dir is None else self.dir
        if self.file is not None:
            return self.file
        return copied(entry.permission, self.umask)

    def of_all(self, files: Mapping[str, Entry]) -> dict[str, int]:
        """The mode of each of these files, by path."""
        return {path: self.of(entry) for path, entry in files.items()}

    def owned(self, status: os.stat_result) -> bool:
        """Whether this status shows the owner of the option; true without the option."""
        found = (status.st_uid, status.st_gid)
        return all(asked in (-1, has) for asked, has in zip(self.owner or (), found, strict=False))

    def hold(self, status: os.stat_result, entry: Entry, owner: tuple[int, int]) -> bool:
        """Whether a file has its mode, owner and group; `owner`: those of a new file."""
        mode = self.of(entry)
        asked = self.owner or (-1, -1)
        uid, gid = (one if one != -1 else usual for one, usual in zip(asked, owner, strict=True))
        if asked[1] == -1 and entry.permission is not None and group_matters(mode):
            gid = entry.permission.gid if entry.permission.gid != -1 else gid
        return (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == (mode, uid, gid)

    def hand_over(self, file: int, entry: Entry) -> int:
        """Give an open file its owner and group; returns its mode, narrower without its group."""
        mode = self.of(entry)
        uid, gid = self.owner or (-1, -1)
        kept = (
            -1
            if entry.permission is None or gid != -1 or not group_matters(mode)
            else entry.permission.gid
        )
        if (uid, gid) != (-1, -1):
            os.fchown(file, uid, gid)
        if kept != -1 and kept != os.fstat(file).st_gid:
            try:
                os.fchown(file, -1, kept)
            except OSError:  # chown(2): only root, or a member of that group
                return mode if self.file is not None else ungrouped(mode)
        return mode

    def finish(self, directory: int) -> None:
        """Give an open directory its mode and owner, once its files are in it."""
        mode = self.dir
        if mode is None:
            # An fsGroup volume hands its set-group bit down: it stays, as in mkdir(2).
            mode = 0o777 & ~self.umask | os.fstat(directory).st_mode & stat.S_ISGID
        if self.owner:
            os.fchown(directory, *self.owner)
        os.fchmod(directory, mode)
