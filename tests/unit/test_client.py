"""supervisorctl alone: its command line, whom it trusts, wrong answers, and its imports."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from config_supervisor.control import socket_path
from tests.conftest import needs_root
from tests.unit.run_ctl import HERE, Ctl, answering, response


@pytest.fixture(name="run_ctl")
def run_ctl_(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Ctl:
    return Ctl(monkeypatch, capfd)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "no command; see supervisorctl --help"),
        (["xyzzy"], "unknown command 'xyzzy'; see supervisorctl --help"),
        (["statsu"], "unknown command 'statsu' (did you mean status?); see supervisorctl --help"),
        (["--sock", "status"], "unknown option --sock; see supervisorctl --help"),
        (["--socket"], "--socket needs a value: --socket PATH"),
        (["--socket=", "status"], "--socket needs a value: --socket PATH"),
        (["status", "--yaml"], "status does not take --yaml; see supervisorctl --help"),
        (["health", "now"], "health does not take now; see supervisorctl --help"),
        (
            ["rollback", "0"],
            "rollback: '0' is neither a number of generations, 1 or more, nor a version",
        ),
        (
            ["rollback", "-1"],
            "rollback: '-1' is neither a number of generations, 1 or more, nor a version",
        ),
        (["rollback", "1", "2"], "rollback does not take 1 2; see supervisorctl --help"),
        (["wait"], "wait needs one of --ready, --synced, --fleet"),
        (["wait", "--ready", "--synced"], "wait needs one of --ready, --synced, --fleet"),
        (["wait", "--alive"], "wait does not take --alive; see supervisorctl --help"),
        (["wait", "--ready", "--timeout"], "--timeout needs a value: --timeout DURATION"),
        (
            ["wait", "--ready", "--timeout=5"],
            "wait --timeout: '5' is not a duration (examples: 500ms, 2s, 1h30m)",
        ),
        (
            ["fleet", "promote"],
            "fleet: there is status, approve, condemn, recall, clear, not promote",
        ),
        (["fleet", "status", "web"], "fleet: status takes --json only, not web"),
        (["fleet", "clear", "c0ffee"], "fleet: clear does not take c0ffee"),
        (
            ["fleet", "clear", "--service=web"],
            "--service is for several services, and this is a single app; leave it out",
        ),
        (["wait", "--fleet", "--service"], "--service needs a value: --service NAME"),
        (
            ["fleet", "approve", "newest"],
            "fleet: approve: 'newest' is no version: give 6 digits or more",
        ),
    ],
)
def test_wrong_command_line_is_an_error_of_a_line(
    run_ctl: Ctl, words: list[str], message: str
) -> None:
    assert (2, "", f"supervisorctl: {message}\n") == run_ctl(*words)


def test_missing_socket_means_not_running(run_ctl: Ctl, tmp_path: Path) -> None:
    stale = tmp_path / "stale.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(stale))

    for path in (
        stale,
        tmp_path / "none.sock",
        tmp_path / "none" / "none.sock",
        stale / "none.sock",
    ):
        why = f"it does not listen on {path}; see --socket"
        message = f"supervisorctl: the supervisor is not running: {why}\n"
        assert (4, "", message) == run_ctl(f"--socket={path}", "status")


def test_next_candidate_is_tried(
    run_ctl: Ctl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        socket_path,
        "_places",
        lambda: [str(tmp_path / "none.sock"), str(tmp_path / "control.sock")],
    )
    with answering(tmp_path / "control.sock", HERE):
        assert (0, "ok: here\n", "") == run_ctl(
            "health", CONFIG_SUPERVISOR_CONTROL=str(tmp_path / "other.sock")
        )


def test_program_of_another_user_is_not_trusted(run_ctl: Ctl, common: Path) -> None:
    needs_root()
    path = str(common / "control.sock")
    script = (
        "import os, socket, sys\n"
        "os.setuid(65534)\n"
        "s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen()\n"
        "print('ready', flush=True); sys.stdin.read()\n"
    )
    command = [sys.executable, "-I", "-c", script, path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        answer = run_ctl(f"--socket={path}", "reload")
        other.communicate()

    words = f"cannot trust {path}: it belongs to uid 65534; run supervisorctl as that user"
    assert (1, "", f"supervisorctl: {words}\n") == answer


def test_closed_socket_names_the_user_to_be(common: Path) -> None:
    needs_root()
    path = str(common / "control.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        os.chmod(path, 0o600)
        listener.listen()
        script = (
            "import os, sys; from config_supervisor.control.client import main; os.setuid(65534);"
            " sys.exit(main())"
        )
        command = [sys.executable, "-I", "-c", script, f"--socket={path}", "status"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)

    words = (
        f"cannot connect to {path}: permission denied; run supervisorctl as the supervisor's user,"
        " or name its"
    )
    assert (1, "", f"supervisorctl: {words} --socket\n") == (
        done.returncode,
        done.stdout,
        done.stderr,
    )


@pytest.mark.parametrize(
    ("answer", "code", "message"),
    [
        (b"", 4, "the supervisor ended before it answered 'status'; see its log"),
        (b"ok\n", 4, "the supervisor ended before it answered 'status'; see its log"),
        (
            response(200, '{"app": {"ph', missing=9),
            4,
            "the supervisor ended in the middle of its answer; see its log",
        ),
        (response(503, "busy: come back\n"), 1, "busy: come back"),
        (response(409, "cannot\n"), 1, "cannot"),
        (response(400, "cannot wait\n"), 2, "cannot wait"),
        (response(404, "not found; there is /livez\n"), 2, "not found; there is /livez"),
    ],
)
def test_wrong_answer_is_an_error_of_a_line(
    run_ctl: Ctl, tmp_path: Path, answer: bytes, code: int, message: str
) -> None:
    with answering(tmp_path / "control.sock", answer) as path:
        assert (code, "", f"supervisorctl: {message}\n") == run_ctl("--socket", path, "status")


def test_answer_may_stay_unread(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-I",
        "-c",
        "import sys; from config_supervisor.control.client import main; sys.exit(main())",
    ]
    read_end, write_end = os.pipe()
    os.close(read_end)
    with answering(tmp_path / "control.sock", HERE) as path:
        done = subprocess.run(
            [*command, f"--socket={path}", "health"],
            stdout=write_end,
            stderr=subprocess.PIPE,
            check=False,
        )
    os.close(write_end)

    assert (0, b"") == (done.returncode, done.stderr)


def test_health_check_imports_five_modules(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "before = set(sys.modules)\n"
        "from config_supervisor.control.client import main\n"
        "main()\n"
        "print(*sorted(set(sys.modules) - before))\n"
    )
    with answering(tmp_path / "control.sock", HERE) as path:
        command = [sys.executable, "-I", "-c", code, f"--socket={path}", "health"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert [
        "ok: here",
        "__future__ _socket"
        + "".join(
            f" config_supervisor{name}"
            for name in ("", ".control", ".control.client", ".control.peer", ".control.socket_path")
        ),
    ] == done.stdout.splitlines()
