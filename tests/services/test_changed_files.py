"""reread, update, add and remove on our supervisord, by the original supervisorctl and by ours, on
files that change in between: only the changed groups start again.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import PROGRAM, until
from tests.services.oracle import environment

OURS = (sys.executable, "-m", "config_supervisor.control")
HEAD = """\
[supervisord]
logfile = {here}/supervisord.log
pidfile = {here}/supervisord.pid
[unix_http_server]
file = {here}/s.sock
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl = unix://{here}/s.sock
"""
PROGRAMS = {"kept": "sleep 1000", "changing": "sleep 1001", "leaving": "sleep 1002"}


class Edited:
    """Our supervisord on a file of programs, and one of the clients."""

    def __init__(self, client: tuple[str, ...], here: Path) -> None:
        self._client = client
        self._here = here
        self.file = here / "supervisord.conf"
        self.write(PROGRAMS)
        link = here / "supervisord"
        link.symlink_to(PROGRAM[0])
        with (here / "out").open("wb") as out:
            self._process = subprocess.Popen(
                [str(link), "-n", "-c", str(self.file)], stdout=out, stderr=out, cwd=here
            )
        until(lambda: set(self.pids()), set(PROGRAMS))

    def write(self, commands: dict[str, str], *lines: str) -> None:
        """A program for each command, and more lines for the last."""
        sections = [
            f"[program:{name}]\ncommand = {command}\nstartsecs = 0\n"
            for name, command in commands.items()
        ]
        text = "".join([HEAD.format(here=self._here), *sections, *(f"{one}\n" for one in lines)])
        self.file.write_text(text)

    def ctl(self, *words: str) -> tuple[int, str]:
        done = subprocess.run(
            [*self._client, "-c", str(self.file), *words],
            capture_output=True,
            text=True,
            check=False,
            cwd=self._here,
            timeout=15,
        )
        return done.returncode, done.stdout

    def pids(self) -> dict[str, str]:
        """The pids of the running programs."""
        rows = [line.split() for line in self.ctl("status")[1].splitlines()]
        return {row[0]: row[3].rstrip(",") for row in rows if row[1:2] == ["RUNNING"]}

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(15)


@pytest.fixture(params=["ours", "original"])
def edited(
    request: pytest.FixtureRequest, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Edited]:
    client = OURS
    if request.param == "original":
        python = environment(tmp_path_factory.getbasetemp().parent / "supervisor-4.3")
        client = (str(python), "-m", "supervisor.supervisorctl")
    server = Edited(client, tmp_path)
    yield server
    server.stop()


def test_update_restarts_only_the_changed_program(edited: Edited) -> None:
    before = edited.pids()
    edited.write({"kept": "sleep 1000", "changing": "sleep 2001", "new": "sleep 2002"})

    assert (0, "changing: changed\nleaving: disappeared\nnew: available\n") == (
        edited.ctl("reread")[0],
        "".join(sorted(edited.ctl("reread")[1].splitlines(keepends=True))),
    )
    assert before == edited.pids()
    code, text = edited.ctl("update")
    assert 0 == code
    assert {
        "leaving: stopped",
        "leaving: removed process group",
        "changing: stopped",
        "changing: updated process group",
        "new: added process group",
    } == set(text.splitlines())
    after = edited.pids()
    assert {"kept", "changing", "new"} == after.keys()
    assert before["kept"] == after["kept"]
    assert before["changing"] != after["changing"]
    assert (0, "No config updates to processes\n") == edited.ctl("reread")


def test_update_of_one_group_leaves_the_others(edited: Edited) -> None:
    before = edited.pids()
    edited.write({"kept": "sleep 3000", "changing": "sleep 3001", "leaving": "sleep 1002"})
    edited.ctl("update", "changing")
    after = edited.pids()

    assert before["changing"] != after.pop("changing")
    assert after == {name: before[name] for name in ("kept", "leaving")}


def test_groups_are_added_and_removed_by_name(edited: Edited) -> None:
    before = edited.pids()
    edited.write({**PROGRAMS, "new": "sleep 2002"})
    edited.ctl("reread")

    assert (0, "new: added process group\n") == edited.ctl("add", "new")
    until(lambda: set(edited.pids()), {*PROGRAMS, "new"})
    assert "still running" in edited.ctl("remove", "new")[1]
    assert (0, "new: stopped\n") == edited.ctl("stop", "new")
    assert (0, "new: removed process group\n") == edited.ctl("remove", "new")
    assert before == edited.pids()


def test_refused_file_changes_nothing(edited: Edited) -> None:
    before = edited.pids()
    edited.write({"kept": "sleep 1000", "changing": "sleep 2001"}, "startretries = often")
    line = len(edited.file.read_text().splitlines())

    for verb in ("reread", "update"):
        code, text = edited.ctl(verb)
        assert 0 != code
        place = f"{edited.file}:{line} [program:changing] startretries"
        assert place in text, text
    assert before == edited.pids()
    edited.write(PROGRAMS)
    assert (0, "No config updates to processes\n") == edited.ctl("reread")
