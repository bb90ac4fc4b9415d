"""The bundle mounted instead of copied: at whichever path, from its tree or from the root of its
image.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.images import built, foreign
from tests.images.foreign import HARDENED

pytestmark = [pytest.mark.images, pytest.mark.timeout(600)]

TREE, ROOT = "opt/supervisor", "."
SHOW = ["/bin/sh", "-c", "echo process 1 is $(cat /proc/1/comm); exit 42"]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of the bundle's image, in a directory. A copy: a build would unmount
    podman's mount.
    """
    image, root = built.image("bundle"), tmp_path_factory.mktemp("bundle") / "root"
    with built.alone():
        where = built.podman("image", "mount", image).stdout.strip()
        shutil.copytree(where, root, symlinks=True)
        built.podman("image", "umount", image)
    for folder in (root.parent, root.parent.parent, root.parent.parent.parent):
        folder.chmod(0o755)  # the containers run as another user
    return root


def run(
    image: str, mount: str, program: str, *words: str, env: Sequence[str] = ()
) -> tuple[int, str]:
    """A container with a mount, in which a program is started: exit code and output."""
    variables = [f"--env={one}" for one in env]
    done = built.podman(
        *HARDENED, *variables, mount, f"--entrypoint={program}", image, *words, check=False
    )
    return done.returncode, done.stdout + done.stderr


def bind(source: Path, place: str) -> str:
    return f"--volume={source}:{place}:ro"


@pytest.mark.parametrize(
    ("source", "place"),
    [
        (ROOT, "/opt/supervisor"),
        (ROOT, "/anything"),
        (TREE, "/opt/anything"),
        (TREE, "/a/longer path/ü"),
    ],
)
@pytest.mark.parametrize("root", ["bookworm", "musl", "scratch"])
def test_bundle_runs_from_where_it_is_mounted(
    root: str, source: str, place: str, unpacked: Path
) -> None:
    """Image volumes show the image's root where the container runtime ignores `subPath`, as
    containerd 2.1 does.
    """
    words, output = (["/bin/app"], "") if root == "scratch" else (SHOW, "process 1 is supervisor\n")
    code, said = run(
        foreign.bare(root), bind(unpacked / source, place), f"{place}/bin/supervisor", *words
    )

    assert 42 == code, said
    assert output in said


def test_bundle_runs_from_a_volume_of_its_image() -> None:
    mount = f"--mount=type=image,source={built.image('bundle')},destination=/opt/supervisor"

    assert (42, "process 1 is supervisor\n") == run(
        foreign.bare("bookworm"), mount, "/opt/supervisor/bin/supervisor", *SHOW
    )


@pytest.mark.parametrize(
    "line", ["/x/bin/supervisor", "cd /x/bin && ./supervisor", "PATH=/x/bin && supervisor"]
)
def test_bundle_runs_however_its_path_is_written(line: str, unpacked: Path) -> None:
    code, said = run(
        foreign.bare("musl"), bind(unpacked / TREE, "/x"), "/bin/sh", "-c", f"{line} --version"
    )

    assert (0, True) == (code, said.startswith("supervisor ")), said


def test_bundle_installs_itself_from_and_to_any_path(unpacked: Path, tmp_path: Path) -> None:
    """An image volume as the source; the app's container mounts the target where it likes."""
    tmp_path.chmod(0o777)
    shared = f"--volume={tmp_path}:/shared"
    done = built.podman(
        *(*HARDENED, bind(unpacked, "/x"), shared, "--entrypoint=/x/bin/supervisor-install"),
        *(foreign.bare("musl"), "/shared"),
    )
    for path in (tmp_path.parent, tmp_path.parent.parent):
        path.chmod(0o755)

    assert "installed into /shared\n" == done.stdout
    assert (42, "process 1 is supervisor\n") == run(
        foreign.bare("musl"), bind(tmp_path, "/elsewhere"), "/elsewhere/bin/supervisor", *SHOW
    )


@pytest.mark.parametrize(
    "variable", ["LD_PRELOAD=/x/lib/ld.so", "LD_LIBRARY_PATH=/etc", "LD_DEBUG=files", "LD_=1"]
)
def test_variable_for_loaders_is_the_apps_alone(variable: str, unpacked: Path) -> None:
    """A preloaded allocator, for example, which is linked with the image's C library and not with
    ours.
    """
    mount, program = bind(unpacked / TREE, "/x"), "/x/bin/supervisor"
    code, said = run(foreign.bare("musl"), mount, program, "/bin/sh", "-c", "env", env=[variable])
    given = [line for line in said.splitlines() if line.startswith("LD")]

    assert (0, [variable]) == (code, given), said
    assert "ld.so" not in said.replace(variable, "")


def test_tree_that_is_incomplete_is_said(unpacked: Path) -> None:
    """A single file of the bundle, mounted or copied alone."""
    mount = f"--volume={unpacked}/bin/supervisor:/usr/bin/init:ro"

    code, said = run(foreign.bare("musl"), mount, "/usr/bin/init", "true")

    assert 125 == code
    assert said.startswith(
        "supervisor: cannot start /usr/lib/loader/init: No such file or directory; copy or mount"
    )
