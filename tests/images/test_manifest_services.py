"""The manifest of several services, beside the file that its image runs: each written value agrees
with its counterpart.
"""

from __future__ import annotations

import configparser
import os

from tests.images.manifests import IMAGES, Manifest, mounts

MANIFEST = Manifest("services/pod.yaml")
FOLDER = os.path.join(IMAGES, "services")
PORT = 9911  # the default


def _file() -> configparser.RawConfigParser:
    found = configparser.RawConfigParser()
    found.read(os.path.join(FOLDER, "supervisord.conf"))
    return found


def _configured() -> dict[str, configparser.SectionProxy]:
    """The services with a configuration, by name."""
    file = _file()
    return {name: file[name] for name in file.sections() if file.has_option(name, "configroot")}


def test_keys_of_the_services_are_those_of_the_config_map() -> None:
    wanted = sorted(section["config_keys"] for section in _configured().values())

    assert sorted(MANIFEST.content) == wanted


def test_config_map_and_image_have_the_same_content() -> None:
    """Without a cluster the image runs on its own copy."""
    default = os.path.join(FOLDER, "default")
    found = {}
    for name in os.listdir(default):
        with open(os.path.join(default, name), encoding="utf-8") as file:
            found[name] = file.read()

    assert MANIFEST.content == found


def test_services_write_to_volumes_only() -> None:
    (container,) = MANIFEST.spec["containers"]
    writable = [one.path for one in mounts(MANIFEST, container) if one.writable]
    read = [one.path for one in mounts(MANIFEST, container) if not one.writable]

    assert ["/config", "/data", "/tmp"] == sorted(writable)
    assert ["/config-in"] == read
    for section in _configured().values():
        assert section["config_dir"] == "/config-in"
        assert section["configroot"].startswith("/config/")


def test_probes_and_the_grace_period_fit_the_services() -> None:
    (container,) = MANIFEST.spec["containers"]
    numbers = {one["name"]: one["containerPort"] for one in container["ports"]}
    paths = {"startupProbe": "/readyz", "livenessProbe": "/livez", "readinessProbe": "/readyz"}
    budget = float(_file()["supervisord"]["stop_budget"].rstrip("s"))

    assert numbers["metrics"] == PORT
    assert paths == {name: container[name]["httpGet"]["path"] for name in paths}
    assert MANIFEST.pod["metadata"]["annotations"]["prometheus.io/port"] == str(PORT)
    assert MANIFEST.spec["terminationGracePeriodSeconds"] > budget


def test_pod_has_no_token_that_it_does_not_need() -> None:
    """The kubelet mounts the ConfigMap, so no service asks the API."""
    account = MANIFEST.one("ServiceAccount")

    assert account["metadata"]["name"] == MANIFEST.spec["serviceAccountName"]
    assert not MANIFEST.spec["automountServiceAccountToken"]
    assert [] == MANIFEST.all("Role", "RoleBinding", "ClusterRole")
