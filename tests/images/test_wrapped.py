"""images/wrapped: the Dockerfile that copies the bundle into any image."""

from __future__ import annotations

import pytest

from tests.images import built

pytestmark = [pytest.mark.images, pytest.mark.timeout(600)]


def test_an_image_that_copies_the_bundle_is_supervised() -> None:
    built.image("bundle")
    done = built.podman(
        "run", "--rm", "--no-healthcheck", "--network=none", built.image("wrapped"), check=False
    )

    assert (42, "process 1 is supervisor\n") == (done.returncode, done.stdout)
