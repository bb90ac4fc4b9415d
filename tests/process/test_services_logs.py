"""The lines of services: tags, JSON, files, and whole in any case."""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
from pathlib import Path

from tests.harness import PROGRAM, Program, Run, app, only_process
from tests.process.services import section, services, supervisord, written

LONG = 200_000  # bytes of a line
TAGGED = {"stdout_logfile": "AUTO", "stderr_logfile": "AUTO"}


def writer(name: str, count: int, size: int, *words: str, **keys: object) -> str:
    """The section of a service that writes lines: see tests/apps/write_lines.py."""
    command = shlex.join(app("write_lines.py", name, count, size, *words))
    given = {**TAGGED, "log_tag": name, "oneshot": "true", **keys}
    return section(name, command=command, **given)


def shell(name: str, script: str, **keys: object) -> str:
    command = f"sh -c '{script}'"
    return section(name, command=command, startsecs=0, **{**TAGGED, "log_tag": name, **keys})


def stop(program: Program) -> None:
    program.send(signal.SIGTERM)
    program.finish(0)


def test_lines_have_a_tag_and_their_stream(run: Run, tmp_path: Path) -> None:
    script = "echo out; echo err >&2; exec sleep 1000"
    program = services(run, tmp_path, shell("web", script))
    program.expect(r"^\[web\] out$")
    program.err.expect(r"^\[web\] err$")
    stop(program)


def test_auto_of_supervisord_is_tagged_output(run: Run, tmp_path: Path) -> None:
    """Both streams, as its own lines are there too."""
    script = "echo out; echo err >&2; exec sleep 1000"
    program = supervisord(run, tmp_path, shell("web", script, log_tag=""))
    program.expect(r"^\[web\] out$")
    program.expect(r"^\[web\] err$")
    stop(program)


@only_process
def test_json_lines_have_all_fields(run: Run, tmp_path: Path) -> None:
    """Any text is an object of its own; the mode is of no matter."""
    (tmp_path / "text").write_bytes('say "hi"\té\n\n\xff\xfe\n'.encode("latin-1"))
    script = f"cat {tmp_path}/text; echo err >&2; exec sleep 1000"
    program = services(run, tmp_path, shell("web", script, log_format="json"))
    found = [json.loads(program.out.next()) for _ in range(3)]
    error = json.loads(program.err.expect(r"\{.*err.*")[0])
    stop(program)

    assert ['say "hi"\t\ufffd', "", "\ufffd\ufffd"] == [one["line"] for one in found]
    assert {("web", "stdout")} == {(one["service"], one["stream"]) for one in found}
    assert ("web", "stderr", "err") == (error["service"], error["stream"], error["line"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", error["time"])


def test_long_lines_of_two_services_stay_whole(run: Run, tmp_path: Path) -> None:
    """The original tears 29 of these 40."""
    program = services(
        run, tmp_path, writer("a", 20, LONG), writer("b", 20, LONG), writer("c", 1, 10, "wait")
    )
    found = [program.out.next() for _ in range(41)]
    stop(program)
    whole = [line for line in found if re.fullmatch(r"\[(.)\] \1 \d+ (\1+)", line)]

    assert 41 == len(whole)
    assert 40 == sum(len(line) == len("[a] ") + LONG - 1 for line in whole)


def test_a_million_lines_without_a_loss(tmp_path: Path) -> None:
    """Of two services, in their order."""
    count, out = 500_000, tmp_path / "out"
    file = written(tmp_path, [writer("a", count, 60), writer("b", count, 60)])
    command = [*PROGRAM, "--services", file]
    with out.open("wb") as output:
        done = subprocess.run(
            command, stdout=output, stderr=subprocess.PIPE, timeout=60, check=False
        )
    assert 0 == done.returncode, done.stderr
    for name in "ab":
        head = f"[{name}] {name} "
        with out.open() as lines:
            numbers = [int(line.split(" ", 3)[2]) for line in lines if line.startswith(head)]
        assert list(range(count)) == numbers
    assert 2 * count * (60 + len("[a] ")) == out.stat().st_size
