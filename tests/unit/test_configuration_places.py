"""Keys about configuration in a file of services: places on disk, keys of sources, refusals."""

from __future__ import annotations

from pathlib import Path

import pytest

from config_supervisor.options.declarations import Settings
from config_supervisor.services import role
from config_supervisor.services.configuration_places import default_root
from config_supervisor.services.dialect import SERVICES
from config_supervisor.services.plan import Plan
from config_supervisor.services.supervisord_line import Line
from config_supervisor.services.verdicts import Level


def read(place: Path, text: str) -> tuple[Plan | None, list[str]]:
    """The plan of a file, and its refusals without the directory."""
    file = place / "services.conf"
    file.write_text(text)
    plan, verdicts = role.read(Line(file=str(file)), SERVICES, {})
    refused = [str(one) for one in verdicts if one.level is Level.REFUSE]
    return plan, [text.replace(f"{place}/", "") for text in refused]


def settings(place: Path, text: str) -> Settings:
    plan, refused = read(place, text)
    assert plan is not None, refused
    found = plan.services[0].settings
    assert found is not None
    return found


WEB = "[program:web]\ncommand = web\nconfigmap = web\n"
API = "[program:api]\ncommand = api\nconfigmap = web\n"


def test_same_configroot_of_two_services_is_refused(tmp_path: Path) -> None:
    same = f"configroot = {tmp_path}/live\n"
    plan, refused = read(tmp_path, f"{WEB}{same}{API}{same}")
    where = "services.conf:4 [program:web] configroot"

    assert plan is None
    assert [f"{where}: live is also the configroot of api; choose another directory"] == refused


@pytest.mark.parametrize(
    ("one", "other", "how"),
    [
        ("live", "live/api", "holds live/api, the configroot of api"),
        ("live/web", "live", "is inside of live, the configroot of api"),
        ("link", "live", "is also the configroot of api"),
    ],
)
def test_configroots_inside_of_another_are_refused(
    tmp_path: Path, one: str, other: str, how: str
) -> None:
    (tmp_path / "live").mkdir()
    (tmp_path / "link").symlink_to("live")
    roots = [f"configroot = {tmp_path / name}\n" for name in (one, other)]
    text = f"{WEB}{roots[0]}{API}{roots[1]}"
    expected = f"services.conf:4 [program:web] configroot: {one} {how}; choose another"
    assert [f"{expected} directory"] == read(tmp_path, text)[1]


def test_configroot_that_another_service_reads_is_refused(tmp_path: Path) -> None:
    text = (
        f"{WEB}configroot = {tmp_path}/a\n[program:api]\ncommand = api\nconfig_dir = {tmp_path}\n"
    )
    expected = (
        "services.conf:4 [program:web] configroot: a is inside of DIR, the config_dir of api;"
        " choose another directory"
    )
    assert [expected] == [one.replace(str(tmp_path), "DIR") for one in read(tmp_path, text)[1]]


def test_directory_that_two_services_read_is_accepted(tmp_path: Path) -> None:
    text = "".join(
        f"[program:{name}]\ncommand = {name}\nconfig_dir = /config\nreload_interval = 1s\n"
        for name in ("web", "api")
    )
    plan, refused = read(tmp_path, text)
    assert plan is not None, refused


def test_processes_of_a_program_need_a_configroot_each(tmp_path: Path) -> None:
    several = f"{WEB}numprocs = 2\nprocess_name = %(process_num)d\nconfigroot = /live/x"
    [refused] = read(tmp_path, several)[1]
    assert "write %(process_num)d in it" in refused

    plan, _ = read(tmp_path, f"{several}%(process_num)d\n")
    assert plan is not None
    found = [one.settings.configroot for one in plan.services if one.settings]
    assert ["/live/x0", "/live/x1"] == found


def test_paths_begin_at_the_directory_of_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert f"{tmp_path}/live" == settings(tmp_path, f"{WEB}configroot = live\n").configroot


@pytest.mark.parametrize(
    ("keys", "place", "why"),
    [
        ("config_keys = a", "4 [program:web] config_keys", "there is no configuration"),
        ("config_dir = /c\nconfig_keys = /a", "5 [program:web] config_keys", "'/a' is no key"),
        ("config_dir = /c\nconfig_keys = ../a", "5 [program:web] config_keys", "'../a' is no"),
        ("configmap = a", "4 [program:web] configmap", "configmap needs configroot DIR"),
        ("config_dir = /c\nverify = http://", "5 [program:web] verify", "verify: "),
        ("config_dir = /c\nreload_http = ftp://x", "5 [program:web] reload_http", "reload_http: "),
        (
            "config_dir = /c\nconfigroot = /r\nowner = nosuchuser",
            "6 [program:web] owner",
            "cannot give files to user nosuchuser",
        ),
    ],
)
def test_refusal_names_section_key_and_line(
    tmp_path: Path, keys: str, place: str, why: str
) -> None:
    plan, refused = read(tmp_path, f"[supervisord]\n[program:web]\ncommand = web\n{keys}\n")
    assert plan is None
    [message] = refused
    assert message.startswith(f"services.conf:{place}: ")
    assert why in message


def test_name_that_fits_no_path_is_refused() -> None:
    assert "/live/web" == default_root("/live", "web", "web")
    assert "/live/pool-web_0" == default_root("/live/", "pool", "web_0")
    for name in ("..", ".", "..x", "x" * 256):
        with pytest.raises(ValueError, match="cannot name a directory in /live"):
            default_root("/live", name, name)
