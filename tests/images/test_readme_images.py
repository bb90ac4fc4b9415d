"""The Dockerfiles that the documents show, built and run as they stand there."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import wait_until
from tests.images import built
from tests.images.podman import REPOSITORY, Container, environment

pytestmark = [pytest.mark.images, pytest.mark.timeout(600)]

RUN = ("run", "--rm", "--no-healthcheck", "--network=none", "--pull=never")
# Any image, whose command shows its arguments and which commands of ours it finds.
APP = """\
FROM {debian}
RUN printf '#!/bin/sh\\necho my-app "$@"\\nsupervisorctl --help | head -n 1\\nexit 3\\n' >/usr/bin/my-app \\
 && chmod +x /usr/bin/my-app
"""


def blocks() -> Iterator[str]:
    """The indented and the fenced blocks of the documents, without their indentation."""
    for path in [Path(REPOSITORY, "README.md"), *sorted(Path(REPOSITORY, "docs").rglob("*.md"))]:
        text = path.read_text()
        yield from re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
        for block in re.findall(r"(?:^    .*\n)+", text, re.MULTILINE):
            yield re.sub("^    ", "", block, flags=re.MULTILINE)


def dockerfile(instruction: str) -> str:
    """The only Dockerfile in the documents that has an instruction."""
    (found,) = [block for block in blocks() if re.search("^FROM ", block, re.MULTILINE) and instruction in block]
    return found


def test_documented_image_from_the_base_runs_its_app() -> None:
    built.image("base")
    image = built.derived("localhost/supervisor-tests-readme-from", dockerfile("FROM supervisor\n"))
    name = f"supervisor-readme-{os.getpid()}"
    app = Container(name, ["podman", *RUN, f"--name={name}", image], env=environment())

    def ready() -> None:
        done = built.podman("exec", name, "supervisorctl", "wait", "--ready", "--timeout=10s", check=False)
        assert 0 == done.returncode, app.err.seen

    wait_until(ready, timeout=60)
    built.podman("stop", "--time=20", name)
    app.finish(0)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], 3, "my-app --its-option\nusage: supervisorctl"),
        (["--stop-timeout=1s", "my-app", "other"], 3, "my-app other\nusage: supervisorctl"),
        (["--version"], 0, "supervisor "),
    ],
)
def test_documented_image_with_the_bundle_runs_its_app(words: list[str], code: int, said: str) -> None:
    """Options can be given in place of the command, as the manifests do."""
    built.image("bundle")
    built.derived("localhost/my-app", APP.format(debian=built.debian("trixie")))
    image = built.derived("localhost/supervisor-tests-readme-copy", dockerfile("COPY --from=supervisor-bundle "))
    done = built.podman(*RUN, image, *words, check=False)

    assert (code, True) == (done.returncode, done.stdout.startswith(said)), done.stdout + done.stderr
