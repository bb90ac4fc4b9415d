"""The floor of a start with the Kubernetes client: import it, list an object, write it, exec the
app.

`list_and_exec.py KUBECONFIG NAMESPACE NAME ROOT -- APP...`. Reads through the DynamicClient, the
cheapest public way (CoreV1Api costs 300 ms more). Run by the benchmark with `python -I`; no error
is handled.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from kubernetes import config, dynamic
from kubernetes.client import ApiClient, Configuration

library: Any = dynamic  # untyped, as is all of it
load: Any = config.load_kube_config


def main() -> None:
    kubeconfig, namespace, name, root, _, *command = sys.argv[1:]
    settings = Configuration()
    load(kubeconfig, client_configuration=settings)
    client = library.DynamicClient(ApiClient(settings), discoverer=lambda *_: None)
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    answer = client.request("get", path, field_selector=f"metadata.name={name}", serialize=False)
    for item in json.loads(answer.data)["items"]:
        for key, value in item["data"].items():
            with open(f"{root}/{key}", "w", encoding="utf-8") as file:
                file.write(value)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
