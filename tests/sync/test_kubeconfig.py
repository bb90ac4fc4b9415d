"""Kubeconfigs: the parts that are read, and the errors about the unusable."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from typing import Any

import pytest

from config_supervisor.sources.kubernetes.credentials import Access
from tests.fake_kube import FakeKube
from tests.fake_kube_files import write
from tests.sync.following import QUICK, Following

Follow = Callable[..., Following]

A, B = {"k": b"a"}, {"k": b"b"}


def test_token_file_is_read_again_after_a_refusal(
    fake: FakeKube, follow: Follow, tmp_path: object
) -> None:
    fake.create("nginx", {"k": "a"})
    token = write(f"{tmp_path}/token", fake.token + "\n")
    fake.write_kubeconfig(fake.kubeconfig, user={"tokenFile": token})
    source = follow(timing=QUICK.replace(base=20, cap=600))
    source.expect_watching()
    write(token, fake.rotate_token())
    fake.cut("clean")
    source.expect_watching(2)
    (refused,) = fake.asked("read", 401)
    (repeated,) = [ask for ask in fake.asked("read", 200) if ask.at > refused.at]
    assert repeated.at - refused.at < 3.5  # a second failure would wait 4 s at least
    assert [] == source.failures
    fake.change("nginx", {"k": "b"})
    source.expect_reads(A, B)


def test_context_selects_user_and_namespace(fake: FakeKube, follow: Follow) -> None:
    fake.store.namespaces.add("staging")
    fake.store.create("configmaps", "staging", {"metadata": {"name": "nginx"}, "data": {"k": "b"}})
    fake.create("nginx", {"k": "a"})
    staging = {
        "name": "staging",
        "context": {"cluster": "fake", "user": "admin", "namespace": "staging"},
    }
    access = Access(fake.write_kubeconfig(fake.kubeconfig, contexts=[staging]), "staging")
    follow(access=access, namespace="").expect_reads(B)
    follow(namespace="").expect_reads(A)


def test_kubeconfigs_in_a_list_are_merged(
    fake: FakeKube, follow: Follow, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.create("nginx", {"k": "a"})
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path}/missing:{fake.kubeconfig}")
    follow(access=Access(), namespace="").expect_reads(A)


def test_first_current_context_of_several_files_decides(
    fake: FakeKube, follow: Follow, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As kubectl merges them."""
    fake.create("nginx", {"k": "a"})
    with open(f"{tmp_path}/second", "w", encoding="utf-8") as file:
        json.dump({**FINE, "current-context": "one"}, file)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("KUBECONFIG", f"{fake.kubeconfig}:{tmp_path}/second")
    follow(access=Access(), namespace="").expect_reads(A)


FINE: dict[str, Any] = {
    "current-context": "one",
    "contexts": [{"name": "one", "context": {"cluster": "c", "user": "u"}}],
    "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:9"}}],
    "users": [{"name": "u", "user": {"token": "hunter2"}}],
}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "no such file or directory"),
        ("a: b: c: hunter2", "it is not valid YAML in line 1"),
        ("", "it is not a kubeconfig"),
        ("- hunter2", "it is not a kubeconfig"),
        ("\0\1", "it is not valid YAML"),
        (json.dumps({"contexts": ["hunter2"]}), "it is not a kubeconfig"),
        ("{}", "it has no current-context; give --context; contexts are none"),
        (json.dumps({**FINE, "current-context": "x"}), "no such context 'x'; contexts are one"),
        (json.dumps({**FINE, "clusters": 5, "users": ["hunter2"]}), "it is not a kubeconfig"),
        (json.dumps({**FINE, "clusters": []}), "Invalid kube-config file. Expected"),
        (json.dumps({**FINE, "users": [{"name": "u", "token": "hunter2"}]}), "Expected key user"),
        (
            json.dumps({**FINE, "users": [{"name": "u", "user": {"tokenFile": "/no/token"}}]}),
            "/no/token: no such file",
        ),
        (
            json.dumps(
                {
                    **FINE,
                    "clusters": [
                        {
                            "name": "c",
                            "cluster": {"server": "https://x", "certificate-authority": "/ca"},
                        }
                    ],
                }
            ),
            "File does not exist: /ca",
        ),
    ],
)
def test_unusable_kubeconfig_is_named_with_the_reason(
    follow: Follow, fake: FakeKube, text: str | None, words: str
) -> None:
    path = f"{fake.kubeconfig}.bad"
    if text is not None:
        write(path, text)
    source = follow(access=Access(path), namespace="default")
    source.expect_end()
    failure = source.expect_failure(f"cannot use kubeconfig {path}: ", words)
    assert failure.fatal
    assert "config" == failure.reason
    assert "hunter2" not in failure.message


@pytest.mark.parametrize(
    ("user", "words"),
    [
        ({"token": "hunter2", "as": "jane"}, "user 'u' acts as another (`as`)"),
        ({"token": "hunter2", "as-groups": ["ops"]}, "name a user with the rights itself"),
        ({"auth-provider": {"name": "azure"}}, "user 'u' logs in by auth-provider 'azure'"),
        ({"auth-provider": {"name": "gcp", "config": {}}}, "use an exec plugin"),
        ({"auth-provider": {"name": "gcp"}, "token": "hunter2"}, "auth-provider 'gcp', which is"),
    ],
)
def test_unsupported_login_is_refused(
    follow: Follow, fake: FakeKube, user: dict[str, Any], words: str
) -> None:
    """The library passes over it: requests would go out as another user."""
    path = write(
        f"{fake.kubeconfig}.bad", json.dumps({**FINE, "users": [{"name": "u", "user": user}]})
    )
    source = follow(access=Access(path), namespace="default")
    source.expect_end()
    failure = source.expect_failure(f"cannot use kubeconfig {path}: ", words)
    assert failure.fatal
    assert "hunter2" not in failure.message


def test_missing_context_is_reported_with_the_known_names(follow: Follow, fake: FakeKube) -> None:
    source = follow(access=Access(fake.kubeconfig, "prod"))
    source.expect_end()
    source.expect_failure("no such context 'prod'; contexts are fake")


def test_kubeconfig_broken_later_does_not_end_the_source(fake: FakeKube, follow: Follow) -> None:
    fake.create("nginx", {"k": "a"})
    source = follow()
    source.expect_watching()
    write(fake.kubeconfig, "")
    fake.rotate_token()
    fake.cut("fin")
    assert not source.expect_failure("cannot use kubeconfig", "it is not a kubeconfig").fatal
    fake.write_kubeconfig(fake.kubeconfig)
    fake.change("nginx", {"k": "b"})
    source.expect_reads(A, B)


def test_failed_credential_plugin_is_reported_with_its_status(
    fake: FakeKube, follow: Follow, tmp_path: object, caplog: pytest.LogCaptureFixture
) -> None:
    fake.create("nginx", {"k": "a"})
    plugin = f"{tmp_path}/plugin"
    write(plugin, "#!/bin/sh\necho no ticket, eyJhbGci.eyJzdWIi.c2ln >&2\nexit 3\n")
    os.chmod(plugin, 0o700)
    version = "client.authentication.k8s.io/v1"
    fake.write_kubeconfig(
        fake.kubeconfig, user={"exec": {"command": plugin, "apiVersion": version}}
    )
    handlers = list(logging.getLogger().handlers)
    source = follow()
    failure = source.expect_failure("login of user 'admin'", "process returned 3", "no ticket")
    assert "unauthorized" == failure.reason
    assert not failure.fatal
    assert "eyJ" not in failure.message
    assert [] == caplog.messages
    answer = {"apiVersion": version, "kind": "ExecCredential", "status": {"token": fake.token}}
    write(plugin, f"#!/bin/sh\necho '{json.dumps(answer)}'\n")
    os.chmod(plugin, 0o700)
    source.expect_reads(A)
    source.end()
    fake.cut()
    source.expect_end()
    assert handlers == logging.getLogger().handlers


def test_missing_credential_plugin_is_reported(fake: FakeKube, follow: Follow) -> None:
    fake.write_kubeconfig(
        fake.kubeconfig, user={"exec": {"command": "/no/plugin", "apiVersion": "x"}}
    )
    follow().expect_failure("cannot get credentials", "/no/plugin")
