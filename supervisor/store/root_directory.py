"""The directory of generations: found, made, opened, and refused if another program swaps it.

Links on the way to it are judged at the first use. It must not know its content, but for `..data`.
"""

from __future__ import annotations

import errno
import os

from ..core.content import DATA
from ..core.outcomes import ApplyFailure
from ..runtime import log, threads
from . import generations, write_errors
from .links import exists
from .safe_open import HeldDirectory, LinkError
from .write_errors import ApplyError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .file_modes import Modes
    from .safe_open import Opened, Walk


class RootDirectory:
    """The same directory for the whole run. Its methods serve any thread."""

    def __init__(self, path: str, modes: Modes, forget: Callable[[], None]) -> None:
        """`path` may be relative to the present working directory; another directory in its place
        causes a call of `forget`.
        """
        self.path = os.path.join(os.getcwd(), path)  # the process changes its directory later
        self._modes = modes
        self._forget = forget
        self._held = HeldDirectory(self.path, _trusted)
        # Of `_held`: the control socket reads the list of generations meanwhile.
        self._using = threads.Lock()

    def explaining(self, verb: str) -> write_errors.Explaining:
        """For `with`: an OSError becomes an ApplyError with a sentence about `verb`."""
        return write_errors.Explaining(verb, self.path, giving=self._modes.owner is not None)

    def opened(self, *, make: bool = False) -> Opened | Walk:
        """The directory, for `with`: always that of the first use, unless it was removed and made
        or mounted again.
        """
        try:
            with self._using:
                found = self._held.opened(make=make)
                replaced = self._held.replaced
        except LinkError as error:
            where = error.filename
            raise ApplyError(
                ApplyFailure.WRITE,
                f"cannot use {self.path}: {where} is a link that uid {error.uid} made; put a"
                " directory in its place, or give the target of the link",
            ) from None
        if replaced:
            self._forget()
            log.warning(
                f"{self.path} is another directory than before; configuration goes there now",
                event="configroot_replaced",
            )
        if found.made:
            self._modes.finish(found.descriptor)
        return found

    def check_data(self, root: int) -> None:
        """Raise ApplyError unless `..data` is missing or leads to a generation of ours."""
        try:
            target = os.readlink(DATA, dir_fd=root)
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            raise ApplyError(
                ApplyFailure.WRITE, f"cannot use {self.path}: {DATA} in it is no link; remove it"
            ) from None
        # A dangling link to such a name is ours too: its generation was removed.
        if generations.is_ours(root, target) or (
            generations.is_name(target) and not exists(root, target)
        ):
            return
        raise ApplyError(
            ApplyFailure.WRITE,
            f"cannot use {self.path}: {DATA} in it points to {target!r}, which this program did not"
            " write; give another directory if a volume is mounted there, else remove that link",
        )


def _trusted(link: os.stat_result) -> bool:
    # The owner of a link chooses where root writes; other users have nothing to lose by it.
    return os.geteuid() != 0 or link.st_uid == 0
