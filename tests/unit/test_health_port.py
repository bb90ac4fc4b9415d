"""A health check without a control socket: which port it asks."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from config_supervisor.control import health_port
from tests.unit.run_ctl import Ctl, http


@pytest.fixture(name="run_ctl")
def run_ctl_(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Ctl:
    return Ctl(monkeypatch, capfd)


def test_health_without_a_socket_asks_the_port(run_ctl: Ctl) -> None:
    with http(200, "ok: running\n") as listen:
        assert (0, "ok: running\n", "") == run_ctl("health", CONFIG_SUPERVISOR_LISTEN=listen)
    with http(503, "not ok: the last reload failed\n") as listen:
        assert (1, "", "supervisorctl: not ok: the last reload failed\n") == run_ctl(
            "health", CONFIG_SUPERVISOR_LISTEN=listen
        )


def test_health_names_the_places_that_it_tried(run_ctl: Ctl) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        listen = f"127.0.0.1:{closed.getsockname()[1]}"
    code, out, err = run_ctl("health", CONFIG_SUPERVISOR_LISTEN=listen)

    assert (4, "") == (code, out)
    assert err.startswith(
        "supervisorctl: the supervisor is not running: CONFIG_SUPERVISOR_CONTROL is off; "
    )
    assert f"; nothing answers on http://{listen}/livez either (" in err


def test_other_commands_do_not_ask_the_port(run_ctl: Ctl, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listen = f"127.0.0.1:{listener.getsockname()[1]}"

        assert 4 == run_ctl("status", CONFIG_SUPERVISOR_LISTEN=listen)[0]
        assert (
            4
            == run_ctl(f"--socket={tmp_path / 'none'}", "health", CONFIG_SUPERVISOR_LISTEN=listen)[
                0
            ]
        )
        listener.settimeout(0)
        with pytest.raises(BlockingIOError):
            listener.accept()


BUNDLE = [
    "--inhibit-cache",
    "--library-path",
    "/b/lib",
    "--argv0",
    "/b/python3",
    "/b/python3",
    "-I",
]


@pytest.mark.parametrize(
    ("argv", "port"),
    [
        (
            [
                "/usr/bin/python3",
                "/usr/local/bin/supervisor",
                "--listen=:81",
                "--",
                "supervisor",
                "x",
            ],
            81,
        ),
        (["/usr/bin/python3", "-I", "/usr/local/bin/supervisor", "--listen=:81", "app"], 81),
        (["python3", "-I", "-m", "config_supervisor", "--listen=:81", "app"], 81),
        (["supervisor", *BUNDLE, "/b/lib/programs/supervisor", "--listen=:81", "app"], 81),
        (["supervisor", *BUNDLE, "/b/lib/programs/supervisor", "app"], 82),
        (["/usr/bin/python3", "/usr/bin/supervisord", "-n"], None),
        (["nginx: master process"], None),
        ([], None),
    ],
)
def test_settings_of_the_first_process_are_found(argv: list[str], port: int | None) -> None:
    told = health_port.settings_of(argv, {"CONFIG_SUPERVISOR_LISTEN": ":82"})

    assert port == (told.served_at[1] if told else None)
