"""The newest version: the present content of all sources, merged and checked.

Source threads call in with whole contents. It must not know of files on disk, pace or reloads.
"""

from __future__ import annotations

import posix
import time

from ..core import events as ev
from ..core.change_loop import ChangeLoop
from ..core.content import (
    DIRECTORY,
    BadPath,
    Entry,
    Version,
    diff,
    entries,
    merge,
    place,
    sha256,
    version_of,
)
from ..core.record import Record
from ..runtime import log, threads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..sources.interface import Content


REFUSED = "refused-"  # the begin of the digest of an impossible content


class Unwritable(Record):
    """A content with an impossible path; its digest makes it a version all the same."""

    digest: str
    error: str


class NewestVersion:
    """Holds the last content of every source, and the version of all of them together."""

    def __init__(
        self,
        subdirs: Sequence[str],
        mapping: Mapping[str, str],
        digest_key: Callable[[], bytes],
        *,
        exact: bool,
    ) -> None:
        """`subdirs` has the sub-directory of each source's files; `mapping` is --map. `digest_key`
        is called once, before the first secret; `exact`: the app reads the files of the source
        itself.
        """
        self.version: Version | Unwritable | None = None
        self._subdirs = subdirs
        self._mapping = mapping
        self._exact = exact
        self._new_key = digest_key
        self._key = b""
        self._parts: list[Mapping[str, Entry] | None] = [None] * len(subdirs)
        self._keys: list[frozenset[str]] = [frozenset()] * len(subdirs)
        self._changed_at: list[float | None] = [None] * len(subdirs)
        self._errors = ["no answer yet"] * len(subdirs)
        # The sources with secrets: plain digests would reveal them.
        self._secret = [False] * len(subdirs)
        # The objects of all sources as the cluster knows them; a directory has no such name.
        self._revisions = [""] * len(subdirs)
        self._keyed = False  # the digest of the version is: no other pod has the same
        self._missed: set[str] = set()  # keys of --map in no source
        self._change_loop = ChangeLoop()
        self._taking = threads.Lock()  # each source has a thread of its own

    @property
    def errors(self) -> str:
        """The state of every source: its last error, or its name after a read."""
        return "; ".join(self._errors)

    @property
    def changed_at(self) -> float | None:
        """The last change of the content at its origin, epoch seconds, if known."""
        return max((at for at in self._changed_at if at is not None), default=None)

    def files(self, shared: str) -> Mapping[str, Entry] | None:
        """The files of the version, if it has this name among pods."""
        with self._taking:
            version = self.version
            if not isinstance(version, Version) or self._shared(version) != shared:
                return None
            return version.files

    def note_error(self, index: int, error: str) -> None:
        self._errors[index] = error

    def applied(self) -> None:
        """A version was put in place."""
        self._change_loop.applied(time.monotonic())

    def take(
        self, index: int, content: Content, report: Callable[[ev.ConfigOffered | None], None]
    ) -> bool:
        """Take a source's whole content; `report` gets the offer of a new version, or None. Returns
        whether there is an offer.
        """
        with self._taking:
            # Within the lock: offers arrive in the order of the versions.
            offer = self._offer(index, content)
            report(offer)
        return offer is not None

    def _offer(self, index: int, content: Content) -> ev.ConfigOffered | None:
        self._changed_at[index] = content.changed_at
        self._secret[index] = content.private
        self._revisions[index] = content.revision
        self._keys[index] = frozenset(content.files)
        found = self._made(index, content)
        if found is None or (self.version and self.version.digest == found.digest):
            return None
        self._watch_change_loop(found)
        self.version = found
        # `random` takes as long to import as all of this module.
        dice = int.from_bytes(posix.urandom(4), "big") / 2**32
        return ev.ConfigOffered(found.digest, dice, bool(self._key), self._shared(found))

    def _shared(self, found: Version | Unwritable) -> str:
        """The name of a version among pods: its digest, unless that is keyed or no version."""
        if isinstance(found, Unwritable):
            return found.digest.removeprefix(REFUSED)
        if not self._keyed:
            return found.digest
        if not all(self._revisions):
            return ""
        return sha256("\n".join(self._revisions).encode()).hexdigest()

    def _made(self, index: int, content: Content) -> Version | Unwritable | None:
        # None before the first content of every source.
        try:
            self._parts[index] = place(
                {
                    **entries(content.files, content.private, content.permitted),
                    **dict.fromkeys(content.directories, DIRECTORY),
                },
                subdir=self._subdirs[index],
                mapping=self._mapping,
            )
            parts = [part for part in self._parts if part is not None]
            if len(parts) < len(self._parts):
                return None
            self._warn_of_missed()
            self._keyed = False
            return version_of(
                merge(parts),
                self._digest_key,
                secret=any(self._secret),
                exact=self._exact,
                before=self.version if isinstance(self.version, Version) else None,
            )
        except BadPath as error:
            message = f"cannot write {self._errors[index] or 'the configuration'}: {error}"
            return Unwritable(f"{REFUSED}{sha256(str(error).encode()).hexdigest()}", message)

    def _warn_of_missed(self) -> None:
        """Warn once of each key of --map in no source."""
        missed = set(self._mapping).difference(*self._keys)
        for key in sorted(missed - self._missed):
            log.warning(
                f"--map {key}={self._mapping[key]}: no source has the key {key!r}",
                event="map_without_key",
            )
        self._missed = missed

    def _watch_change_loop(self, found: Version | Unwritable) -> None:
        if isinstance(self.version, Version) and isinstance(found, Version):
            told = self._change_loop.offered(time.monotonic(), diff(self.version.sums, found.sums))
            if told:
                log.warning(told, event="feedback_loop")

    def _digest_key(self) -> bytes:
        self._keyed = True
        self._key = self._key or self._new_key()
        return self._key
