"""The manifests beside the images as the program sees them: options, gates, files, mounts, probes,
times, memory.

A value written twice in a manifest (in an option and in a volume, a probe, the application's
configuration) must agree. The program itself validates the content of each ConfigMap, with the
servers of this machine.
"""

from __future__ import annotations

import glob
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from config_supervisor.options.command_line import OPTIONS, variable
from tests.conftest import needs, needs_root
from tests.harness import PROGRAM
from tests.images import manifests
from tests.images.manifests import (
    Manifest,
    Mount,
    containers,
    each_manifest,
    each_of_one_app,
    image_environment,
    mebibytes,
    mounts,
)

CONFIGMAP_MEBIBYTES = (
    1.0  # an object's limit; with three generations kept, a fourth is there during a change
)
# The servers' own limits for requests that finish during a stop.
DRAINS = re.compile(r"\b(?:worker_shutdown_timeout|hard-stop-after) (\d+)s")
# The directories of run time; the image holds every other absolute path.
RUNTIME = re.compile(r"(?<![\w}/.-])/(?:config|data|dev/shm|prometheus|run|srv|tmp|var)\b[\w./-]*")
PROBES = {"startupProbe": "/readyz", "livenessProbe": "/livez", "readinessProbe": "/readyz"}


@each_of_one_app
def test_the_program_keeps_the_config_map_of_the_manifest(manifest: Manifest) -> None:
    """Its own parser reads the settings, and refuses an unknown option."""
    asked = [(one.namespace, one.name) for one in manifest.supervised.settings.configmap]

    assert [("", manifest.source["metadata"]["name"])] == asked


@each_of_one_app
def test_every_gate_is_there(manifest: Manifest) -> None:
    """By the image or an option. A sidecar has no COMMAND to wait for, and no program for a
    validation.
    """
    settings = manifest.supervised.settings
    alone = settings.reload_http is None
    gates = {
        name: bool(getattr(settings, name)) for name in ("command", "validate", "ready", "verify")
    }

    assert {"command": alone, "validate": alone, "ready": alone, "verify": True} == gates


@each_of_one_app
def test_gates_ask_at_ports_of_the_pod(manifest: Manifest) -> None:
    asked = [port for hook in manifest.supervised.hooks() for port in _ports_in(hook)]
    server = manifest.spec["containers"][0]
    own = [port["containerPort"] for port in server["ports"]]

    assert [] == [port for port in asked if port not in own]


def _ports_in(hook: str) -> Iterator[int]:
    """The ports of `tcp:PORT` and of URLs."""
    yield from (int(port) for port in re.findall(r"^tcp:(\d+)$", hook))
    yield from (urlsplit(url).port or 0 for url in re.findall(r"https?://\S+", hook))


@each_of_one_app
def test_probes_ask_the_supervisor_and_give_it_time(manifest: Manifest) -> None:
    supervised = manifest.supervised
    names = {port["name"]: port["containerPort"] for port in supervised.container["ports"]}
    probes = {name: supervised.container[name] for name in PROBES}
    startup = probes["startupProbe"]

    assert PROBES == {name: probe["httpGet"]["path"] for name, probe in probes.items()}
    assert {supervised.listens} == {names[probe["httpGet"]["port"]] for probe in probes.values()}
    # The program gives up by itself, with a better reason, before the kubelet does.
    assert (
        startup["periodSeconds"] * startup["failureThreshold"]
        > supervised.settings.initial_sync_timeout
    )
    # It answers "not alive" after 1 s: an earlier end of the probe would hide the reason.
    assert probes["livenessProbe"]["timeoutSeconds"] > 1


@each_of_one_app
def test_a_stop_has_the_time_that_it_needs(manifest: Manifest) -> None:
    """The delay, then the drain, then the rest of the application: before the kubelet kills
    everything.
    """
    settings = manifest.supervised.settings
    drain = max(
        (int(seconds) for seconds in DRAINS.findall("\n".join(manifest.content.values()))),
        default=0,
    )
    needed = (
        settings.stop_delay + max(settings.stop_timeout or 0, drain) + settings.leftovers_timeout
    )

    assert manifest.spec["terminationGracePeriodSeconds"] > needed
    # Where there is another replica, endpoints are taken out before the application stops
    # listening.
    assert (manifest.workload["spec"]["replicas"] > 1) == (settings.stop_delay > 0)


@each_of_one_app
def test_files_that_commands_name_are_keys_of_the_config_map(manifest: Manifest) -> None:
    supervised = manifest.supervised
    root = supervised.settings.configroot
    named = " ".join(
        [
            *supervised.hooks(),
            *supervised.settings.command,
            *manifest.spec["containers"][0].get("args", []),
        ]
    )
    named += " " + " ".join(manifest.content.values())
    found = re.findall(rf"(?:\{{dir\}}|{root})(/[\w./-]+)", named)
    directories = {os.path.dirname(path) for path in supervised.files()}

    assert found != []
    assert set() == {f"{root}{path}" for path in found} - supervised.files() - directories


@each_of_one_app
def test_what_is_written_at_run_time_is_on_a_volume(manifest: Manifest) -> None:
    """The root is read-only. Every path in the commands and in the application's configuration is
    looked at.
    """
    supervised = manifest.supervised
    texts = [*supervised.hooks(), *supervised.settings.command, *manifest.content.values()]
    own = mounts(manifest, supervised.container)
    named = {path for text in texts for path in RUNTIME.findall(text)}

    assert set() == {path for path in named if not _holds(own, path)}
    assert _holds(own, f"{supervised.settings.configroot}")
    assert _holds(own, "/tmp")  # the control socket, when /run is read-only


def _holds(own: list[Mount], path: str) -> bool:
    return any(one.writable and f"{path}/".startswith(f"{one.path}/") for one in own)


@each_manifest
def test_every_volume_is_mounted_and_every_mount_has_a_volume(manifest: Manifest) -> None:
    used = [
        one.volume for container in containers(manifest.spec) for one in mounts(manifest, container)
    ]
    claims = manifest.workload["spec"].get("volumeClaimTemplates", [])

    assert [] == [volume for volume in [*manifest.spec["volumes"], *claims] if volume not in used]


@each_of_one_app
def test_the_configuration_has_room_and_memory_has_a_limit(manifest: Manifest) -> None:
    """Volumes in memory count against the limit of the containers that mount them."""
    supervised = manifest.supervised
    own = mounts(manifest, supervised.container)
    (root,) = [one.volume["emptyDir"] for one in own if one.path == supervised.settings.configroot]

    assert "Memory" == root["medium"]  # it may hold secrets, and a change is many small writes
    assert mebibytes(root["sizeLimit"]) >= 4 * CONFIGMAP_MEBIBYTES
    for container in containers(manifest.spec):
        limits, requests = container["resources"]["limits"], container["resources"]["requests"]
        volatile = [
            one.volume["emptyDir"] for one in mounts(manifest, container) if _in_memory(one.volume)
        ]
        assert mebibytes(limits["memory"]) >= mebibytes(requests["memory"])
        assert mebibytes(limits["memory"]) / 2 >= sum(
            mebibytes(volume["sizeLimit"]) for volume in volatile
        )
        assert "cpu" in requests


def _in_memory(volume: dict[str, Any]) -> bool:
    return bool(volume.get("emptyDir", {}).get("medium") == "Memory")


# The two with a foreign program


def test_bundle_is_installed_where_the_image_runs_it() -> None:
    manifest = Manifest("nginx/pod-inject.yaml")
    (installs,) = manifest.spec["initContainers"]
    (server,) = manifest.spec["containers"]
    program, target = installs["command"]
    ((place, volume),) = [(one.path, one.volume) for one in mounts(manifest, installs)]
    seen = {one.path: one for one in mounts(manifest, server) if one.volume == volume}

    assert ("/opt/supervisor/bin/supervisor-install", place) == (program, target)
    assert [("/opt/supervisor", False)] == [(path, one.writable) for path, one in seen.items()]
    assert server["command"][0] == manifests.PROGRAM
    assert "docker.io/library/nginx" == server["image"].rpartition(":")[0]


def test_an_unmodified_nginx_has_the_gates_that_our_image_has() -> None:
    ours = Manifest("nginx/pod.yaml").supervised.settings
    injected = Manifest("nginx/pod-inject.yaml").supervised.settings
    image = image_environment("config-supervisor-nginx:1")
    names = [name for name in OPTIONS if variable(name) in image]

    assert {"verify", "stop_signal"} < set(names)
    assert {name: getattr(ours, name) for name in names} == {
        name: getattr(injected, name) for name in names
    }


def test_prometheus_starts_after_its_sidecar_is_ready() -> None:
    manifest = Manifest("prometheus/sidecar.yaml")
    sidecar = manifest.supervised
    (server,) = manifest.spec["containers"]
    root = [
        one
        for one in mounts(manifest, sidecar.container)
        if one.path == sidecar.settings.configroot
    ]
    seen = [one for one in mounts(manifest, server) if one.volume == root[0].volume]

    assert [sidecar.container] == manifest.spec["initContainers"]
    assert "Always" == sidecar.container["restartPolicy"]
    assert "/readyz" == sidecar.container["startupProbe"]["httpGet"]["path"]
    assert [(root[0].path, False)] == [(one.path, one.writable) for one in seen]
    assert "--web.enable-lifecycle" in server["args"]
    assert "/-/reload" == urlsplit(sidecar.settings.reload_http or "").path
    assert manifest.content.keys() == Manifest("prometheus/pod.yaml").content.keys()


# The content of the ConfigMaps


class Trial:
    """A ConfigMap's content in a directory, and the program on it once, as an init container would
    run it.
    """

    def __init__(self, manifest: Manifest) -> None:
        self.manifest, self.settings = manifest, manifest.supervised.settings
        self.top = tempfile.mkdtemp()  # another user may have to enter it
        os.chmod(self.top, 0o755)
        self.source, self.scratch = f"{self.top}/source", f"{self.top}/scratch"
        os.mkdir(self.source)
        os.mkdir(self.scratch)
        self.environment, self.options = dict(os.environ), list[str]()
        self.write(manifest.content)

    def moved(self, text: str) -> str:
        """The container's /tmp is the scratch directory here."""
        return re.sub(r"/tmp(?=/)", self.scratch, text)

    def write(self, content: dict[str, str]) -> None:
        for key, text in content.items():
            with open(f"{self.source}/{key}", "w", encoding="utf-8") as file:
                file.write(self.moved(text))

    def as_postgres(self) -> None:
        """The server refuses root."""
        needs_root()
        bins = glob.glob("/usr/lib/postgresql/*/bin")
        if not bins:
            pytest.skip("needs postgres: install Debian's postgresql")
        self.environment["PATH"] = f"{bins[-1]}:{os.environ['PATH']}"
        self.options.append("--user=postgres")

    def run(self, seconds: int = 10) -> tuple[int, str]:
        """Exit code and log of a run to the end: the content is in place, or rejected."""
        validate = self.settings.validate or ("promtool", "check", "config", "{dir}/prometheus.yml")
        options = [
            *(
                "--once",
                "--listen=off",
                f"--initial-sync-timeout={seconds}s",
                f"--config-dir={self.source}",
                f"--configroot={self.top}/live",
            ),
            *(f"--map={key}={path}" for key, path in self.settings.map),
            *(f"--validate={self.moved(shlex.join(validate))}", *self.options),
        ]
        done = subprocess.run(
            [*PROGRAM, *options], env=self.environment, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stderr


@pytest.fixture
def trial(manifest: Manifest) -> Iterator[Trial]:
    trial = Trial(manifest)
    yield trial
    shutil.rmtree(trial.top)


@pytest.mark.timeout(60)
@each_of_one_app
def test_server_accepts_the_content_and_refuses_nonsense(manifest: Manifest, trial: Trial) -> None:
    program = (trial.settings.validate or ("promtool",))[0]
    if program == "postgres":
        trial.as_postgres()
    else:
        needs(program)
    code, said = trial.run()
    main = next(key for key in manifest.content if "." in key)
    trial.write({main: manifest.content[main] + "\nnonsense on\n"})
    shutil.rmtree(f"{trial.top}/live")

    assert 0 == code, said
    assert 125 == trial.run(seconds=3)[0]  # it waits that long for content without nonsense
