"""A directory as a source: a mounted ConfigMap or Secret volume, or any directory that people edit.

inotify says when to look, file metadata whether anything changed, and a slow re-check finds what
inotify cannot tell: an editor that keeps its file open, a network volume, a mount on top. It must
not know what becomes of the content; whether it is new is for the sink to judge.
"""

from __future__ import annotations

import os
import select
import time

from ...core.content import shown
from ...runtime import log
from ..interface import Content, Failure, FailureReason, Label, RestartReason
from .inotify import EDITED, NOTHING, SWAPPED, Watch
from .tree import GONE, ChangingError, Ignored, Tree, UnreadableError, unreadable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..interface import Sink

# A directory that changes while it is read is read again: for this long, but so often at least.
_PATIENCE, _PAUSE, _TRIES = 1.0, 0.01, 3
_RETRY = 5.0  # seconds until the next look when reading failed
# Editors and copying tools make one change in several steps: it is read when nothing happened for
# this long.
_QUIET, _QUIET_AT_MOST = 0.05, 1.0
# Clocks of file systems tick every 1 to 10 ms: what was changed this shortly before it was read can
# change again and keep its size and its mtime.
_TICK = 0.05
# Times the re-check where inotify tells of changes: it misses little, and every look wakes a
# process that rests.
_WATCHED = 5


class DirectorySource:
    """Follows the directory at `path`; `recheck` is the seconds between two looks where inotify
    cannot be had.

    Where inotify's limits are used up, `disconnected` says so for as long as it lasts and
    `failed` once, before the content, which is read all the same; changes are then found by the
    re-check alone.

    `ignore` are patterns of names to leave out: see `tree.Ignored`. A volume without files counts
    as missing, as its object is; a plain directory without files is a configuration.

    With a `head_start` the content is read before it is watched, and again so many seconds later:
    importing what talks to inotify takes as long as many an application to start.
    """

    def __init__(
        self,
        path: str,
        *,
        recheck: float = 60.0,
        head_start: float = 0.0,
        ignore: Sequence[str] = (),
    ) -> None:
        self.label = Label("directory", "", path)
        self._path = os.path.join(os.getcwd(), path)  # the process leaves its directory later
        self._recheck, self._head_start = recheck, head_start
        self._seen: (
            tuple[object, ...] | None
        ) = ()  # marks of what was last told; None: it was missing
        self._present = True
        self._misnamed: set[str] = set()
        self._last = Content({})
        self._hollow: frozenset[str] = frozenset()  # volumes without files, of which that was told
        self._ignored = Ignored(ignore)
        self._told = 0  # a hash of what was last told, for when marks are no proof:
        self._unsettled = False  # it may have changed since without leaving a mark
        self._watching: bool | None = None

    def run(self, sink: Sink) -> None:
        """Read and watch as long as the sink listens; raises only what the sink raises."""
        watch = Watch(waiting=self._head_start > 0, ignored=self._ignored)
        try:
            if watch.waiting:
                self._round(sink, watch, changed=False)
                _pause(watch, self._head_start)
                watch.begin()
            changed = False
            while True:
                if watch.overflowed:
                    watch.overflowed = False
                    sink.restarted(RestartReason.GONE)
                wait = self._round(sink, watch, changed)
                changed = _pause(watch, wait)
        finally:
            watch.close()

    def _round(self, sink: Sink, watch: Watch, changed: bool) -> float:
        # Returns the seconds until the next round, if nothing happens before.
        try:
            told = self._look(sink, watch, changed)
        except UnreadableError as error:
            wait = min(_RETRY, self._recheck)
            self._seen = ()
            sink.failed(Failure(error.reason, str(error)), wait)
            return wait
        if not told:
            sink.contact()
        return self._recheck if watch.failure else self._recheck * _WATCHED

    def _look(self, sink: Sink, watch: Watch, changed: bool) -> bool:
        # Whether the content was told.
        until, tries = time.monotonic() + _PATIENCE, 0
        while True:
            tries += 1
            began = time.time()
            try:
                found = self._walk(sink, watch)
                if found.marks == self._seen and not self._unsettled:
                    return False
                files = found.read()
                again = self._walk(sink, watch)
                if again.marks == found.marks:
                    break
                seen = f"{found.differs(again)} keeps changing"
            except ChangingError as error:
                seen = str(error)
            if tries >= _TRIES and time.monotonic() > until:
                raise UnreadableError(
                    FailureReason.BAD_DATA,
                    f"cannot read {self._path}: {seen}; wait for it, or leave it out with --ignore",
                )
            time.sleep(_PAUSE)
        self._unsettled = found.newest > began - _TICK
        now, told = found.marks is not None and not found.emptied, hash(frozenset(files.items()))
        if (self._seen, self._told) == (found.marks, told):
            return False
        self._seen, self._told = found.marks, told
        saw = self._change(now) if changed else ""
        self._present = now
        self._tell_names(found)
        if found.emptied:
            sink.read(None, "holds no files", saw=saw)
        else:
            content = self._completed(found, found.content(files)) if now else None
            sink.read(content, saw=saw)
        return True

    def _change(self, present: bool) -> str:
        if self._present == present:
            return "modified"
        return "added" if present else "deleted"

    def _completed(self, found: Tree, content: Content) -> Content:
        # With the last files of volumes that were emptied: their optional objects were deleted.
        hollow, last = found.hollow, self._last
        files = {key: data for key, data in last.files.items() if hollow and key.startswith(hollow)}
        for prefix in sorted(set(hollow) - self._hollow):
            stays = any(key.startswith(prefix) for key in files)
            rest = "its last ones stay" if stays else "the configuration is without them"
            log.warning(f"{self._path}/{shown(prefix[:-1])} holds no files; {rest}")
        self._hollow = frozenset(hollow)
        if files:
            permitted = {key: last.permitted[key] for key in files}
            content = content.replace(
                files={**content.files, **files},
                permitted={**content.permitted, **permitted},
                private=content.private or last.private,
            )
        self._last = content
        return content

    def _tell_names(self, found: Tree) -> None:
        for path in sorted(found.misnamed - self._misnamed):
            log.warning(
                f"cannot use {shown(path)}: its name is not valid UTF-8; rename it, or leave it out"
                " with --ignore",
                event="name_not_utf8",
                source=str(self.label),
            )
        self._misnamed = found.misnamed
        if found.empty and not found.emptied:
            log.warning(
                f"{self.label} holds no files: that is the configuration until there are some",
                event="source_empty",
                source=str(self.label),
            )

    def _walk(self, sink: Sink, watch: Watch) -> Tree:
        tree = Tree(self._path, watch, self._ignored)
        try:
            with watch:
                tree.walk()
        except OSError as error:
            if error.errno in GONE:
                raise ChangingError(f"{error.filename} comes and goes") from None
            raise unreadable(self._path, error) from error
        finally:
            self._tell(sink, watch)
        return tree

    def _tell(self, sink: Sink, watch: Watch) -> None:
        watching = not watch.failure
        if watch.waiting or watching == self._watching:
            return
        self._watching = watching
        if watching:
            sink.connected()
        else:
            sink.disconnected()
            message = (
                f"cannot watch {self._path}: {watch.failure}; changes are found every"
                f" {self._recheck:g} s only; raise fs.inotify.max_user_watches or"
                " max_user_instances on the node"
            )
            sink.failed(Failure(FailureReason.CONFIG, message), self._recheck)


def _pause(watch: Watch, seconds: float) -> bool:
    """Wait until a change is complete, or the seconds are over; whether there was a change."""
    poller = select.poll()
    if (descriptor := watch.fileno()) is not None:
        poller.register(descriptor, select.POLLIN)
    changed = False
    until = latest = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        found = watch.events() if poller.poll(left * 1000) else NOTHING
        if found == SWAPPED:
            return True
        if found == EDITED:
            now = time.monotonic()
            latest = latest if changed else now + _QUIET_AT_MOST
            changed = True
            until = min(latest, now + _QUIET)
    return changed
