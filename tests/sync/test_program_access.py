"""The whole program on the API: rights, tokens and credential plugins."""

from __future__ import annotations

import os
import signal

import pytest

from tests.fake_kube import FakeKube
from tests.fake_kube_users import Rule
from tests.harness import Run, until
from tests.sync.subject import Kube, Subject


@pytest.fixture
def subject(run: Run, kube: Kube, tmp_path: os.PathLike[str]) -> Subject:
    return Subject(run, kube, os.fspath(tmp_path))


def test_refusal_at_the_start_is_told_at_once_and_tried_again(
    subject: Subject, fake: FakeKube
) -> None:
    fake.create("web", {"app.conf": "one"})
    user = "system:serviceaccount:default:web"
    fake.allow(user)
    program = subject.start()
    program.err.expect(
        rf"cannot read configmap {fake.namespace}/web: forbidden; the service account default/web"
        r" needs "
        r"list, watch on it \(see docs/rbac.md\)"
    )
    fake.allow(user, Rule(("list", "watch"), ("configmaps",), ("web",), (fake.namespace,)))
    program.expect("config: one")
    program.err.expect("can be read again")


def test_a_rotated_token_is_taken_from_its_file(
    run: Run, fake: FakeKube, tmp_path: os.PathLike[str]
) -> None:
    token = os.path.join(tmp_path, "token")

    def write() -> None:
        with open(token, "w", encoding="utf-8") as file:
            file.write(fake.token)

    write()
    fake.write_kubeconfig(fake.kubeconfig, user={"tokenFile": token})
    subject = Subject(run, fake, os.fspath(tmp_path))
    program = subject.running("--reload-interval=0s")
    fake.rotate_token()
    write()
    fake.cut("clean")
    until(fake.watchers, 1)
    subject.change("two")
    program.expect("config: two")


@pytest.fixture
def plugin(fake: FakeKube, tmp_path: os.PathLike[str]) -> str:
    """A credential plugin of a kubeconfig: prints the token, or fails if a file tells it to."""
    path = os.path.join(tmp_path, "plugin")
    credential = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential"}
    body = str({**credential, "status": {"token": fake.token}}).replace("'", '"')
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"#!/bin/sh\n[ -e {path}.fail ] && exit 42\ncat <<'END'\n{body}\nEND\n")
    os.chmod(path, 0o700)
    exec_entry = {
        "apiVersion": credential["apiVersion"],
        "command": path,
        "interactiveMode": "Never",
    }
    fake.write_kubeconfig(fake.kubeconfig, user={"exec": exec_entry})
    return path


@pytest.mark.usefixtures("plugin")
def test_a_credential_plugin_works_while_orphans_are_reaped(
    run: Run, fake: FakeKube, tmp_path: object
) -> None:
    subject = Subject(run, fake, str(tmp_path))
    program = subject.running()
    subject.change("two")
    program.expect("config: two")


def test_a_failing_credential_plugin_is_seen_to_fail(
    run: Run, fake: FakeKube, plugin: str, tmp_path: object
) -> None:
    with open(f"{plugin}.fail", "w", encoding="utf-8"):
        pass
    fake.create("web", {"app.conf": "one"})
    program = Subject(run, fake, str(tmp_path)).start("--initial-sync-timeout=4s")
    program.err.expect("42")
    program.finish(125)


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL])
def test_end_leaves_no_file_made_of_a_kubeconfig(
    subject: Subject, run: Run, tmp_path: os.PathLike[str], signum: signal.Signals
) -> None:
    """The client library writes the certificates and keys of a kubeconfig to temporary files."""
    folder = os.path.join(tmp_path, "tmp")
    os.mkdir(folder)
    subject.kube.create("web", {"app.conf": "one"})
    program = subject.start(env={"TMPDIR": folder})
    program.expect("ready")
    (keys,) = os.listdir(folder)
    assert [] == os.listdir(os.path.join(folder, keys))
    program.send(signum)
    program.wait()
    run.kill_left()

    assert [] == [name for _, _, names in os.walk(folder) for name in names]
    assert (signum == signal.SIGKILL) == (keys in os.listdir(folder))
