"""Shared by every folder of tests: the `run` fixture, and skips, which REQUIRE_ALL=1 forbids."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# The time of an example is that of the machine, not of the program.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

pytest.register_assert_rewrite("tests.harness")

from tests.harness import Run  # noqa: E402 - pytest has to know of its asserts before
from tests.main_thread import MainThread  # noqa: E402 - as above
from tests.memory_group import MemoryGroup, made  # noqa: E402 - as above

# Supervisors of tests at the same time would share the default control socket, and one would warn
# that the other is in its way. A test of that socket unsets it.
os.environ["CONFIG_SUPERVISOR_CONTROL"] = "off"


def needs(program: str) -> str:
    """The path of a program needed by a test; skips the test where it is missing."""
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"needs {program}: install it, it is not in PATH")
    return path


def needs_root() -> None:
    """Skip a test that changes users where only root may."""
    if os.geteuid() != 0:
        pytest.skip("needs root: run the tests as root, for example in a container")


def needs_open_interpreter() -> None:
    """Skip a test with another user where that user may not reach the interpreter."""
    path = os.path.realpath(sys.executable)
    while path != "/":
        if not os.stat(path).st_mode & 0o001:
            pytest.skip(f"needs an interpreter that every user may run: {path} is closed to others")
        path = os.path.dirname(path)


@pytest.fixture(params=["process", "pid1"])
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    """Starts the program, once as an ordinary process and once as PID 1 of its own pid
    namespace.
    """
    run = Run(request.param)
    yield run
    run.close()


@pytest.fixture
def common() -> Iterator[Path]:
    """A directory every user may reach and write to, unlike tmp_path."""
    path = tempfile.mkdtemp()
    os.chmod(path, 0o777)
    yield Path(path)
    shutil.rmtree(path)


@pytest.fixture
def memory_group() -> Iterator[MemoryGroup]:
    """A memory cgroup with a small limit; its processes have to end in the test."""
    yield from made()


def _forbid_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    # A skip by xfail reports a failure, not a missing requirement.
    if os.environ.get("REQUIRE_ALL") != "1" or not report.skipped or hasattr(report, "wasxfail"):
        return
    where = report.longrepr
    reason = where[2] if isinstance(where, tuple) else where
    report.outcome = "failed"
    report.longrepr = f"REQUIRE_ALL=1 forbids a skip, and this was one. {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Any:
    report = yield
    _forbid_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Any:
    report = yield
    _forbid_skip(report)
    return report


@pytest.fixture
def main() -> Iterator[MainThread]:
    """The main thread's part in a reload, for tests without the whole program."""
    main = MainThread()
    yield main
    main.close()
