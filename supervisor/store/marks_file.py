"""The marks in configroot: read at a start, used to choose a version, written as a rollout goes on.

The rules stand in `core/rollout_marks.py`; this is their disk. For a single thread at a time,
except `end`.
"""

from __future__ import annotations

from ..core.versions import Marks, short
from ..runtime import log, threads
from .write_errors import ApplyError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..core.actions import Recover
    from ..core.versions import Versions
    from .configroot import Generation, Root

_LAST_WORD = 0.5  # seconds for the disk at the end of the process


class MarksFile:
    """The marks of versions, of this run and of earlier ones."""

    def __init__(
        self, root: Root, versions: Callable[[], Versions], *, appless: bool = False
    ) -> None:
        """`versions` returns the present state of the versions.

        `appless`: this process starts no app, and leaves the memory of a trial to one that does.
        """
        self._root = root
        self._versions = versions
        self._appless = appless
        self._found = Marks()  # at the start
        self._live = ""  # by then
        self._begun: Marks | None = None  # of an appless process, which does not write them
        self._chosen = False  # a version of this run is in place, or was refused for its past

    def begin(self, live: str) -> Marks | None:
        """The marks at a start with `live` in place; None without any history. Raises nothing."""
        found = self._root.marks()
        self._found = found
        self._live = live
        if not (live or found.good or found.failed):
            return None
        from ..core import rollout_marks

        begun = rollout_marks.begun(found, live)
        if self._appless:
            self._begun = begun
        elif begun != found:
            self._write(begun)
        return begun

    def objection(self, version: str) -> str:
        """Why the first version of this run stays out: it failed before, and a good version is
        here.
        """
        if self._chosen:
            return ""
        found = self._known()
        why = found.why(version)
        if not why or not any(one.digest in found.good for one in self._root.generations()):
            return ""
        self._chosen = True  # an ordered reload, or a return of the content, is a new try
        return f"configuration {short(version)} failed before and is not tried again: {why}"

    def chosen(self) -> None:
        """A version of this run is in place: from now on the rollout knows the failed versions."""
        self._chosen = True

    def best(self, live: Generation | None, without: str, limits: Recover) -> Generation | None:
        """The intact version with the best record, shown unless it is `live`. Raises ApplyError.

        `without` names a generation that is no candidate: its validation has not ended. `limits`
        excludes others.
        """
        from ..core import rollout_marks

        found = [one for one in reversed(self._root.generations()) if one.name != without]
        kept = {one.digest: one for one in found}
        in_place = live.digest if live else ""
        marks = self._known()
        newest = tuple(reversed(kept))
        for version in rollout_marks.order(marks, in_place, newest, unfailed=limits.unfailed):
            good = version in marks.good or (
                version in limits.good and version not in marks.rejected
            )
            if version in limits.condemned or (limits.proven and not good):
                continue
            if version == in_place:
                return live
            if fault := self._root.fault(kept[version]):
                self._root.warn_of_damage(fault)
                continue
            self._root.show(kept[version])
            return kept[version]
        return None

    def write(self) -> None:
        """Write the good and the failed versions down."""
        marks = self._versions().marks
        if self._appless:
            self._begun = marks
            marks = self._found.replace(good=marks.good, failed=marks.failed)
        self._write(marks)

    def _known(self) -> Marks:
        return self._root.marks() if self._begun is None else self._begun

    def _write(self, marks: Marks) -> None:
        try:
            self._root.mark(marks)
        except ApplyError as error:
            log.warning(
                f"{error}; a restart will not know which version failed", event="marks_failed"
            )

    def end(self) -> None:
        """Note an ordered end within a trial: it is no verdict on the version. Returns soon."""
        versions = self._versions()
        marks = versions.marks
        proven = versions.live in ("", *marks.good) or versions.live in marks.rejected
        trial = marks.baking or ("" if proven else versions.live)
        if self._appless:
            marks = self._found.replace(good=marks.good, failed=marks.failed)
            trial = "" if marks.baking or trial == self._live else trial
        if not trial:
            return
        written = threads.Gate()

        def write() -> None:
            self._write(marks.replace(orderly=trial))
            written.open()

        threads.start(write, "marks")
        written.wait(_LAST_WORD)
