"""A real cluster in place of the fake API server: the same edits, made over its REST API.

It works in a namespace made for the run and removed afterwards. It can order no faults.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Any

from kubernetes import client, config

from tests import fake_kube_files
from tests.fake_kube_kinds import KINDS, Json, lease_manifest, manifest
from tests.fake_kube_users import Rule


class RealKube:
    """The cluster of a kubeconfig."""

    def __init__(self, kubeconfig: str) -> None:
        self.kubeconfig = kubeconfig
        self.namespace = f"supervisor-test-{uuid.uuid4().hex[:8]}"
        conf = client.Configuration()
        load: Any = config.load_kube_config
        load(config_file=kubeconfig, client_configuration=conf, persist_config=False)
        conf.retries = False
        self._conf: Any = conf
        self._api: Any = client.ApiClient(conf)
        self._do("POST", "/api/v1/namespaces", {"metadata": {"name": self.namespace}})

    def close(self) -> None:
        self._do("DELETE", f"/api/v1/namespaces/{self.namespace}")
        self.forget()

    def forget(self) -> None:
        """Close the connections, and leave the cluster as it is."""
        self._api.close()

    def get(self, name: str, *, kind: str = "configmap") -> Json:
        return self._do("GET", self._path(kind, name))

    def create(
        self,
        name: str,
        data: Mapping[str, str | bytes] | None = None,
        binary: Mapping[str, bytes] | None = None,
        *,
        kind: str = "configmap",
    ) -> Json:
        return self._do("POST", self._path(kind), manifest(name, data, binary, kind=kind))

    def change(
        self,
        name: str,
        data: Mapping[str, str | bytes] | None = None,
        binary: Mapping[str, bytes] | None = None,
        *,
        kind: str = "configmap",
    ) -> Json:
        body = manifest(name, data, binary, kind=kind)
        body["metadata"] = self.get(name, kind=kind)["metadata"]
        return self._do("PUT", self._path(kind, name), body)

    def annotate(self, name: str, key: str, value: str, *, kind: str = "configmap") -> Json:
        body = {"metadata": {"annotations": {key: value}}}
        return self._do("PATCH", self._path(kind, name), body)

    def delete(self, name: str, *, kind: str = "configmap") -> Json:
        return self._do("DELETE", self._path(kind, name))

    def create_lease(
        self, name: str, annotations: Mapping[str, str] | None = None, **spec: object
    ) -> Json:
        return self._do("POST", self._path("lease"), lease_manifest(name, annotations, **spec))

    def lease(self, name: str) -> Json | None:
        """A Lease as it is now; None without one."""
        path = self._path("lease")
        items = self._do("GET", f"{path}?fieldSelector=metadata.name%3D{name}")["items"]
        kind = KINDS["leases"]  # which the items of a list lack
        named = {"kind": kind.name, "apiVersion": kind.api_version}
        return {**items[0], **named} if items else None

    def put_lease(
        self, name: str, annotations: Mapping[str, str] | None = None, **spec: object
    ) -> Json:
        """Create a Lease, or write over it whatever its version is."""
        body = lease_manifest(name, annotations, **spec)
        if old := self.lease(name):
            body["metadata"] = {**old["metadata"], "annotations": dict(annotations or {})}
        return self.replace(name, body, kind="lease")

    def replace(self, name: str, body: Json, *, kind: str = "configmap") -> Json:
        """A bare PUT."""
        return self._do("PUT", self._path(kind, name), body)

    def user_kubeconfig(self, path: str, *rules: Rule) -> str:
        """A kubeconfig for a new service account with these rights only."""
        name = f"user-{uuid.uuid4().hex[:8]}"
        meta: Json = {"metadata": {"name": name}}
        rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{self.namespace}"
        accounts = f"/api/v1/namespaces/{self.namespace}/serviceaccounts"
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
        subject = {"kind": "ServiceAccount", "name": name, "namespace": self.namespace}
        self._do("POST", accounts, meta)
        self._do("POST", f"{rbac}/roles", {**meta, "rules": list(map(_rule, rules))})
        self._do("POST", f"{rbac}/rolebindings", {**meta, "roleRef": role, "subjects": [subject]})
        token = self._do("POST", f"{accounts}/{name}/token", {"spec": {}})["status"]["token"]
        with open(self._conf.ssl_ca_cert) as file:
            parts = self._conf.host, file.read(), token, self.namespace
        return fake_kube_files.write(path, fake_kube_files.kubeconfig(*parts, {}))

    def clear(self) -> None:
        """Remove a test's objects before the next test."""
        for kind in ("configmap", "secret", "lease"):
            for item in self._do("GET", self._path(kind))["items"]:
                if item["metadata"]["name"] != "kube-root-ca.crt":
                    self.delete(item["metadata"]["name"], kind=kind)

    def _path(self, kind: str, name: str = "") -> str:
        group = KINDS[f"{kind}s"].group
        root = f"/apis/{group}/v1" if group else "/api/v1"
        return f"{root}/namespaces/{self.namespace}/{kind}s" + (f"/{name}" if name else "")

    def _do(self, method: str, path: str, body: Json | None = None) -> Json:
        patch = "application/merge-patch+json"
        content = patch if method == "PATCH" else "application/json"
        request = self._api.param_serialize(
            method,
            path,
            header_params={"Content-Type": content, "Accept": "application/json"},
            body=body,
            auth_settings=["BearerToken"],
        )
        response = self._api.call_api(*request, _request_timeout=10)
        text = response.read()
        if not 200 <= response.status <= 299:
            raise AssertionError(f"{method} {path}: {response.status} {text[:500]!r}")
        answer: Json = json.loads(text)
        return answer


def _rule(rule: Rule) -> Json:
    """A rule of a Role: about resources of one group."""
    (group,) = {KINDS[resource].group for resource in rule.resources}
    return {
        "apiGroups": [group],
        "resources": list(rule.resources),
        "resourceNames": list(rule.names),
        "verbs": list(rule.verbs),
    }
