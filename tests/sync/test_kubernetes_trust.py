"""Whom the Kubernetes source trusts: what client-go trusts, and no other server."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from urllib3.util import ssl_

from supervisor.sources.kubernetes import Access
from tests.fake_kube import FakeKube
from tests.fake_kube_tls import Authority
from tests.sync.following import Following

Follow = Callable[..., Following]

A = {"k": b"a"}


@pytest.fixture(autouse=True)
def _strict(monkeypatch: pytest.MonkeyPatch) -> None:
    """What urllib3 does on Python 3.13 and newer, on every Python: VERIFY_X509_STRICT by default."""
    monkeypatch.setattr(ssl_, "sys", SimpleNamespace(version_info=(3, 13)))


@pytest.mark.parametrize(("usage", "identifiers"), [(True, True), (False, True), (True, False), (False, False)])
def test_a_server_that_kubectl_trusts_is_trusted(
    follow: Follow, tmp_path: object, usage: bool, identifiers: bool
) -> None:
    """Old clusters (microk8s, early kubeadm) have a CA without keyUsage, or certificates without an AKI."""
    with FakeKube(authority=Authority(usage=usage, identifiers=identifiers)) as kube:
        kube.create("nginx", {"k": "a"})
        access = Access(kube.write_kubeconfig(f"{tmp_path}/old"))
        follow(access=access).expect_reads(A)


def test_a_certificate_for_another_name_is_not_trusted(follow: Follow, tmp_path: object) -> None:
    with FakeKube(authority=Authority(usage=False, identifiers=False)) as kube:
        kube.create("nginx", {"k": "a"})
        access = Access(kube.write_kubeconfig(f"{tmp_path}/old", cluster={"tls-server-name": "elsewhere.example"}))
        follow(access=access).expect_trouble(f"cannot trust the API server at {kube.url}: ", "elsewhere.example")


def test_a_ca_file_without_the_servers_ca_is_not_trusted(follow: Follow, tmp_path: object) -> None:
    with FakeKube(authority=Authority(usage=False, identifiers=False)) as kube:
        access = Access(_kubeconfig(kube, f"{tmp_path}/other", Authority(usage=False).pem))
        follow(access=access).expect_trouble(f"cannot trust the API server at {kube.url}: ")


def test_a_former_ca_is_not_trusted_after_the_file_changed(follow: Follow, tmp_path: object) -> None:
    """The file is read for each connection, and what it said before is forgotten."""
    with FakeKube() as kube:
        kube.create("nginx", {"k": "a"})
        path = _kubeconfig(kube, f"{tmp_path}/config", kube.authority.pem)
        source = follow(access=Access(path))
        source.expect_watching()
        _write(f"{path}.crt", Authority().pem)
        kube.cut("rst")
        source.expect_trouble("cannot trust the API server")


def _kubeconfig(kube: FakeKube, path: str, pem: str) -> str:
    _write(f"{path}.crt", pem)
    kube.write_kubeconfig(path)
    with open(path) as file:
        content = json.load(file)
    content["clusters"][0]["cluster"] = {"server": kube.url, "certificate-authority": f"{path}.crt"}
    _write(path, json.dumps(content))
    return path


def _write(path: str, text: str) -> None:
    with open(path + ".new", "w") as out:
        out.write(text)
    os.rename(path + ".new", path)
