"""Several services: their order, readiness, restarts, and the exit code of the container."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest

from config_supervisor.process.procfs import descendants
from tests.harness import Run, children, only_process, until, wait_until
from tests.process.services import all_told, order, section, services, supervisord, written
from tests.servers import free_port


def test_services_start_in_order_and_stop_in_reverse(run: Run, tmp_path: Path) -> None:
    program = services(
        run,
        tmp_path,
        section("web", "wait", depends_on="cache", startsecs=0),
        section("cache", "wait", depends_on="db", startsecs=0),
        section("db", "wait", startsecs=0),
    )
    all_told(program.out.seen, "db up", "cache up", "web up")
    program.send(signal.SIGTERM)
    program.finish(0)

    started = re.findall(r"started (\w+)", "\n".join(program.err.seen))
    assert ["db", "cache", "web"] == started
    assert ["web down", "cache down", "db down"] == program.out.seen[3:]


def test_a_dependent_waits_for_a_port(run: Run, tmp_path: Path) -> None:
    port = free_port()
    program = services(
        run,
        tmp_path,
        section("web", "wait", depends_on="db"),
        section("db", "sleep=0.5", f"listen={port}", "wait", ready=f"tcp:{port}", startsecs=0),
    )
    program.expect("web up")
    program.err.expect("db is ready")
    program.send(signal.SIGTERM)
    program.finish(0)


def test_a_dependent_waits_for_a_command(run: Run, tmp_path: Path) -> None:
    """The command runs in the directory of its service, with its environment."""
    (tmp_path / "data").mkdir()
    program = services(
        run,
        tmp_path,
        section("web", "wait", depends_on="db"),
        section(
            "db",
            "wait",
            ready="sh -c 'test -e ready-$MINE'",
            environment="MINE=1",
            directory=tmp_path / "data",
            startsecs=0,
        ),
    )
    program.expect("db up")
    program.err.expect("started db")
    assert "web up" not in program.out.seen
    (tmp_path / "data" / "ready-1").touch()
    program.expect("web up")

    program.send(signal.SIGTERM)
    program.finish(0)


def test_a_dependent_waits_for_a_completed_oneshot(run: Run, tmp_path: Path) -> None:
    program = services(
        run,
        tmp_path,
        section("web", "wait", depends_on="migrate:completed"),
        section("migrate", "sleep=0.2", "end=0", oneshot="true"),
    )
    program.expect("web up")
    program.err.expect("migrate ended with code 0")

    program.send(signal.SIGTERM)
    program.finish(0)


def test_a_oneshot_with_a_check_runs_once(run: Run, tmp_path: Path) -> None:
    """The check never passes, as that of a neighbour copied; the job ended with 0."""
    program = services(
        run,
        tmp_path,
        section("migrate", "end=0", oneshot="true", ready="test -e /nowhere"),
        section("web", "end=0", depends_on="migrate", restart="never", startsecs=0),
    )
    program.finish(0)

    assert 1 == sum("started migrate" in line for line in program.err.seen)


def test_a_failed_oneshot_ends_the_container(run: Run, tmp_path: Path) -> None:
    program = services(
        run,
        tmp_path,
        section("web", "wait", depends_on="migrate:completed"),
        section("migrate", "end=3", oneshot="true"),
    )
    program.finish(3)

    assert "web up" not in program.out.seen


def test_a_crash_loop_ends_with_the_code_of_the_service(run: Run, tmp_path: Path) -> None:
    program = services(
        run,
        tmp_path,
        section("db", "wait"),
        section("web", "end=7", startretries=1),
    )
    program.finish(7)

    assert ["web up", "web up", "db down"] == order(program.out.seen, "web up", "db down")
    told = "\n".join(program.err.seen)
    assert 1 == told.count("web is given up")
    assert "web is down for good: stopping all services, exit code 7" in told


def test_supervisord_runs_on_without_services(run: Run, tmp_path: Path) -> None:
    """All are FATAL: it waits for orders, and ends with 0, as the original does."""
    program = supervisord(run, tmp_path, section("web", "end=7", startretries=0))
    program.expect("gave up: web entered FATAL state, too many start retries too quickly")
    program.send(signal.SIGTERM)
    program.finish(0)


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        ("/nowhere/program", 127, "no such file"),
        ("nowhere-in-path", 127, "not found in PATH"),
        ("/", 126, "it is a directory"),
        ("/etc/passwd", 126, "permission denied"),
    ],
)
def test_a_program_that_cannot_run(
    run: Run, tmp_path: Path, command: str, code: int, words: str
) -> None:
    program = services(run, tmp_path, section("web", command=command, startretries=0))
    program.finish(code)

    assert words in "\n".join(program.err.seen)


@only_process
@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("/nowhere/x", "can't find command '/nowhere/x'"),
        ("/etc/passwd", "command at '/etc/passwd' is not executable"),
        ("/etc", "command at '/etc' is a directory"),
        ("{place}/script", "cannot start .*/script: the file is there, but its interpreter"),
    ],
)
def test_a_start_error_in_the_words_of_supervisord(
    run: Run, tmp_path: Path, command: str, words: str
) -> None:
    """Where these tell the cause: of a missing interpreter the original logs the exit only."""
    script = tmp_path / "script"
    script.write_text("#!/nowhere/shell\n")
    script.chmod(0o755)
    command = command.format(place=tmp_path)
    program = supervisord(run, tmp_path, section("web", command=command, startretries=0))
    program.expect(f"INFO spawnerr: {words}")
    program.expect("INFO gave up: web entered FATAL state")
    program.send(signal.SIGTERM)
    program.finish(0)


@only_process
@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("user = nobody-knows", "[program:web] user: 'nobody-knows'"),
        ("depends_on = nowhere", "[program:web] depends_on"),
        ("startsecs = soon", "[program:web] startsecs"),
    ],
)
def test_a_refused_file_starts_nothing(run: Run, tmp_path: Path, key: str, words: str) -> None:
    """No service is started; the place stands in the message. The mode is of no matter."""
    program = services(run, tmp_path, section("db", "wait"), section("web", "wait"), key)
    program.finish(2)

    assert [] == program.out.seen
    assert f"{tmp_path}/supervisord.conf:" in program.err.seen[0]
    assert words in program.err.seen[0]


def test_a_stop_before_the_first_start(run: Run, tmp_path: Path) -> None:
    """TERM is pending when the program begins: it starts nothing."""
    block = ["env", "--block-signal=TERM", "sh", "-c", 'kill -TERM $$; exec "$@"', "sh"]
    program = run(prefix=block, options=["--services", written(tmp_path, [section("web", "wait")])])
    program.finish(0)

    assert [] == program.out.seen


def test_a_killed_service_starts_again(run: Run, tmp_path: Path) -> None:
    program = services(run, tmp_path, section("web", "wait", startsecs=0))
    program.expect("web up")
    [pid] = children(program.pid)
    os.kill(pid, signal.SIGKILL)
    program.expect("web up")
    program.err.expect("web was ended by SIGKILL; starting it again in")

    program.send(signal.SIGTERM)
    program.finish(0)


def test_many_services_start_and_stop(run: Run, tmp_path: Path) -> None:
    names = [f"web-{number}" for number in range(35)]
    file = [section(name, command="sleep 1000", startsecs=0) for name in names]
    program = services(run, tmp_path, *file)

    def all_run() -> None:
        assert len(names) == "\n".join(program.err.seen).count(": started web-")

    wait_until(all_run, 20)
    assert len(names) == len(children(program.pid))
    program.send(signal.SIGTERM)
    program.finish(0)


def test_orphans_are_reaped(run: Run, tmp_path: Path) -> None:
    """A child of a service that lost its parent is no zombie after its end."""
    script = "sh -c '(sleep 0.2 & echo orphan) && echo parent && exec sleep 1000'"
    program = services(run, tmp_path, section("web", command=script, startsecs=0))
    program.expect("parent")
    until(lambda: len(descendants(program.pid)), 1)

    program.send(signal.SIGTERM)
    program.finish(0)
