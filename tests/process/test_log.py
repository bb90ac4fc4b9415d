"""The log: JSON lines with fields, a line at the start of a configured role, plain characters."""

from __future__ import annotations

import json
import os
from signal import SIGTERM
from typing import Any

import pytest

from tests.harness import Program, Run, app, only_process

pytestmark = only_process
JSON = "--log-format=json"
HEAD = ["time", "level", "logger", "message"]


def write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def following(run: Run, tmp_path: os.PathLike[str], *options: str) -> tuple[Program, str]:
    """A program on copies of a directory, and the file to change."""
    source = f"{tmp_path}/source"
    root = f"{tmp_path}/live"
    os.mkdir(source)
    write(f"{source}/app.conf", "one")
    where = [
        f"--config-dir={source}",
        f"--configroot={root}",
        "--listen=127.0.0.1:0",
        "--verify-window=0s",
    ]
    program = run(*app("read_config.py", f"{root}/app.conf"), options=[*where, JSON, *options])
    program.expect("ready")
    return program, f"{source}/app.conf"


def lines(program: Program) -> list[dict[str, Any]]:
    """All lines of a program, after its end."""
    program.err.rest()
    return [json.loads(one) for one in program.err.seen]


def of(found: list[dict[str, Any]], event: str) -> dict[str, Any]:
    """The only line of an event."""
    (one,) = [each for each in found if each.get("event") == event]
    return one


def test_json_lines_of_a_change_have_fields(run: Run, tmp_path: os.PathLike[str]) -> None:
    program, file = following(run, tmp_path)
    write(file, "two")
    program.expect("config: two")
    program.err.expect('"reloaded"')
    pid = program.app
    program.send(SIGTERM)
    program.wait()
    found = lines(program)

    assert all(HEAD == list(one)[:4] and one["logger"] == "supervisor" for one in found)
    assert [] == [one for one in found if not one.get("event")]
    first = of(found, "started")
    second = of(found, "config_applied")
    assert (pid, "python") == (first["pid"], first["service"][:6])
    assert first["version"] == second["previous"] != second["version"]
    assert "app.conf" in second["changed"]
    reloaded = of(found, "reloaded")
    assert ("signal", pid, second["version"]) == (
        reloaded["method"],
        reloaded["pid"],
        reloaded["version"],
    )
    assert 0 <= reloaded["duration_ms"] < 10_000
    assert "SIGTERM" == of(found, "stopping")["signal"]
    ended = of(found, "exited")
    assert (pid, 0) == (ended["pid"], ended["exit_code"])


def test_json_line_of_a_rejection_has_its_reason(run: Run, tmp_path: os.PathLike[str]) -> None:
    program, file = following(run, tmp_path, "--validate=sh -c 'grep -q one {dir}/app.conf'")
    write(file, "two")
    found = json.loads(program.err.expect(".*config_failed.*").group())

    assert ("error", "validate") == (found["level"], found["reason"])
    assert found["version"] != found["previous"]


def test_start_line_names_role_version_and_sources(run: Run, tmp_path: os.PathLike[str]) -> None:
    program, _ = following(run, tmp_path)
    started = json.loads(program.err.seen[0])

    assert ("supervisor_started", "app") == (started["event"], started["role"])
    assert started["release"][:1].isdecimal()
    assert f"directory {tmp_path}/source" == started["source"]


def test_bare_init_logs_nothing(run: Run) -> None:
    program = run("true", options=[JSON])
    program.finish()

    assert [] == lines(program)


@pytest.mark.parametrize(
    ("options", "variable"),
    [
        (["--no-such-option", JSON], ""),
        (["--log-format", "json", "--listen=x"], ""),
        (["--stop-signal=NONE"], "json"),
        ([JSON], ""),  # no command
    ],
)
def test_usage_error_is_json_where_asked_for(run: Run, options: list[str], variable: str) -> None:
    program = run(options=options, env={"CONFIG_SUPERVISOR_LOG_FORMAT": variable})
    program.finish(2)
    (only,) = lines(program)

    assert ("error", "usage_error", 2) == (only["level"], only["event"], only["exit_code"])


def test_usage_error_ignores_the_apps_log_format(run: Run) -> None:
    program = run("app", JSON, options=["--no-such-option"])
    program.finish(2)

    assert program.err.next().startswith("supervisor: unknown option")


def test_start_error_is_json_with_its_exit_code(run: Run) -> None:
    program = run("true", options=[JSON, "--env-file=/no/such/file"])
    program.finish(125)
    (only,) = lines(program)

    assert ("cannot_run", 125) == (only["event"], only["exit_code"])


@pytest.mark.parametrize("style", ["text", "json"])
@pytest.mark.parametrize(
    "name", ["\x1b[31mred", "a\x07b", "a\u202eb", "a\x9b1mb", "a\udcffb", "a\r\nb\x0cc\x85d"]
)
def test_control_characters_in_a_message_are_escaped(run: Run, style: str, name: str) -> None:
    program = run(f"/no/{name}", options=[f"--log-format={style}"])
    program.finish(127)
    (only,) = program.err.rest()
    message = json.loads(only)["message"] if style == "json" else only

    assert message.isprintable()
    assert "/no/" in message


def test_control_characters_in_a_usage_error_are_escaped(run: Run) -> None:
    program = run(options=["--\x1b[2Jx"])
    program.finish(2)

    assert "\\x1b[2Jx" in program.err.next()


def test_json_line_of_an_end_by_a_signal_names_it(run: Run) -> None:
    program = run("sh", "-c", "kill -KILL $$", options=[JSON, "--log-level=debug"])
    program.finish(137)
    ended = of(lines(program), "exited")

    assert ("SIGKILL", 137) == (ended["signal"], ended["exit_code"])
