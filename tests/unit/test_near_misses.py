"""Names without an option: the hint for each, and the variables of other programs."""

from __future__ import annotations

import pytest

from config_supervisor.options import command_line
from tests.unit.option_parsing import refused


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("--no-rolback", "--no-rollback"),
        ("--norollback", "--no-rollback"),
        ("--rolback", "--rollback"),
        ("--no-singal-group", "--no-signal-group"),
        ("--log_level=debug", "--log-level"),
        ("--xyzzy", ""),
    ],
)
def test_unknown_option_gets_the_nearest_form(word: str, meant: str) -> None:
    message = refused(word, "app")

    assert meant in message
    assert bool(meant) == ("did you mean" in message)


def test_unknown_variable_gets_the_nearest_name() -> None:
    environ = dict.fromkeys(
        [
            "CONFIG_SUPERVISOR_RELOAD_SIGNL",
            "CONFIG_SUPERVISOR_XYZZY",
            "CONFIG_SUPERVISOR_LISTEN",
            "SUPERVISORX",
            "HOME",
        ],
        "",
    )

    assert [
        ("CONFIG_SUPERVISOR_RELOAD_SIGNL", "CONFIG_SUPERVISOR_RELOAD_SIGNAL"),
        ("CONFIG_SUPERVISOR_XYZZY", ""),
    ] == list(command_line.unknown_variables(environ))


@pytest.mark.parametrize(
    "name",
    [
        "VERSION",
        *("SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_HTTP"),
        *("PORT", "PORT_80_TCP", "PORT_80_TCP_ADDR"),
        *("WEB_SERVICE_HOST", "WEB_SERVICE_PORT", "WEB_PORT", "WEB_PORT_53_UDP_PORT"),
    ],
)
def test_variable_of_others_with_our_prefix_is_known(name: str) -> None:
    environ = {f"CONFIG_SUPERVISOR_{name}": "4.2.5"}

    assert [] == list(command_line.unknown_variables(environ))
    assert ("app",) == command_line.parse(["app"], environ).command


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("HELP", ""),
        ("VERBOSE", "CONFIG_SUPERVISOR_LOG_LEVEL"),
        ("V", "CONFIG_SUPERVISOR_LOG_LEVEL"),
        ("LISTENS", "CONFIG_SUPERVISOR_LISTEN"),
        ("NO_ROLLBACK", "CONFIG_SUPERVISOR_ROLLBACK=false"),
    ],
)
def test_flag_without_a_variable_has_no_effect(name: str, meant: str) -> None:
    environ = {f"CONFIG_SUPERVISOR_{name}": "true"}

    assert command_line.parse(["app"], {}) == command_line.parse(["app"], environ)
    assert [(f"CONFIG_SUPERVISOR_{name}", meant)] == list(command_line.unknown_variables(environ))


def test_variables_of_supervisord_mean_nothing() -> None:
    """Its images set some of them, and they have the prefix of no release of ours."""
    names = ("VERSION", "USER", "ENABLED", "RELOAD_HTTP", "STOP_SIGNAL", "HELP")
    environ = {f"SUPERVISOR_{name}": "admin" for name in names}

    assert command_line.parse(["app"], {}) == command_line.parse(["app"], environ)
    assert [] == list(command_line.unknown_variables(environ))
