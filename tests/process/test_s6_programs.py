"""Programs of s6 beside a tree that runs: s6-svc, s6-notifyoncheck, s6-log; pipes of services."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.conftest import needs
from tests.harness import Program, Run, until, wait_until
from tests.process.services import serve
from tests.s6_trees import SOURCE, Planted

UP = "#!/bin/sh\necho up\nexec sleep 60\n"


@pytest.fixture
def tree(tmp_path: Path) -> Planted:
    return Planted(tmp_path / "root")


def supervise(run: Run, tree: Planted) -> Program:
    return run(options=["--s6", str(tree.root)])


def control(tree: Planted, option: str, service: str) -> None:
    """Order with s6-svc."""
    place = tree.root / "run/service" / service
    subprocess.run([needs("s6-svc"), option, place], check=True, timeout=10)


def test_s6_svc_stops_starts_and_restarts(run: Run, tree: Planted) -> None:
    tree.program("etc/services.d/web/run", UP)
    tree.program("etc/services.d/other/run", "#!/bin/sh\nexec sleep 60\n")
    program = supervise(run, tree)
    program.expect("up")
    control(tree, "-d", "web")
    program.err.expect("web was ended by SIGTERM")
    control(tree, "-u", "web")
    program.expect("up")
    control(tree, "-r", "web")
    program.expect("up")
    program.send(signal.SIGTERM)
    program.finish(0)


def test_s6_svc_sends_signals(run: Run, tree: Planted) -> None:
    tree.program("etc/services.d/web/run", UP)
    program = supervise(run, tree)
    program.expect("up")
    control(tree, "-1", "web")
    program.err.expect("web was ended by SIGUSR1")
    program.expect("up")
    program.send(signal.SIGTERM)
    program.finish(0)


def test_script_finds_its_data_in_its_directory(run: Run, tree: Planted) -> None:
    tree.program("etc/services.d/web/run", "#!/bin/sh\ncat ./data/words\nexec sleep 60\n")
    tree.file("etc/services.d/web/data/words", "found\n")
    program = supervise(run, tree)
    program.expect("found")
    program.send(signal.SIGTERM)
    program.finish(0)


def test_lines_of_a_service_reach_its_log(run: Run, tree: Planted) -> None:
    """The pipe and its lines outlive the logger, which ends after its first line."""
    tree.program("etc/services.d/web/run", "#!/bin/sh\nseq 1 3\nexec sleep 60\n")
    tree.program("etc/services.d/web/log/run", '#!/bin/sh\nread line\necho "got $line"\n')
    program = supervise(run, tree)
    for number in (1, 2, 3):
        program.expect(f"got {number}", timeout=20)
    program.send(signal.SIGTERM)
    program.finish(0)


def test_producers_share_a_consumer(run: Run, tree: Planted) -> None:
    pipe = {"producer_for": "sink\n"}
    for name in ("one", "two"):
        tree.longrun(name, **pipe)
        tree.program(f"{SOURCE}/{name}/run", f"#!/bin/sh\necho {name}\nexec sleep 60\n")
    tree.longrun("sink", consumer_for="one\ntwo\n", pipeline_name="all\n")
    tree.program(f"{SOURCE}/sink/run", "#!/bin/sh\nexec sed -u 's/^/sink /'\n").user("all")
    program = supervise(run, tree)
    until(lambda: {"sink one", "sink two"} <= set(program.out.seen), True)
    program.send(signal.SIGTERM)
    program.finish(0)


def test_down_signal_ends_a_service(run: Run, tree: Planted) -> None:
    tree.longrun("web", down_signal="INT\n").user("web")
    tree.program(f"{SOURCE}/web/run", UP)
    program = supervise(run, tree)
    program.expect("up")
    program.send(signal.SIGTERM)
    program.err.expect("web was ended by SIGINT")
    program.finish(0)


def test_timeout_kill_ends_a_service_that_ignores_its_stop(run: Run, tree: Planted) -> None:
    tree.longrun("web", timeout_kill="300\n").user("web")
    command = serve("web", "ignore", "wait")
    tree.program(f"{SOURCE}/web/run", f"#!/bin/sh\nexec {command}\n")
    program = supervise(run, tree)
    program.expect("web ignores")
    program.send(signal.SIGTERM)
    program.err.expect("web was ended by SIGKILL")
    program.finish(0)


def test_dependent_waits_for_the_notification(run: Run, tree: Planted) -> None:
    go = tree.root / "go"
    tree.longrun("db", notification_fd="5\n", timeout_up="9000\n")
    tree.program(
        f"{SOURCE}/db/run",
        f"#!/bin/sh\necho db\nuntil test -e {go}; do sleep 0.1; done\necho >&5\nexec sleep 60\n",
    )
    tree.longrun("web", "db").program(f"{SOURCE}/web/run", UP).user("web")
    program = supervise(run, tree)
    program.expect("db")
    assert "up" not in program.out.seen
    go.touch()
    program.expect("up")
    program.err.expect("db is ready")
    program.send(signal.SIGTERM)
    program.finish(0)


def test_dependent_waits_for_a_check_by_s6(run: Run, tree: Planted) -> None:
    """The program of s6 polls data/check, and writes the newline; see the lock and `event`."""
    go = tree.root / "go"
    needs("s6-notifyoncheck")
    tree.longrun("db", notification_fd="3\n")
    tree.program(f"{SOURCE}/db/data/check", f"#!/bin/sh\nexec test -e {go}\n")
    tree.program(
        f"{SOURCE}/db/run",
        "#!/bin/sh\necho db\nexec s6-notifyoncheck -w 100 -s 50 -n 500 sleep 60\n",
    )
    tree.longrun("web", "db").program(f"{SOURCE}/web/run", UP).user("web")
    program = supervise(run, tree)
    program.expect("db")
    assert "up" not in program.out.seen
    go.touch()
    program.expect("up")
    program.send(signal.SIGTERM)
    program.finish(0)


@pytest.mark.parametrize("end", ["exit 3", "kill -9 $$", "kill -HUP $$"])
def test_finish_has_the_words_that_s6_gives_it(run: Run, tree: Planted, end: str) -> None:
    """Beside the original s6-supervise; releases behind 2.11 give it the process group, too."""
    place = tree.root / "etc/services.d"
    tree.program("etc/services.d/web/run", f"#!/bin/sh\nsleep 0.1\n{end}\n")
    tree.program("etc/services.d/web/finish", '#!/bin/sh\necho finish "$1" "$2" "$3"\n')
    program = supervise(run, tree)
    ours = program.out.expect("finish.*")[0]
    program.send(signal.SIGTERM)
    program.finish(0)

    original = run.directly(needs("s6-supervise"), "web", cwd=place)
    theirs = original.out.expect("finish.*")[0]
    original.send(signal.SIGTERM)
    original.wait()

    assert theirs == ours


def status(tree: Planted, service: str, *options: str) -> str:
    """The answer of s6-svstat."""
    place = tree.root / "run/service" / service
    words = [needs("s6-svstat"), *options, str(place)]
    return subprocess.check_output(words, timeout=10, text=True)


def test_s6_svstat_tells_pid_and_end(run: Run, tree: Planted) -> None:
    tree.program("etc/services.d/web/run", UP)
    tree.program("etc/services.d/other/run", "#!/bin/sh\nexec sleep 60\n")
    program = supervise(run, tree)
    pid = program.err.expect(r"started web \(pid (\d+)\)")[1]
    until(lambda: status(tree, "web", "-o", "up,pid,wantedup"), f"true {pid} true\n")
    assert status(tree, "web").startswith(f"up (pid {pid}) ")
    assert int(status(tree, "web", "-o", "updownfor")) < 60
    control(tree, "-d", "web")
    until(lambda: status(tree, "web", "-o", "up,signal,wantedup"), "false SIGTERM false\n")
    program.send(signal.SIGTERM)
    program.finish(0)


@pytest.mark.timeout(60)
def test_s6_svwait_sees_stops_starts_and_readiness(run: Run, tree: Planted) -> None:
    go = tree.root / "go"
    os.mkfifo(go)
    text = f"#!/bin/sh\necho up\nread word < {go}\necho >&4\nexec sleep 60\n"
    tree.longrun("web", notification_fd="4\n").program(f"{SOURCE}/web/run", text).user("web")
    program = supervise(run, tree)
    program.expect("up")
    place = tree.root / "run/service/web"
    until((place / "supervise/status").exists, expected=True)  # a service may be quicker

    def waiting(option: str) -> subprocess.Popen[bytes]:
        made = subprocess.Popen([needs("s6-svwait"), option, "-t", "30000", place])
        wait_until(lambda: _has_reader(place / "event"))
        return made

    ready = waiting("-U")
    go.write_text("now\n")
    assert 0 == ready.wait(30)
    down = waiting("-d")
    control(tree, "-d", "web")
    assert 0 == down.wait(30)
    up = waiting("-u")
    control(tree, "-u", "web")
    assert 0 == up.wait(30)
    program.send(signal.SIGTERM)
    program.finish(0)


def _has_reader(fifodir: Path) -> None:
    assert any(one.name.startswith("ftrig1") for one in fifodir.iterdir())


def test_finish_of_a_producer_writes_into_its_pipe(run: Run, tree: Planted) -> None:
    tree.program("etc/services.d/web/run", UP).program(
        "etc/services.d/web/finish", "#!/bin/sh\necho over\n"
    )
    log = '#!/bin/sh\nwhile read line; do echo "got $line"; done\n'
    tree.program("etc/services.d/web/log/run", log)
    program = supervise(run, tree)
    program.expect("got up")
    control(tree, "-r", "web")
    program.expect("got over")
    program.send(signal.SIGTERM)
    program.finish(0)


def test_s6_svc_waits_at_the_place_of_version_2(run: Run, tree: Planted) -> None:
    tree.program("etc/services.d/web/run", UP)
    tree.program("etc/services.d/other/run", "#!/bin/sh\nexec sleep 60\n")
    program = supervise(run, tree)
    program.expect("up")
    place = tree.root / "run/s6/services/web"
    subprocess.run([needs("s6-svc"), "-wD", "-d", "-T", "9000", place], check=True, timeout=10)
    assert "false\n" == status(tree, "web", "-o", "up")
    program.send(signal.SIGTERM)
    program.finish(0)


def test_up_with_blocks_runs_by_execlineb(run: Run, tree: Planted) -> None:
    needs("execlineb")
    tree.oneshot("migrate", up="foreground { echo inside }\necho behind\n").user("migrate")
    program = supervise(run, tree)
    program.finish(0)

    assert ["inside", "behind"] == program.out.seen
