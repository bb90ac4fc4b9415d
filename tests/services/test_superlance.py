"""Event listeners of others, as they are published: superlance, and those of its users."""

from __future__ import annotations

import re
import shlex
import signal
import sys
from pathlib import Path

import pytest

from tests.harness import Run, only_process, until, wait_until
from tests.process.listeners import listener, recorder, wait_for
from tests.process.services import all_told, section, supervisord, written
from tests.servers import free_port
from tests.services.oracle import PACKAGES, environment

SUPERLANCE = (*PACKAGES, "superlance==2.0.0")
pytestmark = [only_process, pytest.mark.timeout(60)]


@pytest.fixture(scope="session")
def superlance(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with its programs."""
    place = tmp_path_factory.getbasetemp().parent / "superlance-2.0"
    return environment(place, SUPERLANCE).parent


def sockets(place: Path) -> str:
    factory = "supervisor.rpcinterface:make_main_rpcinterface"
    return "\n".join(
        (
            "[unix_http_server]",
            f"file = {place}/supervisor.sock",
            "[rpcinterface:supervisor]",
            f"supervisor.rpcinterface_factory = {factory}",
            "",
        )
    )


def of(superlance: Path, name: str, program: str, *words: object, **keys: object) -> str:
    """The section of a program of superlance."""
    return listener(name, shlex.join([str(superlance / program), *map(str, words)]), **keys)


def test_httpok_restarts_a_program(run: Run, tmp_path: Path, superlance: Path) -> None:
    """Nothing answers at the address."""
    url = f"http://127.0.0.1:{free_port()}/"
    errors = {"stderr_logfile": "/dev/stderr", "stderr_logfile_maxbytes": 0}
    program = supervisord(
        run,
        tmp_path,
        sockets(tmp_path),
        of(superlance, "ok", "httpok", "-p", "web", "-t", 1, url, events="TICK_5", **errors),
        section("web", "wait", startsecs=0),
    )
    program.err.expect("web is in RUNNING state, restarting")
    program.err.expect("web restarted")
    program.expect("stopped: web")
    until(lambda: sum(line.endswith("web up") for line in program.out.seen), 2)
    program.send(signal.SIGTERM)
    program.finish(0)


def test_memmon_restarts_a_program(run: Run, tmp_path: Path, superlance: Path) -> None:
    program = supervisord(
        run,
        tmp_path,
        sockets(tmp_path),
        of(superlance, "mem", "memmon", "-p", "web=1KB", events="TICK_5"),
        section("web", "wait", startsecs=0),
        section("db", "wait", startsecs=0),
    )
    all_told(program.out.seen, "web up", "db up")
    program.expect("stopped: web")
    until(lambda: sum(line.endswith("web up") for line in program.out.seen), 2)
    program.send(signal.SIGTERM)
    program.finish(0)

    assert 1 == sum(line.endswith("db up") for line in program.out.seen)


def test_crashmail_tells_an_unexpected_end(run: Run, tmp_path: Path, superlance: Path) -> None:
    mails = tmp_path / "mails"
    words = ("-p", "bad", "-s", f"cat >> {mails}", "-m", "ops@example.com")
    program = supervisord(
        run,
        tmp_path,
        sockets(tmp_path),
        of(superlance, "mail", "crashmail", *words, events="PROCESS_STATE_EXITED"),
        section("bad", "end=3", startsecs=0, autorestart="false"),
    )

    def sent() -> None:
        text = mails.read_text() if mails.exists() else ""
        assert "To: ops@example.com" in text
        assert re.search(r"Process bad in group bad exited unexpectedly \(pid \d+\)", text)

    wait_until(sent)
    program.send(signal.SIGTERM)
    program.finish(0)


def test_a_client_sends_an_event(run: Run, tmp_path: Path, superlance: Path) -> None:
    """By the transport of supervisor."""
    file = tmp_path / "events"
    program = supervisord(
        run,
        tmp_path,
        sockets(tmp_path),
        recorder("watch", file, events="REMOTE_COMMUNICATION, SUPERVISOR_STATE_CHANGE"),
    )
    wait_for(file, "RUNNING")
    code = f"""
from xmlrpc.client import ServerProxy
from supervisor.xmlrpc import SupervisorTransport
transport = SupervisorTransport(None, None, "unix://{tmp_path}/supervisor.sock")
ServerProxy("http://127.0.0.1", transport=transport).supervisor.sendRemoteCommEvent("ty", "dätä")
"""
    client = run.directly(str(superlance / "python"), "-c", code, cwd=tmp_path)
    client.finish(0)
    event = wait_for(file, "REMOTE_COMMUNICATION")[-1]
    program.send(signal.SIGTERM)
    program.finish(0)

    assert ("REMOTE_COMMUNICATION", "type:ty\ndätä") == (event["eventname"], event["payload"])


def test_an_update_adds_and_removes_listeners(run: Run, tmp_path: Path, superlance: Path) -> None:
    """By the supervisorctl of supervisor; there was none at the start."""
    file = tmp_path / "events"
    head = ("[supervisord]\n", sockets(tmp_path), _client(tmp_path))
    db = section("db", "wait", startsecs=0)
    program = supervisord(run, tmp_path, *head[1:], db)
    all_told(program.out.seen, "db up")
    written(tmp_path, [*head, db, recorder("watch", file, events="EVENT")])
    _update(run, tmp_path, superlance)
    wait_for(file, "PROCESS_STATE_RUNNING processname:watch")

    web = section("web", "wait", startsecs=0)
    written(tmp_path, [*head, web, recorder("watch", file, events="EVENT")])
    _update(run, tmp_path, superlance)
    found = wait_for(file, "PROCESS_STATE_RUNNING processname:web")
    told = [f"{one['eventname']} {one['payload']}" for one in found]
    groups = [one for one in told if re.search("GROUP|name:(db|web)", one)]
    assert [
        "PROCESS_STATE_STOPPING processname:db groupname:db from_state:RUNNING",
        "PROCESS_STATE_STOPPED processname:db groupname:db from_state:STOPPING",
        "PROCESS_GROUP_REMOVED groupname:db\n",
        "PROCESS_GROUP_ADDED groupname:web\n",
        "PROCESS_STATE_STARTING processname:web groupname:web from_state:STOPPED tries:0",
        "PROCESS_STATE_RUNNING processname:web groupname:web from_state:STARTING",
    ] == [re.sub(r" pid:\d+", "", one) for one in groups][-6:]

    written(tmp_path, [*head, web])
    _update(run, tmp_path, superlance)
    program.expect("stopped: watch")
    program.send(signal.SIGTERM)
    program.finish(0)


def _client(place: Path) -> str:
    return f"[supervisorctl]\nserverurl = unix://{place}/supervisor.sock\n"


def _update(run: Run, place: Path, superlance: Path) -> None:
    file = str(place / "supervisord.conf")
    run.directly(str(superlance / "supervisorctl"), "-c", file, "update", cwd=place).finish(0)


# The listener of the package supervisor-stdout, whose file is of Python 2.
STDOUT = """
import sys
while True:
    print("READY", flush=True)
    length = int(sys.stdin.readline().rpartition("len:")[2])
    data = sys.stdin.read(length)
    print(f"RESULT {len(data.encode())}\\n{data}", end="", flush=True)
"""


def test_results_become_lines(run: Run, tmp_path: Path) -> None:
    """As by `result_handler = supervisor_stdout:event_handler`; lines that reach our output in any
    case are not printed twice.
    """
    script = tmp_path / "stdout.py"
    script.write_text(STDOUT)
    events = {"stdout_events_enabled": "true", "stderr_events_enabled": "true"}
    program = supervisord(
        run,
        tmp_path,
        listener(
            "stdout",
            shlex.join([sys.executable, "-u", str(script)]),
            events="PROCESS_LOG",
            result_handler="supervisor_stdout:event_handler",
        ),
        section("db", "wait", startsecs=0, stdout_logfile="NONE", **events),
        section("web", "wait", startsecs=0, stdout_logfile="AUTO", **events),
    )
    all_told(program.out.seen, "db stdout | db up", "web up")
    program.send(signal.SIGTERM)
    all_told(program.out.seen, "db stdout | db down")
    program.finish(0)

    assert 1 == sum("web up" in line for line in program.out.seen)
