"""Reads a ConfigMap by the program's own Kubernetes client, with a release of the client library.

read_object.py FOLDER ACCOUNT KUBECONFIG PATH: FOLDER, if given, holds the release; ACCOUNT or
KUBECONFIG is the login. Prints the release, whether its parts or the whole were imported, and the
value of the key `k`.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import sys

folder, account, kubeconfig, path = sys.argv[1:]
if folder:
    sys.path.insert(0, folder)

from config_supervisor.runtime import log  # noqa: E402 - after the choice of the release
from config_supervisor.sources.kubernetes.api_client import open_client  # noqa: E402
from config_supervisor.sources.kubernetes.client_library import LibraryLog  # noqa: E402
from config_supervisor.sources.kubernetes.credentials import Access  # noqa: E402

log.configure("debug", "text")
client = open_client(Access(kubeconfig or None, account=account), LibraryLog())
with contextlib.closing(client.get(path, (5, 5), field_selector="metadata.name=web")) as response:
    value = json.loads(response.read())["items"][0]["data"]["k"]
version = importlib.metadata.version("kubernetes")
print(version, "whole" if "kubernetes.dynamic" in sys.modules else "parts", value)
