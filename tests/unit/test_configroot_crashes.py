"""Readers at any moment, and a death at any system call: always a whole generation."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

from config_supervisor.store.configroot import Modes, Root
from tests.disk import NEW, OLD, everything, of, put, shown, swap


def test_a_reader_sees_only_whole_generations(root: Root) -> None:
    """An app opens its directory once and reads both files below it."""
    names = [f"f{number}" for number in range(8)]
    put(root, dict.fromkeys(names, b"0"))
    torn: list[object] = []
    seen = set()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            directory = os.open(f"{root.path}/..data", os.O_RDONLY)
            try:
                contents = set()
                for name in names:
                    file = os.open(name, os.O_RDONLY, dir_fd=directory)
                    contents.add(os.read(file, 100))
                    os.close(file)
                seen.update(contents)
                if len(contents) != 1:
                    torn.append(contents)
            except OSError as error:
                torn.append(error)
            finally:
                os.close(directory)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(1, 100):
        put(root, dict.fromkeys(names, b"%d" % number))
    done.set()
    reader.join()
    # Two swaps during a read remove its generation: hence the kept ones.
    assert [what for what in torn if not isinstance(what, FileNotFoundError)] == []
    assert len(torn) < len(seen)
    assert len(seen) > 3


CRASH = """
import json, os, sys
from tests.disk import next_tick
import hashlib  # and json: so that their files are not among those counted
from config_supervisor.store.configroot import Modes, Root
from config_supervisor.store.write_errors import ApplyError
from config_supervisor.core.content import Entry, version_of

path, old, new, start = sys.argv[1:]
old, new = ({k: Entry(v.encode()) for k, v in json.loads(files).items()} for files in (old, new))
EVENTS = {"open"} | {
    "os." + name for name in "mkdir rename remove rmdir symlink link chmod listdir".split()
}
left = None

def hook(event, _):
    global left
    if left is not None and event in EVENTS:
        left -= 1
        if left < 0:
            os._exit(9)

sys.addaudithook(hook)

def child(number):
    global left
    pid = os.fork()
    if pid:
        return os.waitpid(pid, 0)[1] == 0
    root = Root(path, Modes())
    root.prepare()
    left = number
    swap(root, new)
    os._exit(0)

def visible():
    files = (path + "/" + name for name in sorted(os.listdir(path)))
    return {os.path.basename(file): open(file).read() for file in files if os.path.isfile(file)}

def swap(root, files):
    root.show(root.stage(version_of(files)))
    root.tidy()
    next_tick(os.path.dirname(path))
    root.read_spare()

def sums(top):
    names = [name for name in os.listdir(top) if not name.startswith("..")]
    return {name: hashlib.sha256(open(top + "/" + name, "rb").read()).hexdigest() for name in names}

for number in range(1000):
    os.system("rm -rf " + path)
    root = Root(path, Modes())
    if start == "defaults":
        os.mkdir(path)
        for name in old:
            open(path + "/" + name, "wb").write(old[name].data)
    else:
        for files in (new, old, new, old):  # so that there is one to be pruned
            swap(root, files)
    whole = child(number)
    before = visible()
    again = Root(path, Modes())
    again.prepare()
    live = again.live().generation
    names = sorted(os.listdir(path))
    after = visible()
    intact = [one.name for one in again.generations() if one.files == sums(again.directory(one))]
    swap(again, new)
    end = again.live().generation
    print(json.dumps([live and live.digest, before, after, names, intact, end and end.digest]))
    if whole:
        break
"""


def crash(path: Path, start: str) -> list[list[object]]:
    """Die at the n-th system call of a swap, for every n; returns the state after each death."""
    files = [json.dumps({"a": f"{age} a", "b": f"{age} b", age: age}) for age in ("old", "new")]
    command = [sys.executable, "-c", CRASH, str(path / "etc"), *files, start]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


OLDER, NEWER = ({"a": f"{age} a", "b": f"{age} b", age: age} for age in ("old", "new"))
DIGESTS = {
    of({name: text.encode() for name, text in files.items()}).digest: files
    for files in (OLDER, NEWER)
}


def test_crash_at_any_call_leaves_a_whole_configuration(tmp_path: Path) -> None:
    results = crash(tmp_path, "old")
    assert len(results) > 15
    ends = list(DIGESTS)
    for digest, before, after, names, intact, end in results:
        files = DIGESTS[str(digest)]
        assert after == files
        assert before == files  # even before the next start tidied up
        assert isinstance(names, list)
        assert isinstance(intact, list)
        assert [name for name in names if not name.startswith("..")] == sorted(files)
        assert sorted(name for name in names if name.startswith("..")) == sorted(
            [*intact, "..data"]
        )
        assert end == ends[1]
    digests_seen = [str(result[0]) for result in results]
    assert digests_seen == sorted(digests_seen, key=ends.index)  # old, old, ..., new, new
    assert set(digests_seen) == set(ends)


def test_crash_during_the_first_swap_leaves_whole_files(
    tmp_path: Path,
) -> None:
    results = crash(tmp_path, "defaults")
    ends = list(DIGESTS)
    for digest, _, after, names, _, end in results:
        assert isinstance(names, list)
        assert not [name for name in names if name.startswith(("..link", "..kept", "..data_tmp"))]
        assert after == (OLDER if digest is None else {**OLDER, **NEWER})
        assert [name for name in names if not name.startswith("..")] == sorted(after)
        assert end == ends[1]
    assert {result[0] for result in results} == {None, ends[1]}


def test_a_torn_live_generation_keeps_the_older_ones(root: Root) -> None:
    """A power cut: the newest data never reached the disk, the earlier data did."""
    first, second = put(root, OLD), put(root, NEW)
    third = put(root, {"a": b"3"})
    os.truncate(f"{root.directory(third)}/..manifest.json", 0)
    again = Root(root.path, Modes())
    again.prepare()
    assert again.live().generation is None
    assert again.generations() == [second, first]
    swap(again, second)
    assert shown(root.path) == NEW


def test_a_staged_generation_does_not_outlive_a_restart(root: Root) -> None:
    live = put(root, OLD)
    before = everything(root.path)
    root.stage(of(NEW))
    again = Root(root.path, Modes())
    again.prepare()
    assert again.generations() == [live]
    assert everything(root.path) == before


def test_removed_links_come_back_with_the_next_start(root: Root) -> None:
    put(root, OLD)
    os.unlink(f"{root.path}/a")
    Root(root.path, Modes()).prepare()
    assert shown(root.path) == OLD
