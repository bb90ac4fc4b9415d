"""The manifests beside the images as a cluster sees them: valid, restricted, with minimal rights.

No cluster and no container: schemas of Kubernetes from a package, and our own rules beyond them.
"""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest

from config_supervisor import __version__
from config_supervisor.options.declarations import Settings
from tests.images.manifests import (
    OURS,
    PATHS,
    Manifest,
    containers,
    each_manifest,
    each_of_one_app,
    ports,
)
from tests.images.pod_security import violations

# Native sidecars are on by default since the first; the second has the package's newest schemas.
RELEASES = ("1.29.0", "latest")
WATCH = ["list", "watch"]
APPS = ("haproxy", "nginx", "postgresql", "prometheus", "services")


def test_there_is_a_manifest_for_each_use() -> None:
    expected = [f"{app}/pod.yaml" for app in APPS]

    expected += ["nginx/pod-fleet.yaml", "nginx/pod-inject.yaml", "prometheus/sidecar.yaml"]

    assert sorted(expected) == PATHS


# The view of the API server


def schema_errors(document: dict[str, Any], release: str) -> str:
    """The objections of a Kubernetes release's schemas to a document; unknown fields are errors."""
    # Each worker collects these tests, and the import takes two seconds.
    import kubernetes_validate  # type: ignore[import-untyped]

    if release == "latest":
        release = kubernetes_validate.latest_version()
    try:
        kubernetes_validate.validate(document, release, strict=True)
    except kubernetes_validate.ValidationError as error:
        return f"{document['kind']}: {'.'.join(map(str, error.path))}: {error.message}"
    return ""


@each_manifest
@pytest.mark.parametrize("release", RELEASES)
def test_every_object_fits_the_schemas_of_kubernetes(manifest: Manifest, release: str) -> None:
    known = [document for document in manifest.documents if document["kind"] != "PodMonitor"]

    assert len(manifest.documents) - 1 == len(known)
    assert [] == [error for document in known if (error := schema_errors(document, release))]


@pytest.mark.parametrize("release", RELEASES)
def test_a_field_that_kubernetes_does_not_know_is_found(release: str) -> None:
    workload = Manifest("nginx/pod.yaml").workload
    workload["spec"]["template"]["spec"]["containers"][0]["livenessProb"] = {}

    assert "livenessProb" in schema_errors(workload, release)


@each_manifest
def test_names_of_objects_containers_and_ports_are_valid(manifest: Manifest) -> None:
    """RFC 1123 labels; of ports at most 15 characters. The schemas take any string."""
    names = [document["metadata"]["name"] for document in manifest.documents]
    names += [one["name"] for one in [*containers(manifest.spec), *manifest.spec["volumes"]]]
    numbers = ports(manifest.spec)

    assert [] == [
        name for name in names if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", name)
    ]
    assert [] == [
        name for name in numbers if not re.fullmatch(r"[a-z]([a-z0-9-]{0,13}[a-z0-9])?", name)
    ]
    assert len(set(numbers.values())) == sum(
        len(one.get("ports", [])) for one in containers(manifest.spec)
    )


@each_of_one_app
def test_a_pod_monitor_scrapes_the_supervisor(manifest: Manifest) -> None:
    """The operator's schema lets unknown fields pass, so all of it is compared here."""
    monitor = manifest.one("PodMonitor")
    numbers = ports(manifest.spec)
    scraped = [one["port"] for one in monitor["spec"]["podMetricsEndpoints"]]

    assert "monitoring.coreos.com/v1" == monitor["apiVersion"]
    assert {"apiVersion", "kind", "metadata", "spec"} == set(monitor)
    assert {
        "selector": {"matchLabels": manifest.pod["metadata"]["labels"]},
        "podMetricsEndpoints": [
            {"port": port, "path": "/metrics", "interval": "30s"} for port in scraped
        ],
    } == monitor["spec"]
    assert manifest.supervised.listens == numbers[scraped[0]]
    assert set(scraped) <= set(numbers)


@each_of_one_app
def test_scrape_annotations_name_the_port_of_the_supervisor(manifest: Manifest) -> None:
    assert {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": str(manifest.supervised.listens),
        "prometheus.io/path": "/metrics",
    } == manifest.pod["metadata"]["annotations"]


@each_manifest
def test_everything_that_selects_selects_these_pods(manifest: Manifest) -> None:
    labels = manifest.pod["metadata"]["labels"]
    selectors = [
        one["spec"]["selector"]
        for one in manifest.all("Deployment", "StatefulSet", "PodDisruptionBudget")
    ]

    assert [{"matchLabels": labels}] * len(selectors) == selectors
    assert labels == manifest.one("Service")["spec"]["selector"]
    assert [] == [
        document["kind"]
        for document in manifest.documents
        if labels != document["metadata"]["labels"]
    ]


@each_manifest
def test_a_service_leads_to_ports_of_the_pod(manifest: Manifest) -> None:
    service = manifest.one("Service")
    governed = manifest.workload["spec"].get("serviceName", service["metadata"]["name"])

    assert service["metadata"]["name"] == governed
    assert {one["targetPort"] for one in service["spec"]["ports"]} < set(ports(manifest.spec))


@each_manifest
def test_objects_go_to_whatever_namespace_they_are_applied_to(manifest: Manifest) -> None:
    """Manifests name no namespace, so `kubectl apply -n` works; our images carry the program's
    version and no registry.
    """
    images = [one["image"] for one in containers(manifest.spec)]
    ours = [image for image in images if OURS.match(image)]

    assert [] == [
        document["kind"] for document in manifest.documents if "namespace" in document["metadata"]
    ]
    assert [__version__] * len(ours) == [image.partition(":")[2] for image in ours]
    assert ours != []
    assert [] == [image for image in images if image.endswith(":latest") or ":" not in image]


@each_manifest
def test_container_that_ends_shows_its_last_lines(manifest: Manifest) -> None:
    """`kubectl describe pod` then says why the supervisor ended, also where it could not write a
    message itself.
    """
    policies = {
        one["name"]: one.get("terminationMessagePolicy") for one in containers(manifest.spec)
    }

    assert dict.fromkeys(policies, "FallbackToLogsOnError") == policies


# Security


@each_manifest
def test_a_pod_passes_the_restricted_standard(manifest: Manifest) -> None:
    assert [] == violations(manifest.pod)
    assert [] == [
        one["name"]
        for one in containers(manifest.spec)
        if not one["securityContext"].get("readOnlyRootFilesystem", False)
    ]


SAFE = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
BREACHES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("hostPID", {"hostPID": True}, {}),
    ("hostPath", {"volumes": [{"name": "root", "hostPath": {"path": "/"}}]}, {}),
    (
        "sysctl",
        {"securityContext": {**SAFE, "sysctls": [{"name": "kernel.msgmax", "value": "1"}]}},
        {},
    ),
    ("seccomp", {"securityContext": {"runAsNonRoot": True}}, {}),
    ("runAsNonRoot", {"securityContext": {"seccompProfile": {"type": "RuntimeDefault"}}}, {}),
    ("runAsUser 0", {}, {"securityContext": {"runAsUser": 0}}),
    ("privileged", {}, {"securityContext": {"privileged": True}}),
    ("allowPrivilegeEscalation", {}, {"securityContext": {"allowPrivilegeEscalation": None}}),
    ("not dropped", {}, {"securityContext": {"capabilities": {"drop": ["CHOWN"]}}}),
    ("are added", {}, {"securityContext": {"capabilities": {"drop": ["ALL"], "add": ["KILL"]}}}),
    ("procMount", {}, {"securityContext": {"procMount": "Unmasked"}}),
    ("SELinux", {}, {"securityContext": {"seLinuxOptions": {"type": "spc_t"}}}),
    ("AppArmor", {}, {"securityContext": {"appArmorProfile": {"type": "Unconfined"}}}),
    ("hostPort", {}, {"ports": [{"name": "http", "containerPort": 1, "hostPort": 1}]}),
    ("host of a probe", {}, {"livenessProbe": {"tcpSocket": {"host": "example", "port": 1}}}),
]


@pytest.mark.parametrize(
    ("said", "of_pod", "of_container"), BREACHES, ids=[said for said, _, _ in BREACHES]
)
def test_a_breach_of_the_restricted_standard_is_found(
    said: str, of_pod: dict[str, Any], of_container: dict[str, Any]
) -> None:
    pod = copy.deepcopy(Manifest("nginx/pod.yaml").pod)
    container = pod["spec"]["containers"][0]
    context = {**container["securityContext"], **of_container.get("securityContext", {})}
    container |= {**of_container, "securityContext": context}
    pod["spec"] |= of_pod
    found = violations(pod)

    assert [True] == [said in one for one in found], found


@each_of_one_app
def test_service_account_may_do_just_what_the_options_need(
    manifest: Manifest,
) -> None:
    settings = manifest.supervised.settings
    asked = [("configmaps", settings.configmap), ("secrets", settings.secret)]
    rules: list[dict[str, Any]] = [
        {
            "apiGroups": [""],
            "resources": [kind],
            "resourceNames": [one.name for one in names],
            "verbs": WATCH,
        }
        for kind, names in asked
        if names
    ]
    if settings.events:
        rules.append({"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create"]})
    rules += _of_fleet(settings)
    role, binding, account = (
        manifest.one(kind) for kind in ("Role", "RoleBinding", "ServiceAccount")
    )

    assert rules == role["rules"]
    assert {
        "apiGroup": "rbac.authorization.k8s.io",
        "kind": "Role",
        "name": role["metadata"]["name"],
    } == binding["roleRef"]
    assert [{"kind": "ServiceAccount", "name": account["metadata"]["name"]}] == binding["subjects"]
    assert [] == manifest.all("ClusterRole", "ClusterRoleBinding")


def _of_fleet(settings: Settings) -> list[dict[str, Any]]:
    if not settings.fleet:
        return []
    leases: dict[str, Any] = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"]}
    rules = [
        {**leases, "resourceNames": [settings.fleet], "verbs": ["get", "list", "watch", "update"]},
        {**leases, "verbs": ["create"]},
    ]
    if settings.fleet_keep:
        keep = {"apiGroups": [""], "resources": ["configmaps"]}
        rules.append({**keep, "resourceNames": [settings.fleet_keep], "verbs": ["get", "update"]})
    return rules


@each_of_one_app
def test_pod_uses_its_own_service_account_and_token(manifest: Manifest) -> None:
    account = manifest.one("ServiceAccount")

    assert account["metadata"]["name"] == manifest.spec["serviceAccountName"]
    assert (False, True) == (
        account["automountServiceAccountToken"],
        manifest.spec["automountServiceAccountToken"],
    )


@each_of_one_app
def test_the_pod_is_named_to_the_program_where_it_tells_about_it(manifest: Manifest) -> None:
    fields = {f"POD_{name.upper()}": f"metadata.{name}" for name in ("name", "namespace", "uid")}
    given = {
        name: one["valueFrom"]["fieldRef"]["fieldPath"]
        for name, one in manifest.supervised.environment.items()
        if "valueFrom" in one
    }

    assert (fields if manifest.supervised.settings.events else {}) == given
