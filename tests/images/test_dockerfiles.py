"""The Dockerfiles by their syntax, for builders not at hand: read by a parser of docker's language.

Hadolint is on PyPI, so this needs neither root nor an image.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.images.podman import REPOSITORY

HADOLINT = os.path.join(os.path.dirname(sys.executable), "hadolint")
# DL3008 wants a version for each package of Debian, which is gone from the mirror after its first
# correction; DL3009 wants apt's lists deleted in intermediate stages as well: test_base_files.py
# looks for them.
OPTIONS = ("--no-color", "--ignore=DL3008", "--ignore=DL3009")
FILES = [
    "Dockerfile.base",
    *sorted(
        f"images/{path.parent.name}/Dockerfile"
        for path in Path(REPOSITORY, "images").glob("*/Dockerfile")
    ),
]


@pytest.mark.parametrize("name", FILES)
def test_docker_can_read_it_and_nothing_in_it_is_a_known_mistake(name: str) -> None:
    done = subprocess.run(
        [HADOLINT, *OPTIONS, os.path.join(REPOSITORY, name)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (0, "") == (done.returncode, done.stdout + done.stderr)


@pytest.mark.parametrize("name", [*FILES, "README.md", "docs/images.md"])
def test_entry_point_leaves_room_for_options(name: str) -> None:
    """Behind `--` in an ENTRYPOINT, an option in CMD or in a pod's args would be taken for the
    program's name.
    """
    words = re.findall(r"ENTRYPOINT \[(.*?)\]", Path(REPOSITORY, name).read_text())

    assert [] == [line for line in words if line.endswith('"--"')]
    assert words or "ARG BASE=config-supervisor\n" in Path(REPOSITORY, name).read_text()


@pytest.mark.parametrize(
    "line", ["RUN --mount=type=devpts true", "COPY --nonsense a b", "FROM --tls-verify=false a"]
)
def test_what_only_another_builder_knows_is_found(line: str) -> None:
    text = f"FROM a:1\n{line}\n"
    done = subprocess.run(
        [HADOLINT, *OPTIONS, "-"], input=text, capture_output=True, text=True, check=False
    )

    assert 1 == done.returncode, done.stdout


def test_every_image_is_looked_at() -> None:
    assert {
        "Dockerfile.base",
        *(
            f"images/{name}/Dockerfile"
            for name in ("nginx", "haproxy", "postgresql", "prometheus", "services", "wrapped")
        ),
    } == set(FILES)
