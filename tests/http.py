"""A probe's or a scrape's view: plain HTTP requests to the program under test."""

from __future__ import annotations

import http.client
import json
import re
from typing import Any

from tests.harness import Program


def port_of(program: Program) -> int:
    """The port chosen and logged by the program (`--listen 127.0.0.1:0`)."""
    return int(program.err.expect(r"metrics and probes on .*:(\d+)$")[1])


# The Accept header of Firefox.
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


def request(
    port: int, path: str, method: str = "GET", accept: str = ""
) -> tuple[int, str, dict[str, str]]:
    """Status, body and headers of a request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request(method, path, headers={"Accept": accept} if accept else {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), {k.lower(): v for k, v in answer.getheaders()}
    finally:
        connection.close()


def get(port: int, path: str) -> tuple[int, str]:
    return request(port, path)[:2]


def status(port: int) -> dict[str, Any]:
    """/status, parsed."""
    answer: dict[str, Any] = json.loads(get(port, "/status")[1])
    return answer


def metric(port: int, name: str, /, **labels: str) -> float | None:
    """A sample of /metrics, with or without our prefix; None if there is none."""
    found = {}
    for line in get(port, "/metrics")[1].splitlines():
        if match := re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line):
            found[match[1], frozenset(re.findall(r'(\w+)="([^"]*)"', match[2] or ""))] = float(
                match[3]
            )
    wanted = frozenset(labels.items())
    return found.get((f"supervisor_{name}", wanted), found.get((name, wanted)))
