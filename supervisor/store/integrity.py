"""Whether the files of a generation are as they were written.

Other programs may write to the directories: no link is followed, and the manifest bounds the
reading. It must not know which generation is live, and raises OSError only.
"""

from __future__ import annotations

import errno
import itertools

from ..core.content import diff, sha256, some_names
from .file_tree import tree_of
from .generations import MANIFEST, names_in
from .safe_open import Opened, read_pieces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .file_tree import Tree
    from .manifest import Generation

_BATCH = 1000  # names in a single look: other programs may have made any number
_PIECE = 1 << 20
_NO_FILE = (errno.ENOTDIR, errno.ELOOP, errno.EINVAL, errno.EISDIR, errno.ENXIO)


def fault(directory: int, generation: Generation) -> str:
    """How the files differ from the manifest, for people; empty for an intact generation."""
    changes = diff(generation.files, sums(directory, generation))
    faults = []
    if changes.changed:
        verb = "differs from its" if len(changes.changed) == 1 else "differ from their"
        faults.append(f"{some_names(changes.changed)} {verb} manifest")
    if changes.removed:
        verb = "is" if len(changes.removed) == 1 else "are"
        faults.append(f"{some_names(changes.removed)} {verb} missing")
    return "; ".join(faults)


def sums(directory: int, generation: Generation) -> dict[str, str]:
    """The hex sha256 of each file of the manifest, without the missing ones; "" for anything but a
    file. Raises OSError.
    """
    sums_ = _Sums(generation)
    with Opened(generation.name, directory) as top:
        sums_.walk(top, tree_of(generation.files), "")
    return sums_.found


class _Sums:
    """Walks the directories of a generation and adds up its files."""

    def __init__(self, generation: Generation) -> None:
        self.found: dict[str, str] = {}
        self._files = generation.files
        self._left = generation.bytes + _PIECE  # another program may put any amount of data there

    def walk(self, top: int, tree: Tree[str], prefix: str) -> None:
        for name, node in tree.items():
            path = prefix + name
            try:
                if isinstance(node, dict):
                    self._enter(top, name, node, f"{path}/")
                else:
                    self.found[path] = self._sum(top, name, path)
            except FileNotFoundError:
                pass
            except OSError as error:
                if error.errno not in _NO_FILE:
                    raise
                if not isinstance(node, dict):
                    self.found[path] = ""

    def _enter(self, top: int, name: str, tree: Tree[str], path: str) -> None:
        with Opened(name, top) as below:
            self.walk(below, tree, path)
        if path in self._files:
            self.found[path] = self._files[path]  # the directory exists, with any content

    def _sum(self, top: int, name: str, path: str) -> str:
        if self._left < 0:
            return self._files[path]  # unread: a larger file is damage enough
        sum_ = sha256()
        for piece in read_pieces(top, name):
            sum_.update(piece)
            self._left -= len(piece)
            if self._left < 0:
                return ""
        return sum_.hexdigest()


def strangers(directory: int, generation: Generation, most: int) -> list[str]:
    """Some names in the directories of a generation beside its manifest; raises OSError."""
    found: list[str] = []

    def walk(top: int, tree: Tree[str], prefix: str) -> None:
        for name in itertools.islice(names_in(top), _BATCH):
            if name not in tree and (prefix or name != MANIFEST) and len(found) < most:
                found.append(prefix + name)
        for name, node in tree.items():
            if isinstance(node, dict):
                with Opened(name, top) as below:
                    walk(below, node, f"{prefix}{name}/")

    with Opened(generation.name, directory) as top:
        walk(top, tree_of(generation.files), "")
    return found
