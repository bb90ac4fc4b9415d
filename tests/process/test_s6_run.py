"""An s6 tree that runs: stages, scripts, the exit code, the files that scripts expect."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.harness import Program, Run, app, until
from tests.process.services import all_told, serve
from tests.s6_trees import SOURCE, Planted

RESULTS = "run/s6-linux-init-container-results/exitcode"


@pytest.fixture
def tree(tmp_path: Path) -> Planted:
    return Planted(tmp_path / "root")


def script(*deeds: object) -> str:
    return f"#!/bin/sh\nexec {serve(*deeds)}\n"


def says(*words: str) -> str:
    return f"#!/bin/sh\necho {' '.join(words)}\n"


def supervise(run: Run, tree: Planted, *command: str, **variables: str) -> Program:
    return run(*command, options=["--s6", str(tree.root)], env=variables)


def test_stages_start_in_order_and_stop_in_reverse(run: Run, tree: Planted) -> None:
    tree.program("etc/cont-init.d/01-first", says("first") + "exit 3\n")
    tree.program("etc/cont-init.d/02-second", says("second"))
    tree.program("etc/cont-finish.d/01-last", says("last"))
    up = tree.root / "up"
    tree.program("up", says("migrate", "up")).program("down", says("migrate", "down"))
    tree.oneshot("migrate", "base", up=f"{up}\n", down=f"{tree.root / 'down'}\n")
    tree.longrun("db", "migrate").program(f"{SOURCE}/db/run", script("db", "wait")).user("db")
    tree.program("etc/services.d/web/run", script("web", "wait"))
    program = supervise(run, tree, *app("serve.py", "cmd", "wait"))
    program.expect("cmd up")
    all_told(program.out.seen, "web up", "db up")
    program.send(signal.SIGTERM)
    program.finish(0)

    said = program.out.seen
    assert ["first", "second"] == said[:2]
    assert "migrate up" == said[2]
    assert {"db up", "web up", "cmd up"} == set(said[3:6])  # those are ready at once
    assert ["cmd down", "web down", "db down", "migrate down", "last"] == said[6:]


def test_command_ends_the_container_with_its_code(run: Run, tree: Planted) -> None:
    tree.program("etc/services.d/web/run", script("web", "wait"))
    program = supervise(run, tree, *app("serve.py", "cmd", "end=5"))
    program.finish(5)

    assert "cmd up" in program.out.seen


def test_finish_gets_code_signal_name_and_group(run: Run, tree: Planted) -> None:
    tree.program("etc/services.d/web/run", script("web", "end=3"))
    tree.program("etc/services.d/web/finish", says("finish", "$1", "$2", "$3", "$4"))
    program = supervise(run, tree)
    pid = program.err.expect(r"started web \(pid (\d+)\)")[1]
    program.expect(f"finish 3 0 web {pid}")
    program.expect("web up")
    program.send(signal.SIGTERM)
    program.finish(0)


def test_finish_sees_the_signal_of_a_stop(run: Run, tree: Planted) -> None:
    tree.program("etc/services.d/web/run", "#!/bin/sh\necho up\nexec sleep 60\n")
    tree.program("etc/services.d/web/finish", says("finish", "$1", "$2"))
    program = supervise(run, tree)
    program.expect("up")
    program.send(signal.SIGTERM)
    program.finish(0)

    assert f"finish 256 {int(signal.SIGTERM)}" in program.out.seen


def test_finish_with_125_forbids_the_next_start(run: Run, tree: Planted) -> None:
    tree.program("etc/services.d/web/run", script("web", "end=3"))
    tree.program("etc/services.d/web/finish", says("finish") + "exit 125\n")
    tree.program("etc/services.d/other/run", script("other", "wait"))
    program = supervise(run, tree)
    program.err.expect("finish of web ended with code 125")
    program.send(signal.SIGTERM)
    program.finish(0)

    assert 1 == program.out.seen.count("web up")


def test_slow_finish_is_killed(run: Run, tree: Planted) -> None:
    tree.program("etc/services.d/web/run", script("web", "end=0"))
    tree.program("etc/services.d/web/finish", "#!/bin/sh\necho finish\nexec sleep 60\n")
    tree.file("etc/services.d/web/timeout-finish", "200\n")
    program = supervise(run, tree)
    program.expect("finish")
    program.err.expect("finish of web ended with code 137")
    program.expect("web up")
    program.send(signal.SIGTERM)
    program.finish(0)


def test_finish_writes_the_exit_code_and_halts(run: Run, tree: Planted) -> None:
    """The way in which images of s6-overlay end with the code of a service."""
    tree.program("etc/services.d/web/run", script("web", "end=9"))
    tree.program(
        "etc/services.d/web/finish",
        f'#!/bin/sh\necho "$1" > {tree.root / RESULTS}\n{tree.root}/run/s6/basedir/bin/halt\n',
    )
    tree.program("etc/services.d/other/run", script("other", "wait"))
    program = supervise(run, tree)
    program.finish(9)


def test_failed_oneshot_keeps_its_dependents_down(run: Run, tree: Planted) -> None:
    tree.program("up", says("migrate") + "exit 4\n")
    tree.oneshot("migrate", up=f"{tree.root / 'up'}\n", down="echo never\n")
    tree.longrun("db", "migrate").program(f"{SOURCE}/db/run", script("db", "wait")).user("db")
    program = supervise(run, tree, *app("serve.py", "cmd", "wait"))
    program.expect("cmd up")
    program.send(signal.SIGTERM)
    program.finish(0)

    assert "cannot start db: it depends on migrate, which is EXITED" in "\n".join(program.err.seen)
    assert not {"db up", "never"} & set(program.out.seen)


def test_failed_oneshot_ends_the_container_if_asked(run: Run, tree: Planted) -> None:
    tree.program("up", says("migrate") + "exit 4\n")
    tree.oneshot("migrate", up=f"{tree.root / 'up'}\n").user("migrate")
    variables = {"S6_BEHAVIOUR_IF_STAGE2_FAILS": "2"}
    program = supervise(run, tree, *app("serve.py", "cmd", "wait"), **variables)
    program.finish(4)

    assert "cmd up" not in program.out.seen


def test_slow_oneshot_is_killed_after_its_time(run: Run, tree: Planted) -> None:
    tree.program("up", "#!/bin/sh\nexec sleep 60\n")
    tree.oneshot("migrate", up=f"{tree.root / 'up'}\n", timeout_up="200\n").user("migrate")
    program = supervise(run, tree, *app("serve.py", "cmd", "wait"))
    program.err.expect("migrate did not end in time: killing it")
    program.expect("cmd up")
    program.send(signal.SIGTERM)
    program.finish(0)


def test_command_starts_when_the_time_for_services_is_over(run: Run, tree: Planted) -> None:
    tree.program("up", "#!/bin/sh\nexec sleep 60\n")
    tree.oneshot("slow", up=f"{tree.root / 'up'}\n")
    tree.longrun("db", "slow").program(f"{SOURCE}/db/run", script("db", "wait")).user("db")
    variables = {"S6_CMD_WAIT_FOR_SERVICES_MAXTIME": "300"}
    program = supervise(run, tree, *app("serve.py", "cmd", "wait"), **variables)
    program.expect("cmd up")
    program.err.expect("cannot start db: it waits for slow, and the 0.3s for all are over")
    program.send(signal.SIGTERM)
    program.finish(0)

    assert "db up" not in program.out.seen


def test_hook_adds_a_service_before_the_tree_is_read(run: Run, tree: Planted) -> None:
    service = tree.root / "etc/services.d/web"
    tree.program("web", script("web", "wait"))
    tree.program("hook", f"#!/bin/sh\nmkdir -p {service}\ncp {tree.root}/web {service}/run\n")
    program = supervise(run, tree, S6_STAGE2_HOOK=str(tree.root / "hook"))
    program.expect("web up")
    program.send(signal.SIGTERM)
    program.finish(0)


def test_failed_hook_is_a_warning(run: Run, tree: Planted) -> None:
    tree.program("etc/services.d/web/run", script("web", "wait"))
    program = supervise(run, tree, S6_STAGE2_HOOK="/no/such/hook")
    program.err.expect("S6_STAGE2_HOOK: cannot start /no/such/hook: no such file")
    program.expect("web up")
    program.send(signal.SIGTERM)
    program.finish(0)


def test_scripts_find_the_variables_of_the_container(run: Run, tree: Planted) -> None:
    folder = tree.root / "run/s6/container_environment"
    tree.program("etc/cont-init.d/01", f"#!/bin/sh\nprintf %s made > {folder}/MADE\n")
    tree.program("etc/services.d/web/run", f"#!/bin/sh\ncat {folder}/MINE {folder}/MADE\necho\n")
    program = supervise(run, tree, MINE="a b\nc", S6_CMD_WAIT_FOR_SERVICES_MAXTIME="0")
    program.expect("a b")
    program.expect("cmade")
    program.send(signal.SIGTERM)
    program.finish(0)


def test_kept_environment_has_no_files(run: Run, tree: Planted) -> None:
    tree.program("etc/services.d/web/run", script("web", "wait"))
    program = supervise(run, tree, S6_KEEP_ENV="1")
    program.expect("web up")
    program.send(signal.SIGTERM)
    program.finish(0)

    assert not (tree.root / "run/s6/container_environment").exists()


def test_daemon_of_a_script_runs_on(run: Run, tree: Planted) -> None:
    """s6 leaves processes alone that a service leaves behind; the end of the container does not."""
    tree.program("etc/cont-init.d/01", script("init", "daemon"))
    tree.program("etc/services.d/web/run", script("web", "wait"))
    program = supervise(run, tree)
    program.expect("web up")
    pid = int(program.out.seen[1].rpartition(" ")[2])
    assert 0 < pid
    assert run.left()
    program.send(signal.SIGTERM)
    program.finish(0)
    until(run.left, [])


@pytest.mark.parametrize("missing", ["run", "run/service"])
def test_place_that_takes_no_files_is_told_once(run: Run, tree: Planted, missing: str) -> None:
    """Not for each service; all of them run on."""
    names = ("cache", "db", "web")
    for name in names:
        tree.program(f"etc/services.d/{name}/run", script(name, "wait"))
    place = tree.root / missing
    place.parent.mkdir(parents=True, exist_ok=True)
    place.touch()  # in the place of a directory
    program = supervise(run, tree)
    all_told(program.out.seen, *(f"{name} up" for name in names))
    program.send(signal.SIGTERM)
    program.finish(0)

    (told,) = [line for line in program.err.seen if "cannot be written" in line]
    assert "s6-svc" in told
    assert missing == "run" or all(name in told for name in names)
