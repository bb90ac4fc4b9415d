"""Options about an app as keys of a service, and as defaults of all: their effects."""

from __future__ import annotations

import signal
from pathlib import Path

from config_supervisor.core.signal_numbers import HUP, USR1
from config_supervisor.options import command_line
from config_supervisor.services.service_policy import life_policy
from tests.harness import Run
from tests.process.services import section, services, written
from tests.unit.ensemble import service


def test_keys_about_signals_and_leftovers_have_effect() -> None:
    settings = command_line.settled(
        {
            "rewrite": [("rewrite", "HUP:USR1")],
            "signal_group": [("signal_group", "true")],
            "leftovers": [("leftovers", "ignore")],
            "leftovers_timeout": [("leftovers_timeout", "3s")],
            "stop_delay": [("stop_delay", "2s")],
        },
        frozenset(),
        ("web",),
    )
    policy = life_policy(service("web", settings=settings), leftovers=True)

    assert ({HUP: USR1}, True, False, 3.0, 2.0) == (
        policy.rewrite,
        policy.group,
        policy.leftovers,
        policy.leftovers_timeout,
        policy.stop_delay,
    )
    assert life_policy(service("web"), leftovers=True).leftovers


def test_env_file_is_a_default_below_environment(run: Run, tmp_path: Path) -> None:
    """An option of the command line; the key of a service wins over it."""
    (tmp_path / "all").write_text("COLOUR=red\nSHAPE=round\n")
    (tmp_path / "own").write_text("COLOUR=blue\n")
    tells = "sh -c 'echo $0 $COLOUR $SHAPE; exec sleep 60' {}"
    file = written(
        tmp_path,
        [
            section("web", command=tells.format("web"), environment="SHAPE=flat"),
            section("db", command=tells.format("db"), env_file=tmp_path / "own"),
        ],
    )
    program = run(options=[f"--env-file={tmp_path}/all", "--services", file])

    assert {"web red flat", "db blue"} == {program.out.next(10).strip() for _ in range(2)}
    program.send(signal.SIGTERM)
    program.finish(0)


def test_env_file_that_is_missing_fails_the_start(run: Run, tmp_path: Path) -> None:
    program = services(
        run, tmp_path, section("web", "wait", env_file=tmp_path / "none", startretries=0)
    )
    program.finish(125)

    assert f"web: cannot read env file {tmp_path}/none: no such file" in program.story()


def test_stop_budget_of_the_command_line_ends_a_deaf_service(run: Run, tmp_path: Path) -> None:
    file = written(tmp_path, [section("web", "ignore", "sleep=60", stopwaitsecs=50)])
    program = run(options=["--stop-budget=500ms", "--services", file])
    program.expect("web up")
    program.send(signal.SIGTERM)
    program.finish(0)
