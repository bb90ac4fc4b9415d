"""Options and variables of the supervisor beside an s6 tree."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.harness import Program, Run
from tests.s6_trees import Planted

SLEEPS = "#!/bin/sh\necho up\nexec sleep 60\n"
STAYS = "#!/bin/sh\ntrap '' TERM\necho up\nwhile :; do sleep 0.1; done\n"


@pytest.fixture
def tree(tmp_path: Path) -> Planted:
    return Planted(tmp_path / "root")


def supervise(run: Run, tree: Planted, *options: str, **variables: str) -> Program:
    return run(options=["--s6", str(tree.root), *options], env=variables)


def test_log_format_of_the_line(run: Run, tree: Planted) -> None:
    tree.program("etc/services.d/web/run", SLEEPS)
    program = supervise(run, tree, "--log-format=json")
    program.expect("up")
    program.send(signal.SIGTERM)
    program.finish(0)

    assert all(json.loads(line)["event"] for line in program.err.seen)


def test_stop_budget_of_the_line(run: Run, tree: Planted) -> None:
    tree.program("etc/services.d/web/run", STAYS)
    program = supervise(run, tree, "--stop-budget", "600ms")
    program.expect("up")
    program.send(signal.SIGTERM)
    program.err.expect(r"stopped within the budget of 0\.6s")
    program.finish(0)


def test_stop_timeout_is_a_default_of_longruns(run: Run, tree: Planted) -> None:
    tree.program("etc/services.d/web/run", STAYS)
    variables = {"CONFIG_SUPERVISOR_STOP_TIMEOUT": "300ms", "S6_SERVICES_GRACETIME": "0"}
    program = supervise(run, tree, **variables)
    program.expect("up")
    program.send(signal.SIGTERM)
    program.finish(0)


def test_variable_without_effect_is_told(run: Run, tree: Planted) -> None:
    tree.program("etc/services.d/web/run", SLEEPS)
    program = supervise(run, tree, CONFIG_SUPERVISOR_WORKDIR="/tmp")
    program.err.expect("CONFIG_SUPERVISOR_WORKDIR: has no effect with --s6")
    program.send(signal.SIGTERM)
    program.finish(0)


def test_option_of_a_single_app_is_refused(run: Run, tree: Planted) -> None:
    tree.program("etc/services.d/web/run", SLEEPS)
    program = supervise(run, tree, "--workdir", "/tmp")
    program.err.expect("--workdir cannot be used with --s6")
    program.finish(2)


def test_port_serves_a_tree(run: Run, tree: Planted) -> None:
    tree.program("etc/services.d/web/run", SLEEPS)
    program = supervise(run, tree, "--listen=127.0.0.1:0")
    program.expect("up")
    program.err.expect(r"127\.0\.0\.1:\d+")
    program.send(signal.SIGTERM)
    program.finish(0)
