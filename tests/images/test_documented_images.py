"""The Dockerfiles and parts of manifests in the documents, built and run as they stand."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from config_supervisor import __version__
from tests.harness import wait_until
from tests.images import built
from tests.images.deployed import Deployed
from tests.images.podman import Container, environment
from tests.snippets import Snippet, wanted

pytestmark = [pytest.mark.images, pytest.mark.timeout(600)]

RUN = ("run", "--rm", "--no-healthcheck", "--network=none", "--pull=never")
# Any image, whose command shows its arguments.
APP = """\
FROM {debian}
RUN printf '#!/bin/sh\\necho my-app "$@"\\nexit 3\\n' >/usr/bin/my-app \\
 && chmod +x /usr/bin/my-app
"""


def part_of_pod(start: str) -> dict[str, Any]:
    """The only part of a manifest in the documents that starts so and has the bundle in it."""
    (found,) = [
        one.text
        for one in wanted("yaml")
        if one.text.startswith(start) and "config-supervisor-bundle:" in one.text
    ]
    part: dict[str, Any] = yaml.safe_load(found)
    return part


def having(instruction: str) -> list[Snippet]:
    """The Dockerfiles of the documents with an instruction, each in one of the tests below."""
    return [one for one in wanted("dockerfile") if instruction in one.text]


BASE = having("FROM config-supervisor:")
TAKEN_OVER = having("FROM my-image-with-supervisord")  # see test_taken_over
BUNDLE = [one for one in having("COPY --from=config-supervisor-bundle:") if one not in TAKEN_OVER]


def test_documented_dockerfiles_are_all_built() -> None:
    assert (
        {one.page for one in BASE}
        == {one.page for one in BUNDLE}
        == {"README.md", "docs/images.md"}
    )
    assert sorted(map(str, wanted("dockerfile"))) == sorted(map(str, [*BASE, *BUNDLE, *TAKEN_OVER]))


def tagged(kind: str, snippet: Snippet) -> str:
    """The image of a Dockerfile of the documents."""
    page = snippet.page.replace("/", "-").removesuffix(".md").lower()
    return built.derived(f"localhost/supervisor-tests-{kind}-{page}", snippet.text)


@pytest.mark.parametrize("snippet", wanted("sh", "images"), ids=str)
def test_documented_build_makes_an_image(snippet: Snippet) -> None:
    """These tests build by the same command: an image of this name is there afterwards."""
    assert (match := re.fullmatch(r"images/build\.sh (\w+)\n", snippet.text))

    assert __version__ in built.image(match[1])


@pytest.mark.parametrize("snippet", BASE, ids=str)
def test_documented_image_from_the_base_runs_its_app(snippet: Snippet) -> None:
    built.image("base")
    image = tagged("from", snippet)
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


@pytest.mark.parametrize("snippet", BUNDLE, ids=str)
def test_documented_image_with_the_bundle_runs_its_app(snippet: Snippet) -> None:
    """Options can be given in place of the command, as the manifests do."""
    built.image("bundle")
    built.derived("localhost/my-app", APP.format(debian=built.debian("trixie")))
    image = tagged("copy", snippet)
    code, said = OWN[snippet.page]

    assert (code, said) == run(image)
    other = run(image, "--stop-timeout=1s", "sh", "-c", "supervisorctl --help | head -n 1; exit 3")
    assert (3, "usage: supervisorctl") == (other[0], other[1][:20])
    assert (0, f"supervisor {__version__}\n") == run(image, "--version")


# The exit code and the output of each image's own command.
OWN = {
    "README.md": (0, "process 1 is supervisor\n"),
    "docs/images.md": (3, "my-app --its-option\n"),
}


def run(image: str, *words: str) -> tuple[int, str]:
    done = built.podman(*RUN, image, *words, check=False)
    return done.returncode, done.stdout


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
