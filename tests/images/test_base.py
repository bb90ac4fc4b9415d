"""The base image in containers: an init like any other, under every restriction of an operator.

Its files: test_base_files.py. Its build: test_base_builds.py.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import needs, needs_root
from tests.harness import APPS, MARK, wait_until
from tests.images import built
from tests.images.podman import Container, environment
from tests.output_lines import Lines

pytestmark = [pytest.mark.images, pytest.mark.timeout(600)]

PYTHON = ("/usr/bin/python3", "-SI")  # Debian's own, as any app in the image would have it
HARDENED = (
    "--read-only",
    "--read-only-tmpfs=false",
    "--cap-drop=all",
    "--security-opt=no-new-privileges",
    "--user=1000650000:0",
    "--passwd=false",  # podman would add an entry for that user; Kubernetes does not
)

Start = Callable[..., Container]


def run(options: list[str], *words: str) -> subprocess.CompletedProcess[str]:
    """A container of the image to its end; `words` are the program's."""
    base = built.image("base")
    return built.podman(
        "run",
        "--rm",
        "--no-healthcheck",
        "--network=none",
        "--pull=never",
        *options,
        base,
        *words,
        check=False,
    )


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts containers of the image beside the test; all are removed at the end."""
    needs_root()
    needs("podman")
    started: list[Container] = []

    def begin(options: list[str], *words: str) -> Container:
        name = f"config-supervisor-base-{os.getpid()}-{len(started)}"
        # An interval of its own would want systemd; the test asks for the checks.
        settings = [f"--name={name}", "--health-interval=disable", "--network=none", "--pull=never"]
        settings += [f"--volume={APPS}:/apps:ro", *options]
        words = ("podman", "run", *settings, built.image("base"), *words)
        started.append(Container(name, words, env=environment(), stdin=subprocess.PIPE))
        return started[-1]

    yield begin
    for container in started:
        wait_until(lambda name=container.name: removed(name))  # type: ignore[misc]
        assert container.popen.stdin is not None
        container.popen.stdin.close()
        container.popen.wait(10)
        for stream in (container.out, container.err):
            stream.reader.join(5)


def removed(name: str) -> None:
    said = built.podman("rm", "--force", "--time=0", "--ignore", name, check=False)
    assert 1 == built.podman("container", "exists", name, check=False).returncode, said.stderr


def is_healthy(container: Container) -> bool:
    return built.podman("healthcheck", "run", container.name, check=False).returncode == 0


def until_healthy(container: Container, expected: bool) -> None:
    def reached() -> None:
        assert expected == is_healthy(container), container.err.seen

    wait_until(reached, 30)


def volume(folder: Path, content: str) -> str:
    """A mounted volume with one file, app.conf; returns the option of podman."""
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    (folder / ".new").write_text(content)
    (folder / ".new").rename(folder / "app.conf")
    return f"--volume={folder}:/config:ro"


# As an init


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, ["true"]),
        (3, ["sh", "-c", "exit 3"]),
        (137, ["sh", "-c", "kill -9 $$"]),
        (127, ["missing"]),
        (126, ["/etc/passwd"]),
        (
            125,
            [
                "--configmap=web",
                "--configroot=/tmp/live",
                "--initial-sync-timeout=1ms",
                "--",
                "true",
            ],
        ),
        (2, ["--nonsense"]),
    ],
)
def test_the_exit_code_is_the_apps_or_says_why_there_was_none(code: int, words: list[str]) -> None:
    done = run([], *words)

    assert code == done.returncode, done.stderr


def test_variables_of_supervisord_in_an_image_are_not_ours() -> None:
    """Dockerfiles for supervisord carry variables like these; they name no option of ours."""
    theirs = ["--env=SUPERVISOR_VERSION=4.2.5", "--env=SUPERVISOR_USER=admin"]
    done = run(theirs, "true")

    assert (0, "") == (done.returncode, done.stderr)


@pytest.mark.parametrize(
    "option", [["--read-only", "--read-only-tmpfs=false"], *([one] for one in HARDENED[2:5])]
)
def test_what_an_operator_forbids_is_not_missed(option: list[str]) -> None:
    assert 3 == run(option, "sh", "-c", "exit 3").returncode


def test_init_with_everything_forbidden_reloads_and_stops(start: Start, tmp_path: Path) -> None:
    options = [*HARDENED, volume(tmp_path / "config", "one")]
    app = start(
        options,
        "--config-dir=/config",
        "--verify-window=0s",
        "--",
        *PYTHON,
        "/apps/read_config.py",
        "/config/app.conf",
    )
    app.out.expect("config: one")
    until_healthy(app, True)
    volume(tmp_path / "config", "two")
    app.out.expect("config: two")
    built.podman("stop", "--time=20", app.name)

    app.finish(0)
    assert [] == [line for line in app.err.seen if re.search("supervisor (warning|error):", line)]


def test_orphans_are_reaped(start: Start) -> None:
    app = start(["--interactive"], "--", *PYTHON, "/apps/make_orphans.py", "50")
    app.out.expect("ready")
    assert app.popen.stdin is not None
    app.popen.stdin.write(b"die\n")
    app.popen.stdin.flush()
    app.out.expect("dead")
    count = "import os; print(sum(name.isdigit() for name in os.listdir('/proc')))"

    def only_three() -> None:  # the supervisor, the app, and the counting process
        done = built.podman("exec", app.name, *PYTHON, "-c", count)
        assert "3" == done.stdout.strip()

    wait_until(only_three, 30)


def test_signals_of_podman_reach_the_app(start: Start) -> None:
    app = start([], "--", *PYTHON, "/apps/print_signals.py")
    app.out.expect("ready")
    for name, number in (("HUP", 1), ("USR1", 10), ("WINCH", 28)):
        built.podman("kill", f"--signal={name}", app.name)
        assert str(number) == app.out.next()
    built.podman("stop", "--time=1", app.name)

    assert "15" == app.out.next()
    app.finish(137)


def test_environment_reaches_the_app_and_not_the_supervisor(
    tmp_path: Path,
) -> None:
    for name in ("sitecustomize", "usercustomize", "os", "signal", "supervisor"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('poisoned')")
    tmp_path.chmod(0o755)
    options = [
        f"--volume={tmp_path}:/poison:ro",
        "--hostname=one",
        "--workdir=/poison",
        f"--env={MARK}=1",
    ]
    options += [
        "--env=PYTHONPATH=/poison",
        "--env=PYTHONHOME=/nonexistent",
        "--env=PYTHONSTARTUP=/poison/os.py",
    ]
    given = run([*options, "--entrypoint=env"])
    done = run(options, "env")

    assert (0, "") == (done.returncode, done.stderr)
    assert "PYTHONHOME=/nonexistent" in done.stdout.splitlines()
    assert sorted(given.stdout.splitlines()) == sorted(done.stdout.splitlines())


def test_nothing_is_written_at_run_time(start: Start, tmp_path: Path) -> None:
    """Compared with a container in which nothing of ours ran: podman itself makes files for its
    mounts.
    """
    config = volume(tmp_path / "config", "one")
    idle = start([config, "--entrypoint=true"])
    idle.finish(0, timeout=60)
    app = start(
        [config],
        "--config-dir=/config",
        "-v",
        "--",
        *PYTHON,
        "/apps/read_config.py",
        "/config/app.conf",
    )
    app.out.expect("ready")
    until_healthy(app, True)
    built.podman("exec", app.name, "supervisorctl", "status")
    built.podman("stop", "--time=20", app.name)
    app.finish(0)

    changed = [built.podman("diff", one.name).stdout.splitlines() for one in (idle, app)]
    assert [] == sorted(set(changed[1]) - set(changed[0]) - {"C /run"})


@pytest.mark.parametrize(
    ("code", "said", "limits", "program"),
    [
        (
            137,
            "was ended by SIGKILL",
            ["--memory=64m", "--memory-swap=64m"],
            "len(b'x' * (200 << 20))",
        ),
        (
            7,
            "ended with code 7",
            ["--pids-limit=8"],
            (
                "import os, sys\nfor _ in range(20):\n try: os.fork() or os._exit(0)\n except"
                " OSError: sys.exit(7)"
            ),
        ),
    ],
    ids=["memory", "processes"],
)
def test_a_limit_ends_the_app_and_not_the_supervisor(
    code: int, said: str, limits: list[str], program: str
) -> None:
    done = run(limits, "-v", "--", *PYTHON, "-c", program)

    assert code == done.returncode, done.stderr
    assert f"supervisor debug: python3 {said}" in done.stderr


# Health


def test_a_bare_init_is_healthy(start: Start) -> None:
    app = start([], "--", *PYTHON, "/apps/print_signals.py")
    app.out.expect("ready")

    assert is_healthy(app)


def test_a_supervisor_that_does_not_answer_is_unhealthy(start: Start, tmp_path: Path) -> None:
    app = start([volume(tmp_path / "config", "one")], "--config-dir=/config", "--", "sleep", "1000")
    until_healthy(app, True)
    built.podman("kill", "--signal=STOP", app.name)
    until_healthy(app, False)
    built.podman("kill", "--signal=CONT", app.name)
    until_healthy(app, True)


def test_a_failed_reload_is_unhealthy_where_that_is_asked_for(start: Start, tmp_path: Path) -> None:
    options = ("--config-dir=/config", "--reload-timeout=100ms", "--unhealthy-on-reload-failure")
    app = start([volume(tmp_path / "config", "one")], *options, "--", "sleep", "1000")
    until_healthy(app, True)
    volume(tmp_path / "config", "two")
    app.err.expect("cannot reload", timeout=30)

    until_healthy(app, False)


# On a terminal


def test_interrupt_on_the_terminal_reaches_the_app_once() -> None:
    ours, theirs = os.openpty()
    name = f"config-supervisor-base-{os.getpid()}-terminal"
    words = [
        "podman",
        "run",
        "--rm",
        "--interactive",
        "--tty",
        f"--name={name}",
        "--no-healthcheck",
        "--network=none",
    ]
    words += [
        f"--volume={APPS}:/apps:ro",
        built.image("base"),
        "--",
        *PYTHON,
        "/apps/print_signals.py",
    ]
    program = subprocess.Popen(words, env=environment(), stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    lines = Lines(open(ours, "rb", closefd=False))  # noqa: SIM115 - the reader closes it
    try:
        lines.expect("ready", 60)
        os.write(ours, b"\x03")
        lines.expect("2$")
        built.podman("kill", "--signal=USR1", name)
        assert ["10"] == [lines.next()]
    finally:
        wait_until(lambda: removed(name))
        program.wait(20)
        lines.reader.join(5)
        os.close(ours)
