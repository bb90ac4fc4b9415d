"""An HTTP server with a reload by POST /reload, whose answer its configuration chooses.

obey_http.py PORT FILE: each request prints `asked: LINE`, LINE being the first of FILE. It is
answered by 200 and taken up, with `config: LINE`, unless it is `refuse STATUS BODY...`; `busy
SECONDS` (503 with that Retry-After, once, then taken up); `broken` (500 each time), or `hang` (no
answer). An `Authorization` is printed as `with: VALUE`. TERM ends it with 7.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

seen: list[str] = []


def first_line() -> str:
    with open(sys.argv[2]) as file:
        return file.readline().rstrip("\n")


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        line = first_line()
        seen.append(line)
        if "Authorization" in self.headers:
            print(f"with: {self.headers['Authorization']}", flush=True)
        print(f"asked: {line}", flush=True)
        word, _, rest = line.partition(" ")
        status, _, body = rest.partition(" ")
        if word == "hang":
            time.sleep(3600)
        elif word == "refuse":
            self.answer(int(status), body)
        elif word == "busy" and seen.count(line) == 1:
            self.answer(503, "later", status)
        elif word == "broken":
            self.answer(500, "broken")
        else:
            print(f"config: {line}", flush=True)
            self.answer(200, "")

    def answer(self, status: int, body: str, retry_after: str = "") -> None:
        self.send_response(status)
        if retry_after:
            self.send_header("Retry-After", retry_after)
        self.send_header("Content-Length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        pass


signal.signal(signal.SIGTERM, lambda *_: os._exit(7))
server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
print(f"config: {first_line()}\nready", flush=True)
server.serve_forever()
