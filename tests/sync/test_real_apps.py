"""nginx, HAProxy, PostgreSQL and Prometheus under the program, with the options of
docs/applications.md.

A good change is verified; a bad one is rejected before it is live; a bad one past the validation is
rolled back, and the server serves on.
"""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence

import pytest

from config_supervisor.core.record import Record
from tests.conftest import needs, needs_root
from tests.harness import Program, Run, only_process, wait_until
from tests.http import metric, port_of
from tests.servers import free_port
from tests.sync.test_nginx import CONFIG
from tests.volume import swap_volume


class Server(Record):
    """A server: its command, its files, and its options in docs/applications.md."""

    program: str
    file: str
    command: Callable[
        [str, str, int], Sequence[str]
    ]  # of the configuration's directory, a scratch directory, a port
    options: Callable[[str, str, int], Sequence[str]]  # of the same
    validate: str
    content: Callable[[str, int, str], str]  # of scratch, port and a word for the version
    bad: str  # added to a content


def _nginx() -> Server:
    return Server(
        "nginx",
        "nginx.conf",
        lambda root, _, __: ["nginx", "-c", f"{root}/nginx.conf", "-g", "daemon off;"],
        lambda _, __, port: [f"--ready=tcp:{port}", "--verify=nginx", "--stop-signal=QUIT"],
        "nginx -t -q -e stderr -c {dir}/nginx.conf",
        lambda scratch, port, word: CONFIG.format(scratch=scratch, port=port, page=word),
        "nonsense on;\n",
    )


def _haproxy() -> Server:
    frame = (
        "defaults\n mode http\n timeout client 5s\n timeout server 5s\n timeout connect"
        " 5s\nfrontend front\n bind 127.0.0.1:{port}\n http-request return status 200 content-type"
        " text/plain string {word}\n"
    )
    return Server(
        "haproxy",
        "haproxy.cfg",
        lambda root, scratch, _: [
            "haproxy",
            "-W",
            "-S",
            f"{scratch}/master.sock",
            "-f",
            f"{root}/haproxy.cfg",
        ],
        lambda _, scratch, port: [
            f"--ready=tcp:{port}",
            f"--verify=haproxy:{scratch}/master.sock",
            "--stop-signal=USR1",
        ],
        "haproxy -c -f {dir}/haproxy.cfg",
        lambda _, port, word: frame.format(port=port, word=word),
        "nonsense on\n",
    )


def _prometheus() -> Server:
    return Server(
        "prometheus",
        "prometheus.yml",
        lambda root, scratch, port: [
            "prometheus",
            f"--config.file={root}/prometheus.yml",
            f"--web.listen-address=127.0.0.1:{port}",
            f"--storage.tsdb.path={scratch}/data",
        ],
        lambda _, __, port: [
            f"--ready=http://127.0.0.1:{port}/-/ready",
            f"--verify=prometheus:http://127.0.0.1:{port}",
        ],
        "promtool check config {dir}/prometheus.yml",
        lambda _, __, word: (
            f"global:\n  scrape_interval: 1h\n  external_labels: {{version: {word}}}\n"
        ),
        "nonsense: on\n",
    )


def _postgres() -> Server:
    return Server(
        "postgres",
        "postgresql.conf",
        lambda root, scratch, _: [
            "postgres",
            *("-D", f"{scratch}/data", "-c", f"config_file={root}/postgresql.conf"),
            *("-c", f"unix_socket_directories={scratch}", "-c", "listen_addresses="),
        ],
        lambda _, scratch, __: [
            f"--ready=pg_isready -q -h {scratch}",
            "--verify=postgres",
            "--user=postgres",
            "--stop-signal=INT",
        ],
        "postgres -D {scratch}/data -c config_file={dir}/postgresql.conf -C work_mem",
        lambda scratch, _, word: (
            f"work_mem = {len(word)}MB\nfsync = off\nhba_file = '{scratch}/data/pg_hba.conf'\n"
            f"ident_file = '{scratch}/data/pg_ident.conf'\ndata_directory = '{scratch}/data'\n"
        ),
        "nonsense = on\n",
    )


SERVERS = {
    "nginx": _nginx(),
    "haproxy": _haproxy(),
    "prometheus": _prometheus(),
    "postgres": _postgres(),
}


class Stage:
    """A volume, a configroot, a scratch directory and the program on them."""

    def __init__(self, run: Run, server: Server) -> None:
        self.run, self.server = run, server
        self.top = tempfile.mkdtemp()  # for other users, and short: a socket has its path here
        os.chmod(self.top, 0o755)
        self.volume, self.root, self.scratch = (
            f"{self.top}/{name}" for name in ("volume", "live", "scratch")
        )
        os.mkdir(self.scratch)
        self.port = free_port()
        self.environment: dict[str, str] = {}
        if server.program == "postgres":
            self._make_database()

    def _make_database(self) -> None:
        needs_root()
        bins = glob.glob("/usr/lib/postgresql/*/bin")
        if not bins:
            pytest.skip("needs postgres: install Debian's postgresql")
        path = f"{bins[-1]}:{os.environ['PATH']}"
        self.environment = {
            "PATH": path,
            "PGHOST": self.scratch,
            "PGUSER": "postgres",
            "PGDATABASE": "postgres",
        }
        shutil.chown(self.scratch, "postgres", "postgres")
        command = ["initdb", "-D", f"{self.scratch}/data", "-A", "trust", "-N", "--no-instructions"]
        subprocess.run(
            command,
            check=True,
            user="postgres",
            cwd="/",
            stdout=subprocess.DEVNULL,
            env={**os.environ, "PATH": path},
        )

    def write(self, word: str, more: str = "") -> None:
        text = self.server.content(self.scratch, self.port, word) + more
        swap_volume(self.volume, {self.server.file: text})

    def start(self, *options: str) -> Program:
        here = (self.root, self.scratch, self.port)
        fixed = [f"--config-dir={self.volume}", f"--configroot={self.root}", "--listen=127.0.0.1:0"]
        quick = ["--reload-interval=0s", "--verify-window=2s"]
        program = self.run(
            *self.server.command(*here),
            options=[*fixed, *quick, *self.server.options(*here), *options],
            env=self.environment,
        )
        program.err.expect("started")
        self.metrics = port_of(program)
        return program

    def counted(self, name: str, number: float, labels: Mapping[str, str] | None = None) -> None:
        def seen() -> None:
            assert number == metric(self.metrics, name, **(labels or {}))

        wait_until(seen)


@pytest.fixture(params=SERVERS)
def stage(run: Run, request: pytest.FixtureRequest) -> Iterator[Stage]:
    server = SERVERS[request.param]
    if server.program == "nginx":
        needs_root()
    if server.program != "postgres":
        needs(server.program)
    stage = Stage(run, server)
    yield stage
    run.kill_left()
    shutil.rmtree(stage.top)


@only_process
def test_good_change_is_verified_and_bad_one_rejected(stage: Stage) -> None:
    """As an ordinary process: PID 1 has tests of its own."""
    stage.write("one")
    program = stage.start(f"--validate={stage.server.validate.replace('{scratch}', stage.scratch)}")
    stage.write("three")
    program.err.expect(f"reloaded {stage.server.program}: it runs on configuration")
    stage.write("three", stage.server.bad)
    program.err.expect("the new configuration is rejected: .* ended with code 1.*nonsense")

    stage.counted("config_validations_total", 1, {"result": "rejected"})
    stage.counted("reloads_total", 1, {"method": "signal"})
    stage.counted("config_stale", 1)
    with open(f"{stage.root}/{stage.server.file}", encoding="utf-8") as file:
        assert "nonsense" not in file.read()
    program.send(15)
    program.finish(0)


@only_process
def test_a_bad_change_that_gets_past_validation_is_rolled_back(stage: Stage) -> None:
    """As an ordinary process, too."""
    stage.write("one")
    program = stage.start("--validate=true")
    stage.write("three", stage.server.bad)
    program.err.expect(f"cannot reload {stage.server.program}: .*; rolling back to configuration")
    program.err.expect("is back in place")
    program.err.expect(f"reloaded {stage.server.program}: it runs on configuration")

    stage.counted("config_rollbacks_total", 1)
    stage.counted("reload_failures_total", 1, {"method": "signal", "reason": "verify"})
    stage.counted("config_last_reload_successful", 0)
    stage.write("five")
    program.err.expect(f"reloaded {stage.server.program}: it runs on configuration")
    stage.counted("config_last_reload_successful", 1)
    stage.counted("config_stale", 0)
