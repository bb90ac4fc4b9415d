"""--s6 DIR --check as a user runs it: real processes, their output and exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness import environment
from tests.s6_trees import Planted

SUPERVISOR = os.path.join(os.path.dirname(sys.executable), "supervisor")


@pytest.fixture
def tree(tmp_path: Path) -> Planted:
    planted = Planted(tmp_path / "root").oneshot("migrate", "base").longrun("web", "migrate")
    return planted.user("migrate", "web").program("etc/cont-init.d/01-env")


def run(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (SUPERVISOR, "--s6", *words),
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
        env={**environment(), "PYTHONDONTWRITEBYTECODE": "1", **variables},
    )


def test_tree_is_shown_in_the_order_of_starts(tree: Planted) -> None:
    done = run(str(tree.root), "--check", "--", "app", S6_CMD_RECEIVE_SIGNALS="1")

    assert (0, "") == (done.returncode, done.stderr)
    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["ignore", "environment", "S6_CMD_RECEIVE_SIGNALS:"] == rows[0][:3]
    services = [row[1] for row in rows[rows.index([]) + 3 :]]
    assert [
        "cont-init:01-env",
        "legacy-cont-init",
        "migrate",
        "web",
        "legacy-services",
        "container:command",
    ] == services


def test_mistake_ends_with_code_2(tree: Planted) -> None:
    tree.longrun("late", "wbe")
    done = run(str(tree.root), "--check")

    assert (2, "") == (done.returncode, done.stderr)
    assert "/late/dependencies.d/wbe: late: there is no service wbe (did you" in done.stdout


def test_json_has_files_and_fields(tree: Planted) -> None:
    tree.longrun("web", "migrate", notification_fd="3", lock_fd="4")
    done = run(str(tree.root), "--check", "--json", SETTING="hush")
    found = json.loads(done.stdout)

    (verdict,) = found["verdicts"]
    assert ("warn", True) == (verdict["level"], verdict["file"].endswith("/web/lock-fd"))
    checks = {one["name"]: one["readiness"]["check"] for tier in found["tiers"] for one in tier}
    assert "fd:3" == checks["web"]
    assert "hush" not in done.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["/no/such/folder", "--check"], "'/no/such/folder' cannot be read: no such file"),
        (["/proc", "--check"], "'/proc' has none of etc/services.d, etc/cont-init.d,"),
        (["/", "--chek"], "unknown option --chek (did you mean --check?)"),
    ],
)
def test_usage_ends_with_code_2(words: list[str], message: str) -> None:
    done = run(*words)

    assert (2, "") == (done.returncode, done.stdout)
    assert message in done.stderr
