"""Other holders of a file: which are seen, on which file systems, and the signal of an opener."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from config_supervisor.store import file_holders
from tests.conftest import needs, needs_root

LEASES = """
    import os, signal, sys
    from config_supervisor.runtime import signals
    from config_supervisor.store import file_holders
    signals.install()
    print("ready", flush=True)
    for _ in range(200000):
        file = os.open(sys.argv[1], os.O_RDONLY)
        file_holders.has_others(file)
        os.close(file)
        if pending := signal.sigpending():
            break
    print(sorted(signal.Signals(one).name for one in pending))
"""
OPENS = """
    import os, sys
    while True:
        os.close(os.open(sys.argv[1], os.O_WRONLY))
"""
OVERLAY = """
    import mmap, os, sys
    from config_supervisor.store import file_holders
    def counted(path):
        directory = os.open(path, os.O_RDONLY)
        return file_holders.are_counted(directory)
    print(counted(sys.argv[1]), counted(sys.argv[1] + "/both"))
"""


def python(code: str) -> list[str]:
    return [sys.executable, "-c", textwrap.dedent(code)]


def test_opener_at_the_same_moment_causes_no_signal_for_the_app(tmp_path: Path) -> None:
    """The kernel tells the owner of a lease that it breaks; SIGIO would be forwarded."""
    file = tmp_path / "file"
    file.touch()
    with subprocess.Popen([*python(OPENS), str(file)]) as opener:
        done = subprocess.run(
            [*python(LEASES), str(file)], capture_output=True, text=True, check=True
        )
        opener.kill()
    assert done.stdout.splitlines()[1:] == ["['SIGCHLD']"]


@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_WRONLY, os.O_RDWR])
def test_open_file_has_another_holder(tmp_path: Path, flags: int) -> None:
    path = tmp_path / "file"
    path.touch()
    ours = os.open(path, os.O_RDONLY)
    try:
        assert not file_holders.has_others(ours)
        other = os.open(path, flags)
        assert file_holders.has_others(ours)
        os.close(other)
        assert not file_holders.has_others(ours)
    finally:
        os.close(ours)


def test_holders_on_an_overlay_are_not_counted(tmp_path: Path) -> None:
    """A mapping there belongs to the file below: the lease is granted all the same."""
    needs_root()
    script = """
        set -e
        mount -t tmpfs none "$1"
        mkdir "$1/lower" "$1/upper" "$1/work" "$1/both"
        options="lowerdir=$1/lower,upperdir=$1/upper,workdir=$1/work"
        mount -t overlay -o "$options" none "$1/both"
        shift
        exec "$@"
    """
    command = [needs("unshare"), "-m", "sh", "-c", script, "sh", str(tmp_path)]
    done = subprocess.run(
        [*command, *python(OVERLAY), str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("True False\n", "")
