"""The times at which a source looks at a directory, with inotify and without."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from config_supervisor.sources.directory.inotify import EDITED, NOTHING, SWAPPED, Watch
from tests.conftest import needs, needs_root
from tests.volume import Follower, Volume

Follow = Callable[..., Follower]


def check(holds: bool) -> None:
    assert holds


# The limits of inotify


# A source in a user namespace without watches. Its third round makes a change; the source ends once
# it has read it.
LIMITED = """
    import os, sys
    from config_supervisor.sources.directory.directory_source import DirectorySource
    top = sys.argv[1]
    with open(sys.argv[2], "w") as limit:
        limit.write("0")
    class Sink:
        contacts = 0
        def read(self, content, **_):
            print("read", content.files)
            if content.files["a"] == b"2":
                raise SystemExit
        def contact(self):
            self.contacts += 1
            if self.contacts == 2:
                open(top + "/new", "w").write("2")
                os.rename(top + "/new", top + "/a")
        def disconnected(self): print("disconnected")
        def failed(self, failure, retry_in):
            print("failed", failure.reason, retry_in, failure.message)
    DirectorySource(top, recheck=0.02).run(Sink())
"""


@pytest.mark.parametrize(
    ("limit", "what"), [("max_inotify_watches", "watches"), ("max_inotify_instances", "instances")]
)
def test_recheck_finds_changes_without_inotify(top: Path, limit: str, what: str) -> None:
    """The user is told once that the system's limit is used up, and how to raise it."""
    needs("unshare")
    (top / "a").write_text("1")
    os.utime(top / "a", (0, 1))
    code, file = textwrap.dedent(LIMITED), f"/proc/sys/user/{limit}"
    command = ["unshare", "-Ur", sys.executable, "-c", code, str(top), file]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "unshare failed" in done.stderr:
        pytest.skip(f"needs user namespaces: {done.stderr.strip()}")
    first, failed, *reads = done.stdout.splitlines()
    assert ("", "disconnected") == (done.stderr, first)
    assert failed.startswith(
        f"failed config 0.02 cannot watch {top}: the system's limit of inotify {what} is"
    )
    assert failed.endswith("raise fs.inotify.max_user_watches or max_user_instances on the node")
    assert reads == ["read {'a': b'1'}", "read {'a': b'2'}"]


def test_lost_events_lead_to_a_new_look(follow: Follow, top: Path) -> None:
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    (top / "a").write_text("1")
    follower = follow(top)
    follower.expect({"a": "1"})
    follower.heard.go_on.clear()
    (top / "a").write_text("11")
    follower.expect({"a": "11"})
    (top / "b").touch()
    for _ in range(limit // 4 + 100):  # two events for each
        os.rename(top / "b", top / "c")
        os.rename(top / "c", top / "b")
    (top / "b").unlink()
    (top / "a").write_text("2")
    follower.heard.go_on.set()
    follower.expect({"a": "2"})
    assert follower.expect_call("restarted") == "gone"


def test_new_file_counts_once_it_is_closed(top: Path) -> None:
    watch = Watch()
    with watch:
        watch.content(str(top))
    with open(top / "new", "w") as file:
        file.write("half")
        file.flush()
        assert watch.events() == NOTHING
        file.write("whole")
    assert watch.events() == EDITED
    with open(top / "new", "a") as file:
        file.write("more")
        file.flush()
        assert watch.events() == NOTHING
    assert watch.events() == EDITED
    watch.close()


def test_only_the_rename_of_data_is_urgent(top: Path) -> None:
    watch = Watch()
    with watch:
        watch.content(str(top))
    (top / "..2026").mkdir()
    assert watch.events() == NOTHING
    (top / "..data_tmp").symlink_to("..2026")
    assert watch.events() == NOTHING
    os.rename(top / "..data_tmp", top / "..data")
    assert watch.events() == SWAPPED
    os.symlink("..data/a", top / "a")
    assert watch.events() == EDITED
    os.unlink(top / "..data")
    assert watch.events() == EDITED
    watch.close()


def test_watches_not_asked_for_again_end(top: Path) -> None:
    (top / "sub").mkdir()
    watch = Watch()
    with watch:
        watch.content(str(top))
        watch.content(str(top / "sub"))
    with watch:
        watch.content(str(top))
    assert Path(f"/proc/self/fdinfo/{watch.fileno()}").read_text().count("inotify wd:") == 1
    (top / "sub" / "a").touch()
    assert watch.events() == NOTHING
    (top / "a").touch()
    assert watch.events() == EDITED
    watch.close()


# At rest


def switches(thread: threading.Thread) -> int:
    """The number of times a thread went to sleep so far."""
    for line in Path(f"/proc/self/task/{thread.native_id}/status").read_text().splitlines():
        if line.startswith("voluntary_ctxt_switches"):
            return int(line.split()[1])
    raise AssertionError("no such line")


def test_entries_beside_the_way_do_not_wake_the_source(follow: Follow, tmp_path: Path) -> None:
    """Above the parent, only the directories on the way count: /tmp is full of foreign files."""
    path = tmp_path / "parent" / "top"
    path.mkdir(parents=True)
    follower = follow(path)
    follower.expect_call("contact")
    before = switches(follower.thread)
    for number in range(300):
        (tmp_path / str(number)).touch()
    assert switches(follower.thread) - before <= 5  # it may still have been on its way to sleep
    (path / "a").write_text("1")
    follower.expect({"a": "1"})


def test_no_process_is_started(top: Path) -> None:
    """The inotify library looks for libc by processes, and PID 1 would reap them."""
    code = """
        import sys
        from config_supervisor.sources.directory.directory_source import DirectorySource
        def hook(event, args):
            if event in ("subprocess.Popen", "os.fork", "os.posix_spawn", "os.system", "os.exec"):
                print(event, args)
        sys.addaudithook(hook)
        class Sink:
            def read(self, content, **_): print("read"); raise SystemExit
            def connected(self): print("connected")
            def contact(self): source.stop()
        source = DirectorySource(sys.argv[1])
        source.run(Sink())
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(top)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split("\n") == ["connected", "read", ""]


def test_recheck_finds_a_mount_on_top(follow: Follow, top: Path) -> None:
    needs_root()
    Volume(top / "volume").swap({"a": "1"})
    follower = follow(top, recheck=0.05)
    follower.expect({"volume/a": "1"})
    subprocess.run(["mount", "-t", "tmpfs", "none", str(top)], check=True)
    try:
        follower.expect({})
        (top / "a").write_text("2")
        follower.expect({"a": "2"})
    finally:
        subprocess.run(["umount", "-l", str(top)], check=True)
    follower.expect({"volume/a": "1"})


def test_change_within_the_head_start_is_found(follow: Follow, top: Path) -> None:
    (top / "a").write_text("1")
    follower = follow(top, head_start=0.3)
    follower.expect({"a": "1"})
    assert [] == follower.heard.of("connected")
    (top / "a").write_text("changed")

    follower.expect({"a": "changed"})
    assert [True] == follower.heard.of("connected")
    (top / "a").write_text("watched")
    follower.expect({"a": "watched"})


def test_mode_of_an_open_file_is_no_change(top: Path) -> None:
    watch = Watch()
    with watch:
        watch.content(str(top))
    with open(top / "a", "w") as file:
        os.fchmod(file.fileno(), 0o600)
        check(watch.events() == NOTHING)
    check(watch.events() == EDITED)
    (top / "a").chmod(0o644)
    check(watch.events() == EDITED)
    watch.close()
