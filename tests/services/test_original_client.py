"""Our supervisorctl and supervisor's own at the same supervisord: the same lines, exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Timer

import pytest

from tests.harness import until, wait_until
from tests.services.oracle import environment
from tests.services.sides import end

OURS = (sys.executable, "-m", "config_supervisor.control")
FILE = """\
[supervisord]
logfile = {here}/supervisord.log
pidfile = {here}/supervisord.pid
childlogdir = {here}
[unix_http_server]
file = {here}/s.sock
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl = unix://%(here)s/s.sock
[program:web]
command = sleep 1000
startsecs = 0
[program:bad]
command = /nonexistent
startretries = 0
[program:once]
command = sh -c "echo hellö; echo worse >&2"
startsecs = 0
autorestart = false
[program:manual]
command = cat
autostart = false
startsecs = 0
[program:fails]
command = sh -c "exit 3"
autostart = false
startretries = 0
[program:w]
command = sleep 1000
numprocs = 2
process_name = %(program_name)s_%(process_num)02d
startsecs = 0
"""


class Served:
    """The original supervisord, and the two clients."""

    def __init__(self, python: Path, here: Path) -> None:
        self.here = here
        self.file = here / "supervisord.conf"
        self.file.write_text(FILE.format(here=here))
        self._theirs = (str(python), "-m", "supervisor.supervisorctl")
        command = [str(python), "-m", "supervisor.supervisord", "-n", "-c", str(self.file)]
        with (here / "out").open("wb") as out:
            self._process = subprocess.Popen(command, stdout=out, stderr=out, cwd=here)
        try:
            wait_until(self._settled, 15)
        except BaseException:
            self.stop()
            raise

    def _settled(self) -> None:
        out = (self.here / "out").read_text()
        assert "gave up: bad" in out
        assert "exited: once" in out

    def ours(self, *words: str, typed: str = "") -> tuple[int, str]:
        return self._run(OURS, words, typed)

    def theirs(self, *words: str, typed: str = "") -> tuple[int, str]:
        return self._run(self._theirs, words, typed)

    def _run(self, client: tuple[str, ...], words: tuple[str, ...], typed: str) -> tuple[int, str]:
        command = [*client, "-c", str(self.file), *words]
        done = subprocess.run(
            command,
            input=typed,
            capture_output=True,
            text=True,
            check=False,
            cwd=self.here,
            timeout=15,
        )
        return done.returncode, done.stdout

    def both(self, *words: str, typed: str = "") -> tuple[int, str]:
        """The answer, which is the same: as close together as the second of an uptime."""
        for _ in range(3):
            theirs = self.theirs(*words, typed=typed)
            ours = self.ours(*words, typed=typed)
            if ours == theirs:
                break
        assert theirs == ours
        return ours

    def stop(self) -> None:
        end(self._process)


@pytest.fixture(scope="module", name="served")
def served_(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    python = environment(tmp_path_factory.getbasetemp().parent / "supervisor-4.3")
    server = Served(python, tmp_path_factory.mktemp("served"))
    yield server
    server.stop()


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("status", 3),
        ("status web w:*", 0),
        ("status web nosuch", 4),
        ("status nosuch:*", 4),
        ("status bad nosuch", 3),
        ("status all", 3),
        ("pid", 0),
        ("pid web w:w_01", 0),
        ("pid all", 0),
        ("pid bad", 7),
        ("pid nosuch", 1),
        ("avail", 0),
        ("version", 0),
        ("tail once", 0),
        ("tail -3 once", 0),
        ("tail once stderr", 0),
        ("tail -x once", 1),
        ("tail once nothing", 1),
        ("tail -5", 1),
        ("tail nosuch", 1),
        ("tail -f nosuch", 0),
        ("maintail", 0),
        ("maintail -20", 0),
        ("maintail 20", 1),
        ("start web", 0),
        ("start bad", 1),
        ("start fails", 7),
        ("start nosuch", 1),
        ("start nosuch:*", 2),
        ("stop fails", 0),
        ("stop nosuch", 1),
        ("stop nosuch:*", 1),
        ("signal CONT web", 0),
        ("signal CONT w:* web", 0),
        ("signal NONE web", 1),
        ("signal CONT fails", 7),
        ("signal CONT nosuch", 1),
        ("signal CONT nosuch:*", 1),
        ("reread", 0),
        ("update", 0),
        ("update nosuch", 1),
        ("add web", 0),
        ("add nosuch", 1),
        ("remove web", 1),
        ("remove nosuch", 1),
        ("clear manual", 0),
        ("clear nosuch", 1),
        ("fg nosuch", 1),
        ("fg bad", 1),
        ("open ftp://nowhere", 1),
        ("nonsense", 1),
        ("non-sense", 1),
        ("EOF", 0),
    ],
)
def test_line_and_exit_code_are_the_originals(served: Served, line: str, code: int) -> None:
    assert code == served.both(*line.split())[0]


def test_orders_take_turns(served: Served) -> None:
    """Each client undoes the order of the other, and says the same about it, in any order."""
    lines = "start manual", "stop manual", "restart web", "stop w:*", "start w:*", "stop all"
    said = [
        [
            # The original sees the short life of `once` before its answer, or after it.
            (code, sorted(line for line in text.splitlines() if not line.startswith("once:")))
            for code, text in (client(*line.split()) for line in (*lines, "start all", lines[1]))
        ]
        for client in (served.ours, served.theirs)
    ]

    assert said[0] == said[1]


def test_changed_file_is_reread_and_updated(served: Served) -> None:
    text = served.file.read_text()
    said = []
    for client in (served.ours, served.theirs):
        changed = text.replace("command = cat", "command = cat -").replace(
            "[program:once]", "[x:x]"
        )
        served.file.write_text(f"{changed}[program:new]\ncommand = cat\nstartsecs = 0\n")
        said.append(
            [client("reread"), client("avail"), client("update"), client("status", "new")[0]]
        )
        served.file.write_text(text)
        said[-1].append(client("update"))
        until(lambda: "EXITED" in served.ours("status", "once")[1], True)
    ours, theirs = said

    assert theirs == ours
    assert (0, "manual: changed\nnew: available\nonce: disappeared\n") == ours[0]


def test_shell_answers_line_by_line(served: Served) -> None:
    typed = "pid web\n\nnonsense\nshutdown\nn\nquit\n"
    code, said = served.both(typed=typed)

    assert 0 == code
    assert "supervisor> *** Unknown syntax: nonsense\nsupervisor> Really shut" in said


def test_foreground_passes_lines_both_ways(served: Served) -> None:
    served.ours("start", "manual")
    command = [*OURS, "-c", str(served.file), "fg", "manual"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, bufsize=0) as client:
        assert client.stdin
        assert client.stdout
        end = Timer(10, client.kill)  # no line may ever come
        end.start()
        assert b"==> Press Ctrl-C to exit <==\n" == client.stdout.readline()
        client.stdin.write("hellö there\n".encode())
        assert "hellö there\n".encode() == client.stdout.readline()
        client.stdin.close()
        assert b"Exiting foreground\n" == client.stdout.readline()
        end.cancel()
    served.ours("stop", "manual")
    assert 0 == client.returncode


def test_json_has_the_fields_of_the_protocol(served: Served) -> None:
    code, text = served.ours("status", "web", "bad", "--json")
    web, bad = json.loads(text)

    assert 3 == code
    assert ("RUNNING", "FATAL") == (web["statename"], bad["statename"])
    assert {"web": web["pid"]} == json.loads(served.ours("pid", "web", "--json")[1])
    assert "w" in {one["group"] for one in json.loads(served.ours("avail", "--json")[1])}


@pytest.mark.parametrize("line", ["status", "start", "start web", "pid", "shutdown", "tail"])
def test_server_that_is_gone_is_told_alike(served: Served, line: str, tmp_path: Path) -> None:
    gone = ("-s", f"unix://{tmp_path}/none.sock", *line.split())
    theirs = served.theirs(*gone)

    assert theirs == served.ours(*gone)
    assert "no such file" in theirs[1]
