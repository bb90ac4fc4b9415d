"""The disposition of real processes towards a signal, and reloads by that signal."""

from __future__ import annotations

import contextlib
import signal
import subprocess
from collections.abc import Iterator

import pytest

from config_supervisor.process import procfs, signal_disposition
from config_supervisor.process.signal_disposition import Disposition, SignalGate
from config_supervisor.reload.methods.signal import Signal
from config_supervisor.reload.reloader import ReloadPlan
from tests.harness import app, until
from tests.main_thread import MainThread, Reloading
from tests.output_lines import Lines

HUP = int(signal.SIGHUP)


@contextlib.contextmanager
def taking(way: str) -> Iterator[tuple[subprocess.Popen[bytes], Lines]]:
    """tests/apps/take_signals.py, ready."""
    with subprocess.Popen(app("take_signals.py", way), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        lines = Lines(process.stdout)
        lines.expect("ready")
        yield process, lines
        process.kill()
        lines.reader.join(5)


@pytest.mark.parametrize(
    "way", ["handler", "sigwait", "sigtimedwait", "signalfd", "thread", "poll"]
)
def test_an_app_that_takes_the_signal_gets_it(main: MainThread, way: str) -> None:
    """BIND's named takes HUP by sigwait(3), this program by sigtimedwait(2), others by
    signalfd(2).
    """
    with taking(way) as (process, lines):
        main.app = process.pid

        assert ("", "") == Reloading(main, ReloadPlan(Signal(HUP), timeout=5), process.pid).end()
        assert [(0, HUP)] == main.signals
        assert str(HUP) == lines.next()


@pytest.mark.parametrize(
    ("way", "why"),
    [
        ("default", "it does not catch SIGHUP, which would end it"),
        ("open", "it does not catch SIGHUP, which would end it"),
        ("other", "it does not catch SIGHUP, which would end it"),
        ("ignored", "it ignores SIGHUP"),
    ],
)
def test_an_app_that_does_not_take_it_lives_on(main: MainThread, way: str, why: str) -> None:
    """`open`: a thread waits for the signal, but another would get it and end the app."""
    with taking(way) as (process, _):
        main.app = process.pid
        reason, error = Reloading(main, ReloadPlan(Signal(HUP), timeout=0.3), process.pid).end()

        assert ("no_handler", [], None) == (reason, main.signals, process.poll())
        assert error.startswith(why)


def test_a_signal_that_stays_pending_is_no_reload(main: MainThread) -> None:
    """An app that blocks the signal and never takes it is not ended by it, and has not reloaded."""
    with taking("blocked") as (process, _):
        main.app = process.pid
        reason, error = Reloading(main, ReloadPlan(Signal(HUP), timeout=2), process.pid).end()

        assert ("no_handler", "it blocks SIGHUP and has not taken it") == (reason, error)
        assert process.poll() is None


def test_without_the_check_the_signal_is_sent(main: MainThread) -> None:
    with taking("default") as (process, _):
        main.app = process.pid
        Reloading(main, ReloadPlan(Signal(HUP, checked=False), timeout=5), process.pid).end()

        assert -HUP == process.wait(10)


def test_signals_that_are_not_shown_are_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under gVisor /proc/PID/status has no Sig* lines; the signal is sent once the app had time to
    settle.
    """
    with taking("handler") as (process, _):
        shown = procfs.status(process.pid).replace(
            blocked=None, ignored=None, caught=None, pending=None
        )
        monkeypatch.setattr(procfs, "status", lambda _: shown)
        gate = SignalGate(HUP, checked=True)

        assert Disposition.UNKNOWN is signal_disposition.of(process.pid, HUP)
        assert gate.look(process.pid).startswith("shows nothing of its signals")
        until(lambda: gate.look(process.pid), "")


def test_a_process_that_is_gone_takes_no_signal() -> None:
    with taking("handler") as (process, _):
        pass

    assert Disposition.DEFAULT is signal_disposition.of(process.pid, HUP)
