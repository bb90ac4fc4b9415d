"""A mounted volume, and a source at work on a directory in a thread of this process."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from config_supervisor.sources.directory.directory_source import DirectorySource
from config_supervisor.sources.interface import Content, Failure


class Volume:
    """A mounted ConfigMap volume: `swap` does the steps of the kubelet, in its order."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.path.mkdir(parents=True, exist_ok=True)

    def swap(self, files: Mapping[str, str]) -> None:
        before = self.turn(files)
        self.show(files)
        if before:
            shutil.rmtree(self.path / before)

    def turn(self, files: Mapping[str, str]) -> str:
        """The rename of ..data alone; returns its previous target."""
        before = os.readlink(self.path / "..data") if os.path.lexists(self.path / "..data") else ""
        name = f"..2026_01_01_00_00_00.{int(before.rpartition('.')[2] or 0) + 1}"
        for key, text in files.items():
            (self.path / name / key).parent.mkdir(parents=True, exist_ok=True)
            (self.path / name / key).write_text(text)
        os.makedirs(self.path / name, exist_ok=True)
        os.symlink(name, self.path / "..data_tmp")
        os.rename(self.path / "..data_tmp", self.path / "..data")
        return before

    def show(self, files: Mapping[str, str]) -> None:
        """The visible links alone."""
        tops = {key.partition("/")[0] for key in files}
        shown = {top for top in os.listdir(self.path) if not top.startswith("..")}
        for top in tops - shown:
            os.symlink(f"..data/{top}", self.path / top)
        for top in shown - tops:
            os.unlink(self.path / top)


def swap_volume(path: str | os.PathLike[str], files: Mapping[str, str]) -> None:
    """Write a ConfigMap volume: a new volume, or its next version."""
    Volume(path).swap(files)


class Heard:
    """A sink that keeps every call.

    Once `over`, it ends the thread of the next caller.
    """

    def __init__(self) -> None:
        self.over = False
        self.calls: list[tuple[str, object]] = []
        self.contents: list[Content | None] = []
        self.missing: list[str] = []  # the reason, each time
        self.news = threading.Condition()
        self.go_on = threading.Event()  # cleared: `read` does not return
        self.go_on.set()

    def _note(self, kind: str, said: object) -> None:
        if self.over:
            raise SystemExit
        with self.news:
            self.calls.append((kind, said))
            self.news.notify_all()

    def read(self, content: Content | None, missing: str = "does not exist", saw: str = "") -> None:
        self.contents.append(content)
        if content is None:
            self.missing.append(missing)
        if saw:
            self._note("watched", saw)
        self._note("read", None if content is None else content.files)
        self._note("contact", None)
        self.go_on.wait()

    def connected(self) -> None:
        self._note("connected", True)

    def disconnected(self) -> None:
        self._note("connected", False)

    def contact(self) -> None:
        self._note("contact", None)

    def watched(self, kind: str) -> None:
        self._note("watched", kind)

    def restarted(self, reason: str) -> None:
        self._note("restarted", reason)

    def failed(self, failure: Failure, retry_in: float) -> None:
        self._note("failed", (failure.reason, failure.message, retry_in))

    def of(self, kind: str) -> list[object]:
        """The arguments of all calls of a kind, in order."""
        return [said for name, said in list(self.calls) if name == kind]

    @property
    def texts(self) -> list[dict[str, str] | None]:
        """Every content read, decoded."""
        return [
            None if content is None else {key: data.decode() for key, data in content.files.items()}
            for content in list(self.contents)
        ]

    def wait_for(self, holds: Callable[[], bool]) -> None:
        with self.news:
            assert self.news.wait_for(holds, 10), self.calls[-20:]


class Follower:
    """A running source with its sink."""

    def __init__(
        self,
        path: Path | str,
        recheck: float = 60.0,
        head_start: float = 0.0,
        ignore: Sequence[str] = (),
    ) -> None:
        self.heard, self._path = Heard(), Path(path).absolute()
        self.source = DirectorySource(
            str(path), recheck=recheck, head_start=head_start, ignore=ignore
        )
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        with contextlib.suppress(SystemExit):
            self.source.run(self.heard)

    def expect(self, text: dict[str, str] | None) -> None:
        """Wait for this content as the last read."""
        content = None if text is None else {key: value.encode() for key, value in text.items()}
        self.heard.wait_for(lambda: self.heard.of("read")[-1:] == [content])

    def expect_call(self, kind: str, count: int = 1) -> object:
        """Wait for that many calls of a kind; returns the argument of the last."""
        self.heard.wait_for(lambda: len(self.heard.of(kind)) >= count)
        return self.heard.of(kind)[count - 1]

    def end(self) -> None:
        """Have the source look again, for the last time."""
        self.heard.over = True
        self.heard.go_on.set()
        if not os.path.lexists(self._path):
            self._path.mkdir(parents=True)
        os.utime(self._path, follow_symlinks=False)
