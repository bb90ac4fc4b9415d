"""The verifier of PostgreSQL on the real server: good reloads and each kind of bad reload."""

from __future__ import annotations

import glob
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from config_supervisor.core import events as ev
from config_supervisor.reload.reloader import ReloadPlan
from config_supervisor.reload.verifiers import registry
from config_supervisor.reload.verifiers.postgres import COMMAND
from tests.conftest import needs, needs_root
from tests.harness import wait_until
from tests.main_thread import MainThread, Reloading
from tests.servers import HUP, reload_by_hup, server

CHECK = registry.parse("postgres", "/")
GOOD = "work_mem = 4MB\n"


class Database:
    """The data and the configuration of a server, and a client."""

    def __init__(self, folder: Path, user: str) -> None:
        self.folder, self.user = folder, user
        self.data, self.config, self.hba = (
            folder / "data",
            folder / "postgresql.conf",
            folder / "pg_hba.conf",
        )
        self.config.write_text(GOOD)
        self.hba.write_text("local all all trust\n")
        self.environment = {"PGHOST": str(folder), "PGUSER": user, "PGDATABASE": "postgres"}

    def initialise(self) -> None:
        command = ["initdb", "-D", str(self.data), "-A", "trust", "--no-sync", "--no-instructions"]
        subprocess.run(
            command, check=True, user=self.user, stdout=subprocess.DEVNULL, cwd=self.folder
        )

    def command(self) -> list[str]:
        chosen = {
            "config_file": self.config,
            "hba_file": self.hba,
            "unix_socket_directories": self.folder,
        }
        options = [word for name, value in chosen.items() for word in ("-c", f"{name}={value}")]
        return [
            "postgres",
            "-D",
            str(self.data),
            *options,
            "-c",
            "listen_addresses=",
            "-c",
            "fsync=off",
        ]

    def ask(self, sql: str) -> str:
        command = ["psql", "-XAtqc", sql]
        said = subprocess.run(
            command,
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            check=False,
        )
        return said.stdout.strip()

    def answers(self) -> None:
        assert "1" == self.ask("select 1")


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A directory for another user, with a short path: it holds the server's socket."""
    path = tempfile.mkdtemp()
    yield Path(path)
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def running(folder: Path) -> Iterator[tuple[Database, int]]:
    with pytest.MonkeyPatch.context() as patch:
        # Debian keeps the server's programs out of PATH.
        patch.setenv(
            "PATH",
            os.pathsep.join([os.environ["PATH"], *sorted(glob.glob("/usr/lib/postgresql/*/bin"))]),
        )
        for program in ("initdb", "postgres", "psql"):
            needs(program)
        needs_root()  # the server refuses to be root, and needs another user
        user = "postgres"
        shutil.chown(folder, pwd.getpwnam(user).pw_uid)
        database = Database(folder, user)
        database.initialise()
        for name, value in database.environment.items():
            patch.setenv(name, value)
        with server(database.command(), folder / "log", user=user) as pid:
            wait_until(database.answers, 15)
            yield database, pid


@pytest.fixture
def postgres(running: tuple[Database, int], main: MainThread) -> Iterator[Database]:
    """The server on a good configuration, before and after."""
    database, main.app = running
    yield database
    database.config.write_text(GOOD)
    database.hba.write_text("local all all trust\n")
    main.put(ev.SignalRequested(0, HUP, lambda _: None))

    def good() -> None:
        assert ("", "") == Reloading(main, ReloadPlan(None, CHECK), main.app).end()

    wait_until(good)


def refused(main: MainThread) -> str:
    reason, error = reload_by_hup(main, CHECK, main.app, window=1)
    assert "verify" == reason
    return error


def test_postgres_good_reload_passes_and_is_live(main: MainThread, postgres: Database) -> None:
    postgres.config.write_text("work_mem = 5MB\n")

    assert ("", "") == reload_by_hup(main, CHECK, main.app, window=1)
    assert "5MB" == postgres.ask("show work_mem")


def test_postgres_bad_value_fails_beside_live_settings(
    main: MainThread, postgres: Database
) -> None:
    postgres.config.write_text("work_mem = 6MB\ndeadlock_timeout = soon\n")

    assert f"{postgres.config}:2: setting could not be applied" in refused(main)
    assert "6MB" == postgres.ask("show work_mem")


def test_postgres_syntax_error_fails(main: MainThread, postgres: Database) -> None:
    postgres.config.write_text("work_mem = 7MB\n= = =\n")

    assert f"{postgres.config}:2: syntax error" in refused(main)
    assert "4MB" == postgres.ask("show work_mem")


def test_postgres_unknown_setting_fails(main: MainThread, postgres: Database) -> None:
    postgres.config.write_text("work_memory = 7MB\n")

    assert f"{postgres.config}:1: unrecognized configuration parameter" in refused(main)


def test_postgres_setting_that_needs_a_restart_fails(main: MainThread, postgres: Database) -> None:
    postgres.config.write_text("max_connections = 33\n")

    assert f"{postgres.config}:1: setting could not be applied" in refused(main)


def test_postgres_bad_pg_hba_fails(main: MainThread, postgres: Database) -> None:
    postgres.hba.write_text("local all all trust\nlocal all all blindly\n")

    assert "pg_hba.conf:2: invalid authentication method" in refused(main)


def test_postgres_file_that_is_not_loaded_fails(main: MainThread, postgres: Database) -> None:
    postgres.config.write_text("work_mem = 8MB\n")
    later = postgres.config.stat().st_mtime + 5  # PostgreSQL sees whole seconds
    os.utime(postgres.config, (later, later))
    reason, error = Reloading(main, ReloadPlan(None, CHECK), main.app).end()

    assert ("verify", True) == (
        reason,
        f"not loaded since it was written: config_file {postgres.config}" in error,
    )


def test_postgres_without_an_answer_fails(
    main: MainThread, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs("psql")
    monkeypatch.setenv("PGHOST", str(folder / "nowhere"))

    reason, error = Reloading(main, ReloadPlan(None, CHECK), main.app).end()
    assert ("verify", True) == (reason, "psql ended with code 2: " in error)


def test_postgres_command_survives_kubernetes_and_shells() -> None:
    """The `args:` of a pod give a meaning to $(NAME) and $$, a shell to $ and backquotes."""
    assert not set("$`\\") & set("".join(COMMAND))
