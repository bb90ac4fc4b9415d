"""Reads a ConfigMap's watch, and only sends HUP to the app at the end of a line.

`read_only.py KUBECONFIG NAMESPACE NAME APP...`: the time of the API server, TLS and the signal. A
candidate's own time is its figure less this. Run by the benchmark with `python -I`; standard
library only.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import ssl
import sys


def main() -> None:
    kubeconfig, namespace, name, *command = sys.argv[1:]
    app = os.fork()
    if app == 0:
        os.execvp(command[0], command)
    with open(kubeconfig, encoding="utf-8") as file:
        config = json.load(file)
    cluster = config["clusters"][0]["cluster"]
    user = config["users"][0]["user"]
    pem = base64.b64decode(cluster["certificate-authority-data"]).decode()
    host, _, port = cluster["server"].removeprefix("https://").partition(":")
    objects = f"/api/v1/namespaces/{namespace}/configmaps"
    path = f"{objects}?fieldSelector=metadata.name%3D{name}&watch=1&timeoutSeconds=3600"
    head = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {user['token']}\r\n\r\n"
    context = ssl.create_default_context(cadata=pem)
    with (
        socket.create_connection((host, int(port))) as plain,
        context.wrap_socket(plain, server_hostname=host) as link,
    ):
        link.sendall(head.encode())
        place = bytearray(1 << 18)
        while size := link.recv_into(place):
            # The server sends a line as a chunk: the end of the line, then the end of the chunk.
            if place[size - 3 : size] == b"\n\r\n":
                os.kill(app, signal.SIGHUP)


if __name__ == "__main__":
    main()
