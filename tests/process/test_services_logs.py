"""The lines of services: tags, JSON, files, and whole in any case."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from tests.harness import PROGRAM, Program, Run, app, children, only_process, until, wait_until
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


def test_a_stuck_reader_stops_the_writers_only(tmp_path: Path) -> None:
    """The stop is in time, as PID 1 waits for no reader; the other service runs on meanwhile."""
    beside = tmp_path / "beside"
    file = written(
        tmp_path,
        [
            writer("flood", 1_000_000, 1000, stderr_logfile="NONE"),
            shell("busy", f"while sleep 0.1; do echo x >> {beside}; done", stdout_logfile="NONE"),
        ],
    )
    with _stuck(file) as popen:
        size = _grows(beside, 0)
        _grows(beside, size)
        written_by_flood = _written(popen.pid)
        _grows(beside, beside.stat().st_size)
        assert written_by_flood == _written(popen.pid)
        began = time.monotonic()
        popen.send_signal(signal.SIGTERM)
        popen.wait(10)
        assert time.monotonic() - began < 5
        assert popen.stderr is not None
        told = popen.stderr.read().decode()
    assert "stopping all services" in told
    assert "did not end in time" not in told


def test_a_slow_reader_may_lose_lines(tmp_path: Path) -> None:
    """With log_overflow = drop the service writes on; the lines that come are whole, and a line
    tells the number of the others.
    """
    count = 20_000
    flood = writer("flood", count, 1000, "wait", log_overflow="drop", oneshot="false", startsecs=0)
    file = written(tmp_path, [flood])
    with _stuck(file) as popen:
        assert popen.stdout is not None
        until(lambda: _written(popen.pid) >= count * 1000, expected=True)
        lines: list[bytes] = []
        reader = threading.Thread(target=lines.extend, args=(popen.stdout,))
        reader.start()
        until(lambda: len(lines) > 0, expected=True)
        popen.send_signal(signal.SIGTERM)
        popen.wait(10)
        reader.join(10)
    assert all(re.fullmatch(rb"\[flood\] flood \d+ f+\n", line) for line in lines)
    assert 0 < len(lines) < count


@contextlib.contextmanager
def _stuck(file: str) -> Iterator[subprocess.Popen[bytes]]:
    """The program on a file; its standard output is a pipe that is not read."""
    command = [*PROGRAM, "--services", file]
    popen = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with popen:
        try:
            yield popen
        finally:
            popen.kill()


def _grows(path: Path, size: int) -> int:
    """Wait until a file is longer than that; its size."""

    def longer() -> None:
        assert path.exists()
        assert path.stat().st_size > size

    wait_until(longer)
    return path.stat().st_size


def _written(supervisor: int) -> int:
    """The bytes that the children of a supervisor have written."""
    found = 0
    for pid in children(supervisor):
        with open(f"/proc/{pid}/io", encoding="ascii") as file:
            counts = dict(line.split(": ") for line in file)
        with open(f"/proc/{pid}/cmdline", encoding="utf-8") as file:
            found += int(counts["wchar"]) if "write_lines.py" in file.read() else 0
    return found


@only_process
def test_a_killed_service_ends_its_line(run: Run, tmp_path: Path) -> None:
    """The next line is a line of its own; the mode is of no matter."""
    program = services(
        run,
        tmp_path,
        shell("web", "printf begun; kill -KILL $$", restart="never", essential="false"),
        shell("db", "exec sleep 1000"),
    )
    program.expect(r"^\[web\] begun$")
    stop(program)


@only_process
def test_a_daemon_that_holds_the_pipe_delays_no_end(run: Run, tmp_path: Path) -> None:
    """Under supervisord it lives on, but where PID 1 takes it along."""
    program = supervisord(run, tmp_path, section("web", "daemon", "wait", **TAGGED))
    daemon = int(program.expect(r"\[web\] web left (\d+)")[1])
    stop(program)
    os.kill(daemon, signal.SIGKILL)
    assert "[web] web down" in program.out.seen


def test_closed_output_is_told_once(tmp_path: Path) -> None:
    """The service writes on."""
    beside = tmp_path / "beside"
    script = f'trap "" PIPE; while sleep 0.05; do echo line; echo x >> {beside}; done'
    with _stuck(written(tmp_path, [shell("web", script)])) as popen:
        assert popen.stdout is not None
        assert popen.stderr is not None
        popen.stdout.readline()
        popen.stdout.close()
        size = _grows(beside, 0)
        _grows(beside, size + 8)
        popen.send_signal(signal.SIGTERM)
        told = popen.stderr.read().decode()
    assert 1 == told.count("cannot write to standard output: broken pipe"), told
