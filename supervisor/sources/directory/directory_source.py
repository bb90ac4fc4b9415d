"""A directory as a source: a mounted ConfigMap or Secret volume, or any directory that people edit.

inotify wakes the source, file metadata shows a change, and a slow re-check finds the changes that
inotify misses: an editor that keeps its file open, a network volume, a mount on top. It must not
know the use of the content; the sink judges whether it is new.
"""

from __future__ import annotations

import posix
import time

from ...core.content import shown
from ...core.paths import join
from ...runtime import log
from ..interface import Content, Failure, FailureReason, Label, RestartReason
from .inotify import EDITED, NOTHING, SWAPPED, Watch
from .tree import GONE, ChangingError, Ignored, Tree, UnreadableError, unreadable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..interface import Sink

# A directory that changes under the reader is read again: for these seconds, at least three times.
_PATIENCE = 1.0
_PAUSE = 0.01
_TRIES = 3
_RETRY = 5.0  # seconds to the next look after a failure
# Editors and copying tools make a change in several steps: the reader waits for this silence, in
# seconds, up to a limit.
_QUIET = 0.05
_QUIET_AT_MOST = 1.0
# Clocks of file systems tick every 1 to 10 ms: a file can change again with the same size and mtime
# when it was read within these seconds of a change.
_TICK = 0.05
# The factor of the re-check's pause where inotify works: it misses little, and every look wakes a
# resting process.
_WATCHED = 5


class DirectorySource:
    """Follows the directory at `path`; `recheck` is the seconds between two looks without inotify.

    When inotify's limits are used up, the source reports `disconnected` and once `failed`, reads
    the content all the same, and finds changes by the re-check alone.

    `ignore` are patterns of names to leave out: see `tree.Ignored`. A volume without files counts
    as missing, like its object; a plain directory without files is a configuration.

    With a `head_start` the source reads the content first, and watches it these seconds later: the
    import of inotify's library takes as long as the start of many an application.
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
        self._path = join(posix.getcwd(), path)  # the process leaves its directory later
        self._recheck = recheck
        self._head_start = head_start
        # The marks of the last report; None: the directory was missing.
        self._seen: tuple[object, ...] | None = ()
        self._present = True
        self._misnamed: set[str] = set()
        self._last = Content({})
        self._hollow: frozenset[str] = frozenset()  # volumes without files, warned about
        self._ignored = Ignored(ignore)
        self._reported = 0  # a hash of the last report, for when marks are no proof
        self._unsettled = False  # the content may have changed since without a mark
        self._watching: bool | None = None

    def run(self, sink: Sink) -> None:
        """Read and watch as long as the sink listens; raises only what the sink raises."""
        watch = Watch(waiting=self._head_start > 0, ignored=self._ignored)
        try:
            if watch.waiting:
                self._round(sink, watch, changed=False)
                time.sleep(self._head_start)
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
        # Returns the seconds to the next round, if nothing happens before.
        try:
            reported = self._look(sink, watch, changed)
        except UnreadableError as error:
            wait = min(_RETRY, self._recheck)
            self._seen = ()
            sink.failed(Failure(error.reason, str(error)), wait)
            return wait
        if not reported:
            sink.contact()
        return self._recheck if watch.failure else self._recheck * _WATCHED

    def _look(self, sink: Sink, watch: Watch, changed: bool) -> bool:
        # Whether there was a report of the content.
        until = time.monotonic() + _PATIENCE
        tries = 0
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
        now = found.marks is not None and not found.emptied
        report = hash(frozenset(files.items()))
        if (self._seen, self._reported) == (found.marks, report):
            return False
        self._seen = found.marks
        self._reported = report
        saw = self._change(now) if changed else ""
        self._present = now
        self._warn_of_names(found)
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
        # With the last files of emptied volumes: their optional objects were deleted.
        hollow = found.hollow
        last = self._last
        files = {key: data for key, data in last.files.items() if hollow and key.startswith(hollow)}
        for prefix in sorted(set(hollow) - self._hollow):
            stays = any(key.startswith(prefix) for key in files)
            rest = "its last files stay" if stays else "the configuration is without them"
            log.warning(
                f"{self._path}/{shown(prefix[:-1])} holds no files; {rest}",
                event="source_empty",
                source=str(self.label),
            )
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

    def _warn_of_names(self, found: Tree) -> None:
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
                f"{self.label} holds no files; the configuration is empty until it does",
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
            self._report_watching(sink, watch)
        return tree

    def _report_watching(self, sink: Sink, watch: Watch) -> None:
        watching = not watch.failure
        if watch.waiting or watching == self._watching:
            return
        self._watching = watching
        if watching:
            sink.connected()
        else:
            sink.disconnected()
            message = (
                f"cannot watch {self._path}: {watch.failure}; looking for changes every"
                f" {self._recheck:g} s only; raise fs.inotify.max_user_watches or"
                " max_user_instances on the node"
            )
            sink.failed(Failure(FailureReason.CONFIG, message), self._recheck)


def _pause(watch: Watch, seconds: float) -> bool:
    """Wait for a complete change, at most `seconds`; whether there was a change."""
    import select  # after the head start of the app

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
