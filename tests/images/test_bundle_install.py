"""supervisor-install: the bundle copied into a volume by an init container, whatever comes in
between.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import needs_root
from tests.harness import wait_until
from tests.images import built
from tests.images.foreign import HARDENED
from tests.images.podman import Container, environment

pytestmark = [pytest.mark.images, pytest.mark.timeout(600)]

INSTALL = "/opt/supervisor/bin/supervisor-install"
PYTHON = "/opt/supervisor/bin/python3"
NEWER = """\
FROM {bundle}
RUN ["/opt/supervisor/bin/python3", "-I", "-c", \\
     "open('/opt/supervisor/share/newer', 'w').write('newer')"]
"""


@pytest.fixture
def volume() -> Iterator[Path]:
    """An empty volume writable for all users, as a kubelet makes it."""
    needs_root()
    path = Path(tempfile.mkdtemp(dir="/dev/shm"))
    path.chmod(0o777)
    yield path
    shutil.rmtree(path)


def newer() -> str:
    """The image of a later version."""
    return built.derived(
        "localhost/supervisor-tests-newer", NEWER.format(bundle=built.image("bundle"))
    )


def words(volume: Path, *options: str, image: str = "") -> list[str]:
    """The podman command of the init container."""
    mounted = f"--volume={volume}:/shared"
    return [
        *HARDENED,
        mounted,
        f"--entrypoint={INSTALL}",
        *options,
        image or built.image("bundle"),
        "/shared",
    ]


def install(volume: Path, *options: str, image: str = "") -> tuple[int, str]:
    """Run the init container to its end; returns its exit code and output."""
    done = built.podman(*words(volume, *options, image=image), check=False)
    return done.returncode, done.stdout + done.stderr


def start(volume: Path, name: str) -> Container:
    return Container(name, ["podman", *words(volume, f"--name={name}")], env=environment())


def version(volume: Path) -> tuple[int, str]:
    """The supervisor's output in the volume, as mounted by the app's container."""
    command = [*HARDENED, f"--volume={volume}:/opt/supervisor:ro", built.debian("bookworm")]
    done = built.podman(*command, "/opt/supervisor/bin/supervisor", "--version", check=False)
    return done.returncode, done.stdout


def visible(volume: Path) -> set[str]:
    return {one for one in os.listdir(volume) if not one.startswith(".")}


@contextlib.contextmanager
def locked(volume: Path) -> Iterator[Callable[[], None]]:
    """Holds all installers before their first step; returns the release."""
    held = os.open(volume, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    try:
        yield lambda: fcntl.flock(held, fcntl.LOCK_UN)
    finally:
        os.close(held)


def waiting(container: Container) -> int:
    """The pid of a waiting installer."""

    def pid() -> str:
        return built.podman(
            "inspect", "--format={{.State.Pid}}", container.name, check=False
        ).stdout.strip()

    def opened() -> None:
        try:
            descriptors = f"/proc/{pid()}/fd"
            assert "/shared" in [
                os.readlink(f"{descriptors}/{one}") for one in os.listdir(descriptors)
            ]
        except OSError as error:
            raise AssertionError(f"{error}: {container.err.seen}") from error

    wait_until(opened, timeout=60)
    return int(pid())


def test_the_first_run_installs_and_the_second_has_nothing_to_do(volume: Path) -> None:
    assert (0, "installed into /shared\n") == install(volume)
    before = os.readlink(volume / "current")
    assert (0, "/shared has this version already\n") == install(volume)

    assert before == os.readlink(volume / "current")
    assert {"bin", "current", "lib", "share"} == visible(volume)
    assert 0 == version(volume)[0]


def test_what_is_installed_is_open_to_every_user(volume: Path) -> None:
    """The init container's umask and user are not the app's."""
    assert 0 == install(volume, "--umask=0077")[0]
    closed = [
        path
        for path in volume.rglob("*")
        if not path.is_symlink() and path.stat().st_mode & 0o005 == 0
    ]

    assert [] == closed
    assert 0 == version(volume)[0]


def test_a_newer_version_replaces_one_that_goes_on_running(volume: Path) -> None:
    install(volume)
    code = "print('ready', flush=True); input(); import json; print(json.__file__, flush=True)"
    command = [
        *HARDENED,
        "--interactive",
        f"--volume={volume}:/opt/supervisor:ro",
        f"--entrypoint={PYTHON}",
    ]
    # In an image of its own: imports can only be from the volume.
    running = Container(
        "",
        ["podman", *command, built.debian("bookworm"), "-I", "-c", code],
        env=environment(),
        stdin=subprocess.PIPE,
    )
    running.out.expect("ready", timeout=60)
    older = os.readlink(volume / "current")
    assert (0, "installed into /shared\n") == install(volume, image=newer())
    assert running.popen.stdin is not None
    running.popen.stdin.write(b"\n")
    running.popen.stdin.close()

    assert f"/opt/supervisor/{older}/lib/" in running.out.next(60)
    running.finish(0)
    assert "newer" == (volume / "share/newer").read_text()
    assert 0 == version(volume)[0]
    assert (0, "installed into /shared\n") == install(volume)
    kept = os.listdir(volume / ".versions")
    assert (2, False) == (len(kept), os.path.basename(older) in kept)


def test_two_at_once_install_it_once(volume: Path) -> None:
    with locked(volume) as release:
        both = [start(volume, f"{volume.name}-{number}") for number in range(2)]
        for one in both:
            waiting(one)
        release()
        said = sorted(one.out.next(60) for one in both)
        for one in both:
            one.finish(0)

    assert ["/shared has this version already", "installed into /shared"] == said
    assert 0 == version(volume)[0]


def test_a_copy_that_was_cut_off_is_not_seen_and_done_again(volume: Path) -> None:
    def cut_off() -> None:
        """On a busy machine the copy may be quicker than we are: then it was in vain, and we try
        again.
        """
        for one in volume.iterdir():
            one.unlink() if one.is_symlink() else shutil.rmtree(one)
        with locked(volume) as release:
            container = start(volume, f"{volume.name}-cut")
            pid = waiting(container)
            release()
            while container.popen.poll() is None and not any(volume.glob(".versions/*/*")):
                pass
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        container.popen.wait(60)
        assert [] == container.out.rest(60)

    wait_until(cut_off, timeout=120)
    assert "bin" not in visible(volume)
    cut = os.listdir(volume / ".versions")
    assert 1 == len(cut)
    assert (0, "installed into /shared\n") == install(volume)
    assert 1 == len(os.listdir(volume / ".versions"))
    assert cut != os.listdir(volume / ".versions")
    assert 0 == version(volume)[0]


def test_a_damaged_copy_is_replaced(volume: Path) -> None:
    """As a power cut may leave it: all names are there, and some contents are not."""
    install(volume)
    damaged = volume / "lib/libc.so.6"
    damaged.write_bytes(bytes(damaged.stat().st_size))

    assert (0, "installed into /shared\n") == install(volume)
    assert 0 == version(volume)[0]


def test_a_full_volume_is_told_and_left_empty() -> None:
    code = (
        f"import os, subprocess\ndone = subprocess.run(['{INSTALL}', '/shared'],"
        " capture_output=True, text=True)\nprint(done.returncode, *os.listdir('/shared'),"
        " os.listdir('/shared/.versions'), done.stderr)"
    )
    small = "--mount=type=tmpfs,destination=/shared,tmpfs-size=20m,tmpfs-mode=1777"
    said = built.podman(
        *HARDENED, small, f"--entrypoint={PYTHON}", built.image("bundle"), "-I", "-c", code
    ).stdout

    assert said.startswith(
        "1 .versions [] supervisor-install: cannot install into /shared: No space left on device ("
    )
    assert "MiB are needed, 20 MiB are free; make the volume larger (sizeLimit)" in said


@pytest.mark.parametrize(
    ("why", "change"),
    [
        (
            "/shared/bin is not of supervisor-install; use an empty volume",
            lambda volume: (volume / "bin").mkdir(),
        ),
        (
            "Permission denied (/shared/.versions); run as a user who may write there",
            lambda volume: volume.chmod(0o755),
        ),
    ],
)
def test_what_is_in_the_way_is_told(why: str, change: Callable[[Path], None], volume: Path) -> None:
    change(volume)
    before = os.listdir(volume)
    code, said = install(volume)

    assert (1, True) == (
        code,
        said.startswith(f"supervisor-install: cannot install into /shared: {why}"),
    ), said
    assert before == os.listdir(volume)


def test_a_wrong_command_line_is_a_usage_error() -> None:
    command = [*HARDENED, f"--entrypoint={INSTALL}", built.image("bundle")]
    codes = [
        built.podman(*command, *arguments, check=False).returncode
        for arguments in ([], ["--quick"], ["--help"])
    ]
    nowhere = built.podman(*command, "/nowhere", check=False)

    assert [2, 2, 0] == codes
    assert (1, "No such file or directory (/nowhere); mount a volume there") == (
        nowhere.returncode,
        nowhere.stderr.strip().partition("into /nowhere: ")[2],
    )
