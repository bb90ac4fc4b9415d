"""Questions to real servers over their own protocols, in a few bytes each: the view of their
clients.

Each returns the answer as text and raises OSError without an answer.
"""

from __future__ import annotations

import socket
import struct
import subprocess
import urllib.request

_SECONDS = 2
_BEGIN, _END, _PARAMS, _STDIN, _STDOUT = 1, 3, 4, 5, 6  # types of a FastCGI record
_RESPONDER = struct.pack(">HB5x", 1, 0)
_TXT, _IN = 16, 1


def talk(port: int, request: bytes = b"", *, until: bytes = b"") -> str:
    """The answer of a port of 127.0.0.1 to some bytes, up to the end of the stream or to
    `until`.
    """
    answer = b""
    with socket.create_connection(("127.0.0.1", port), _SECONDS) as sock:
        sock.sendall(request)
        while not (until and until in answer) and (piece := sock.recv(65536)):
            answer += piece
    return answer.decode(errors="replace")


def page(port: int, path: str = "/") -> str:
    """The body of a page; an error status is an OSError."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=_SECONDS) as answer:
        text: str = answer.read().decode()
    return text


def fastcgi(port: int, script: str) -> str:
    """The output of a script, headers included (FastCGI 1.0, section 5)."""
    environ = {"SCRIPT_FILENAME": script, "REQUEST_METHOD": "GET", "SCRIPT_NAME": "/"}
    pairs = b"".join(
        bytes([len(name), len(value)]) + name.encode() + value.encode()
        for name, value in environ.items()
    )
    records = [(_BEGIN, _RESPONDER), (_PARAMS, pairs), (_PARAMS, b""), (_STDIN, b"")]
    request = b"".join(
        struct.pack(">BBHHBx", 1, kind, 1, len(body), 0) + body for kind, body in records
    )
    stream, answer = talk(port, request).encode(), b""
    while len(stream) >= 8:
        _, kind, _, length, padding = struct.unpack(">BBHHBx", stream[:8])
        if kind == _STDOUT:
            answer += stream[8 : 8 + length]
        stream = stream[8 + length + padding :]
    return answer.decode()


def txt(port: int, name: str) -> str:
    """The single TXT record of a name, asked over UDP (RFC 1035, section 4.1); empty without a
    record.
    """
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"
    query = struct.pack(">6H", 1, 0, 1, 0, 0, 0) + labels + struct.pack(">HH", _TXT, _IN)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(_SECONDS)
        sock.connect(("127.0.0.1", port))
        sock.send(query)
        answer = sock.recv(4096)
    answers = struct.unpack(">6H", answer[:12])[3]
    if not answers:
        return ""
    data = answer[len(query) :].partition(struct.pack(">HH", _TXT, _IN))[
        2
    ]  # behind the name, mostly a pointer
    return data[
        7 : 7 + data[6]
    ].decode()  # 4 bytes of TTL, 2 of length, then the string's own length


def datagram(port: int, text: str) -> None:
    """Send a line as syslog clients do."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(text.encode(), ("127.0.0.1", port))


def keep_alive(port: int) -> int:
    """A broker's keep-alive limit, from CONNECT's answer (MQTT 5.0, section 3.2.2.3.14)."""
    connect = b"\x10\x0e\x00\x04MQTT\x05\x02\xff\xff\x00\x00\x01x"
    with socket.create_connection(("127.0.0.1", port), _SECONDS) as sock:
        sock.sendall(connect)
        answer = sock.recv(256)
    found = answer.partition(b"\x13")[2]
    return int.from_bytes(found[:2], "big")


def pool_size(port: int) -> int:
    """A setting of PgBouncer, by the console for psql; no answer is a CalledProcessError."""
    command = [
        "psql",
        "-X",
        "-h",
        "127.0.0.1",
        "-p",
        str(port),
        "-U",
        "verify",
        "-d",
        "pgbouncer",
        "-Atc",
        "SHOW CONFIG",
    ]
    shown = subprocess.run(
        command, check=True, capture_output=True, text=True, timeout=_SECONDS * 2
    ).stdout
    return int(shown.partition("\ndefault_pool_size|")[2].partition("|")[0])
