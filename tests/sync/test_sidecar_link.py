"""The name k8s-sidecar, with the variables of its containers, on objects of an API server."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.answering import Answering, answer
from tests.harness import PROGRAM, Run, until
from tests.http import get, port_of
from tests.sync.subject import Kube


def test_k8s_sidecar_writes_and_asks(run: Run, kube: Kube, tmp_path: Path) -> None:
    kube.create("web", {"app.conf": "one"})
    link = tmp_path / "k8s-sidecar"
    link.symlink_to(PROGRAM[0])
    file = tmp_path / "live" / "app.conf"
    variables = {
        "KUBECONFIG": str(kube.kubeconfig),
        "NAMESPACE": kube.namespace,
        "LABEL": "app",
        "LOG_FORMAT": "LOGFMT",
        "RESOURCE_NAME": "configmap/web",
        "FOLDER": str(tmp_path / "live"),
        "CONFIG_SUPERVISOR_LISTEN": "127.0.0.1:0",
        "CONFIG_SUPERVISOR_RELOAD_INTERVAL": "0s",
    }
    run.directly(str(link), env=variables | {"METHOD": "LIST"}).finish(0)
    assert "one" == file.read_text()

    with Answering(answer("200 OK")) as target:
        asks = {"REQ_URL": target.url("/reload")}
        program = run.directly(str(link), env=variables | asks)
        port = port_of(program)
        until(lambda: get(port, "/readyz")[0], 200)
        kube.change("web", {"app.conf": "two"})
        until(target.heads, ["GET /reload HTTP/1.1"])
        assert "two" == file.read_text()
        program.send(signal.SIGTERM)
        program.finish(0)
