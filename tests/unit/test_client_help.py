"""The help of supervisorctl, and the remedies for commands of supervisord."""

from __future__ import annotations

import pytest

from config_supervisor import __version__
from tests.unit.run_ctl import Ctl


@pytest.fixture(name="run_ctl")
def run_ctl_(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Ctl:
    return Ctl(monkeypatch, capfd)


def test_help_has_every_command_in_80_columns(run_ctl: Ctl) -> None:
    code, out, err = run_ctl("--help")

    assert (0, "") == (code, err)
    assert 80 >= max(map(len, out.splitlines()))
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


@pytest.mark.parametrize("words", [["help"], ["help", "xyzzy"], ["xyzzy", "--help"], ["-h"]])
def test_help_of_no_command_is_the_whole(run_ctl: Ctl, words: list[str]) -> None:
    code, out, _ = run_ctl(*words)

    assert 0 == code
    assert [] == [command for command in COMMANDS if f"\n  {command}" not in out]


def test_version_needs_no_supervisor(run_ctl: Ctl) -> None:
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
def test_command_of_supervisord_gets_a_remedy(run_ctl: Ctl, words: list[str], instead: str) -> None:
    """No supervisor runs: that comes first, and the exit code is that of any other command."""
    code, out, err = run_ctl(*words)

    assert (4, "", 1) == (code, out, err.count("\n"))
    assert err.startswith(f"supervisorctl: cannot {words[0]}: the supervisor is not running: ")
    assert instead in err
