"""The descriptors and variables of a start: their numbers in the program, and those left here."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from config_supervisor.core import events as ev
from config_supervisor.core.errors import SpawnError
from config_supervisor.process import environment, open_files
from config_supervisor.process.spawning import Child, Command, Spawner
from config_supervisor.runtime.signals import Inherited
from config_supervisor.services.service_files import Contribution, FilePart, ServiceFiles
from config_supervisor.services.standard_input import StandardInputs

STARTS = 200


class Texts(FilePart):
    """Gives pipes that hold a text, by the descriptors of the program."""

    def __init__(self, texts: Mapping[int, str]) -> None:
        self._texts = texts
        self.open_here: list[int] = []

    def open(self, identity: str) -> Contribution:
        files = {}
        for number, text in self._texts.items():
            files[number], end = os.pipe()
            os.write(end, text.encode())
            os.close(end)
        self.open_here = list(files.values())
        return Contribution(files=files, variables={"WHO": identity})

    def started(self, identity: str, pid: int) -> None:
        del identity, pid
        self._close()

    def failed(self, identity: str) -> None:
        del identity
        self._close()

    def _close(self) -> None:
        for descriptor in self.open_here:
            os.close(descriptor)
        self.open_here = []


class Given(FilePart):
    """Gives a share that is there already."""

    def __init__(self, share: Contribution) -> None:
        self._share = share

    def open(self, identity: str) -> Contribution:
        del identity
        return self._share


class Broken(FilePart):
    """Has no descriptor left."""

    def open(self, identity: str) -> Contribution:
        del identity
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


class Starts:
    """Starts programs, with the parts of a test."""

    def __init__(self) -> None:
        self.spawner = Spawner(Inherited(frozenset(), frozenset(), frozenset()))
        self.env = environment.own()
        self.env.prepare()
        self.child: Child

    def spawn(self, command: Command, service: str) -> ev.Forked:
        self.child = self.spawner.start(command)
        return ev.Forked(self.child.pid, service=service)

    def end(self) -> str:
        """Wait for the end of the last program; the reason why it was not run."""
        os.waitpid(self.child.pid, 0)
        return str(self.child.error() or "")

    def run(self, script: str, *parts: FilePart) -> str:
        """The output of a script, once it has ended."""
        read, write = os.pipe()
        command = Command(("sh", "-c", script), self.env, files={0: 0, 1: write, 2: 2})
        try:
            ServiceFiles(*parts).start("web", command, self.spawn)
        finally:
            os.close(write)
        with open(read, encoding="utf-8") as output:
            seen = output.read()
        assert self.end() == ""
        return seen


@pytest.fixture
def starts() -> Starts:
    return Starts()


def here() -> list[str]:
    return sorted(os.listdir("/proc/self/fd"))


def test_numbers_of_ours_may_be_those_of_theirs(starts: Starts) -> None:
    """Each copy would replace the source of the next."""
    texts = Texts({number: f"pipe {number}" for number in (3, 4, 5)})
    ours = list(texts.open("web").files.values())
    exchanged = dict(zip([*ours[1:], ours[0]], ours, strict=True))
    script = "; ".join(f"cat /dev/fd/{number}; echo" for number in exchanged)
    seen = starts.run(script, Given(Contribution(files=exchanged)))
    texts.failed("web")

    assert ["pipe 3", "pipe 4", "pipe 5"] == seen.splitlines()


def test_a_program_has_its_files_and_no_others(starts: Starts) -> None:
    """Besides those that our own parent gave us."""
    inherited = set(map(str, open_files.inherited()))
    seen = starts.run("ls /proc/self/fd; echo $WHO", Texts({7: "seven"})).split()

    # 3: that of the listing.
    assert {"0", "1", "2", "3", "7", "web"} == set(seen) - (inherited - {"3", "7"})


def test_a_report_moves_above_the_files(starts: Starts) -> None:
    """The reason of a failed exec arrives, whatever number its pipe has."""
    parts = Texts(dict.fromkeys(range(3, 40), "x"))
    command = Command(("/nowhere/program",), starts.env, files={0: 0, 1: 1, 2: 2})
    ServiceFiles(parts).start("web", command, starts.spawn)

    assert "no such file" in starts.end()


def test_a_later_part_wins(starts: Starts) -> None:
    assert "late" == starts.run("cat <&5", Texts({5: "early"}), Texts({5: "late"}))


def test_a_start_that_cannot_be_opened_is_told(starts: Starts) -> None:
    texts = Texts({3: "three"})
    with pytest.raises(SpawnError, match="cannot open its streams: too many open files") as found:
        starts.run("true", texts, Broken())

    assert found.value.short
    assert [] == texts.open_here


def ended(files: ServiceFiles, pid: int) -> None:
    """The loop observes the end of the process."""
    services: Any = SimpleNamespace(
        roster=None, members={"web": SimpleNamespace(life=SimpleNamespace(pid=pid))}
    )
    files.observe(ev.Exited(pid, 0, service="web"), services, services, ())


def test_an_end_that_is_observed_late_closes_no_new_start(starts: Starts) -> None:
    """A start that the end has ordered comes first: the rules order, then others observe."""
    inputs = StandardInputs()
    files = ServiceFiles(inputs)
    command = Command(("cat",), starts.env, files={1: 1, 2: 2})
    first = files.start("web", command, starts.spawn)
    os.kill(first.pid, signal.SIGKILL)
    starts.end()
    second = files.start("web", command, starts.spawn)
    ended(files, first.pid)
    inputs.write("web", b"")
    ended(files, second.pid)
    with pytest.raises(BrokenPipeError):
        inputs.write("web", b"")
    starts.end()


@pytest.mark.timeout(120)
def test_starts_leave_no_descriptor(starts: Starts) -> None:
    """Successful ones, and such as fail before the fork or at the exec."""
    inputs = StandardInputs()
    files = ServiceFiles(inputs, Texts({3: "three"}))
    command = Command(("true",), starts.env, files={1: 1, 2: 2})
    before = here()
    for number in range(STARTS):
        argv = ("true",) if number % 2 else ("/nowhere/program",)
        forked = files.start("web", command.replace(argv=argv), starts.spawn)
        starts.end()
        ended(files, forked.pid)
        with pytest.raises(SpawnError):
            ServiceFiles(inputs, Broken()).start("web", command, starts.spawn)

    assert before == here()
