"""A small server for the demo: it greets with its configuration, and reads that on SIGHUP.

app.py FILE [PORT]: FILE holds a greeting in which {name} stands for the guest. With PORT, GET / is
answered with the greeting, or with 500 where it names another field.
"""

from __future__ import annotations

import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

greeting = ""


def read(why: str) -> None:
    global greeting  # noqa: PLW0603 - the whole state of this program
    with open(sys.argv[1], encoding="utf-8") as file:
        greeting = file.read().strip()
    print(f"app: {why}: {greeting}", flush=True)


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        try:
            status, text = 200, greeting.format(name="world")
        except (KeyError, IndexError) as error:
            status, text = 500, f"the greeting asks for {{{error.args[0]}}}, which I do not know"
        self.send_response(status)
        self.end_headers()
        self.wfile.write(f"{text}\n".encode())

    def log_message(self, *_: object) -> None:
        pass


def main() -> None:
    signal.signal(signal.SIGHUP, lambda *_: read("got SIGHUP, reading my configuration again"))
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    if len(sys.argv) > 2:
        server = HTTPServer(("127.0.0.1", int(sys.argv[2])), Handler)
        read("starting with my configuration")
        server.serve_forever()
    read("starting with my configuration")
    while True:
        signal.pause()


if __name__ == "__main__":
    main()
