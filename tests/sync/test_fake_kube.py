"""The contract of an API server, the ground of the other tests, over REST.

TEST_KUBECONFIG puts the same questions to a real server: where they differ, the fake is wrong.
"""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
import urllib3

from tests.fake_kube import FakeKube, WatchList
from tests.harness import wait_until
from tests.real_kube import RealKube


@pytest.fixture
def rest(kube: FakeKube | RealKube) -> Iterator[RealKube]:
    """The server's REST API, in a namespace of its own."""
    if isinstance(kube, RealKube):
        yield kube
        return
    client = RealKube(kube.kubeconfig)
    yield client
    client.close()


def test_change_of_nothing_makes_no_new_version(rest: RealKube) -> None:
    first = rest.create("app", {"k": "a"}, {"b": b"\0"})
    same = rest.change("app", {"k": "a"}, {"b": b"\0"})
    other = rest.change("app", {"k": "b"})
    assert first["metadata"]["resourceVersion"] == same["metadata"]["resourceVersion"]
    assert first["metadata"]["resourceVersion"] != other["metadata"]["resourceVersion"]
    assert first["metadata"]["uid"] == other["metadata"]["uid"]
    assert "binaryData" not in other


def test_annotation_changes_the_version_and_not_the_data(rest: RealKube) -> None:
    first = rest.create("app", {"k": "a"})
    second = rest.annotate("app", "note", "x")
    assert {"note": "x"} == second["metadata"]["annotations"]
    assert {"k": "a"} == second["data"]
    assert first["metadata"]["resourceVersion"] != second["metadata"]["resourceVersion"]
    assert second["metadata"]["managedFields"][0]["time"]


def test_new_object_of_an_old_name_has_another_uid(rest: RealKube) -> None:
    first = rest.create("app", {"k": "a"})
    rest.delete("app")
    assert first["metadata"]["uid"] != rest.create("app", {"k": "a"})["metadata"]["uid"]


def test_secret_is_opaque_and_its_data_is_base64(rest: RealKube) -> None:
    secret = rest.create("app", {"k": "a"}, kind="secret")
    assert "Opaque" == secret["type"]
    assert {"k": "YQ=="} == secret["data"]


@pytest.mark.parametrize(
    ("name", "data", "binary", "words"),
    [
        ("app", {"a/b": "x"}, {}, "422.*a valid config key must consist of alphanumeric"),
        ("app", {"..": "x"}, {}, "422"),
        ("app", {"..a": "x"}, {}, "422"),
        ("app", {"k" * 254: "x"}, {}, "422"),
        ("app", {"k": "x"}, {"k": b"y"}, "422.*duplicate of key"),
        ("app", {"k": "x" * (1 << 20), "l": "x"}, {}, "422.*Too long: (must|may)"),
        ("Not_a_name", {}, {}, "422.*a lowercase RFC 1123 subdomain must"),
        ("app", {"k": 5}, {}, "400"),
    ],
)
def test_invalid_object_is_refused(
    rest: RealKube, name: str, data: dict[str, Any], binary: dict[str, bytes], words: str
) -> None:
    with pytest.raises(AssertionError, match=words):
        rest.create(name, data, binary)


def test_missing_and_double_objects_are_refused(rest: RealKube) -> None:
    rest.create("app")
    with pytest.raises(AssertionError, match=r"409.*already exists"):
        rest.create("app")
    with pytest.raises(AssertionError, match=r'404.*configmaps .."other.." not found'):
        rest.change("other")


def test_request_over_three_mebibytes_is_refused(rest: RealKube) -> None:
    with pytest.raises(AssertionError, match=r"413.*too large"):
        rest.create("app", {"k": "x" * (3 << 20)})


def test_restarted_server_forbids_all_for_a_while(fake: FakeKube) -> None:
    client = RealKube(fake.kubeconfig)
    client.create("app")
    fake.down()
    fake.up(forbidding=0.5)
    with pytest.raises(AssertionError, match=r"403.*is forbidden: User"):
        client.get("app")

    def allowed() -> None:
        assert "app" == client.get("app")["metadata"]["name"]

    wait_until(allowed)
    client.close()


WATCH_LIST = "watch=1&sendInitialEvents=true&allowWatchBookmarks=true&timeoutSeconds=1"


def test_watch_list_begins_with_the_objects_and_a_bookmark(fake: FakeKube) -> None:
    fake.create("app", {"k": "a"})
    fake.create("web", {"k": "b"})
    first, second, mark = map(
        json.loads, watched(fake, f"{WATCH_LIST}&resourceVersionMatch=NotOlderThan")
    )
    assert ["ADDED", "app"] == [first["type"], first["object"]["metadata"]["name"]]
    assert ["ADDED", "web"] == [second["type"], second["object"]["metadata"]["name"]]
    assert ["BOOKMARK", {"k8s.io/initial-events-end": "true"}] == [
        mark["type"],
        mark["object"]["metadata"]["annotations"],
    ]


def test_watch_list_without_a_match_is_refused(fake: FakeKube) -> None:
    with pytest.raises(urllib.error.HTTPError, match="422"):
        watched(fake, WATCH_LIST)


@pytest.mark.parametrize(
    ("release", "status"),
    [(WatchList.GATED, "422"), (WatchList.UNKNOWN, "422"), (WatchList.FILTERED, "400")],
)
def test_unsupported_watch_list_is_refused(fake: FakeKube, release: WatchList, status: str) -> None:
    fake.watch_list = release
    with pytest.raises(urllib.error.HTTPError, match=status):
        watched(fake, f"{WATCH_LIST}&resourceVersionMatch=NotOlderThan")


def test_oldest_servers_send_the_objects_and_no_bookmark(fake: FakeKube) -> None:
    fake.watch_list = WatchList.IGNORED
    fake.create("app", {"k": "a"})
    (only,) = map(json.loads, watched(fake, f"{WATCH_LIST}&resourceVersionMatch=NotOlderThan"))
    assert "ADDED" == only["type"]


def watched(fake: FakeKube, query: str, path: str = "") -> list[bytes]:
    """The lines of a watch to its end, of the ConfigMaps by default."""
    path = path or f"/api/v1/namespaces/{fake.namespace}/configmaps"
    address = f"{fake.url}{path}?{query}"
    request = urllib.request.Request(address, headers={"Authorization": f"Bearer {fake.token}"})
    context = ssl.create_default_context(cadata=fake.authority.pem)
    with urllib.request.urlopen(request, timeout=10, context=context) as answer:
        return list(answer)


def test_program_serves_a_directory_and_its_edits(tmp_path: object) -> None:
    folder = f"{tmp_path}/shop/nginx"
    os.makedirs(folder)
    path = os.path.join(folder, "nginx.conf")
    with open(path, "w") as out:
        out.write("one")
    command = [sys.executable, "-m", "tests.fake_kube", "--dir", str(tmp_path)]
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as program:
        assert program.stdout is not None
        kubeconfig = program.stdout.readline().strip()
        assert f"{tmp_path}/kubeconfig" == kubeconfig
        client = RealKube(kubeconfig)
        client.namespace = "shop"
        assert {"nginx.conf": "one"} == client.get("nginx")["data"]
        with open(path, "w") as out:
            out.write("two")

        def edited() -> None:
            assert {"nginx.conf": "two"} == client.get("nginx")["data"]

        wait_until(edited)
        program.send_signal(signal.SIGTERM)
        assert 0 == program.wait(10)
        client.forget()


def test_lease_is_created_once(rest: RealKube) -> None:
    made = rest.create_lease("web", {"note": "x"}, holderIdentity="a", leaseDurationSeconds=5)
    assert {"holderIdentity": "a", "leaseDurationSeconds": 5} == made["spec"]
    assert {"note": "x"} == made["metadata"]["annotations"]
    with pytest.raises(AssertionError, match=r"409.*already exists"):
        rest.create_lease("web")


def test_lease_is_absent_until_it_is_put(rest: RealKube) -> None:
    assert rest.lease("web") is None
    made = rest.put_lease("web", holderIdentity="a")
    assert made == rest.lease("web")
    rest.delete("web", kind="lease")
    assert rest.lease("web") is None


def test_update_of_an_older_version_is_refused(rest: RealKube) -> None:
    old = rest.create_lease("web", holderIdentity="a")
    new = rest.replace("web", {**old, "spec": {"holderIdentity": "b"}}, kind="lease")
    with pytest.raises(AssertionError, match=r"409.*please apply your changes"):
        rest.replace("web", {**old, "spec": {"holderIdentity": "c"}}, kind="lease")
    assert new == rest.lease("web")


@pytest.mark.parametrize("kind", ["configmap", "secret"])
def test_content_of_an_older_version_is_refused(rest: RealKube, kind: str) -> None:
    old = rest.create("app", {"k": "a"}, kind=kind)
    rest.change("app", {"k": "b"}, kind=kind)
    with pytest.raises(AssertionError, match=r"409.*please apply your changes"):
        rest.replace("app", old, kind=kind)


def test_update_without_a_version_is_a_matter_of_the_kind(rest: RealKube) -> None:
    """A ConfigMap is overwritten; a Lease is refused."""
    rest.create("app", {"k": "a"})
    lease = rest.create_lease("web")
    del lease["metadata"]["resourceVersion"]
    body = {"metadata": {"name": "app"}, "data": {"k": "b"}}
    assert {"k": "b"} == rest.replace("app", body)["data"]
    with pytest.raises(AssertionError, match=r"422.*must be specified for an update"):
        rest.replace("web", lease, kind="lease")


def test_update_creates_a_missing_lease_unless_it_has_a_uid(rest: RealKube) -> None:
    old = rest.put_lease("web", holderIdentity="a")
    rest.delete("web", kind="lease")
    with pytest.raises(AssertionError, match=r"409.*Precondition failed: UID"):
        rest.replace("web", old, kind="lease")
    new = rest.put_lease("web", holderIdentity="b")
    assert old["metadata"]["uid"] != new["metadata"]["uid"]
    with pytest.raises(AssertionError, match=r"409.*Precondition failed: UID"):
        rest.replace("web", old, kind="lease")


def test_update_keeps_owners_labels_and_other_fields(rest: RealKube) -> None:
    made = rest.create_lease("web", {"note": "x"}, leaseTransitions=3)
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "a", "uid": "1"}
    meta = {**made["metadata"], "labels": {"app": "web"}, "ownerReferences": [owner]}
    put = rest.replace("web", {**made, "metadata": meta}, kind="lease")
    assert {"app": "web"} == put["metadata"]["labels"]
    assert [owner] == put["metadata"]["ownerReferences"]
    assert {"leaseTransitions": 3} == put["spec"]


@pytest.mark.parametrize(
    ("annotations", "spec", "words"),
    [
        ({"a": "x" * (1 << 18)}, {}, "422.*Too long: may not be more than 262144 bytes"),
        ({"a": 5}, {}, "400"),
        ({}, {"leaseDurationSeconds": 0}, "422.*must be greater than 0"),
        ({}, {"leaseDurationSeconds": "5"}, "400"),
        ({}, {"renewTime": "yesterday"}, "400.*yesterday"),
    ],
)
def test_invalid_lease_is_refused(
    rest: RealKube, annotations: dict[str, Any], spec: dict[str, Any], words: str
) -> None:
    with pytest.raises(AssertionError, match=words):
        rest.create_lease("web", annotations, **spec)


def test_watch_of_a_lease_begins_with_it(fake: FakeKube) -> None:
    fake.put_lease("web", holderIdentity="a")
    fake.put_lease("other")
    query = f"{WATCH_LIST}&resourceVersionMatch=NotOlderThan&fieldSelector=metadata.name%3Dweb"
    first, mark = map(json.loads, watched(fake, query, lease_path(fake)))
    assert ["ADDED", "web", "Lease"] == [
        first["type"],
        first["object"]["metadata"]["name"],
        first["object"]["kind"],
    ]
    assert ["BOOKMARK", "coordination.k8s.io/v1"] == [mark["type"], mark["object"]["apiVersion"]]


def test_watch_from_a_version_tells_all_since(fake: FakeKube) -> None:
    since = fake.put_lease("web", holderIdentity="a")["metadata"]["resourceVersion"]
    fake.put_lease("web", holderIdentity="b")
    fake.delete("web", kind="lease")
    query = f"watch=1&timeoutSeconds=1&resourceVersion={since}"
    events = [json.loads(line) for line in watched(fake, query, lease_path(fake))]
    assert ["MODIFIED", "DELETED"] == [event["type"] for event in events]
    fake.store.compact()
    with pytest.raises(urllib.error.HTTPError, match="410"):
        watched(fake, query, lease_path(fake))


def lease_path(fake: FakeKube) -> str:
    return f"/apis/coordination.k8s.io/v1/namespaces/{fake.namespace}/leases"


def test_forbidden_verb_of_a_resource_leaves_the_others(fake: FakeKube) -> None:
    client = RealKube(fake.kubeconfig)
    lease = client.put_lease("web")
    fake.forbid("update leases")
    with pytest.raises(AssertionError, match=r"403.*cannot update resource .."):
        client.replace("web", lease, kind="lease")
    assert client.lease("web") == lease
    fake.permit()
    client.put_lease("web", holderIdentity="a")
    client.close()


def test_put_of_a_missing_lease_needs_the_right_to_create(fake: FakeKube) -> None:
    client = RealKube(fake.kubeconfig)
    fake.forbid("create leases")
    with pytest.raises(AssertionError, match=r"403.*cannot create resource"):
        client.put_lease("web")
    fake.permit("create leases")
    client.close()


def test_lost_answer_is_of_a_write_that_happened(fake: FakeKube) -> None:
    client = RealKube(fake.kubeconfig)
    made = client.put_lease("web", holderIdentity="a")
    fake.lose_answer("update leases")
    with pytest.raises(urllib3.exceptions.HTTPError):
        client.replace("web", {**made, "spec": {"holderIdentity": "b"}}, kind="lease")
    now = client.lease("web")
    assert now is not None
    assert {"holderIdentity": "b"} == now["spec"]
    client.close()


def test_rival_forestalls_as_many_updates_as_ordered(fake: FakeKube) -> None:
    client = RealKube(fake.kubeconfig)
    client.put_lease("web", holderIdentity="a")
    fake.forestall("web", 2)
    for _ in range(2):
        with pytest.raises(AssertionError, match=r"409.*please apply your changes"):
            client.put_lease("web", holderIdentity="b")
    assert {"holderIdentity": "b"} == client.put_lease("web", holderIdentity="b")["spec"]
    assert [409, 409] == [ask.status for ask in fake.asked("update leases")][1:3]
    client.close()
