"""A directory that is missing, replaced, reached by links, not to be read, or not to be watched."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from supervisor.sources.directory import DirectorySource
from supervisor.sources.watch import EDITED, NOTHING, SWAPPED, Watch
from tests.conftest import needs, needs_root
from tests.disk import as_nobody
from tests.harness import wait_until
from tests.volume import Follower, Heard, Volume

Follow = Callable[..., Follower]


# The way to the directory


def test_a_missing_directory_is_told_and_waited_for(follow: Follow, tmp_path: Path) -> None:
    path = tmp_path / "not" / "yet"
    follower = follow(path)
    follower.expect(None)
    path.parent.mkdir()
    path.mkdir()
    follower.expect({})
    (path / "a").write_text("1")
    follower.expect({"a": "1"})
    shutil.rmtree(path.parent)
    follower.expect(None)
    path.mkdir(parents=True)
    (path / "a").write_text("1")
    follower.expect({"a": "1"})
    watched = follower.heard.of("watched")
    assert (watched[0], watched[-1]) == ("added", "added" if watched[-2] == "deleted" else "modified")
    assert watched.count("added") == 2
    assert watched.count("deleted") == 1


@pytest.mark.parametrize(
    "replace",
    [
        "mv top old; mv new top",
        "rm -r top; mv new top",
        "rm -r top; mkdir top; echo 2 > top/a",
        "mv top old; ln -s new top",
        "mv top old; mkdir -p top; mv new/a top; rmdir new",
    ],
)
def test_a_directory_that_is_replaced_is_followed(follow: Follow, top: Path, tmp_path: Path, replace: str) -> None:
    (top / "a").write_text("1\n")
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "a").write_text("2\n")
    follower = follow(top)
    follower.expect({"a": "1\n"})
    subprocess.run(["sh", "-c", replace], cwd=tmp_path, check=True)
    follower.expect({"a": "2\n"})
    (top / "a").write_text("3")
    follower.expect({"a": "3"})


def test_a_directory_in_which_somebody_stands_can_be_replaced(follow: Follow, top: Path) -> None:
    """The kernel tells the removal of an inode in use only when its last user has gone."""
    follower = follow(top)
    follower.expect({})
    descriptor = os.open(top, os.O_RDONLY)
    try:
        top.rmdir()
        follower.expect(None)
        top.mkdir()
        follower.expect({})
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("name", ["link", "link/", "./link/.", "link/../link", "up/link", "parents/v1/../../link/"])
def test_a_path_that_is_a_link_is_followed_when_it_is_switched(follow: Follow, tmp_path: Path, name: str) -> None:
    for version in ("v1", "v2"):
        (tmp_path / "parents" / version).mkdir(parents=True)
        (tmp_path / "parents" / version / "a").write_text(version)
    (tmp_path / "link").symlink_to("parents/v1")
    (tmp_path / "up").symlink_to(".")
    follower = follow(f"{tmp_path}/{name}")
    follower.expect({"a": "v1"})
    (tmp_path / "new").symlink_to(tmp_path / "parents" / "v2")
    os.rename(tmp_path / "new", tmp_path / "link")
    follower.expect({"a": "v2"})
    (tmp_path / "parents" / "v2" / "a").write_text("3")
    follower.expect({"a": "3"})


def test_a_link_on_the_way_and_a_moved_ancestor_are_followed(follow: Follow, tmp_path: Path) -> None:
    for version in ("v1", "v2"):
        (tmp_path / version / "sub" / "conf").mkdir(parents=True)
        (tmp_path / version / "sub" / "conf" / "a").write_text(version)
    (tmp_path / "current").symlink_to("v1")
    follower = follow(tmp_path / "current" / "sub" / "conf")
    follower.expect({"a": "v1"})
    (tmp_path / "new").symlink_to("v2")
    os.rename(tmp_path / "new", tmp_path / "current")
    follower.expect({"a": "v2"})
    os.rename(tmp_path / "v2", tmp_path / "v3")
    follower.expect(None)
    os.rename(tmp_path / "v1", tmp_path / "v2")
    follower.expect({"a": "v1"})


def test_a_relative_path_is_meant_from_where_the_process_was(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (top / "a").write_text("1")
    monkeypatch.chdir(top.parent)
    source = DirectorySource("top")
    monkeypatch.chdir("/")
    heard = Heard()
    thread = threading.Thread(target=source.run, args=(heard,))
    thread.start()
    wait_until(lambda: check(heard.texts == [{"a": "1"}]))
    source.stop()
    thread.join()
    assert str(source.label) == "directory top"


def check(holds: bool) -> None:
    assert holds


# What cannot be read


def test_a_file_in_the_place_of_the_directory_is_trouble(follow: Follow, top: Path) -> None:
    (top / "a").write_text("1")
    follower = follow(top / "a")
    said = str(follower.expect_call("failed"))
    assert "'config'" in said
    assert f"cannot read {top}/a: it is no directory; give the one that holds it" in said
    (top / "a").unlink()
    follower.expect(None)


def test_too_many_files_are_trouble_until_they_are_fewer(follow: Follow, top: Path) -> None:
    for number in range(10_000):
        os.mknod(top / str(number))
    follower = follow(top)
    said = str(follower.expect_call("failed"))
    assert "'bad_data'" in said
    assert "it has more than 10000 files and directories; give a directory that holds configuration only" in said
    os.unlink(top / "0")
    wait_until(lambda: check(len((follower.heard.texts[-1:] or [None])[0] or {}) == 9999))


@pytest.mark.parametrize("make", ["truncate -s 65M big", "truncate -s 33M a b"])
def test_too_many_bytes_are_trouble_and_are_not_read(follow: Follow, top: Path, make: str) -> None:
    subprocess.run(["sh", "-c", make], cwd=top, check=True)
    follower = follow(top)
    said = str(follower.expect_call("failed"))
    assert "it has more than 64 MiB" in said
    subprocess.run(["sh", "-c", "rm *; echo 1 > a"], cwd=top, check=True)
    follower.expect({"a": "1\n"})


def test_directories_in_a_maze_of_links_come_to_an_end(follow: Follow, top: Path) -> None:
    """Each level has two links to the next: 2 to the power of 30 ways, and no file at all."""
    for level in range(30):
        (top / f"{level}").mkdir()
        for way in "ab":
            (top / f"{level}" / way).symlink_to(f"../{level + 1}")
    said = str(follow(top).expect_call("failed"))
    assert "files and directories" in said


def test_a_denied_permission_says_what_to_do_and_is_tried_again(common: Path) -> None:
    needs_root()
    (common / "a").write_text("1")
    (common / "a").chmod(0)
    printed = as_nobody(
        common,
        """
        class Sink:
            def read(self, content): print("read", content.files); source.stop()
            def connected(self, up): pass
            def contact(self): pass
            def watched(self, kind): pass
            def failed(self, trouble, retry_in):
                print(trouble.reason, trouble.message, trouble.fatal, retry_in)
                os.rename(path + "/b", path + "/a")
        open(path + "/b", "w").write("2")
        source = DirectorySource(path)
        source.run(Sink())
        """,
    )
    assert printed.splitlines() == [
        f"forbidden cannot read {common}/a: permission denied; let uid 65534 read it (in a pod: fsGroup, defaultMode)"
        " False 5.0",
        "read {'a': b'2'}",
    ]


def test_a_directory_that_may_not_be_read_is_tried_again_without_an_event(common: Path) -> None:
    needs_root()
    (common / "top").mkdir(0o700)
    (common / "top" / "a").write_text("1")
    printed = as_nobody(
        common,
        """
        class Sink:
            tries = 0
            def read(self, content): print("read", content and content.files)
            def connected(self, up): pass
            def contact(self): pass
            def failed(self, trouble, retry_in):
                self.tries += 1
                if self.tries == 3:
                    print(trouble.reason, retry_in)
                    source.stop()
        source = DirectorySource(path + "/top", recheck=0.01)
        source.run(Sink())
        """,
    )
    assert printed.splitlines() == ["forbidden 0.01"]


# What cannot be watched


def test_without_inotify_the_re_check_finds_changes_and_it_is_said_once(top: Path) -> None:
    needs("unshare")
    code = """
        import os, sys
        from supervisor.sources.directory import DirectorySource
        top = sys.argv[1]
        with open(sys.argv[2], "w") as limit:
            limit.write("0")
        class Sink:
            contacts = 0
            def read(self, content):
                print("read", content.files)
                if content.files["a"] == b"2":
                    source.stop()
            def contact(self):
                self.contacts += 1
                if self.contacts == 3:
                    open(top + "/new", "w").write("2")
                    os.rename(top + "/new", top + "/a")
            def connected(self, up): print("connected", up)
            def failed(self, trouble, retry_in): print("failed", trouble.reason, retry_in, trouble.message)
        source = DirectorySource(top, recheck=0.02)
        source.run(Sink())
    """
    (top / "a").write_text("1")
    os.utime(top / "a", (0, 1))
    for limit, what in (("max_inotify_watches", "watches"), ("max_inotify_instances", "instances")):
        command = ["unshare", "-Ur", sys.executable, "-c", textwrap.dedent(code), str(top), f"/proc/sys/user/{limit}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if "unshare failed" in done.stderr:
            pytest.skip(f"needs user namespaces: {done.stderr.strip()}")
        lines = done.stdout.splitlines()
        assert done.stderr == ""
        assert lines[0] == "connected False"
        assert lines[1].startswith(f"failed config 0.02 cannot watch {top}: the system's limit of inotify {what} is")
        assert lines[1].endswith("raise fs.inotify.max_user_watches or max_user_instances on the node")
        assert lines[2:] == ["read {'a': b'1'}", "read {'a': b'2'}"]
        (top / "a").write_text("1")
        os.utime(top / "a", (0, 1))


def test_lost_events_are_made_up_for(follow: Follow, top: Path) -> None:
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    (top / "a").write_text("1")
    follower = follow(top)
    follower.heard.go_on.clear()
    follower.expect({"a": "1"})
    for number in range(limit // 4 + 100):  # each makes four events: made, closed, and gone, twice
        name = top / str(number % 2)
        name.touch()
        name.unlink()
        os.mknod(name)
        name.unlink()
    (top / "a").write_text("2")
    follower.heard.go_on.set()
    follower.expect({"a": "2"})
    assert follower.expect_call("restarted") == "gone"


def test_a_file_is_not_read_before_it_is_closed(top: Path) -> None:
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


def test_watches_that_are_not_asked_for_again_are_dropped(top: Path) -> None:
    (top / "sub").mkdir()
    watch = Watch()
    with watch:
        watch.content(str(top))
        watch.content(str(top / "sub"))
    with watch:
        watch.content(str(top))
    (top / "sub" / "a").touch()
    assert watch.events() == NOTHING
    (top / "a").touch()
    assert watch.events() == EDITED
    watch.close()


# At rest, at the end


def switches(thread: threading.Thread) -> int:
    """How often a thread went to sleep so far."""
    for line in Path(f"/proc/self/task/{thread.native_id}/status").read_text().splitlines():
        if line.startswith("voluntary_ctxt_switches"):
            return int(line.split()[1])
    raise AssertionError("no such line")


def test_what_happens_beside_the_way_wakes_nobody(follow: Follow, tmp_path: Path) -> None:
    """Above the parent, only the directories on the way matter: /tmp is full of other people's files."""
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


def test_the_end_comes_within_10_ms(top: Path) -> None:
    times = []
    for _ in range(5):
        follower = Follower(top)
        follower.expect_call("contact")
        before = switches(follower.thread)
        wait_until(lambda was=before, one=follower: check(asleep(one.thread)))  # type: ignore[misc]
        began = time.monotonic()
        follower.stop()
        times.append(time.monotonic() - began)
    assert min(times) < 0.01


def asleep(thread: threading.Thread) -> bool:
    stat = Path(f"/proc/self/task/{thread.native_id}/stat").read_text()
    return stat.rpartition(")")[2].split()[0] == "S"


def test_a_stop_before_the_start_and_after_the_end_does_no_harm(top: Path) -> None:
    heard = Heard()
    source = DirectorySource(str(top))
    source.stop()
    source.run(heard)
    assert heard.calls == []
    descriptors = os.listdir("/proc/self/fd")
    follower = Follower(top)
    follower.expect({})
    follower.stop()
    follower.source.stop()
    assert os.listdir("/proc/self/fd") == descriptors


def test_no_process_is_started(top: Path) -> None:
    """The inotify library looks for libc through ldconfig and a compiler, whose exits PID 1 would reap."""
    code = """
        import sys
        from supervisor.sources.directory import DirectorySource
        def hook(event, args):
            if event in ("subprocess.Popen", "os.fork", "os.posix_spawn", "os.system", "os.exec"):
                print(event, args)
        sys.addaudithook(hook)
        class Sink:
            def read(self, content): print("read")
            def connected(self, up): print("connected", up)
            def contact(self): source.stop()
        source = DirectorySource(sys.argv[1])
        source.run(Sink())
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(top)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split("\n") == ["connected True", "read", ""]


def test_a_volume_that_is_mounted_over_is_found_by_the_re_check(follow: Follow, top: Path) -> None:
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
