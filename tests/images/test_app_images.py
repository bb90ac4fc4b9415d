"""The images of applications as `docker run` starts them, without a manifest: on a
read-only root.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import wait_until
from tests.images import built
from tests.images.foreign import ANY_USER, RESTRICTED
from tests.images.podman import REPOSITORY, Container, environment

pytestmark = [pytest.mark.images, pytest.mark.timeout(600)]


def needed(name: str) -> list[str]:
    """The options for `--read-only` at the head of an image's Dockerfile."""
    text = Path(REPOSITORY, "images", name, "Dockerfile").read_text()
    (said,) = re.findall(r"^# With --read-only it needs (.*?)\.\n", text, re.MULTILINE | re.DOTALL)
    return [
        f"{option}={path}" for option, path in re.findall(r"(--tmpfs|--volume) (/[\w/]+)", said)
    ]


@pytest.fixture
def name() -> Iterator[str]:
    """The name of a container, which is removed at the end."""
    name = f"supervisor-app-image-{os.getpid()}"
    yield name
    built.podman("rm", "--force", "--time=0", "--ignore", "--volumes", name)


@pytest.mark.parametrize("image", ["haproxy", "nginx", "postgresql", "prometheus"])
def test_app_image_starts_on_a_read_only_root(image: str, name: str) -> None:
    user = [] if image == "postgresql" else [ANY_USER]  # initdb refuses a user without a name
    words = [*RESTRICTED, *user, *needed(image), f"--name={name}", built.image(image)]
    app = Container(name, ["podman", *words], env=environment())

    def ready() -> None:
        done = built.podman(
            "exec", name, "supervisorctl", "wait", "--ready", "--timeout=20s", check=False
        )
        assert 0 == done.returncode, [done.stderr, *app.err.seen]

    wait_until(ready, timeout=60)
    built.podman("stop", "--time=20", name)
    app.finish(0, timeout=30)
