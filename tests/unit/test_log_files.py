"""Log files with rotation, rings, and the system log, on a real disk and a real socket."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config_supervisor.runtime import log
from config_supervisor.services import stream_routes
from config_supervisor.services.log_files import LogFile
from config_supervisor.services.log_ring import BadSpanError, Ring
from config_supervisor.services.plan import Sink, Stream
from config_supervisor.services.syslog_socket import SyslogSocket
from tests.harness import wait_until
from tests.unit.descriptors import full_table
from tests.unit.ensemble import planned, service

writes = st.lists(st.text("ab\n", min_size=1, max_size=9).map(str.encode), max_size=30)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The lines of our own log."""
    found: list[str] = []

    def write(_level: str, message: str, **_: object) -> None:
        found.append(message)

    monkeypatch.setattr(log, "write", write)
    return found


@given(writes, st.integers(1, 12), st.integers(0, 3))
def test_rotation_keeps_lines_and_order(
    tmp_path_factory: pytest.TempPathFactory, parts: list[bytes], most: int, backups: int
) -> None:
    """The files are the end of the text; each older file ends with the line that filled it, and the
    newest is not full.
    """
    path = tmp_path_factory.mktemp("log") / "web.log"
    file = LogFile(str(path), most, backups)
    file.open()
    for part in parts:
        file.write(part)
    file.close()
    older = sorted(path.parent.glob("web.log.*"), key=lambda one: -int(one.suffix[1:]))
    contents = [one.read_bytes() for one in older]
    text = b"".join(parts)

    assert len(older) <= backups
    assert text.endswith(b"".join((*contents, path.read_bytes())))
    assert all(one.endswith(b"\n") and len(one) >= most for one in contents)
    for one in (*contents, path.read_bytes()):
        assert b"\n" not in one[most - 1 : -1]
    assert not path.read_bytes()[most - 1 :].endswith(b"\n")
    if len(older) < backups:
        assert len(text) == sum(map(len, contents)) + path.stat().st_size


def test_a_write_of_many_sizes_renames_no_file_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files that more rotations would remove at once are not made."""
    path = tmp_path / "web.log"
    renamed: list[str] = []
    rename = os.rename

    def counted(old: str, new: str) -> None:
        renamed.append(old)
        rename(old, new)

    monkeypatch.setattr(os, "rename", counted)
    file = LogFile(str(path), 10, 2)
    file.open()
    file.write(b"torn ")
    file.write(b"".join(b"%09d\n" % number for number in range(1000)))
    file.close()

    assert "000000999\n" == (tmp_path / "web.log.1").read_text()
    assert "000000998\n" == (tmp_path / "web.log.2").read_text()
    assert "" == path.read_text()
    assert len(renamed) <= 6


def test_rotation_waits_for_a_descriptor(tmp_path: Path, told: list[str]) -> None:
    """The file grows meanwhile, and no line goes into an older file."""
    path = tmp_path / "web.log"
    file = LogFile(str(path), 10, 2)
    file.open()
    with full_table():
        for number in range(3):
            file.write(b"%09d\n" % number)
    assert ["web.log"] == [one.name for one in tmp_path.iterdir()]

    def rotated() -> None:
        file.write(b"more\n")
        assert (tmp_path / "web.log.1").exists()

    wait_until(rotated)
    file.close()
    assert (tmp_path / "web.log.1").read_text().startswith("000000000\n000000001\n000000002\n")
    why = "too many open files; it grows until there is a descriptor"
    assert [f"cannot rotate the log file {path}: {why}"] == told


def test_rotation_takes_no_time_for_files_that_are_not_there(tmp_path: Path) -> None:
    """The number of files to keep may be any."""
    path = tmp_path / "web.log"
    (tmp_path / "web.log.1").write_text("oldest\n")
    file = LogFile(str(path), 2, 10**18)
    file.open()
    for line in (b"1\n", b"2\n", b"3\n"):
        file.write(line)
    file.close()

    expected = {".1": "3\n", ".2": "2\n", ".3": "1\n", ".4": "oldest\n"}
    found = {one.suffix: one.read_text() for one in tmp_path.glob("web.log.*")}
    assert expected == found


def test_a_file_that_is_there_counts(tmp_path: Path) -> None:
    path = tmp_path / "web.log"
    path.write_text("12345678\n")
    file = LogFile(str(path), 10, 1)
    file.open()
    file.write(b"a\n")
    file.write(b"b\n")
    file.close()

    assert (tmp_path / "web.log.1").read_text() == "12345678\na\n"
    assert path.read_text() == "b\n"


def test_a_moved_file_is_opened_again(tmp_path: Path, told: list[str]) -> None:
    """By its path; where that fails the old one stays, which is told."""
    path = tmp_path / "web.log"
    file = LogFile(str(path))
    file.open()
    path.rename(tmp_path / "old")
    file.write(b"one\n")
    file.reopen()
    file.write(b"two\n")
    path.rename(tmp_path / "last")
    path.mkdir()
    file.reopen()
    file.write(b"three\n")
    file.close()

    assert (tmp_path / "old").read_text() == "one\n"
    assert (tmp_path / "last").read_text() == "two\nthree\n"
    assert [f"cannot open the log file {path} again"] == [one.partition(":")[0] for one in told]


def test_a_full_disk_is_told_once_and_left(small: Path, told: list[str]) -> None:
    """Lines are lost and counted; the next ones are whole once there is room again."""
    path = small / "web.log"
    ballast = small / "ballast"
    file = LogFile(str(path))
    file.open()
    file.write(b"first\n")
    _fill(ballast)
    for _ in range(50):
        file.write(b"x" * 4999 + b"\n")
    assert 1 == len(told)
    ballast.unlink()
    file.write(b"last\n")
    file.close()
    lines = path.read_bytes().split(b"\n")

    assert [b"first", b"last", b""] == [lines[0], *lines[-2:]]
    assert "No space left" in told[0] or "no space left" in told[0]
    assert re.fullmatch(r"the log file .* takes lines again: \d+ bytes are lost", told[1])


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                continue


def test_clear_begins_again(tmp_path: Path) -> None:
    path = tmp_path / "web.log"
    file = LogFile(str(path))
    file.open()
    file.write(b"one\n")
    file.clear()
    file.write(b"two\n")
    assert file.read(0, 0) == b"two\n"
    assert file.tail(0, 100) == (b"two\n", 4, False)
    file.close()


@given(st.lists(st.binary(max_size=40)), st.integers(-60, 300), st.integers(0, 60))
def test_a_ring_is_a_file_without_its_beginning(
    tmp_path_factory: pytest.TempPathFactory, parts: list[bytes], offset: int, length: int
) -> None:
    kept = 32
    path = tmp_path_factory.mktemp("ring") / "log"
    file = LogFile(str(path))
    file.open()
    ring = Ring(kept)
    for part in parts:
        file.write(part)
        ring.add(part)
    file.close()
    size = path.stat().st_size
    data, end, overflow = file.tail(offset, length)
    found, ring_end, ring_overflow = ring.tail(offset, length)

    assert (end, overflow) == (ring_end, ring_overflow) == (size, overflow)
    assert data.endswith(found)
    if offset >= 0 or length == 0:
        whole = file.read(offset, length)
        assert whole.endswith(ring.read(offset, length))
        start = max(0, size + offset) if offset < 0 else offset
        if start >= size - kept:
            assert whole == ring.read(offset, length)


def test_a_span_without_a_meaning_is_refused() -> None:
    ring = Ring()
    for offset, length in ((-1, 1), (0, -1)):
        with pytest.raises(BadSpanError):
            ring.read(offset, length)


def test_lines_reach_the_system_log(tmp_path: Path, told: list[str]) -> None:
    """Each is a datagram; a log that is away loses lines, and is told once."""
    path = str(tmp_path / "log")
    sender = SyslogSocket(path)
    assert 2 == sender.write("web", b"one\ntwo\n")
    receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    receiver.bind(path)
    assert 0 == sender.write("web", b"three\n\n")
    got = [receiver.recv(1000).decode() for _ in range(2)]
    receiver.close()
    os.unlink(path)
    sender.write("web", b"four\n")
    sender.write("web", b"five\n")
    sender.close()

    assert all(re.match(r"<14>\w{3} [ \d]\d [\d:]{8} supervisord: web ", one) for one in got)
    assert ["web three", "web "] == [one.partition(": ")[2] for one in got]
    assert [False, True, False] == ["takes lines again: 2 are lost" in one for one in told]


def test_fifo_with_a_slow_reader_is_told_once(tmp_path: Path, told: list[str]) -> None:
    """It is full again and again: each time would be a flood of lines."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    file = LogFile(str(path))
    file.open()
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    for _ in range(20):
        for _ in range(40):
            file.write(b"x" * 4095 + b"\n")
        while _read(reader):
            pass
    os.close(reader)
    file.close()

    assert ["cannot write", "the log file"] == [line[:12] for line in told]


def _read(reader: int) -> bytes:
    try:
        return os.read(reader, 1 << 16)
    except BlockingIOError:
        return b""


@pytest.mark.parametrize("asked", ["syslog", "events", "capture_maxbytes"])
def test_bytes_asked_for_elsewhere_come_to_us(asked: str) -> None:
    """Whatever the log file is; else a device is for the service alone."""
    null = Stream(sink=Sink.FILE, path="/dev/null")
    found = [
        stream_routes.route(one, "stdout", planned(one))
        for one in (
            service("web", stdout=null),
            service("web", stdout=null.replace(**{asked: True})),
        )
    ]

    assert [False, True] == [one is not None and one.watched for one in found]
