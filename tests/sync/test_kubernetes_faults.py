"""Wrong answers, refusals and errors: the Kubernetes source reports, retries, loses no content."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from config_supervisor.runtime import log
from tests.fake_kube import FakeKube, WatchList
from tests.fake_kube_users import ADMIN, Rule
from tests.sync.following import QUICK, Following, both_ways, gaps, until_count

Follow = Callable[..., Following]

A, B = {"k": b"a"}, {"k": b"b"}

pytestmark = both_ways


def change(fake: FakeKube, value: bytes) -> None:
    fake.change("nginx", {"k": value.decode()})


# --- answers that are wrong


@pytest.mark.parametrize(
    "line",
    [
        b"{nonsense}\n",
        b"[]\n",
        b'{"type": "ADDED"}\n',
        b'{"type": "NEW", "object": {}}\n',
        b"\xff\xfe\xfd\n",
    ],
)
def test_line_without_an_event_fails_and_lists_again(
    fake: FakeKube, follow: Follow, line: bytes
) -> None:
    fake.create("nginx", {"k": "a"})
    source = follow()
    source.expect_watching()
    fake.inject(line)
    source.expect_failure("cannot read configmap production/nginx: ")
    assert "bad_data" == source.failures[0].reason
    source.expect_watching(2)
    change(fake, b"b")
    source.expect_last_read(B)
    assert ["bad_data"] == source.reports("restarted")


def test_endless_line_fails_at_ten_mebibytes(fake: FakeKube, follow: Follow) -> None:
    fake.create("nginx", {"k": "a"})
    source = follow()
    source.expect_watching()
    fake.inject(b"x" * (11 << 20))
    source.expect_failure("the answer is longer than 10 MiB")
    change(fake, b"b")
    source.expect_last_read(B)


def test_blank_line_is_skipped(fake: FakeKube, follow: Follow) -> None:
    fake.create("nginx", {"k": "a"})
    source = follow()
    source.expect_watching()
    fake.inject(b"\n \r\n")
    change(fake, b"b")
    source.expect_reads(A, B)
    assert [] == source.reports("restarted")


def test_bookmark_is_only_counted(fake: FakeKube, follow: Follow) -> None:
    fake.create("nginx", {"k": "a"})
    source = follow()
    source.expect_watching()
    fake.bookmark()
    change(fake, b"b")
    source.expect_reads(A, B)
    assert ["bookmark", "modified"] == source.reports("watched")[-2:]


def test_error_event_is_reported_with_its_message(fake: FakeKube, follow: Follow) -> None:
    fake.create("nginx", {"k": "a"})
    source = follow()
    source.expect_watching()
    status = {"kind": "Status", "code": 500, "message": "etcdserver: no leader"}
    fake.inject(json.dumps({"type": "ERROR", "object": status}).encode() + b"\n")
    failure = source.expect_failure("configmap production/nginx", "500 etcdserver: no leader")
    assert "server_error" == failure.reason
    assert ["http"] == source.reports("restarted")
    source.expect_watching(2)


def test_object_of_another_name_is_skipped(fake: FakeKube, follow: Follow) -> None:
    other = fake.create("other", {"k": "x"})
    fake.answer_next(
        "list",
        200,
        json.dumps({"metadata": {"resourceVersion": "1001"}, "items": [other]}).encode(),
    )
    source = follow()
    source.expect_watching()
    fake.inject(json.dumps({"type": "MODIFIED", "object": other}).encode() + b"\n")
    fake.create("nginx", {"k": "a"})
    source.expect_reads(None, A)


@pytest.mark.parametrize(
    "body", [b"<html>log in</html>", b"{}", b'{"items": 1, "metadata": {}}', b"[]"]
)
def test_answer_without_a_list_fails_and_is_retried(
    fake: FakeKube, follow: Follow, body: bytes
) -> None:
    fake.create("nginx", {"k": "a"})
    fake.answer_next("read", 200, body, times=2)
    source = follow()
    assert (
        "bad_data" == source.expect_failure("cannot read configmap production/nginx: the ").reason
    )
    source.expect_reads(A)


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ({"binaryData": {"k": "%%%"}}, "the value of 'k' in binaryData is not base64"),
        ({"data": {"k": 5}}, "the value of 'k' in data is not text"),
        ({"data": ["k"]}, "data is not a map"),
        ({"data": {"k": "\ud800"}}, "the value of 'k' in data is not text"),
    ],
)
def test_undecodable_content_is_named_and_the_last_stays(
    fake: FakeKube, follow: Follow, broken: dict[str, Any], words: str
) -> None:
    obj = fake.create("nginx", {"k": "a"})
    source = follow()
    source.expect_watching()
    fake.inject(json.dumps({"type": "MODIFIED", "object": {**obj, **broken}}).encode() + b"\n")
    assert "bad_data" == source.expect_failure(words).reason
    change(fake, b"b")
    source.expect_last_read(B)
    assert None not in source.reads


# --- refusals and backing off


def test_server_errors_are_retried_with_growing_pauses(fake: FakeKube, follow: Follow) -> None:
    fake.create("nginx", {"k": "a"})
    fake.answer_next("read", 500, times=5)
    source = follow(timing=QUICK.replace(base=0.1, cap=2))
    source.expect_reads(A)
    waits = [retry_in for _, retry_in in source.reports("failed")]
    assert 4 == len(waits)  # the first is of WatchList alone, and a list follows
    for number, (wait, gap) in enumerate(zip(waits, gaps(fake.asked("read"))[1:], strict=True), 1):
        assert 0.01 * 2**number <= wait <= 0.1 * 2**number
        assert wait <= gap
    assert "server_error" == source.failures[0].reason
    assert "500 the server is currently unable" in source.failures[0].message


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_a_minimum(fake: FakeKube, follow: Follow, status: int) -> None:
    fake.create("nginx", {"k": "a"})
    fake.answer_next("read", status, headers={"Retry-After": "1"})
    source = follow()
    source.expect_reads(A)
    assert 1 <= gaps(fake.asked("read"))[0] < 5


def test_retry_after_is_capped(fake: FakeKube, follow: Follow) -> None:
    fake.answer_next("read", 503, headers={"Retry-After": "86400"})
    source = follow()
    source.expect_failure("503")
    assert 300 <= source.reports("failed")[0][1] <= 451


def test_forbidden_for_a_while_is_reported_until_allowed(fake: FakeKube, follow: Follow) -> None:
    fake.create("nginx", {"k": "a"})
    fake.allow(ADMIN)
    source = follow()
    words = "forbidden; the service account default/web needs list, watch on it (see docs/rbac.md)"
    assert (
        "forbidden"
        == source.expect_failure(f"cannot read configmap production/nginx: {words}").reason
    )
    until_count(3, lambda: source.failures)
    fake.allow_all(ADMIN)
    source.expect_reads(A)
    assert source.reports("contact")


def test_role_for_the_name_is_enough(fake: FakeKube, follow: Follow) -> None:
    fake.create("nginx", {"k": "a"})
    fake.create("other", {"k": "x"})
    fake.allow(ADMIN, Rule(("list", "watch"), ("configmaps",), ("nginx",), ("production",)))
    source, other = follow(), follow("other")
    source.expect_watching()
    change(fake, b"b")
    source.expect_reads(A, B)
    other.expect_failure("configmap production/other: forbidden")


def test_end_of_a_failure_is_the_same_content_again(
    fake: FakeKube, follow: Follow, release: WatchList
) -> None:
    fake.create("nginx", {"k": "a"})
    source = follow()
    source.expect_watching()
    fake.answer_next("read", 500, times=2)
    fake.cut("fin")
    source.expect_reads(A, A)
    failed = ["failed"] * (1 if release is WatchList.OFFERED else 2)
    assert len(failed) == len(source.failures)
    told = [kind for _, kind, _ in source.calls if kind in {"failed", "connected", "read"}]
    assert ["read", "connected", "connected", *failed, "connected", "read"] == told


@pytest.mark.parametrize("verb", ["read", "watch"])
def test_single_403_of_a_restarted_server_is_no_failure(
    fake: FakeKube, follow: Follow, verb: str
) -> None:
    """An API server answers 403 until it has loaded its roles."""
    fake.create("nginx", {"k": "a"})
    source = follow()
    source.expect_watching()
    fake.answer_next(verb, 403)
    fake.cut("clean")
    source.expect_watching(2)
    assert [] == source.failures
    assert [A] == source.reads


def test_revoked_role_is_reported_at_the_second_refusal(fake: FakeKube, follow: Follow) -> None:
    fake.create("nginx", {"k": "a"})
    source = follow()
    source.expect_watching()
    fake.allow(ADMIN)
    fake.cut("clean")
    assert "forbidden" == source.expect_failure("needs list, watch on it").reason
    assert 2 == len(fake.asked("list", 403))
    fake.allow_all(ADMIN)
    source.expect_reads(A, A)


def test_first_forbidden_list_is_reported_at_once(fake: FakeKube, follow: Follow) -> None:
    fake.allow(ADMIN)
    source = follow()
    source.expect_failure("needs list, watch on it")
    assert len(fake.asked("list", 403)) <= 2


def test_content_comes_by_lists_without_the_right_to_watch(
    fake: FakeKube, follow: Follow, capfd: pytest.CaptureFixture[str]
) -> None:
    """The log names the right once; the source itself works."""
    fake.create("nginx", {"k": "a"})
    fake.allow(ADMIN, Rule(("list",), ("configmaps",)))
    source = follow()
    for value in (b"b", b"c"):
        until_count(len(fake.asked("watch", 403)) + 3, lambda: fake.asked("watch", 403))
        change(fake, value)
        source.expect_last_read({"k": value})
    source.expect_reads(A, B, {"k": b"c"})
    assert [] == source.failures == source.reports("connected")
    fake.allow(ADMIN, Rule(("list", "watch"), ("configmaps",)))
    source.expect_watching()
    log.flush()
    said = capfd.readouterr().err
    assert 1 == said.count("cannot watch configmap production/nginx: forbidden")
    assert (
        "the service account default/web needs watch beside list on it (see docs/rbac.md)" in said
    )
    assert "listing it every 0.1 to 0.2 s instead" in said
    assert 1 == said.count("configmap production/nginx can be watched now")


def test_outage_without_the_right_to_watch_ends(fake: FakeKube, follow: Follow) -> None:
    fake.create("nginx", {"k": "a"})
    fake.allow(ADMIN, Rule(("list",), ("configmaps",)))
    source = follow()
    until_count(4, lambda: fake.asked("watch", 403))
    fake.answer_next("read", 500, times=2)
    source.expect_failure("500")
    source.expect_reads(A, A)
