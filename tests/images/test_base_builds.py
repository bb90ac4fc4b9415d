"""The build of the base image: by any user, on any base, and images built on it."""

from __future__ import annotations

import tempfile

import pytest

from config_supervisor import __version__
from tests.conftest import needs
from tests.images import built
from tests.images.imports import statements
from tests.images.podman import REPOSITORY

pytestmark = [pytest.mark.images, pytest.mark.timeout(900)]

RUN = ("run", "--rm", "--no-healthcheck", "--network=none", "--pull=never")


def test_buildah_builds_the_same_image_from_the_same_layers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    needs("buildah")
    inspect = ("image", "inspect", "--format={{.Id}}", built.image("base"))
    by_podman = built.podman(*inspect).stdout
    monkeypatch.setenv("BUILD", "buildah bud --format docker")
    built.image.__wrapped__("base")

    assert by_podman == built.podman(*inspect).stdout


def test_image_from_the_base_adds_and_runs_debian_packages() -> None:
    """The README's first use."""
    image = built.derived(
        f"localhost/supervisor-test-hello:{__version__}",
        f"FROM {built.image('base')}\nRUN apt-get update && apt-get install --yes"
        ' --no-install-recommends hello && rm -rf /var/lib/apt/lists/*\nCMD ["hello"]\n',
    )

    assert "Hello, world!\n" == built.podman(*RUN, image).stdout


def test_another_debian_can_be_the_base_and_the_label_says_so() -> None:
    """Bookworm has Python 3.11, the oldest supported version."""
    suite, image = built.debian("bookworm"), f"localhost/supervisor-test-bookworm:{__version__}"
    with built.alone(), tempfile.TemporaryDirectory() as folder:
        flags = [
            *built._flags(folder),
            "--format=docker",
            f"--build-arg=BASE={suite}",
            f"--tag={image}",
        ]
        built._run(["podman", "build", *flags, f"--file={REPOSITORY}/Dockerfile.base", REPOSITORY])
    code = "\n".join([*statements(), "print(sys.version_info[:2])"])
    said = built.podman(
        *RUN, "--entrypoint=/opt/supervisor/bin/python3", image, "-I", "-c", code
    ).stdout
    label = '{{index .Labels "org.opencontainers.image.base.name"}}'

    assert 3 == built.podman(*RUN, image, "sh", "-c", "exit 3", check=False).returncode
    assert "(3, 11)\n" == said
    assert suite == built.podman("image", "inspect", f"--format={label}", image).stdout.strip()
