"""images/postgresql in a container: its settings come from the API and change under load, its data
outlives it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Self

import pytest

from tests.conftest import needs
from tests.fake_kube import FakeKube
from tests.harness import wait_until
from tests.http import get, metric
from tests.images import built
from tests.images.deployed import Deployed, data_of
from tests.images.podman import REPOSITORY
from tests.images.web_app import LONG, METRICS, MIB, WebApp, alone
from tests.output_lines import Lines

pytestmark = [pytest.mark.images, pytest.mark.timeout(600)]

POD, NAME = "images/postgresql/pod.yaml", "postgresql"
# No pause between two reloads; time enough for psql on a busy machine, a failed reload included;
# data that a crash of the machine may cost.
QUICK = {
    "CONFIG_SUPERVISOR_RELOAD_INTERVAL": "0s",
    "CONFIG_SUPERVISOR_VERIFY_WINDOW": "3s",
    "INITDB_OPTIONS": "--no-sync --set=fsync=off",
}
PASSWORD = "only-for-tests"  # noqa: S105 - as it says
CLIENT = {
    "PGHOST": "127.0.0.1",
    "PGPORT": "5432",
    "PGUSER": "app",
    "PGPASSWORD": PASSWORD,
    "PGDATABASE": "postgres",
}

Deploy = Callable[..., Deployed]


def settings(*lines: str, hba: str = "") -> Mapping[str, str]:
    """The manifest's ConfigMap with lines added to its files; of a setting the last line counts."""
    data = data_of(POD, NAME)
    conf = "".join([data["postgresql.conf"], *(f"{line}\n" for line in lines)])
    return {**data, "postgresql.conf": conf, "pg_hba.conf": data["pg_hba.conf"] + hba}


def ask(sql: str) -> str:
    """The server's answer to the client on a new connection."""
    command = [
        needs("psql"),
        "--no-psqlrc",
        "--no-align",
        "--tuples-only",
        "--quiet",
        "--command",
        sql,
    ]
    environment = {**os.environ, **CLIENT}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=LONG
    )
    assert 0 == done.returncode, done.stderr
    return done.stdout.strip()


class Database(WebApp):
    """The server of a pod, asked through its port by a client with a password."""

    def __init__(self, pod: Deployed) -> None:
        super().__init__(pod, NAME)

    def starts(self) -> None:
        """Start the pod, and wait until it counts as ready."""
        self.pod.start()
        self.is_ready()

    def is_ready(self) -> None:
        def ready() -> None:
            try:
                assert 200 == get(METRICS, "/readyz")[0], self.pod.story(self.name)
            except OSError as error:
                raise AssertionError(repr(error)) from error

        wait_until(ready, LONG)

    def admits_the_client(self) -> None:
        """Make the client's role, by the socket of the server's own user."""
        self.asked("psql", "-qc", f"create role app login password '{PASSWORD}'")

    def has(self, name: str, value: str) -> None:
        """Wait until a setting has this value."""

        def live() -> None:
            assert value == ask(f"show {name}")

        wait_until(live, LONG)

    @contextlib.contextmanager
    def session(self) -> Iterator[None]:
        """A client whose query takes longer than a test."""
        command = [needs("psql"), "--no-psqlrc", "--command", "select pg_sleep(600)"]
        environment = {**os.environ, **CLIENT}
        quiet = subprocess.DEVNULL
        client = subprocess.Popen(command, env=environment, stdout=quiet, stderr=quiet)

        def at_work() -> None:
            assert "1" == ask("select count(*) from pg_stat_activity where wait_event = 'PgSleep'")

        try:
            wait_until(at_work, LONG)
            yield
        finally:
            client.kill()
            client.wait()

    def reloaded(self) -> None:
        self.says("reloaded postgres: it runs on configuration")


class Load:
    """pgbench, reading without a pause until `end`; every second it says how many of its queries
    failed.
    """

    def __init__(self, *options: str) -> None:
        command = [
            needs("pgbench"),
            "--no-vacuum",
            "--select-only",
            "--client=2",
            "--progress=1",
            "--time=300",
        ]
        environment = {**os.environ, **CLIENT}
        self._pgbench = subprocess.Popen(
            [*command, *options], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        assert self._pgbench.stderr is not None
        self._said = Lines(self._pgbench.stderr)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pgbench.kill()
        self._pgbench.wait()
        self._said.reader.join(5)

    def goes_on(self) -> None:
        """Wait for answers within a whole second of the load from now on."""
        known = len(self._said.seen)

        def answered() -> None:
            assert self._pgbench.poll() is None, self._said.seen
            assert [] != [line for line in self._said.seen[known + 1 :] if " 0.0 tps" not in line]

        wait_until(answered, LONG)

    def end(self) -> list[str]:
        """Stop it; returns its log, the load without a failed query."""
        assert self._pgbench.poll() is None, self._said.seen
        self._pgbench.send_signal(signal.SIGTERM)
        return [
            line
            for line in self._said.rest()
            if not line.startswith("progress: ") or " 0 failed" not in line
        ]


@pytest.fixture
def database(deploy: Deploy) -> Database:
    """A ready pod, and a role for its client."""
    database = Database(deploy(POD, env=QUICK))
    database.starts()
    database.admits_the_client()
    return database


def test_postgresql_starts_on_its_configuration_without_rights(
    api: FakeKube, deploy: Deploy
) -> None:
    hold = api.hold("read")
    database = Database(deploy(POD, env=QUICK))
    database.pod.start()
    hold.wait(60)
    database.counted(0, "app_starts_total")
    hold.release()
    database.is_ready()
    database.admits_the_client()

    assert "4MB" == ask("show work_mem")
    assert 0 == metric(METRICS, "reloads_total", method="signal")
    assert "running" in database.asked("supervisorctl", "status")
    assert "ok" in database.asked("supervisorctl", "health")
    assert ({"999"}, "0" * 16) == database.runs_as()
    database.reaps_orphans()


def test_change_fails_no_query_and_a_bad_version_is_rejected(
    api: FakeKube, database: Database
) -> None:
    database.asked("pgbench", "--initialize", "--quiet")
    database.asked("psql", "-qc", "grant select on all tables in schema public to app")
    with Load() as sessions, Load("--connect") as connections:
        for load in (sessions, connections):
            load.goes_on()
        api.change(NAME, settings("work_mem = 8MB"))
        database.reloaded()
        for load in (sessions, connections):
            load.goes_on()
        assert [] == sessions.end()
        assert [] == connections.end()

    assert "8MB" == ask("show work_mem")
    database.counted(1, "reloads_total", method="signal")
    database.counted(1, "config_last_reload_successful")
    api.change(NAME, settings("work_memory = 9MB"))
    database.says(
        'the new configuration is rejected: .*unrecognized configuration parameter "work_memory"'
    )
    database.counted(1, "config_stale")
    database.counted(1, "config_validations_total", result="rejected")
    assert "8MB" == ask("show work_mem")
    api.change(NAME, settings("work_mem = 10MB"))
    database.reloaded()
    assert "10MB" == ask("show work_mem")
    database.counted(0, "config_stale")


def test_bad_pg_hba_unseen_by_validation_is_rolled_back(api: FakeKube, database: Database) -> None:
    api.change(NAME, settings("work_mem = 8MB", hba="host all all all blindly\n"))
    database.says(
        "cannot reload postgres: .*invalid authentication method.*; rolling back to configuration"
    )
    database.reloaded()
    database.counted(1, "config_rollbacks_total")
    database.counted(1, "reload_failures_total", method="signal", reason="verify")
    database.counted(1, "config_stale")
    assert "4MB" == ask("show work_mem")
    api.change(NAME, settings("work_mem = 8MB"))
    database.reloaded()
    database.counted(0, "config_stale")
    assert "8MB" == ask("show work_mem")


def test_setting_waits_for_a_restart_and_stop_loses_nothing(
    api: FakeKube, database: Database
) -> None:
    database.asked(
        "psql",
        "-qc",
        "create table kept as select 42 as answer",
        "-c",
        "grant select on kept to app",
    )
    api.change(NAME, settings("max_connections = 55"))
    database.says(
        "cannot reload postgres: .*setting could not be applied.*; rolling back to configuration"
    )
    database.reloaded()
    database.counted(1, "config_stale")
    assert "100|f" == ask(
        "select setting, pending_restart from pg_settings where name = 'max_connections'"
    )

    with database.session():  # it would stay for minutes
        assert 0 == database.pod.stop(NAME, timeout=40)
    assert "database system is shut down" in database.pod.story(NAME)
    database.starts()
    assert "database system was shut down at" in database.pod.story(NAME), "it had to recover"
    assert "100" == ask(
        "show max_connections"
    )  # a restarted container keeps to the last good version

    assert 0 == database.pod.stop(NAME, timeout=40)
    database.pod.empty("config")  # as in a new pod
    database.starts()
    assert "55" == ask("show max_connections")
    assert "42" == ask("select answer from kept")
    database.counted(0, "config_stale")


def test_twenty_reloads_under_load_stay_far_below_the_limit(
    api: FakeKube, database: Database
) -> None:
    """The tables are larger than shared_buffers, so all of these are in use at the end."""
    database.asked("pgbench", "--initialize", "--quiet", "--scale=10")
    database.asked("psql", "-qc", "grant select on all tables in schema public to app")
    used = 0
    with Load("--client=8") as load:
        for number in range(20):
            api.change(NAME, settings(f"work_mem = {number + 8}MB"))
            database.has("work_mem", f"{number + 8}MB")
            used = max(used, database.pod.pinned_memory(NAME))
        load.goes_on()
        assert [] == load.end()

    database.counted(20, "reloads_total", method="signal")
    print(
        f"postgresql used {used // MIB} MiB, with its files"
        f" {database.pod.peak_memory(NAME) // MIB} MiB"
    )
    assert used <= 0.8 * database.pod.memory_limit(NAME)


@pytest.mark.usefixtures("api")
def test_image_alone_makes_a_database_and_follows_a_directory(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    write(tmp_path, settings("work_mem = 8MB"))
    for options, before in ([], "4MB"), ([f"--volume={tmp_path}:/config-in:ro"], "8MB"):
        with alone(NAME, "--env=INITDB_OPTIONS=--no-sync", *options) as container:
            container.err.expect("database system is ready to accept connections", LONG)
            built.podman(
                "exec",
                container.name,
                "psql",
                "-qc",
                f"create role app login password '{PASSWORD}'",
            )
            assert before == ask("show work_mem")
            if options:
                write(tmp_path, settings("work_mem = 9MB"))
                container.err.expect('parameter "work_mem" changed to "9MB"', LONG)


def write(folder: Path, data: Mapping[str, str]) -> None:
    for name, content in data.items():
        (folder / name).write_text(content)


def test_the_default_configuration_is_that_of_the_manifest() -> None:
    folder = Path(REPOSITORY, "images/postgresql/default")

    assert data_of(POD, NAME) == {path.name: path.read_text() for path in folder.iterdir()}
