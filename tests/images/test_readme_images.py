"""The Dockerfiles and the parts of manifests by which the documents bring us into an image, as they
stand there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.harness import wait_until
from tests.images import built
from tests.images.deployed import Deployed
from tests.images.podman import REPOSITORY, Container, environment

pytestmark = [pytest.mark.images, pytest.mark.timeout(600)]

RUN = ("run", "--rm", "--no-healthcheck", "--network=none", "--pull=never")
# Any image, whose command shows its arguments and which commands of ours it finds.
APP = """\
FROM {debian}
RUN printf '#!/bin/sh\\necho my-app "$@"\\nsupervisorctl --help | head -n 1\\nexit 3\\n' \\
        >/usr/bin/my-app \\
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
    """The only Dockerfile of the documents with an instruction."""
    (found,) = [
        block
        for block in blocks()
        if re.search("^FROM ", block, re.MULTILINE) and instruction in block
    ]
    return found


def part_of_pod(start: str) -> dict[str, Any]:
    """The only part of a manifest in the documents with this start and the bundle in it."""
    (found,) = [
        block
        for block in blocks()
        if block.startswith(start) and "config-supervisor-bundle:" in block
    ]
    part: dict[str, Any] = yaml.safe_load(found)
    return part


def test_documented_image_from_the_base_runs_its_app() -> None:
    built.image("base")
    image = built.derived(
        "localhost/supervisor-tests-readme-from", dockerfile("FROM config-supervisor\n")
    )
    name = f"supervisor-readme-{os.getpid()}"
    app = Container(name, ["podman", *RUN, f"--name={name}", image], env=environment())

    def ready() -> None:
        done = built.podman(
            "exec", name, "supervisorctl", "wait", "--ready", "--timeout=10s", check=False
        )
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
def test_documented_image_with_the_bundle_runs_its_app(
    words: list[str], code: int, said: str
) -> None:
    """Options can be given in place of the command, as the manifests do."""
    built.image("bundle")
    built.derived("localhost/my-app", APP.format(debian=built.debian("trixie")))
    image = built.derived(
        "localhost/supervisor-tests-readme-copy",
        dockerfile("COPY --from=config-supervisor-bundle "),
    )
    done = built.podman(*RUN, image, *words, check=False)

    assert (code, True) == (done.returncode, done.stdout.startswith(said)), (
        done.stdout + done.stderr
    )


@pytest.mark.parametrize("start", ["volumes:", "initContainers:"])
def test_documented_pod_runs_an_image_as_it_is(
    start: str, deploy: Callable[..., Deployed], tmp_path: Path
) -> None:
    """By a volume of the bundle's image, and by an init container."""
    part = {"volumes": [{"name": "supervisor", "emptyDir": {}}], **part_of_pod(start)}
    mounts = part.pop("volumeMounts", [{"name": "supervisor", "mountPath": "/opt/supervisor"}])
    command = [
        "/opt/supervisor/bin/supervisor",
        "sh",
        "-c",
        "echo process 1 is $(cat /proc/1/comm); exit 42",
    ]
    container = {"name": "app", "image": "foreign", "command": command, "volumeMounts": mounts}
    spec = {**part, "containers": [container]}
    path = tmp_path / "pod.yaml"
    path.write_text(yaml.safe_dump({"kind": "Deployment", "spec": {"template": {"spec": spec}}}))
    pod = deploy(str(path), images={"foreign": built.debian("bookworm")})
    pod.start()

    assert "process 1 is supervisor" == pod.containers["app"].out.next(60)
    pod.containers["app"].finish(42)
