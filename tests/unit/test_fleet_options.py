"""The options of a fleet, and their checks against others."""

from __future__ import annotations

import pytest

from config_supervisor.core.errors import UsageError
from config_supervisor.options import command_line
from config_supervisor.wiring.fleet import rules

SOURCE = ["--configmap=web", "--configroot=/cfg"]
APP = ["--", "nginx"]


def refusal(*words: str) -> str:
    with pytest.raises(UsageError) as found:
        command_line.parse([*words, *APP], {})
    return str(found.value)


def test_fleet_has_defaults() -> None:
    settings = command_line.parse(["--fleet=web", *SOURCE, *APP], {})

    assert "web" == settings.fleet
    assert (30, 60, "auto") == (settings.fleet_bake, settings.fleet_spread, settings.fleet_role)
    assert (False, None, "auto") == (
        settings.fleet_serial,
        settings.fleet_keep,
        settings.fleet_approve,
    )


def test_fleet_needs_a_configuration() -> None:
    assert "--fleet needs a configuration" in refusal("--fleet=web")


def test_fleet_of_an_image_needs_no_configuration() -> None:
    """`docker run IMAGE nginx -v`, where the image has variables."""
    environ = {"CONFIG_SUPERVISOR_FLEET": "web", "CONFIG_SUPERVISOR_FLEET_BAKE": "1m"}

    assert ("nginx", "-v") == command_line.parse(["nginx", "-v"], environ).command


@pytest.mark.parametrize("option", ["--fleet-bake=1s", "--fleet-serial", "--fleet-role=follower"])
def test_further_options_need_a_fleet(option: str) -> None:
    assert f"{option.partition('=')[0]} needs --fleet NAME" in refusal(option, *SOURCE)


@pytest.mark.parametrize("name", ["Web", "a/b", "", "-web", "w" * 254])
def test_name_is_that_of_an_object(name: str) -> None:
    assert "--fleet: " in refusal(f"--fleet={name}", *SOURCE)


@pytest.mark.parametrize(
    ("option", "written"),
    [
        ("--reload-splay=5s", "--reload-splay"),
        ("--no-rollback", "--no-rollback"),
    ],
)
def test_fleet_excludes_other_ways(option: str, written: str) -> None:
    expected = f"--fleet and {written} exclude each other"
    assert expected in refusal("--fleet=web", option, *SOURCE)


def test_spread_fits_into_each_window() -> None:
    """A pod whose place is beyond the window would never take a version."""
    windows = ["--reload-window=Sat,Sun 00:00-24:00", "--reload-window=daily 23:00-23:15"]
    words = ["--fleet=web", *windows, *SOURCE]

    assert 2 == len(command_line.parse([*words, *APP], {}).reload_window)
    expected = "--fleet-spread is not shorter than each --reload-window"
    assert expected in refusal(*words, "--fleet-spread=15m")


def test_container_without_an_app_is_no_canary() -> None:
    words = ["--fleet=web", "--once", *SOURCE]

    assert command_line.parse(words, {}).once
    with pytest.raises(UsageError, match="nothing is there to try a version on"):
        command_line.parse([*words, "--fleet-role=canary"], {})


def test_kept_content_needs_a_place() -> None:
    words = ("--fleet=web", "--fleet-keep=web-keep", "--config-dir=/etc/web")
    assert "--fleet-keep needs --configroot" in refusal(*words)


def test_namespace_of_an_object_may_be_written_in_two_ways() -> None:
    """Pods with the same objects are of one shape."""
    settings = [
        command_line.parse(["--fleet=web", "--configroot=/cfg", *words, *APP], {})
        for words in (
            ["--configmap=web", "--namespace=production"],
            ["--configmap=production/web"],
            ["--configmap=web"],
        )
    ]
    first, second, other = (rules(one, {}).policy.shape for one in settings)

    assert first == second != other
