"""New credentials end the pause of the Kubernetes source after a refusal."""

from __future__ import annotations

from collections.abc import Callable

from config_supervisor.sources.kubernetes.credentials import Access
from tests.fake_kube import FakeKube
from tests.fake_kube_files import write
from tests.fake_kube_tls import Authority
from tests.sync.following import QUICK, Following, until_count

Follow = Callable[..., Following]

A = {"k": b"a"}


SLOW = QUICK.replace(base=600, short=600, cap=600)


def test_new_token_ends_the_pause(fake: FakeKube, follow: Follow, pod: Access) -> None:
    fake.create("nginx", {"k": "a"})
    fake.write_service_account(pod.account, "expired")
    source = follow(access=pod, timing=SLOW)
    source.expect_failure("unauthorized")
    assert 60 <= source.reports("failed")[0][1]
    fake.write_service_account(pod.account)
    source.expect_reads(A)


def test_new_ca_ends_the_pause(fake: FakeKube, follow: Follow, pod: Access) -> None:
    fake.create("nginx", {"k": "a"})
    write(f"{pod.account}/ca.crt", Authority().pem)
    source = follow(access=pod, timing=SLOW)
    source.expect_failure("cannot trust the API server")
    fake.write_service_account(pod.account)
    source.expect_reads(A)


def test_new_token_file_of_a_kubeconfig_ends_the_pause(
    fake: FakeKube, follow: Follow, tmp_path: object
) -> None:
    fake.create("nginx", {"k": "a"})
    token = write(f"{tmp_path}/token", "expired")
    fake.write_kubeconfig(fake.kubeconfig, user={"tokenFile": "token"})
    source = follow(timing=SLOW)
    source.expect_failure("unauthorized")
    write(token, fake.token)
    source.expect_reads(A)


def test_unchanged_credentials_leave_the_pause(fake: FakeKube, follow: Follow, pod: Access) -> None:
    fake.write_service_account(pod.account, "expired")
    source = follow(access=pod, timing=QUICK.replace(base=3, short=3, cap=3))
    until_count(2, lambda: source.reports("failed"))
    (_, pause), *_ = source.reports("failed")
    first, second = source.when("failed")[:2]
    assert pause <= second - first
    assert len(fake.asked("read", 401)) < 6
