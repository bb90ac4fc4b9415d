"""Values are checked against the system before the app starts; a probable slip is a warning."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.harness import Program, Run, app, only_process

pytestmark = only_process


@pytest.fixture
def source(tmp_path: Path) -> str:
    """A directory with a configuration."""
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "app.conf").write_text("one")
    return str(tmp_path / "source")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--configroot=ROOT", "--owner=nosuchuser"], ["--owner", "nosuchuser"]),
        (["--configroot=ROOT", "--owner=root:nosuchgroup"], ["--owner", "nosuchgroup"]),
        (["--configroot=ROOT", "--owner=99999999999"], ["--owner", "99999999999"]),
        (
            ["--reload-http=https://127.0.0.1:1", "--reload-http-ca=/nonexistent"],
            ["--reload-http-ca", "/nonexistent"],
        ),
        (
            ["--reload-http=https://127.0.0.1:1", "--reload-http-ca=/etc/passwd"],
            ["--reload-http-ca", "/etc/passwd"],
        ),
        (["--verify=https://127.0.0.1:1", "--reload-http-ca=/etc"], ["--reload-http-ca", "/etc"]),
        (["--reload-http=http://a b"], ["--reload-http"]),
        (["--reload-http=http://x", "--reload-http-status=2xx"], ["--reload-http-status", "2xx"]),
        (["--reload-http=http://x", "--reload-http-header=nocolon"], ["--reload-http-header"]),
        (
            ["--reload-http=http://x", "--reload-http-header-file=/nonexistent"],
            ["-header-file", "/nonexistent"],
        ),
        (["--reload-http-file=/nonexistent"], ["--reload-http-file", "/nonexistent"]),
        (["--verify-file=/etc/passwd"], ["--verify-file", "/etc/passwd"]),
        (["--ready=htp://x"], ["--ready", "htp://x"]),
        (["--ready=tcp:99999"], ["--ready", "tcp:99999"]),
    ],
)
def test_impossible_value_ends_before_the_app(
    run: Run, source: str, tmp_path: Path, options: list[str], words: list[str]
) -> None:
    given = [option.replace("ROOT", str(tmp_path / "live")) for option in options]
    program = run("echo", "ran", options=[f"--config-dir={source}", "--listen=off", *given])
    program.finish(2)
    (message,) = program.err.rest()

    assert [] == program.out.rest()
    assert [] == [word for word in words if word not in message]
    assert "internal error" not in message


def test_ca_file_of_the_configuration_may_come_later(run: Run, source: str) -> None:
    ca = f"--reload-http-ca={source}/ca.crt"
    program = run(
        "echo", "ran", options=[f"--config-dir={source}", "--reload-http=https://127.0.0.1:1", ca]
    )
    program.finish(0)

    assert ["ran"] == program.out.rest()


def warnings(program: Program) -> list[str]:
    program.err.rest()
    return [line.partition(" warning: ")[2] for line in program.err.seen if " warning: " in line]


def test_unknown_variable_is_a_warning_with_a_hint(run: Run) -> None:
    environ = {
        "CONFIG_SUPERVISOR_RELOAD_SIGNL": "USR1",
        "SUPERVISOR_PROCESS_NAME": "x",
        "CONFIG_SUPERVISOR_VERSION": "4.2.5",
    }
    program = run("true", env=environ)
    program.finish(0)

    name = "CONFIG_SUPERVISOR_RELOAD_SIGN"
    assert [f"{name}L stands for no option (did you mean {name}AL?)"] == warnings(program)


@pytest.mark.parametrize(
    ("option", "seen"),
    [
        ("--validate=true", True),
        ("--validate=test -f {dir}/app.conf", False),
        ("--validate=test -f SOURCE/app.conf", True),  # the old files
    ],
)
def test_blind_validation_is_a_warning(
    run: Run, source: str, tmp_path: Path, option: str, *, seen: bool
) -> None:
    where = [f"--config-dir={source}", f"--configroot={tmp_path}/live", "--listen=off"]
    program = run("true", options=[*where, option.replace("SOURCE", source)])
    program.finish(0)

    assert seen == any("--validate" in line and "{dir}" in line for line in warnings(program))


def test_validation_in_place_needs_no_directory(run: Run, source: str) -> None:
    options = [f"--config-dir={source}", "--listen=off", f"--validate=test -f {source}/app.conf"]
    program = run("true", options=options)
    program.finish(0)

    assert [] == warnings(program)


def test_mapped_key_without_a_source_is_a_warning(run: Run, source: str, tmp_path: Path) -> None:
    root = f"{tmp_path}/live"
    maps = ["--map=nokey=b", "--map=app.conf=renamed.conf"]
    program = run(
        *app("read_config.py", f"{root}/renamed.conf"),
        options=[
            f"--config-dir={source}",
            f"--configroot={root}",
            "--listen=off",
            "--reload-interval=0s",
            *maps,
        ],
    )
    program.expect("config: one")
    for text in ("two", "three"):
        Path(source, "..new").write_text(text)
        os.replace(f"{source}/..new", f"{source}/app.conf")
        program.expect(f"config: {text}")
    program.send(15)
    program.finish(0)

    assert ["--map nokey=b: no source has the key 'nokey'"] == warnings(program)


def test_once_logs_the_files_that_it_wrote(run: Run, source: str, tmp_path: Path) -> None:
    root = f"{tmp_path}/live"
    options = [f"--config-dir={source}", f"--configroot={root}", "--once"]
    lines = []
    for text in ("one", "one", "two"):
        Path(source, "app.conf").write_text(text)
        program = run(options=options)
        program.finish(0)
        (line,) = program.err.rest()
        lines.append(line.partition(" info: configuration ")[2])

    assert [f" from directory {source} is in {root} (1 file): "] * 3 == [
        line[8:].partition(": ")[0] + ": " for line in lines
    ]
    assert ["added app.conf", "nothing changed", "changed app.conf"] == [
        line.partition("): ")[2] for line in lines
    ]
