"""The bundle in images without Python: with other C libraries, with musl, and with
nothing at all.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.conftest import needs_root
from tests.fake_kube import FakeKube
from tests.fake_kube_tls import Authority
from tests.harness import status, wait_until
from tests.http import get, metric
from tests.images import built, foreign, network
from tests.images.deployed import Deployed

pytestmark = [pytest.mark.images, pytest.mark.timeout(600)]

UID = 1000650000  # of no /etc/passwd, as OpenShift chooses it
HOME = "/opt/supervisor"
OPTIONS = ["--configmap=app", "--configroot=/config", "--reload-interval=0s", "--verify-window=0s"]
INJECTED, COPIED = ["bookworm", "bullseye"], ["musl", "scratch"]
# Where a volume of the bundle's image is mounted, in which root.
MOUNTED = [("musl", "/opt/supervisor"), ("scratch", "/mnt/init of pods")]
INIT = {
    "name": "supervisor",
    "image": "config-supervisor-bundle:latest",
    "command": ["/opt/supervisor/bin/supervisor-install", "/shared"],
    "volumeMounts": [{"name": "supervisor", "mountPath": "/shared"}],
}
# The bundle in a pod: a mounted volume, and a volume of its image.
BUNDLE = {"name": "supervisor", "readOnly": True}
IMAGE = {"image": {"reference": INIT["image"]}}


def manifest(folder: Path, root: str, place: str = "") -> str:
    """The manifest of a pod whose app's image is a root. The bundle is in an image volume at a
    place; without a place it is in the image, or an init container copies it for an image without
    it.
    """
    inject = root in INJECTED and not place
    container = {
        "name": "app",
        "image": "foreign",
        "command": [f"{place or HOME}/bin/supervisor", *OPTIONS, "--", *foreign.app(root)],
        "env": [{"name": "GREETING", "value": "hello"}],
        "volumeMounts": [
            {"name": "config", "mountPath": "/config"},
            {"name": "run", "mountPath": "/run"},
            *([{**BUNDLE, "mountPath": place or HOME}] if inject or place else []),
        ],
    }
    spec = {
        "securityContext": {
            "runAsUser": UID,
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        },
        "initContainers": [INIT] if inject else [],
        "containers": [container],
        "volumes": [
            *({"name": name, "emptyDir": {}} for name in ("config", "run")),
            {"name": "supervisor", **(IMAGE if place else {"emptyDir": {}})},
        ],
    }
    objects = [
        {"kind": "ConfigMap", "metadata": {"name": "app"}, "data": {"app.conf": "one"}},
        {"kind": "Deployment", "metadata": {"name": "app"}, "spec": {"template": {"spec": spec}}},
    ]
    path = folder / "pod.yaml"
    path.write_text(yaml.safe_dump_all(objects))
    return str(path)


@pytest.mark.parametrize(
    ("root", "place"), [*((root, "") for root in [*INJECTED, *COPIED]), *MOUNTED]
)
def test_app_in_an_image_without_python_is_supervised(
    root: str, place: str, api: FakeKube, deploy: Callable[..., Deployed], tmp_path: Path
) -> None:
    image = foreign.bare(root) if place else foreign.image(root)
    home = place or HOME
    pod = deploy(manifest(tmp_path, root, place), images={"foreign": image})
    pod.start()
    app = pod.containers["app"]
    app.out.expect("^config: one$", timeout=60)
    names = {
        line.partition("env: ")[2].partition("=")[0]
        for line in app.out.seen
        if line.startswith("env: ")
    }
    api.change("app", {"app.conf": "two"})
    app.out.expect("^config: two$", timeout=60)

    def ready() -> None:
        try:
            assert 200 == get(9911, "/readyz")[0]
        except OSError as error:
            raise AssertionError(f"{error}\n{pod.story('app')}") from error

    def counted() -> None:
        assert 2 == metric(9911, "config_updates_total")
        assert 1 == metric(9911, "reloads_total", method="signal")
        assert 3 <= (metric(9911, "orphans_reaped_total") or 0)

    wait_until(ready, timeout=60)
    wait_until(counted, timeout=60)
    assert 0 == pod.exec("app", f"{home}/bin/supervisorctl", "wait", "--synced", "--timeout=60s")[0]
    status = pod.exec("app", f"{home}/bin/supervisorctl", "status")[1]
    assert 1 == len(re.findall(r"^app .* running", status, re.MULTILINE))
    assert [] == from_elsewhere(pod.pid("app"))
    assert {"GREETING", "KUBERNETES_SERVICE_HOST", "PATH"} <= names
    assert set() == {name for name in names if re.match("LD_|PYTHON|LC_|SSL_|SUPERVISOR", name)}
    assert 42 == pod.stop("app")


@pytest.mark.parametrize("root", ["base", "scratch"])
def test_api_server_with_an_old_authority_is_trusted(root: str, tmp_path: Path) -> None:
    """Python 3.13, which is in the images, refuses a CA without keyUsage and a certificate without
    an AKI by itself.
    """
    needs_root()
    image = built.image("base") if root == "base" else foreign.image(root)
    network.leave()
    with FakeKube(authority=Authority(usage=False, identifiers=False)) as kube:
        pod = Deployed(manifest(tmp_path, root), kube, images={"foreign": image})
        try:
            pod.start()
            pod.containers["app"].out.expect("^config: one$", timeout=60)
        finally:
            pod.close()


def from_elsewhere(pid: int) -> list[str]:
    """The loaded libraries of the image around a process: they would have to fit ours.

    A file of a volume of an image has the path there, wherever it is mounted.
    """
    mapped = set(re.findall(r" (/\S+)$", Path(f"/proc/{pid}/maps").read_text(), re.MULTILINE))
    assert len(mapped) > 10  # with ssl and the other libraries of the API role
    return [path for path in mapped if ".so" in path and not path.startswith(f"{HOME}/")]


def run(root: str, *words: str, options: tuple[str, ...] = ()) -> tuple[int, str]:
    """A container of a root with the bundle, run to its end: exit code and output."""
    settings = [
        "--rm",
        "--no-healthcheck",
        "--network=none",
        "--pull=never",
        "--cap-drop=all",
        "--read-only",
    ]
    done = built.podman("run", *settings, *options, foreign.image(root), *words, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("code", "script"),
    [
        (0, "true"),
        (3, "exit 3"),
        (137, "kill -KILL $$"),
        (127, "exec /missing"),
        (126, "exec /etc/passwd"),
    ],
)
def test_an_exit_code_passes_through(code: int, script: str) -> None:
    assert code == run("musl", "/bin/sh", "-c", script)[0]


def test_users_are_looked_up_in_the_image() -> None:
    may_change = ("--cap-add=setuid", "--cap-add=setgid")

    assert (0, "1234\n") == run("musl", "--user=guest", "/bin/id", "-u", options=may_change)
    assert 125 == run("musl", "--user=nobody", "/bin/id", "-u", options=may_change)[0]


def test_it_takes_as_much_memory_as_the_base(
    api: FakeKube, deploy: Callable[..., Deployed], tmp_path: Path
) -> None:
    """It has the same interpreter and the same libraries; the limits in images/ are for both."""
    resident = {}
    for root, image in {"base": built.image("base"), "scratch": foreign.image("scratch")}.items():
        pod = deploy(manifest(tmp_path, root), images={"foreign": image})
        pod.start()
        pod.containers["app"].out.expect("^config: one$", timeout=60)
        assert (
            0
            == pod.exec("app", f"{HOME}/bin/supervisorctl", "wait", "--synced", "--timeout=60s")[0]
        )
        assert 200 == get(9911, "/metrics")[0]
        resident[root] = int(status(pod.pid("app"))["VmRSS"].split()[0])
        assert 42 == pod.stop("app")
        api.delete("app")

    assert resident["scratch"] < resident["base"] + 2048, resident
