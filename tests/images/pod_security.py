"""The `restricted` Pod Security Standard, rule by rule, for a pod in an enforcing namespace.

Written out from the published standard (Kubernetes documentation, "Pod Security Standards",
policies Baseline and Restricted, as of Kubernetes 1.34), for Linux pods. Must not know our
manifests.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
_SYSCTLS = {
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
}
_SELINUX_TYPES = {"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}


def violations(pod: Mapping[str, Any]) -> list[str]:
    """Each broken rule of a pod (metadata and spec), in words; none if it passes."""
    spec = pod["spec"]
    of_pod = spec.get("securityContext", {})
    found = [*_pod_rules(spec), *_common_rules("the pod", of_pod)]
    if any(
        key.startswith("container.apparmor.security")
        for key in pod.get("metadata", {}).get("annotations", {})
    ):
        found.append("the pod: AppArmor by annotation")
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        for container in spec.get(kind, []):
            found += _container_rules(container, of_pod)
    return found


def _pod_rules(spec: Mapping[str, Any]) -> Iterator[str]:
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(name):
            yield f"the pod: {name}"
    for volume in spec.get("volumes", []):
        for kind in set(volume) - {"name"} - _VOLUMES:
            yield f"volume {volume['name']}: {kind}"
    for sysctl in spec.get("securityContext", {}).get("sysctls", []):
        if sysctl["name"] not in _SYSCTLS:
            yield f"the pod: sysctl {sysctl['name']}"


def _common_rules(who: str, context: Mapping[str, Any]) -> Iterator[str]:
    """The rules for the security context of a pod and for that of a container."""
    if context.get("windowsOptions", {}).get("hostProcess"):
        yield f"{who}: hostProcess"
    if context.get("appArmorProfile", {}).get("type", "RuntimeDefault") not in (
        "RuntimeDefault",
        "Localhost",
    ):
        yield f"{who}: AppArmor profile"
    selinux = context.get("seLinuxOptions", {})
    if selinux.get("type", "") not in _SELINUX_TYPES or selinux.get("user") or selinux.get("role"):
        yield f"{who}: SELinux options"
    if context.get("runAsUser") == 0:
        yield f"{who}: runAsUser 0"


def _container_rules(container: Mapping[str, Any], of_pod: Mapping[str, Any]) -> Iterator[str]:
    who = f"container {container['name']}"
    context = container.get("securityContext", {})
    yield from _common_rules(who, context)
    if context.get("privileged"):
        yield f"{who}: privileged"
    if context.get("procMount", "Default") != "Default":
        yield f"{who}: procMount"
    if context.get("allowPrivilegeEscalation") is not False:
        yield f"{who}: allowPrivilegeEscalation is not false"
    if context.get("runAsNonRoot", of_pod.get("runAsNonRoot")) is not True:
        yield f"{who}: runAsNonRoot is not true"
    seccomp = context.get("seccompProfile", of_pod.get("seccompProfile", {})).get("type")
    if seccomp not in ("RuntimeDefault", "Localhost"):
        yield f"{who}: seccomp profile {seccomp}"
    capabilities = context.get("capabilities", {})
    if "ALL" not in capabilities.get("drop", []):
        yield f"{who}: capabilities are not dropped"
    if set(capabilities.get("add", [])) - {"NET_BIND_SERVICE"}:
        yield f"{who}: capabilities are added"
    for port in container.get("ports", []):
        if port.get("hostPort"):
            yield f"{who}: hostPort {port['hostPort']}"
    yield from _host_rules(who, container)


def _host_rules(who: str, container: Mapping[str, Any]) -> Iterator[str]:
    """Probes and hooks may not reach into the node's network: no `host`."""
    hooks = [
        container.get(name, {}) for name in ("startupProbe", "livenessProbe", "readinessProbe")
    ]
    hooks += container.get("lifecycle", {}).values()
    for hook in hooks:
        if any(hook.get(kind, {}).get("host") for kind in ("httpGet", "tcpSocket")):
            yield f"{who}: host of a probe or hook"
