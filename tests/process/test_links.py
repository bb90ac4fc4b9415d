"""Links with the names of other programs, on command lines that were written for them."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.answering import Answering, answer
from tests.harness import PROGRAM, Run, app, only_process, until
from tests.http import get, port_of
from tests.volume import Volume

# The background process of a shell takes no notice of TERM.
SOON = {"CONFIG_SUPERVISOR_LEFTOVERS_TIMEOUT": "0.1s"}


@pytest.fixture
def link(tmp_path: Path) -> Path:
    """The directory of the links."""
    for name in ("tini", "dumb-init", "configmap-reload"):
        (tmp_path / name).symlink_to(PROGRAM[0])
    return tmp_path


def test_tini_gives_the_code_of_its_child(run: Run, link: Path) -> None:
    run.directly(str(link / "tini"), "--", "sh", "-c", "exit 7").finish(7)
    run.directly(str(link / "tini"), "-se143", "sh", "-c", "kill -TERM $$").finish(0)
    run.directly(str(link / "tini"), "/nowhere/x").finish(127)


@pytest.mark.parametrize(("name", "words"), [("tini", ["-g"]), ("dumb-init", [])])
def test_the_group_gets_signals(run: Run, link: Path, name: str, words: list[str]) -> None:
    shell = f"{' '.join(app('print_signals.py', 'child'))} & wait"
    program = run.directly(str(link / name), *words, "--", "sh", "-c", shell, env=SOON)
    program.expect("child ready")
    program.send(signal.SIGUSR1)
    program.expect(f"child {signal.SIGUSR1:d}")
    program.finish(128 + signal.SIGUSR1)


@pytest.mark.parametrize(("name", "words"), [("tini", []), ("dumb-init", ["--single-child"])])
def test_the_child_alone_gets_signals(run: Run, link: Path, name: str, words: list[str]) -> None:
    shell = f"{' '.join(app('print_signals.py', 'child'))} & wait"
    program = run.directly(str(link / name), *words, "sh", "-c", shell, env=SOON)
    program.expect("child ready")
    program.send(signal.SIGUSR1)
    program.finish(128 + signal.SIGUSR1)

    assert f"child {signal.SIGUSR1:d}" not in program.out.seen


def test_dumb_init_rewrites_signals(run: Run, link: Path) -> None:
    program = run.directly(str(link / "dumb-init"), "-r", "15:3", *app("print_signals.py"))
    program.expect("ready")
    program.send(signal.SIGTERM)
    program.expect(f"^{signal.SIGQUIT:d}$")


@only_process
def test_configmap_reload_sends_a_request(run: Run, link: Path) -> None:
    volume = Volume(link / "volume")
    volume.swap({"app.conf": "one"})
    with Answering(answer("200 OK")) as target:
        program = run.directly(
            str(link / "configmap-reload"),
            f"--volume-dir={volume.path}",
            f"--webhook-url={target.url('/-/reload')}",
            "-web.listen-address=127.0.0.1:0",
            env={"CONFIG_SUPERVISOR_RELOAD_INTERVAL": "0s"},
        )
        port = port_of(program)
        until(target.heads, ["POST /-/reload HTTP/1.1"])
        volume.swap({"app.conf": "two"})
        until(target.heads, ["POST /-/reload HTTP/1.1"] * 2)
        assert 200 == get(port, "/metrics")[0]
        program.send(signal.SIGTERM)
        program.finish(0)


@only_process
@pytest.mark.parametrize("line", ["tini", "tini --", "dumb-init", "dumb-init -c"])
def test_a_line_without_a_program_gives_the_usage(run: Run, link: Path, line: str) -> None:
    """With the exit code of the originals."""
    name, *words = line.split()
    program = run.directly(str(link / name), *words)
    program.finish(1)

    told = program.err.rest()
    assert [f"supervisor: no program to run; usage: {name} "] == [
        one.partition("[")[0] for one in told
    ]


@only_process
def test_words_that_cannot_be_honoured_end_before_the_start(run: Run, link: Path) -> None:
    program = run.directly(str(link / "dumb-init"), "--nosuch", "echo", "ran")
    program.finish(2)

    assert [] == program.out.rest()
    assert "unknown option --nosuch of dumb-init" in program.err.rest()[0]
