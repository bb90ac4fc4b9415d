"""How the Kubernetes source gets at its API server, and what it says when it cannot."""

from __future__ import annotations

import base64
import gc
import json
import logging
import os
from collections.abc import Callable
from typing import Any

import pytest

from config_supervisor.sources.kubernetes.api_errors import redact
from config_supervisor.sources.kubernetes.credentials import Access, CredentialsError, namespace
from tests.fake_kube import FakeKube
from tests.fake_kube_tls import Authority
from tests.harness import wait_until
from tests.sync.following import QUICK, Following

Follow = Callable[..., Following]

A, B = {"k": b"a"}, {"k": b"b"}


@pytest.fixture
def pod(fake: FakeKube, tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> Access:
    """Access as in a pod: a mounted service account and the two variables."""
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(fake.port))
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path}/no-kubeconfig")
    return Access(account=fake.write_service_account(f"{tmp_path}/account"))


def write(path: str, text: str) -> str:
    with open(path, "w") as out:
        out.write(text)
    return path


# --- in a pod


def test_in_a_pod_the_service_account_is_used_and_no_proxy(
    fake: FakeKube, follow: Follow, pod: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    fake.create("nginx", {"k": "a"})
    source = follow(access=pod, namespace="")
    source.expect_reads(A)
    assert "configmap production/nginx" == str(source.source.label)


def test_a_newline_after_the_token_is_no_part_of_it(
    fake: FakeKube, follow: Follow, pod: Access
) -> None:
    fake.create("nginx", {"k": "a"})
    fake.write_service_account(pod.account, fake.token + "\n")
    follow(access=pod).expect_reads(A)


def test_a_token_that_was_rotated_in_time_costs_no_refusal(
    fake: FakeKube, follow: Follow, pod: Access
) -> None:
    fake.create("nginx", {"k": "a"})
    source = follow(access=pod)
    source.expect_watching()
    fake.write_service_account(pod.account, fake.rotate_token())
    fake.cut()
    source.expect_watching(2)
    assert [] == [ask for ask in fake.log if ask.status == 401]


def test_a_token_that_is_replaced_too_late_is_named_and_then_used(
    fake: FakeKube, follow: Follow, pod: Access
) -> None:
    fake.create("nginx", {"k": "a"})
    source = follow(access=pod)
    source.expect_watching()
    fake.rotate_token()
    fake.cut()
    trouble = source.expect_trouble(
        "cannot read configmap production/nginx: unauthorized; ",
        f"the token in {pod.account}/token was refused",
    )
    assert "unauthorized" == trouble.reason
    fake.write_service_account(pod.account)
    fake.change("nginx", {"k": "b"})
    source.expect_reads(A, B)


def test_a_token_file_that_vanishes_is_trouble_until_it_is_back(
    fake: FakeKube, follow: Follow, pod: Access
) -> None:
    fake.create("nginx", {"k": "a"})
    source = follow(access=pod)
    source.expect_watching()
    os.remove(f"{pod.account}/token")
    fake.cut("fin")
    source.expect_trouble(f"cannot read the token {pod.account}/token: no such file or directory")
    fake.write_service_account(pod.account)
    fake.change("nginx", {"k": "b"})
    source.expect_reads(A, B)


def test_an_ipv6_address_of_the_api_server_is_bracketed(
    follow: Follow, pod: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "::1")
    follow(access=pod).expect_trouble("cannot reach the API server at https://[::1]:")


def test_a_pod_without_a_token_is_told_what_to_do(follow: Follow, pod: Access) -> None:
    os.remove(f"{pod.account}/token")
    source = follow(access=pod)
    source.expect_end()
    trouble = source.expect_trouble(
        f"{pod.account}/token", "automountServiceAccountToken", "--kubeconfig"
    )
    assert trouble.fatal
    assert "config" == trouble.reason


def test_a_service_account_without_a_ca_is_told(follow: Follow, pod: Access) -> None:
    os.remove(f"{pod.account}/ca.crt")
    source = follow(access=pod)
    source.expect_end()
    assert source.expect_trouble(f"cannot read {pod.account}/ca.crt").fatal


def test_outside_of_a_cluster_and_without_kubeconfig_there_is_nothing_to_try(
    follow: Follow, pod: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST")
    source = follow(access=pod)
    source.expect_end()
    trouble = source.expect_trouble(
        "KUBERNETES_SERVICE_HOST is not set", "no-kubeconfig", "give --kubeconfig FILE"
    )
    assert trouble.fatal
    assert [("failed", (trouble, 0))] == [(kind, value) for _, kind, value in source.calls]


def test_a_kubeconfig_that_is_named_goes_before_the_service_account(
    fake: FakeKube, follow: Follow, pod: Access
) -> None:
    fake.create("nginx", {"k": "a"})
    fake.write_service_account(pod.account, "wrong")
    source = follow(access=pod.replace(kubeconfig=fake.kubeconfig))
    source.expect_reads(A)


# --- kubeconfigs


def test_a_token_file_of_a_kubeconfig_is_read_again_after_one_refusal(
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
    (refused,) = fake.asked("list", 401)
    (repeated,) = [ask for ask in fake.asked("list", 200) if ask.at > refused.at]
    assert repeated.at - refused.at < 3.5  # a second failure would wait 4 s at least
    assert [] == source.troubles
    fake.change("nginx", {"k": "b"})
    source.expect_reads(A, B)


def test_the_context_selects_user_and_namespace(fake: FakeKube, follow: Follow) -> None:
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
def test_a_kubeconfig_that_cannot_be_used_is_named_with_the_reason(
    follow: Follow, fake: FakeKube, text: str | None, words: str
) -> None:
    path = f"{fake.kubeconfig}.bad"
    if text is not None:
        write(path, text)
    source = follow(access=Access(path), namespace="default")
    source.expect_end()
    trouble = source.expect_trouble(f"cannot use kubeconfig {path}: ", words)
    assert trouble.fatal
    assert "config" == trouble.reason
    assert "hunter2" not in trouble.message


@pytest.mark.parametrize(
    ("user", "words"),
    [
        ({"token": "hunter2", "as": "jane"}, "user 'u' acts as another (`as`)"),
        ({"token": "hunter2", "as-groups": ["ops"]}, "name a user that has the rights itself"),
        ({"auth-provider": {"name": "azure"}}, "user 'u' logs in by auth-provider 'azure'"),
        ({"auth-provider": {"name": "gcp", "config": {}}}, "use an exec plugin"),
        ({"auth-provider": {"name": "gcp"}, "token": "hunter2"}, "auth-provider 'gcp', which is"),
    ],
)
def test_login_that_is_not_supported_is_refused(
    follow: Follow, fake: FakeKube, user: dict[str, Any], words: str
) -> None:
    """The library passes over them: a request would go out as somebody else."""
    path = write(
        f"{fake.kubeconfig}.bad", json.dumps({**FINE, "users": [{"name": "u", "user": user}]})
    )
    source = follow(access=Access(path), namespace="default")
    source.expect_end()
    failure = source.expect_trouble(f"cannot use kubeconfig {path}: ", words)
    assert failure.fatal
    assert "hunter2" not in failure.message


def test_a_context_that_is_missing_is_told_with_those_there_are(
    follow: Follow, fake: FakeKube
) -> None:
    source = follow(access=Access(fake.kubeconfig, "prod"))
    source.expect_end()
    source.expect_trouble("no such context 'prod'; contexts are fake")


def test_a_kubeconfig_that_breaks_later_is_no_end(fake: FakeKube, follow: Follow) -> None:
    fake.create("nginx", {"k": "a"})
    source = follow()
    source.expect_watching()
    write(fake.kubeconfig, "")
    fake.rotate_token()
    fake.cut("fin")
    assert not source.expect_trouble("cannot use kubeconfig", "it is not a kubeconfig").fatal
    fake.write_kubeconfig(fake.kubeconfig)
    fake.change("nginx", {"k": "b"})
    source.expect_reads(A, B)


def test_a_credential_plugin_that_fails_is_told_with_its_exit_status(
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
    trouble = source.expect_trouble("login of user 'admin'", "process returned 3", "no ticket")
    assert "unauthorized" == trouble.reason
    assert not trouble.fatal
    assert "eyJ" not in trouble.message
    assert [] == caplog.messages
    answer = {"apiVersion": version, "kind": "ExecCredential", "status": {"token": fake.token}}
    write(plugin, f"#!/bin/sh\necho '{json.dumps(answer)}'\n")
    source.expect_reads(A)
    source.end()
    fake.cut()
    source.expect_end()
    assert handlers == logging.getLogger().handlers


def test_a_credential_plugin_that_is_missing_is_told(fake: FakeKube, follow: Follow) -> None:
    fake.write_kubeconfig(
        fake.kubeconfig, user={"exec": {"command": "/no/plugin", "apiVersion": "x"}}
    )
    follow().expect_trouble("cannot get credentials", "/no/plugin")


# --- who is refused, and by what


def test_a_wrong_token_names_the_user_of_the_kubeconfig(fake: FakeKube, follow: Follow) -> None:
    fake.write_kubeconfig(fake.kubeconfig, user={"token": "hunter2"})
    trouble = follow().expect_trouble(f"the login of user 'admin' in {fake.kubeconfig} was refused")
    assert "hunter2" not in trouble.message


@pytest.mark.parametrize(
    ("subject", "words"),
    [
        ("system:serviceaccount:default:web", "the service account default/web needs list, watch"),
        ("jane", "the user jane needs"),
        (None, "the user admin needs"),
    ],
)
def test_a_refusal_that_names_nobody_names_who_the_token_is_for(
    fake: FakeKube, follow: Follow, subject: str | None, words: str
) -> None:
    claims = base64.urlsafe_b64encode(json.dumps({"sub": subject}).encode()).decode().rstrip("=")
    token = f"eyJh.{claims}.c2ln" if subject else "opaque"
    fake.write_kubeconfig(fake.kubeconfig, user={"token": token})
    fake.answer_next("list", 403, b"go away", times=-1)
    follow().expect_trouble("cannot read configmap production/nginx: forbidden; ", words)


def test_a_server_with_another_ca_is_not_trusted_and_the_ca_is_named(
    fake: FakeKube, follow: Follow, tmp_path: object
) -> None:
    other = write(f"{tmp_path}/other.crt", Authority().pem)
    write(
        fake.kubeconfig,
        json.dumps(
            {
                **FINE,
                "clusters": [
                    {"name": "c", "cluster": {"server": fake.url, "certificate-authority": other}}
                ],
            }
        ),
    )
    trouble = follow().expect_trouble(
        f"cannot trust the API server at {fake.url}: ", f"checked with {other}"
    )
    assert "unreachable" == trouble.reason
    assert not trouble.fatal


def test_a_server_that_is_not_there_is_told_with_its_address(
    fake: FakeKube, follow: Follow
) -> None:
    fake.down()
    trouble = follow().expect_trouble(
        f"cannot reach the API server at {fake.url}: connection refused; check that it is up",
        f"`server` in {fake.kubeconfig}",
    )
    assert "unreachable" == trouble.reason


def test_a_password_in_the_address_of_a_server_is_not_said(fake: FakeKube, follow: Follow) -> None:
    fake.down()
    address = f"127.0.0.1:{fake.port}"
    fake.write_kubeconfig(fake.kubeconfig, cluster={"server": f"https://me:hunter2@{address}"})
    assert "hunter2" not in follow().expect_trouble("connection refused", address).message


def test_a_server_that_comes_up_later_is_used(fake: FakeKube, follow: Follow) -> None:
    fake.create("nginx", {"k": "a"})
    fake.down()
    source = follow()
    source.expect_trouble("connection refused")
    fake.up()
    source.expect_reads(A)


def test_a_server_that_is_no_api_server_is_told(fake: FakeKube, follow: Follow) -> None:
    fake.write_kubeconfig(fake.kubeconfig, cluster={"server": f"{fake.url}/somewhere"})
    follow().expect_trouble(
        "not found; is", f"{fake.url}/somewhere a Kubernetes API server?", fake.kubeconfig
    )


# --- small things


def test_the_namespace_is_known_before_a_connection(fake: FakeKube, pod: Access) -> None:
    assert "production" == namespace(pod)
    assert "production" == namespace(Access(fake.kubeconfig))
    fake.write_kubeconfig(fake.kubeconfig, context={"namespace": None})
    assert "default" == namespace(Access(fake.kubeconfig))
    with pytest.raises(CredentialsError, match="no such context 'x'; contexts are fake"):
        namespace(Access(fake.kubeconfig, "x"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Bearer abc.def refused", "Bearer *** refused"),
        ("basic dXNlcjpwdw==", "basic ***"),
        ("got eyJh.eyJi.c-_ from it", "got *** from it"),
        ("at https://user:pw@host:6443/x", "at https://***@host:6443/x"),
        ("nothing to hide: https://host/a", "nothing to hide: https://host/a"),
    ],
)
def test_what_looks_like_a_credential_is_not_said(text: str, expected: str) -> None:
    assert expected == redact(text)


def test_the_collector_runs_again_after_the_import(fake: FakeKube, follow: Follow) -> None:
    fake.create("nginx", {"k": "a"})
    follow().expect_reads(A)

    def enabled() -> None:
        assert gc.isenabled()

    wait_until(enabled)
