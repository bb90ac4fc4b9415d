"""A pod of a manifest in images/, run by podman as a kubelet would run it.

User, read-only root, capabilities, memory limit, volumes, service account and downward API come
from the manifest; its ConfigMaps go into the API server of the pod. All containers use the network
namespace of the tests (network.leave), in which the manifest's ports are free. Must not know the
programs in them.
"""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.fake_kube import FakeKube
from tests.harness import wait_until
from tests.images import built
from tests.images.manifests import containers, mebibytes
from tests.images.podman import REPOSITORY, Container, environment

Json = dict[str, Any]

_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
_count = itertools.count()


def documents(manifest: str) -> list[Json]:
    """The documents of a manifest, named from the repository's root (images/nginx/pod.yaml)."""
    return list(yaml.safe_load_all(Path(REPOSITORY, manifest).read_text()))


def data_of(manifest: str, name: str) -> dict[str, str]:
    """The content of a manifest's ConfigMap, by name."""
    found = [
        one
        for one in documents(manifest)
        if (one["kind"], one["metadata"]["name"]) == ("ConfigMap", name)
    ]
    data: dict[str, str] = found[0]["data"]
    return data


class Deployed:
    """The pod of a manifest; every container by its name, `close` removes all of it."""

    def __init__(
        self,
        manifest: str,
        kube: FakeKube,
        *,
        images: Mapping[str, str] | None = None,
        change: Mapping[str, Sequence[str]] | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        """Prepare it, with its ConfigMaps in `kube`.

        `images` maps names of the manifest to images; without it `config-supervisor-X:VERSION` is
        built. `change` replaces single words of the containers' command lines (`{"--stop-delay=5s":
        []}` drops one), `env` is added to their environment.
        """
        self.kube = kube
        self.containers: dict[str, Container] = {}
        self._images, self._change, self._env = (
            dict(images or {}),
            dict(change or {}),
            dict(env or {}),
        )
        self._prefix = f"supervisor-pod-{os.getpid()}-{next(_count)}"
        self._folder = Path(tempfile.mkdtemp(prefix=f"{self._prefix}-", dir="/dev/shm"))
        self._folder.chmod(0o755)
        # Claims are on a disk: content of /dev/shm would count against the memory limits.
        self._disk = Path(tempfile.mkdtemp(prefix=f"{self._prefix}-"))
        self._disk.chmod(0o755)
        found = documents(manifest)
        for one in found:
            if one["kind"] == "ConfigMap":
                kube.create(one["metadata"]["name"], one.get("data"))
        workload = next(one for one in found if "template" in one.get("spec", {}))
        self.spec: Json = workload["spec"]["template"]["spec"]
        self._claims = workload["spec"].get("volumeClaimTemplates", [])
        self._volumes = self._make_volumes()

    def start(self, *names: str) -> None:
        """Start the containers (or only those), each init container before the next: its end, or
        its start.
        """
        for one in self.spec.get("initContainers", []):
            if names and one["name"] not in names:
                continue
            container = self._run(one)
            if one.get("restartPolicy") != "Always":
                container.finish(0, timeout=60)
        for one in self.spec["containers"]:
            if not names or one["name"] in names:
                self._run(one)

    def stop(self, name: str, timeout: int = 10) -> int:
        """Send TERM, and KILL after that many seconds, as `podman stop` and a kubelet do; returns
        the exit code.
        """
        container = self.containers[name]
        built.podman("stop", f"--time={timeout}", container.name)
        return container.popen.wait(timeout + 5)

    def exec(self, name: str, *command: str) -> tuple[int, str]:
        """Run a command in a container; exit code and output."""
        done = built.podman("exec", self.containers[name].name, *command, check=False)
        return done.returncode, done.stdout + done.stderr

    def pid(self, name: str) -> int:
        """The pid of a container's process 1, as the tests see it."""
        return int(
            built.podman("inspect", "--format={{.State.Pid}}", self.containers[name].name).stdout
        )

    def peak_memory(self, name: str) -> int:
        """The highest use of a container so far, in bytes, page cache included, as its limit
        counts.
        """
        return int(self._memory(name, "memory.max_usage_in_bytes", "memory.peak"))

    def pinned_memory(self, name: str) -> int:
        """The present use of a container, in bytes, less the page cache of files on disk, which the
        kernel frees on demand.
        """
        pairs = (
            line.split() for line in self._memory(name, "memory.stat", "memory.stat").splitlines()
        )
        used = {key: int(value) for key, value in pairs}
        return used["rss"] + used["shmem"] if "rss" in used else used["anon"] + used["shmem"]

    def memory_limit(self, name: str) -> float:
        """The manifest's memory limit of a container, in bytes."""
        (spec,) = [one for one in containers(self.spec) if one["name"] == name]
        return mebibytes(spec["resources"]["limits"]["memory"]) * 1024 * 1024

    def _memory(self, name: str, first: str, second: str) -> str:
        """A file of the container's memory controller, as version 1 or version 2 of cgroups calls
        it.
        """
        with open(f"/proc/{self.pid(name)}/cgroup") as listing:
            groups = dict(line.rstrip().split(":", 2)[1:] for line in listing)
        if "memory" in groups:
            return Path(f"/sys/fs/cgroup/memory{groups['memory']}/{first}").read_text()
        return Path(f"/sys/fs/cgroup{groups['']}/{second}").read_text()

    def volume(self, name: str) -> Path:
        """Where a volume of the manifest is on this machine."""
        return self._volumes[name]

    def empty(self, name: str) -> None:
        """Empty a volume, as in a new pod."""
        for one in self.volume(name).iterdir():
            shutil.rmtree(one) if one.is_dir() and not one.is_symlink() else one.unlink()

    def story(self, name: str) -> str:
        """A container's output, for the message of a failure."""
        container = self.containers[name]
        return "\n".join([*container.out.seen[-30:], *container.err.seen[-30:]])

    def close(self) -> None:
        for container in reversed(self.containers.values()):
            self._remove(container)
        for folder in (self._folder, self._disk):
            shutil.rmtree(folder)

    def _remove(self, container: Container) -> None:
        def removed() -> None:
            said = built.podman(
                "rm", "--force", "--time=0", "--ignore", container.name, check=False
            )
            # A container that was just killed removes itself, and podman refuses to remove it at
            # that moment.
            assert (
                1 == built.podman("container", "exists", container.name, check=False).returncode
            ), said.stderr

        wait_until(removed)
        container.popen.wait(5)
        for stream in (container.out, container.err):
            stream.reader.join(5)

    # A kubelet's reading of the manifest

    def _make_volumes(self) -> dict[str, Path]:
        made = {}
        for claim in self._claims:
            made[claim["metadata"]["name"]] = self._directory(claim["metadata"]["name"], self._disk)
        for volume in self.spec.get("volumes", []):
            if "image" in volume:
                continue  # podman mounts it
            folder = made[volume["name"]] = self._directory(volume["name"])
            if source := volume.get("configMap"):
                _project(folder, self._config_map(source["name"]))
            elif not {"emptyDir", "persistentVolumeClaim"} & volume.keys():
                raise AssertionError(f"the tests cannot make this volume: {volume}")
        account = self.kube.write_service_account(str(self._folder / "account-files"))
        files = {name: Path(account, name).read_text() for name in os.listdir(account)}
        _project(self._directory("account"), files)
        return made

    def _directory(self, name: str, where: Path | None = None) -> Path:
        folder = (where or self._folder) / name
        folder.mkdir()
        folder.chmod(0o777)  # a kubelet gives it to the pod's group
        return folder

    def _config_map(self, name: str) -> dict[str, str]:
        data: dict[str, str] = self.kube.store.get("configmaps", self.kube.namespace, name)["data"]
        return data

    def _run(self, spec: Json) -> Container:
        name = f"{self._prefix}-{spec['name']}"
        words = [
            "podman",
            "run",
            "--rm",
            f"--name={name}",
            "--no-healthcheck",
            "--network=host",
            "--pull=never",
        ]
        words += [
            *self._security(spec),
            *self._limits(spec),
            *self._mounts(spec),
            *self._variables(spec),
        ]
        command = spec.get("command", [])
        if command:  # it takes the place of the image's entry point
            words.append(f"--entrypoint={command[0]}")
        words += [
            self._image(spec["image"]),
            *self._arguments([*command[1:], *spec.get("args", [])]),
        ]
        self.containers[spec["name"]] = container = Container(name, words, env=environment())
        return container

    def _security(self, spec: Json) -> list[str]:
        context = {**self.spec.get("securityContext", {}), **spec.get("securityContext", {})}
        words = [f"--cap-drop={one}" for one in context.get("capabilities", {}).get("drop", [])]
        if "runAsUser" in context:
            # Without --passwd=false podman would add an entry to /etc/passwd, which Kubernetes does
            # not.
            words += [
                f"--user={context['runAsUser']}:{context.get('runAsGroup', 0)}",
                "--passwd=false",
            ]
        if context.get("readOnlyRootFilesystem"):
            words += ["--read-only", "--read-only-tmpfs=false"]
        if context.get("allowPrivilegeEscalation") is False:
            words.append("--security-opt=no-new-privileges")
        return words

    def _limits(self, spec: Json) -> list[str]:
        memory = spec.get("resources", {}).get("limits", {}).get("memory")
        if memory is None:
            return []
        amount = str(memory).replace("Mi", "m").replace("Gi", "g")
        return [f"--memory={amount}", f"--memory-swap={amount}"]

    def _mounts(self, spec: Json) -> list[str]:
        words = []
        images = {
            one["name"]: one["image"]["reference"]
            for one in self.spec.get("volumes", [])
            if "image" in one
        }
        for mount in spec.get("volumeMounts", []):
            if (
                mount["name"] in images
            ):  # the whole image, as containerd 2.1 mounts it also where there is a `subPath`
                source = self._image(images[mount["name"]])
                words.append(f"--mount=type=image,source={source},destination={mount['mountPath']}")
                continue
            mode = ":ro" if mount.get("readOnly") else ""
            folder = self._volumes[mount["name"]] / mount.get("subPath", "")
            words.append(f"--volume={folder}:{mount['mountPath']}{mode}")
        if self.spec.get("automountServiceAccountToken", True):
            words.append(f"--volume={self._folder / 'account'}:{_ACCOUNT}:ro")
        return words

    def _variables(self, spec: Json) -> list[str]:
        fields = {
            "metadata.name": f"{self._prefix}-0",
            "metadata.namespace": self.kube.namespace,
            "metadata.uid": "00000000-0000-4000-8000-000000000000",
            "status.podIP": "127.0.0.1",
        }
        values = {
            "KUBERNETES_SERVICE_HOST": "127.0.0.1",
            "KUBERNETES_SERVICE_PORT": str(self.kube.port),
        }
        for one in spec.get("env", []):
            values[one["name"]] = (
                one["value"]
                if "value" in one
                else fields[one["valueFrom"]["fieldRef"]["fieldPath"]]
            )
        return [f"--env={key}={value}" for key, value in {**values, **self._env}.items()]

    def _arguments(self, words: Sequence[str]) -> list[str]:
        return [new for word in words for new in self._change.get(word, [word])]

    def _image(self, name: str) -> str:
        if name in self._images:
            return self._images[name]
        app = name.partition(":")[0].removeprefix("config-supervisor").removeprefix("-")
        return built.image(app or "base")


def _project(folder: Path, files: Mapping[str, str]) -> None:
    """Files behind `..data`, as a kubelet puts the content of an object into a volume."""
    version = folder / "..2026_11_22_00_00_00.1"
    version.mkdir()
    for name, content in files.items():
        (version / name).write_text(content)
        (folder / name).symlink_to(f"..data/{name}")
    (folder / "..data").symlink_to(version.name)
