"""Services whose log is a device, a FIFO or nowhere: their events, captures and copies."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import Program, Run, only_process, until
from tests.process.controlled import SUPERVISORCTL
from tests.process.listeners import recorder, wait_for
from tests.process.services import supervisord
from tests.process.test_services_logs import shell

BEGIN, END = "<!--XSUPERVISOR:BEGIN-->", "<!--XSUPERVISOR:END-->"


@pytest.fixture
def fifo(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """A FIFO, and a descriptor that reads it."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    yield path, reader
    os.close(reader)


def stop(program: Program) -> None:
    program.send(signal.SIGTERM)
    program.finish(0)


@only_process
@pytest.mark.parametrize("log", ["/dev/null", "NONE", "fifo"])
def test_events_of_a_log_that_is_no_file(
    run: Run, tmp_path: Path, fifo: tuple[Path, int], log: str
) -> None:
    """A listener gets each piece, wherever else it goes."""
    path, _ = fifo
    file = tmp_path / "events"
    sink = path if log == "fifo" else log
    keys = {"stdout_logfile": sink, "stdout_events_enabled": "true"}
    web = shell("web", "echo a line; exec sleep 1000", **keys)
    program = supervisord(run, tmp_path, recorder("watch", file, events="PROCESS_LOG"), web)
    found = wait_for(file, "a line")
    stop(program)

    assert "channel:stdout" in found[0]["payload"]


@only_process
@pytest.mark.parametrize("log", ["/dev/null", "NONE", "fifo"])
def test_capture_of_a_log_that_is_no_file(
    run: Run, tmp_path: Path, fifo: tuple[Path, int], log: str
) -> None:
    path, _ = fifo
    file = tmp_path / "events"
    (tmp_path / "text").write_text(f"{BEGIN}between{END}")
    sink = path if log == "fifo" else log
    keys = {"stdout_logfile": sink, "stdout_capture_maxbytes": "1KB"}
    web = shell("web", f"cat {tmp_path}/text; exec sleep 1000", **keys)
    watch = recorder("watch", file, events="PROCESS_COMMUNICATION")
    program = supervisord(run, tmp_path, watch, web)
    found = wait_for(file, "between")
    stop(program)

    assert "PROCESS_COMMUNICATION_STDOUT" == found[0]["eventname"]


@only_process
def test_fifo_with_events_has_the_lines_too(
    run: Run, tmp_path: Path, fifo: tuple[Path, int]
) -> None:
    """The supervisor writes there in place of the service."""
    path, reader = fifo
    file = tmp_path / "events"
    keys = {"stdout_logfile": path, "stdout_events_enabled": "true"}
    web = shell("web", "echo a line; exec sleep 1000", **keys)
    program = supervisord(run, tmp_path, recorder("watch", file, events="PROCESS_LOG"), web)
    wait_for(file, "a line")
    until(lambda: _read(reader), b"a line\n")
    stop(program)


@only_process
def test_fifo_without_a_reader_holds_no_start_up(run: Run, tmp_path: Path) -> None:
    """Its lines wait for a reader as far as the FIFO has room; the events come at once."""
    path = tmp_path / "unread"
    os.mkfifo(path)
    file = tmp_path / "events"
    keys = {"stdout_logfile": path, "stdout_events_enabled": "true"}
    web = shell("web", "echo a line; exec sleep 1000", **keys)
    program = supervisord(run, tmp_path, recorder("watch", file, events="PROCESS_LOG"), web)
    wait_for(file, "a line")
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    until(lambda: _read(reader), b"a line\n")
    os.close(reader)
    stop(program)


@only_process
def test_debug_copies_the_output_to_a_device(run: Run, tmp_path: Path) -> None:
    """The activity log has it, as in the original."""
    web = shell("web", "echo a line; exec sleep 1000", stdout_logfile="/dev/null")
    program = supervisord(run, tmp_path, web, options=["-e", "debug"])
    program.expect(r"DEBG 'web' stdout output:$")
    assert "a line" == program.out.next()
    stop(program)


@only_process
def test_clear_leaves_a_fifo_in_place(run: Run, tmp_path: Path, fifo: tuple[Path, int]) -> None:
    """It is no log to begin again, although the supervisor writes it."""
    path, _ = fifo
    keys = {"stdout_logfile": path, "stdout_events_enabled": "true"}
    server = f"[unix_http_server]\nfile = {tmp_path}/s.sock\n"
    web = shell("web", "echo a line; exec sleep 1000", **keys)
    watch = recorder("watch", tmp_path / "events", events="PROCESS_LOG")
    program = supervisord(run, tmp_path, server, watch, web)
    wait_for(tmp_path / "events", "a line")
    command = [SUPERVISORCTL, "-s", f"unix://{tmp_path}/s.sock", "clear", "web"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    stop(program)

    assert (0, True) == (done.returncode, path.is_fifo()), done


def _read(reader: int) -> bytes:
    try:
        return os.read(reader, 100)
    except BlockingIOError:
        return b""
