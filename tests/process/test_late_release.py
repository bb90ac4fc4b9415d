"""An exit does not wait for the release of inotify instances, and none of them stays."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys

import pytest

from tests.conftest import needs
from tests.harness import Run, app, only_process
from tests.volume import swap_volume

# A process with an instance, left behind or not, or without.
LEAVE = """
import os, sys
import inotify_simple
from config_supervisor.sources.directory import late_release

if sys.argv[1] != "none":
    inotify_simple.find_library = lambda _: None
    watch = inotify_simple.INotify()
    watch.add_watch("/", inotify_simple.flags.CREATE)
if sys.argv[1] == "left":
    late_release.add(watch.fileno())
    late_release.leave_behind()
os._exit(0)
"""
# Starts it again and again where a user has few instances; an instance is released soon, not at
# once. Fails after the limit of time.
REPEAT = """
import subprocess, sys, time

with open("/proc/sys/user/max_inotify_instances", "w") as file:
    file.write("3")
end = time.monotonic() + 30
for _ in range(12):
    while subprocess.run([sys.executable, "-I", "-c", sys.argv[1], "left"]).returncode:
        assert time.monotonic() < end
"""


def sleeps(what: str) -> int:
    """Voluntary context switches of a process, its exit included: the least of some runs."""
    counts = []
    for _ in range(5):
        child = subprocess.Popen([sys.executable, "-I", "-c", LEAVE, what])
        _, code, usage = os.wait4(child.pid, 0)
        child.returncode = code
        assert 0 == code
        counts.append(usage.ru_nvcsw)
    return min(counts)


def test_exit_does_not_wait_for_an_instance_left_behind() -> None:
    if tuple(map(int, platform.release().split(".")[:2])) < (6, 9):
        pytest.skip("this kernel collects sockets in flight within the exit")
    assert sleeps("none") == sleeps("left")
    assert sleeps("none") < sleeps("kept"), "nothing to gain any more"


@pytest.mark.timeout(60)
def test_instances_left_behind_are_released() -> None:
    own = [needs("unshare"), "--user", "--map-root-user", sys.executable, "-I", "-c", REPEAT, LEAVE]
    done = subprocess.run(own, capture_output=True, text=True, check=False)

    assert 0 == done.returncode, done.stderr


@only_process
def test_directory_role_leaves_its_watch_behind(run: Run, tmp_path: os.PathLike[str]) -> None:
    volume = f"{tmp_path}/volume"
    swap_volume(volume, {"app.conf": "first"})
    options = (f"--config-dir={volume}", "--listen=off", "--control=off", "--subreaper=off")
    program = run(*app("read_config.py", f"{volume}/app.conf"), options=options)
    program.expect("ready")
    swap_volume(volume, {"app.conf": "second"})
    program.expect("config: second")  # it watches

    command = [needs("strace"), "-e", "trace=sendmsg,exit_group", "-p", str(program.pid)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as strace:
        assert strace.stderr is not None
        assert "attached" in strace.stderr.readline()
        program.send(signal.SIGTERM)
        told = strace.communicate(timeout=10)[1]

    assert told.index("SCM_RIGHTS") < told.index("exit_group")
