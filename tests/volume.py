"""A directory as the kubelet writes it, and a source that follows a directory in a thread of this process."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from supervisor.sources import Content, Trouble
from supervisor.sources.directory import DirectorySource


class Volume:
    """A mounted ConfigMap volume: `swap` does what the kubelet does, in its order."""

    def __init__(self, path: Path) -> None:
        self.path, self.count = path, 0
        path.mkdir()

    def swap(self, files: Mapping[str, str]) -> None:
        self.count += 1
        name = f"..2026_01_01_00_00_00.{self.count}"
        for key, text in files.items():
            (self.path / name / key).parent.mkdir(parents=True, exist_ok=True)
            (self.path / name / key).write_text(text)
        os.makedirs(self.path / name, exist_ok=True)
        os.symlink(name, self.path / "..data_tmp")
        before = os.readlink(self.path / "..data") if os.path.lexists(self.path / "..data") else ""
        os.rename(self.path / "..data_tmp", self.path / "..data")
        tops = {key.partition("/")[0] for key in files}
        shown = {top for top in os.listdir(self.path) if not top.startswith("..")}
        for top in tops - shown:
            os.symlink(f"..data/{top}", self.path / top)
        for top in shown - tops:
            os.unlink(self.path / top)
        if before:
            shutil.rmtree(self.path / before)


class Heard:
    """A sink that keeps what it is told, in `calls` all of it."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, object]] = []
        self.contents: list[Content | None] = []
        self.go_on = threading.Event()  # cleared: `read` does not return
        self.go_on.set()

    def read(self, content: Content | None) -> None:
        self.contents.append(content)
        self.calls.append(("read", None if content is None else dict(content.files)))
        self.go_on.wait()

    def connected(self, *, up: bool) -> None:
        self.calls.append(("connected", up))

    def contact(self) -> None:
        self.calls.append(("contact", None))

    def watched(self, kind: str) -> None:
        self.calls.append(("watched", kind))

    def restarted(self, reason: str) -> None:
        self.calls.append(("restarted", reason))

    def failed(self, trouble: Trouble, retry_in: float) -> None:
        self.calls.append(("failed", (trouble.reason, trouble.message, retry_in)))

    def of(self, kind: str) -> list[object]:
        """What was said in calls of one kind, in order."""
        return [said for name, said in list(self.calls) if name == kind]

    @property
    def texts(self) -> list[dict[str, str] | None]:
        """Everything that was read, decoded."""
        return [
            None if content is None else {key: data.decode() for key, data in content.files.items()}
            for content in list(self.contents)
        ]


class Follower:
    """A running source with its sink."""

    def __init__(self, path: Path | str, recheck: float = 60.0) -> None:
        self.heard = Heard()
        self.source = DirectorySource(str(path), recheck=recheck)
        self.thread = threading.Thread(target=self.source.run, args=(self.heard,), daemon=True)
        self.thread.start()

    def expect(self, text: dict[str, str] | None) -> None:
        """Wait until this is what was read last."""
        end = time.monotonic() + 10
        while self.heard.texts[-1:] != [text]:
            assert self.thread.is_alive()
            assert time.monotonic() < end, self.heard.calls[-20:]
            time.sleep(0.002)

    def expect_call(self, kind: str, count: int = 1) -> object:
        """Wait until there were that many calls of a kind; returns what was said in that one."""
        end = time.monotonic() + 10
        while len(self.heard.of(kind)) < count:
            assert self.thread.is_alive()
            assert time.monotonic() < end, self.heard.calls[-20:]
            time.sleep(0.002)
        return self.heard.of(kind)[count - 1]

    def stop(self) -> None:
        self.heard.go_on.set()
        self.source.stop()
        self.thread.join(5)
        assert not self.thread.is_alive()
