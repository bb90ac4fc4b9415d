"""The Kubernetes source finds its API server and its login, or names the reason."""

from __future__ import annotations

import base64
import gc
import json
import os
from collections.abc import Callable

import pytest

from config_supervisor.sources.kubernetes.api_errors import redact
from config_supervisor.sources.kubernetes.credentials import Access, CredentialsError, namespace
from tests.fake_kube import FakeKube
from tests.fake_kube_tls import Authority
from tests.harness import wait_until
from tests.sync.following import Following

Follow = Callable[..., Following]

A, B = {"k": b"a"}, {"k": b"b"}


# --- in a pod


def test_pod_uses_the_service_account_and_no_proxy(
    fake: FakeKube, follow: Follow, pod: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    fake.create("nginx", {"k": "a"})
    source = follow(access=pod, namespace="")
    source.expect_reads(A)
    assert "configmap production/nginx" == str(source.source.label)


def test_newline_after_the_token_is_stripped(fake: FakeKube, follow: Follow, pod: Access) -> None:
    fake.create("nginx", {"k": "a"})
    fake.write_service_account(pod.account, fake.token + "\n")
    follow(access=pod).expect_reads(A)


def test_token_rotated_in_time_costs_no_refusal(
    fake: FakeKube, follow: Follow, pod: Access
) -> None:
    fake.create("nginx", {"k": "a"})
    source = follow(access=pod)
    source.expect_watching()
    fake.write_service_account(pod.account, fake.rotate_token())
    fake.cut()
    source.expect_watching(2)
    assert [] == [ask for ask in fake.log if ask.status == 401]


def test_token_rotated_too_late_is_named_and_then_used(
    fake: FakeKube, follow: Follow, pod: Access
) -> None:
    fake.create("nginx", {"k": "a"})
    source = follow(access=pod)
    source.expect_watching()
    fake.rotate_token()
    fake.cut()
    failure = source.expect_failure(
        "cannot read configmap production/nginx: unauthorized; ",
        f"the token in {pod.account}/token was refused",
    )
    assert "unauthorized" == failure.reason
    fake.write_service_account(pod.account)
    fake.change("nginx", {"k": "b"})
    source.expect_reads(A, B)


def test_vanished_token_file_fails_until_it_is_back(
    fake: FakeKube, follow: Follow, pod: Access
) -> None:
    fake.create("nginx", {"k": "a"})
    source = follow(access=pod)
    source.expect_watching()
    os.remove(f"{pod.account}/token")
    fake.cut("fin")
    source.expect_failure(f"cannot read the token {pod.account}/token: no such file or directory")
    fake.write_service_account(pod.account)
    fake.change("nginx", {"k": "b"})
    source.expect_reads(A, B)


def test_ipv6_address_of_the_server_is_bracketed(
    follow: Follow, pod: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "::1")
    follow(access=pod).expect_failure("cannot reach the API server at https://[::1]:")


def test_pod_without_a_token_gets_a_remedy(follow: Follow, pod: Access) -> None:
    os.remove(f"{pod.account}/token")
    source = follow(access=pod)
    source.expect_end()
    failure = source.expect_failure(
        f"{pod.account}/token", "automountServiceAccountToken", "--kubeconfig"
    )
    assert failure.fatal
    assert "config" == failure.reason


def test_service_account_without_a_ca_is_reported(follow: Follow, pod: Access) -> None:
    os.remove(f"{pod.account}/ca.crt")
    source = follow(access=pod)
    source.expect_end()
    assert source.expect_failure(f"cannot read {pod.account}/ca.crt").fatal


def test_no_pod_and_no_kubeconfig_is_fatal(
    follow: Follow, pod: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST")
    source = follow(access=pod)
    source.expect_end()
    failure = source.expect_failure(
        "KUBERNETES_SERVICE_HOST is not set", "no-kubeconfig", "give --kubeconfig FILE"
    )
    assert failure.fatal
    assert [("failed", (failure, 0))] == [(kind, value) for _, kind, value in source.calls]


def test_named_kubeconfig_precedes_the_service_account(
    fake: FakeKube, follow: Follow, pod: Access
) -> None:
    fake.create("nginx", {"k": "a"})
    fake.write_service_account(pod.account, "wrong")
    source = follow(access=pod.replace(kubeconfig=fake.kubeconfig))
    source.expect_reads(A)


# --- refusals


def test_wrong_token_names_the_user_of_the_kubeconfig(fake: FakeKube, follow: Follow) -> None:
    fake.write_kubeconfig(fake.kubeconfig, user={"token": "hunter2"})
    failure = follow().expect_failure(f"the login of user 'admin' in {fake.kubeconfig} was refused")
    assert "hunter2" not in failure.message


@pytest.mark.parametrize(
    ("subject", "words"),
    [
        ("system:serviceaccount:default:web", "the service account default/web needs list, watch"),
        ("jane", "the user jane needs"),
        (None, "the user admin needs"),
    ],
)
def test_refusal_without_a_user_names_that_of_the_token(
    fake: FakeKube, follow: Follow, subject: str | None, words: str
) -> None:
    claims = base64.urlsafe_b64encode(json.dumps({"sub": subject}).encode()).decode().rstrip("=")
    token = f"eyJh.{claims}.c2ln" if subject else "opaque"
    fake.write_kubeconfig(fake.kubeconfig, user={"token": token})
    fake.answer_next("read", 403, b"go away", times=-1)
    follow().expect_failure("cannot read configmap production/nginx: forbidden; ", words)


def test_server_of_another_ca_is_refused_with_the_ca_file(
    fake: FakeKube, follow: Follow, tmp_path: object
) -> None:
    fake.write_kubeconfig_and_ca(f"{tmp_path}/other", Authority().pem)
    failure = follow().expect_failure(
        f"cannot trust the API server at {fake.url}: ", f"checked with {fake.kubeconfig}.crt"
    )
    assert "unreachable" == failure.reason
    assert not failure.fatal


def test_missing_server_is_reported_with_its_address(fake: FakeKube, follow: Follow) -> None:
    fake.down()
    failure = follow().expect_failure(
        f"cannot reach the API server at {fake.url}: connection refused; check that it is up",
        f"`server` in {fake.kubeconfig}",
    )
    assert "unreachable" == failure.reason


def test_password_in_a_server_address_is_never_shown(fake: FakeKube, follow: Follow) -> None:
    fake.down()
    address = f"127.0.0.1:{fake.port}"
    fake.write_kubeconfig(fake.kubeconfig, cluster={"server": f"https://me:hunter2@{address}"})
    assert "hunter2" not in follow().expect_failure("connection refused", address).message


def test_server_started_later_is_used(fake: FakeKube, follow: Follow) -> None:
    fake.create("nginx", {"k": "a"})
    fake.down()
    source = follow()
    source.expect_failure("connection refused")
    fake.up()
    source.expect_reads(A)


def test_server_without_the_api_is_reported(fake: FakeKube, follow: Follow) -> None:
    fake.write_kubeconfig(fake.kubeconfig, cluster={"server": f"{fake.url}/somewhere"})
    follow().expect_failure(
        "not found; is", f"{fake.url}/somewhere a Kubernetes API server?", fake.kubeconfig
    )


@pytest.mark.parametrize(
    ("proxy", "words"),
    [
        ("socks5://127.0.0.1:1", "a SOCKS proxy needs the package PySocks"),
        ("::::", "it is not the address of a proxy"),
        ("ftp://127.0.0.1:1", "it is not the address of a proxy"),
    ],
)
def test_unusable_proxy_is_named(fake: FakeKube, follow: Follow, proxy: str, words: str) -> None:
    fake.write_kubeconfig(fake.kubeconfig, cluster={"proxy-url": proxy})
    source = follow()
    source.expect_end()
    expected = f"cannot use the proxy {proxy} (proxy-url, HTTPS_PROXY): {words}"
    assert source.expect_failure(expected, "name one as http://HOST:PORT").fatal


@pytest.mark.parametrize("token", ["a\nb", "a\r\nb: c", "a\x00", "ä"])
def test_token_that_no_header_may_have_is_named(fake: FakeKube, follow: Follow, token: str) -> None:
    fake.create("nginx", {"k": "a"})
    fake.write_kubeconfig(fake.kubeconfig, user={"token": token})
    source = follow()
    failure = source.expect_failure(
        f"cannot send the login of user 'admin' in {fake.kubeconfig}: it has a line break"
    )
    assert "unauthorized" == failure.reason
    assert not failure.fatal
    fake.write_kubeconfig(fake.kubeconfig)
    source.expect_reads(A)


def test_token_file_of_two_lines_is_named(fake: FakeKube, follow: Follow, pod: Access) -> None:
    fake.create("nginx", {"k": "a"})
    fake.write_service_account(pod.account, "a\nb: c")
    source = follow(access=pod)
    source.expect_failure(f"cannot send the token in {pod.account}/token: it has a line break")
    fake.write_service_account(pod.account)
    source.expect_reads(A)


def test_unusable_client_certificate_is_named(fake: FakeKube, follow: Follow) -> None:
    user = {"client-certificate-data": "eHh4", "client-key-data": "eHh4"}
    fake.write_kubeconfig(fake.kubeconfig, user=user)
    follow().expect_failure(
        f"cannot use the login of user 'admin' in {fake.kubeconfig}: its client certificate and"
        " key are refused (PEM lib); check that both are PEM and belong together"
    )


def test_client_certificate_with_another_key_is_named(fake: FakeKube, follow: Follow) -> None:
    one = fake.authority.client_certificate("one")
    other = fake.authority.client_certificate("other")
    fake.write_kubeconfig(
        fake.kubeconfig,
        user={
            "client-certificate-data": base64.b64encode(one.pem.encode()).decode(),
            "client-key-data": base64.b64encode(other.key.encode()).decode(),
        },
    )
    follow().expect_failure("its client certificate and key are refused (key values mismatch)")


# --- small things


def test_namespace_is_known_before_a_connection(fake: FakeKube, pod: Access) -> None:
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
def test_text_like_a_credential_is_redacted(text: str, expected: str) -> None:
    assert expected == redact(text)


def test_collector_runs_again_after_the_import(fake: FakeKube, follow: Follow) -> None:
    fake.create("nginx", {"k": "a"})
    follow().expect_reads(A)

    def enabled() -> None:
        assert gc.isenabled()

    wait_until(enabled)
