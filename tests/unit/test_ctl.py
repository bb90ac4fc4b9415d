"""supervisorctl alone: its command line, whom it trusts, what it imports, and sockets that answer
strangely.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from config_supervisor import __version__
from config_supervisor.control import client, health_port, socket_path
from tests.conftest import needs_root


class Ctl:
    """Runs supervisorctl in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
        self._patch, self._capture = monkeypatch, capfd
        self._patch.setenv("CONFIG_SUPERVISOR_CONTROL", "off")
        self._patch.setenv("CONFIG_SUPERVISOR_LISTEN", "off")

    def __call__(self, *words: str, **environ: str) -> tuple[int, str, str]:
        self._patch.setattr(sys, "argv", ["supervisorctl", *words])
        for name, value in environ.items():
            self._patch.setenv(name, value)
        code = client.main()
        return code, *self._capture.readouterr()


@pytest.fixture(name="run_ctl")
def run_ctl_(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Ctl:
    return Ctl(monkeypatch, capfd)


@contextlib.contextmanager
def answering(path: Path, answer: bytes) -> Iterator[str]:
    """A socket at which one request is read and answered with these bytes."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            client = listener.accept()[0]
            with client:
                client.recv(100)
                client.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield str(path)
        thread.join(10)


def response(status: int, body: str, missing: int = 0) -> bytes:
    """An answer of the supervisor, of which so many bytes do not come."""
    head = f"HTTP/1.1 {status} Some Words\r\nContent-Length: {len(body) + missing}\r\n\r\n"
    return head.encode() + body.encode()


HERE = response(200, "ok: here\n")


@contextlib.contextmanager
def http(status: int, body: str) -> Iterator[str]:
    """A web server that answers one request; its host and port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/livez" else 404)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        thread.join(10)


# --- the command line


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
        (["wait"], "wait needs either --ready or --synced"),
        (["wait", "--ready", "--synced"], "wait needs either --ready or --synced"),
        (["wait", "--alive"], "wait does not take --alive; see supervisorctl --help"),
        (["wait", "--ready", "--timeout"], "--timeout needs a value: --timeout DURATION"),
        (
            ["wait", "--ready", "--timeout=5"],
            "wait --timeout: '5' is not a duration (examples: 500ms, 2s, 1h30m)",
        ),
    ],
)
def test_what_cannot_be_understood_is_said_in_one_line(
    run_ctl: Ctl, words: list[str], message: str
) -> None:
    assert (2, "", f"supervisorctl: {message}\n") == run_ctl(*words)


def test_the_help_has_every_command(run_ctl: Ctl) -> None:
    code, out, err = run_ctl("--help")

    assert (0, "") == (code, err)
    for command in (
        "status",
        "health",
        "wait --ready",
        "wait --synced",
        "reload",
        "generations",
        "rollback",
    ):
        assert f"\n  {command}" in out


COMMANDS = [
    "status",
    "health",
    "wait",
    "reload",
    "generations",
    "rollback",
    "shutdown",
    "pid",
    "version",
]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    "words", [["{}", "--help"], ["{}", "-h"], ["help", "{}"], ["{}", "--timeout", "--help"]]
)
def test_help_of_a_command_is_its_part_of_the_whole(
    run_ctl: Ctl, command: str, words: list[str]
) -> None:
    code, out, err = run_ctl(*(word.format(command) for word in words))

    assert (0, "") == (code, err)
    assert f"\n  {command}" in out
    assert [] == [other for other in COMMANDS if other != command and f"\n  {other} " in out]


@pytest.mark.parametrize("words", [["help"], ["help", "xyzzy"], ["restart", "--help"], ["-h"]])
def test_help_of_no_command_is_the_whole(run_ctl: Ctl, words: list[str]) -> None:
    code, out, _ = run_ctl(*words)

    assert 0 == code
    assert [] == [command for command in COMMANDS if f"\n  {command}" not in out]


def test_version_is_told_without_a_supervisor(run_ctl: Ctl) -> None:
    assert (0, f"supervisorctl {__version__} (config-supervisor)\n", "") == run_ctl("--version")


@pytest.mark.parametrize(
    ("words", "instead"),
    [
        (["start", "web"], "--restart"),
        (["stop", "all"], "supervisorctl shutdown"),
        (["restart", "web:*"], "supervisorctl reload"),
        (["signal", "HUP", "web"], "supervisorctl pid"),
        (["tail", "-f", "web"], "docker logs"),
        (["update"], "supervisorctl reload"),
        (["avail"], "supervisorctl status"),
        (["quit"], "no interactive shell"),
    ],
)
def test_command_of_supervisord_is_told_what_to_do(
    run_ctl: Ctl, words: list[str], instead: str
) -> None:
    code, out, err = run_ctl(*words)

    assert (1, "", 1) == (code, out, err.count("\n"))
    assert err.startswith(f"supervisorctl: cannot {words[0]}: ")
    assert instead in err


# --- the way there


def test_nobody_there_means_not_running(run_ctl: Ctl, tmp_path: Path) -> None:
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


def test_the_next_candidate_is_tried(
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


def test_a_program_of_another_user_is_not_trusted(run_ctl: Ctl, common: Path) -> None:
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


def test_a_socket_that_we_may_not_use_says_as_whom_to_come(common: Path) -> None:
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
def test_an_answer_that_is_none_is_an_error_in_one_line(
    run_ctl: Ctl, tmp_path: Path, answer: bytes, code: int, message: str
) -> None:
    with answering(tmp_path / "control.sock", answer) as path:
        assert (code, "", f"supervisorctl: {message}\n") == run_ctl("--socket", path, "status")


def test_nobody_has_to_read_the_answer(tmp_path: Path) -> None:
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


# --- health by HTTP


def test_health_asks_the_port_where_there_is_no_socket(run_ctl: Ctl) -> None:
    with http(200, "ok: running\n") as listen:
        assert (0, "ok: running\n", "") == run_ctl("health", CONFIG_SUPERVISOR_LISTEN=listen)
    with http(503, "not ok: the last reload failed\n") as listen:
        assert (1, "", "supervisorctl: not ok: the last reload failed\n") == run_ctl(
            "health", CONFIG_SUPERVISOR_LISTEN=listen
        )


def test_health_says_where_it_looked(run_ctl: Ctl) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        listen = f"127.0.0.1:{closed.getsockname()[1]}"
    code, out, err = run_ctl("health", CONFIG_SUPERVISOR_LISTEN=listen)

    assert (4, "") == (code, out)
    assert err.startswith(
        "supervisorctl: the supervisor is not running: CONFIG_SUPERVISOR_CONTROL is off; "
    )
    assert f"; nothing answers on http://{listen}/livez either (" in err


def test_only_health_asks_the_port_and_only_without_a_given_socket(
    run_ctl: Ctl, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listen = f"127.0.0.1:{listener.getsockname()[1]}"

        assert 4 == run_ctl("status", CONFIG_SUPERVISOR_LISTEN=listen)[0]
        assert (
            4
            == run_ctl(f"--socket={tmp_path / 'none'}", "health", CONFIG_SUPERVISOR_LISTEN=listen)[
                0
            ]
        )
        listener.settimeout(0)
        with pytest.raises(BlockingIOError):
            listener.accept()


BUNDLE = [
    "--inhibit-cache",
    "--library-path",
    "/b/lib",
    "--argv0",
    "/b/python3",
    "/b/python3",
    "-I",
]


@pytest.mark.parametrize(
    ("argv", "port"),
    [
        (
            [
                "/usr/bin/python3",
                "/usr/local/bin/supervisor",
                "--listen=:81",
                "--",
                "supervisor",
                "x",
            ],
            81,
        ),
        (["/usr/bin/python3", "-I", "/usr/local/bin/supervisor", "--listen=:81", "app"], 81),
        (["python3", "-I", "-m", "config_supervisor", "--listen=:81", "app"], 81),
        (["supervisor", *BUNDLE, "/b/lib/programs/supervisor", "--listen=:81", "app"], 81),
        (["supervisor", *BUNDLE, "/b/lib/programs/supervisor", "app"], 82),
        (["/usr/bin/python3", "/usr/bin/supervisord", "-n"], None),
        (["nginx: master process"], None),
        ([], None),
    ],
)
def test_settings_of_the_first_process_are_found(argv: list[str], port: int | None) -> None:
    told = health_port.settings_of(argv, {"CONFIG_SUPERVISOR_LISTEN": ":82"})

    assert port == (told.served_at[1] if told else None)


# --- the cost


def test_a_health_check_imports_nothing_that_takes_time(tmp_path: Path) -> None:
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
