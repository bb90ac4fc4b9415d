"""Log files of services: rotation, opening again, clients, users, and the copies at debug."""

from __future__ import annotations

import pwd
import signal
from pathlib import Path

from tests.conftest import needs_open_interpreter, needs_root
from tests.harness import Run, only_process, until
from tests.process.services import section, services, supervisord
from tests.process.test_services_logs import TAGGED, shell, stop


@only_process
def test_a_file_rotates_at_its_size(run: Run, tmp_path: Path) -> None:
    """Both streams may go to it, in whole lines; the mode is of no matter."""
    path = tmp_path / "web.log"
    script = "for i in 1 2 3 4 5; do echo line-$i; sleep 0.05; done; exec sleep 1000"
    keys = {"stdout_logfile": path, "stdout_logfile_maxbytes": 14, "stdout_logfile_backups": 2}
    program = supervisord(run, tmp_path, shell("web", script, redirect_stderr="true", **keys))
    until(lambda: _text(path), "line-5\n")
    stop(program)

    assert (tmp_path / "web.log.1").read_text() == "line-3\nline-4\n"
    assert (tmp_path / "web.log.2").read_text() == "line-1\nline-2\n"


def _text(path: Path) -> str:
    """The content of a file, which may be away during its rotation."""
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""


@only_process
def test_usr2_opens_moved_files_again(run: Run, tmp_path: Path) -> None:
    """As logrotate needs it, without a rotation of ours too."""
    path = tmp_path / "web.log"
    script = "while sleep 0.02; do echo line; done"
    keys = {"stdout_logfile": path, "stdout_logfile_maxbytes": 0}
    program = supervisord(run, tmp_path, shell("web", script, **keys))
    until(lambda: path.exists() and path.stat().st_size > 0, expected=True)
    path.rename(tmp_path / "old")
    program.send(signal.SIGUSR2)
    until(lambda: path.exists() and path.stat().st_size > 0, expected=True)
    size = (tmp_path / "old").stat().st_size
    until(lambda: path.stat().st_size > 50, expected=True)
    stop(program)

    assert size == (tmp_path / "old").stat().st_size


def test_a_user_opens_dev_stdout_by_its_name(run: Run, common: Path) -> None:
    """As nginx does for its logs; a pipe belongs to the user who made it, else."""
    needs_root()
    needs_open_interpreter()
    script = "echo opened > /dev/stdout; echo error > /dev/stderr; exec sleep 1000"
    program = services(run, common, shell("web", script, user=pwd.getpwuid(65534).pw_name))
    program.expect(r"^\[web\] opened$")
    program.err.expect(r"^\[web\] error$")
    stop(program)


@only_process
def test_debug_copies_output_into_the_activity_log(run: Run, tmp_path: Path) -> None:
    """In the words of the original; the output itself goes to its own place."""
    path = tmp_path / "web.log"
    script = "echo one; echo two; exec sleep 1000"
    keys = {"stdout_logfile": path}
    program = supervisord(run, tmp_path, shell("web", script, **keys), options=["-e", "debug"])
    program.expect(r"DEBG 'web' stdout output:$")
    assert "one" == program.out.next()
    until(lambda: _text(path), "one\ntwo\n")
    stop(program)


@only_process
def test_escape_sequences_are_stripped(run: Run, tmp_path: Path) -> None:
    """Where [supervisord] asks for it."""
    (tmp_path / "text").write_bytes(b"\x1b[31mred\x1b[0m\n")
    web = shell("web", f"cat {tmp_path}/text; exec sleep 1000")
    program = supervisord(run, tmp_path, "[supervisord]\nstrip_ansi = true\n", web)
    program.expect(r"^\[web\] red$")
    stop(program)


@only_process
def test_streams_of_many_starts_leave_nothing(run: Run, tmp_path: Path) -> None:
    """Each start has pipes of its own, which end with it; all lines come."""
    flap = section(
        "flap", command="echo line", startsecs=0, restart="always", **{**TAGGED, "log_tag": "flap"}
    )
    program = supervisord(run, tmp_path, *(flap.replace("flap", f"flap{n}") for n in range(9)))
    for _ in range(20):
        program.expect(r"^\[flap\d\] line$")
    before = _descriptors(program.pid)
    for _ in range(30):
        program.expect(r"^\[flap\d\] line$")
    until(lambda: _descriptors(program.pid) <= before, expected=True)
    stop(program)


def _descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))
