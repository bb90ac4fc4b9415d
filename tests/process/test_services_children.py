"""Several services: the surroundings of each, its streams, and what many restarts leave behind."""

from __future__ import annotations

import os
import pwd
import re
import signal
from pathlib import Path

from tests.conftest import needs_open_interpreter, needs_root
from tests.harness import (
    NOBODY_KNOWS,
    Program,
    Run,
    children,
    only_process,
    signals_in,
    status,
    until,
    wait_until,
)
from tests.process.services import all_told, section, services, supervisord

FLAPPING = 50  # services; supervisord starts each about once a second
RESTARTS = 200
FEW = 15  # descriptors beside the standard input of each service
MARGIN = 512  # KiB


def test_a_service_has_its_own_surroundings(run: Run, common: Path) -> None:
    """Directory, umask, variables; its standard input is a pipe that stays open."""
    program = supervisord(
        run,
        common,
        section(
            "web",
            "tell",
            "wait",
            directory=common,
            umask="027",
            environment='MINE="a b"',
            process_name="%(program_name)s-%(process_num)s",
        ),
        env={"HOME": "/srv/home"},
    )
    program.expect(f"web umask 0027 input pipe leads True in {common}$")
    program.expect("web uid .* home /srv/home")
    program.expect("web MINE=a b")
    program.expect("web SUPERVISOR_ENABLED=1")
    program.expect("web SUPERVISOR_GROUP_NAME=web")
    program.expect("web SUPERVISOR_PROCESS_NAME=web-0")
    program.send(signal.SIGTERM)
    program.finish(0)


def test_cat_runs_on(run: Run, tmp_path: Path) -> None:
    program = supervisord(run, tmp_path, section("cat", command="cat", startsecs=1))
    program.expect("success: cat entered RUNNING state")
    program.send(signal.SIGTERM)
    program.finish(0)


def test_a_service_runs_as_its_user(run: Run, common: Path) -> None:
    """With our defaults its HOME is that of the user; under supervisord it stays ours."""
    needs_root()
    needs_open_interpreter()
    nobody = pwd.getpwnam("nobody")
    web = section("web", "tell", "wait", user="nobody")
    program = services(run, common, web)
    program.expect(f"web uid {nobody.pw_uid} gid {nobody.pw_gid} home {nobody.pw_dir}$")
    program.send(signal.SIGTERM)
    program.finish(0)

    program = supervisord(run, common, web, env={"HOME": "/srv/home"})
    program.expect(f"web uid {nobody.pw_uid} gid {nobody.pw_gid} home /srv/home$")
    program.send(signal.SIGTERM)
    program.finish(0)


def test_streams_go_where_the_file_says(run: Run, tmp_path: Path) -> None:
    """Crossed streams of ours, a file, nowhere; a file that is there already is appended to."""
    log = tmp_path / "web.log"
    log.write_text("before\n")
    crossed = {"stdout_logfile": "/dev/stderr", "stderr_logfile": "/dev/stdout"}
    unlimited = {"stdout_logfile_maxbytes": 0, "stderr_logfile_maxbytes": 0}
    program = supervisord(
        run,
        tmp_path,
        _talker("crossed", **crossed, **unlimited),
        _talker("file", stdout_logfile=log, redirect_stderr="true"),
        _talker("silent", stdout_logfile="NONE", stderr_logfile="off"),
    )
    all_told(program.out.seen, "crossed err")
    all_told(program.err.seen, "crossed out")
    until(log.read_text, "before\nfile out\nfile err\n")
    program.send(signal.SIGTERM)
    program.finish(0)

    assert not {"silent out", "silent err"} & {*program.out.seen, *program.err.seen}


def _talker(name: str, **keys: object) -> str:
    """A service that writes to both streams."""
    script = f"sh -c 'echo {name} out && echo {name} err >&2 && exec sleep 1000'"
    return section(name, command=script, startsecs=0, **keys)


@only_process
def test_a_log_file_that_cannot_be_opened(run: Run, tmp_path: Path) -> None:
    """It is a failed start, with the reason. The mode is of no matter."""
    (tmp_path / "web.log").mkdir()
    log = tmp_path / "web.log"
    program = services(run, tmp_path, section("web", "wait", stdout_logfile=log, startretries=0))
    program.finish(125)

    assert f"cannot open its log {log}" in "\n".join(program.err.seen)


def test_a_service_that_floods_or_closes_its_output(run: Run, tmp_path: Path) -> None:
    """Our own log is not disturbed, and the stop neither."""
    program = services(
        run,
        tmp_path,
        section("flood", "flood=10000000", "wait", startsecs=0),
        section("closed", "close", "wait", startsecs=0),
    )
    all_told(program.out.seen, "flood up", "closed up")
    program.send(signal.SIGTERM)
    program.finish(0)

    assert re.search("closed (was ended|ended)", "\n".join(program.err.seen))


@only_process
def test_a_broken_pipe_ends_a_service(run: Run, tmp_path: Path) -> None:
    """The original ignores PIPE and XFSZ in its programs, by accident of its interpreter. The mode
    is of no matter.
    """
    command = "sh -c 'grep SigIgn /proc/self/status && exec sleep 1000'"
    program = services(run, tmp_path, section("web", command=command, startsecs=0))
    ignored = signals_in(program.expect("SigIgn:\t(.*)")[1])
    assert not {signal.SIGPIPE, signal.SIGXFSZ} & ignored
    program.send(signal.SIGTERM)
    program.finish(0)


def test_many_restarts_leave_nothing_behind(run: Run, tmp_path: Path) -> None:
    """Descriptors, processes and memory are as after the first few of some hundred starts."""
    calm = tmp_path / "calm"
    names = [f"web-{number}" for number in range(FLAPPING)]
    command = f"sh -c 'test ! -e {calm} || exec sleep 1000'"
    keys = {"command": command, "startsecs": 0, "restart": "always", "redirect_stderr": "true"}
    program = supervisord(
        run,
        tmp_path,
        *(section(name, **keys, stdout_logfile="NONE") for name in names),
        section("db", "wait", startsecs=0),
    )
    _restarted(program, FLAPPING)
    descriptors, memory = _held(program, calm, FLAPPING + FEW)
    _restarted(program, RESTARTS)
    _, memory_after = _held(program, calm, descriptors)

    assert memory_after < memory + MARGIN
    program.send(signal.SIGTERM)
    program.finish(0)


def _restarted(program: Program, times: int) -> None:
    for _ in range(times):
        program.expect("exited: web-")


def _held(program: Program, calm: Path, most: int) -> tuple[int, int]:
    """The descriptors, `most` of them, while all services run on, and KiB of anonymous memory."""

    def sleepers() -> list[int]:
        return [pid for pid in children(program.pid) if status(pid).get("Name") == "sleep"]

    def descriptors() -> int:
        return len(os.listdir(f"/proc/{program.pid}/fd"))

    def settled() -> None:
        assert descriptors() <= most

    calm.touch()
    until(lambda: len(sleepers()), FLAPPING)
    wait_until(settled)
    memory = re.match(r"\d+", status(program.pid)["RssAnon"])
    assert memory is not None
    held = descriptors(), int(memory[0])
    calm.unlink()
    for pid in sleepers():
        os.kill(pid, signal.SIGKILL)
    return held


def test_the_limit_of_descriptors_is_raised(run: Run, tmp_path: Path) -> None:
    """Under supervisord only, whose default is 1024; the programs have it too."""
    limited = ["prlimit", "--nofile=512:4096", "--"]
    web = section("web", command="sh -c 'ulimit -n && exec sleep 1000'", startsecs=0)
    program = supervisord(run, tmp_path, web, prefix=limited)
    all_told(program.out.seen, "INFO Increased RLIMIT_NOFILE limit to 1024", "1024")
    program.send(signal.SIGTERM)
    program.finish(0)

    program = services(run, tmp_path, web, prefix=limited)
    program.expect("^512$")
    program.send(signal.SIGTERM)
    program.finish(0)


@only_process
def test_a_limit_that_cannot_be_raised_is_refused(run: Run, common: Path) -> None:
    """Nothing is started. The mode is of no matter."""
    needs_root()
    needs_open_interpreter()
    limited = ["prlimit", "--nofile=512:512", "--", *NOBODY_KNOWS]
    program = supervisord(run, common, section("web", "wait"), prefix=limited)
    program.finish(2)

    assert "cannot raise the limit of open files to 1024 (minfds)" in program.err.seen[0]
    assert [] == program.out.seen
