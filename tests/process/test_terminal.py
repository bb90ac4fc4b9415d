"""The app on a terminal: it is the foreground group, and the keys reach it.

The supervisor leads the session of a terminal of its own, as `docker run -it` starts PID 1.
"""

from __future__ import annotations

import shlex
import signal
from pathlib import Path
from signal import SIGCONT, SIGINT, SIGTERM

import pytest

from tests.harness import PROGRAM, Run, app, assert_state, children, only_pid1, only_process
from tests.sync.reloading import QUICK
from tests.volume import Volume

INTERRUPT, SUSPEND, END, BACK = "\x03", "\x1a", "\x04", "\b"
SPEAKING = ["sed", "-u", "s/^/sed says /"]  # differs from an echo of the terminal


def test_the_app_is_the_foreground_group_of_the_terminal(run: Run) -> None:
    program = run.on_terminal("sh", "-c", "echo ready; exec cat")

    program.expect("ready")
    with open(f"/proc/{program.app}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()  # proc(5): tpgid is field 8, the 6th here
    assert str(program.app) == fields[5]


def test_a_shell_on_a_terminal_has_job_control(run: Run) -> None:
    program = run.on_terminal("bash", "--norc", "-m")

    program.type('echo "flags=<$->"\n')
    program.expect("flags=<[a-zA-Z]*m[a-zA-Z]*>")
    program.type(f"{shlex.join(SPEAKING)} & fg\n")
    program.expect("^sed -u")  # what `fg` says
    program.type("in front\n")
    program.expect("^sed says in front")
    program.type(END)
    program.type('echo "code=<$?>"\n')
    program.expect("code=<0>")
    program.type("exit 5\n")
    program.finish(5)
    said = "\n".join(program.out.seen)
    assert "cannot set terminal process group" not in said
    assert "no job control" not in said


@pytest.mark.parametrize("options", [(), ("-g",)], ids=["app", "group"])
def test_an_interrupt_key_reaches_the_app_exactly_once(run: Run, options: tuple[str, ...]) -> None:
    """It goes to the foreground group: with us in the group, the app would get it twice."""
    program = run.on_terminal(*app("print_signals.py"), options=options)

    program.expect("^ready")
    program.type(INTERRUPT)
    program.expect(f"(^|C){SIGINT:d}$")  # a terminal echoes the key as ^C before
    program.send(signal.SIGUSR2)
    assert f"{signal.SIGUSR2:d}" == program.out.next()


def test_an_interrupt_key_that_is_not_caught_gives_130(run: Run) -> None:
    program = run.on_terminal("sh", "-c", "echo ready; exec cat")

    program.expect("ready")
    program.type(INTERRUPT)
    program.finish(128 + SIGINT)


@only_process
def test_a_suspend_key_stops_both_and_cont_resumes_both(run: Run) -> None:
    """An ordinary process; PID 1 cannot stop, so there the key stops the app alone."""
    program = run.on_terminal("sh", "-c", "echo ready; exec cat")

    program.expect("ready")
    app_pid = program.app
    program.type(SUSPEND)
    assert_state(app_pid, "T")
    assert_state(program.pid, "T")
    program.send(SIGCONT)
    assert_state(app_pid, "S")
    assert_state(program.pid, "S")
    program.type(f"again\n{END}")
    program.finish(0)


@only_process
def test_cont_resumes_the_children_of_the_app_too(run: Run) -> None:
    """The key stops the whole foreground group, so all of it has to go on."""
    program = run.on_terminal("sh", "-c", "sleep 60 & echo ready $!; wait")

    child = int(program.expect(r"ready (\d+)")[1])
    app_pid = program.app
    program.type(SUSPEND)
    assert_state(child, "T")
    assert_state(program.pid, "T")
    program.send(SIGCONT)
    assert_state(app_pid, "S")
    assert_state(child, "S")
    program.send(SIGTERM)
    program.finish(128 + SIGTERM)


@only_pid1
def test_a_suspend_key_under_pid_1_stops_the_app_alone(run: Run) -> None:
    """An ordinary process stops too: see the test before."""
    program = run.on_terminal("sh", "-c", "echo ready; exec cat")

    program.expect("ready")
    app_pid = program.app
    program.type(SUSPEND)
    assert_state(app_pid, "T")
    assert_state(program.pid, "S")
    program.send(SIGCONT)
    assert_state(app_pid, "S")
    program.type(f"again\n{END}")
    program.finish(0)


@only_process
def test_a_shell_can_suspend_the_supervisor_and_bring_it_back(run: Run) -> None:
    """A job of a shell is no PID 1. `fg` gives the terminal to our group; the app needs it back."""
    shell = run.on_terminal("bash", "--norc", "-m", supervised=False)
    shell.type(f"{shlex.join([*PROGRAM, '--', *SPEAKING])}\nfirst\n")
    shell.expect("^(.*\r)?sed says first")

    for word in ("second", "third"):
        shell.type(SUSPEND)
        shell.expect("Stopped")
        shell.type(f"fg\n{word}\n")
        shell.expect(f"^(.*\r)?sed says {word}")
    shell.type(END)
    shell.type('echo "code=<$?>"\n')
    shell.expect("code=<0>")
    shell.type("exit\n")
    shell.finish(0)


def test_tac_reads_a_terminal_to_its_end(run: Run) -> None:
    # The end of a session's leader discards unread output; `cat` holds it until then.
    program = run.on_terminal("sh", "-c", "tac; echo code=$?; cat")

    program.type(f"1\n2\n3\n{END}")
    program.expect("code=0")
    lines = [line.removeprefix(f"^D{BACK}{BACK}") for line in program.out.seen]
    assert ["3", "2", "1", "code=0"] == lines[-4:]
    program.type(END)
    program.finish(0)


def foreground(pid: int) -> str:
    """The foreground group of a process's terminal: tpgid, field 8 of /proc/PID/stat."""
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[5]


def test_each_run_of_the_app_has_the_terminal(run: Run) -> None:
    """After the first run the foreground group is gone: TTIN would stop a reader."""
    script = "echo run; read -r line; echo got $line; exit 3"
    program = run.on_terminal(
        "sh", "-c", script, options=("--restart=always", "--leftovers=ignore")
    )

    for number in range(3):
        program.expect("^run")
        (app_pid,) = children(program.pid)
        assert str(app_pid) == foreground(app_pid)
        program.type(f"{number}\n")
        program.expect(f"^got {number}")
    program.expect("run")
    program.send(signal.SIGTERM)
    program.finish(128 + signal.SIGTERM)


def test_an_interrupt_key_between_two_runs_ends_the_wait(run: Run) -> None:
    """Without an app in the foreground the key reaches the supervisor."""
    program = run.on_terminal("sh", "-c", "exit 3", options=("--restart=always",))

    program.expect("starting it again in 2s")
    program.type(INTERRUPT)
    program.finish(3)


def test_a_reload_by_restart_leaves_the_app_the_terminal(run: Run, tmp_path: Path) -> None:
    volume = Volume(tmp_path / "volume")
    volume.swap({"app.conf": "one"})
    options = (f"--config-dir={volume.path}", "--reload-restart", *QUICK)
    program = run.on_terminal("sh", "-c", "echo run; exec cat", options=options)

    program.expect("^run")
    program.type("first\n")
    volume.swap({"app.conf": "two"})
    program.expect("^run")
    program.type("again\n")
    program.expect("^again")
    program.expect("^again")  # the echo of the terminal, and what the app says


def test_the_app_reads_the_terminal_beside_a_pipe(run: Run) -> None:
    """Standard input is a pipe, and the app asks at /dev/tty, as ssh, sudo and less do."""
    script = "cat; read -r line < /dev/tty; echo got $line"
    pipeline = (
        f"echo piped | {shlex.join([*PROGRAM, '--', 'sh', '-c', script])}; read -r line; echo then"
        " $line"
    )
    shell = run.on_terminal("sh", "-c", pipeline, supervised=False)

    shell.expect("^piped")
    shell.type("typed\n")
    shell.expect("^got typed")
    shell.type("more\n")
    shell.expect("^then more")
    shell.finish(0)


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU])
def test_a_stop_continues_a_stopped_app(run: Run, number: int) -> None:
    """TERM stays pending in a stopped process, until the KILL of the runtime."""
    program = run("sh", "-c", f"echo ready; kill -{number:d} $$; exec cat")

    program.expect("ready")
    assert_state(program.app, "T")
    program.send(signal.SIGTERM)
    program.finish(128 + signal.SIGTERM)
