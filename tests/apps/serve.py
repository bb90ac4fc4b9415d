"""A service under test, in words of its own: `serve.py NAME DEED...`, each deed in turn.

It prints `NAME up`, and ends after the last deed:

`ignore`: TERM; it prints `NAME ignores`
`sleep=SECONDS`
`end=CODE`, `die`: by KILL
`tell`: prints its surroundings
`last=SECONDS`: the time that it needs after TERM
`wait`: until TERM; it prints `NAME down`
`daemon`, `child`: leaves a process, in a session of its own or in its group
`listen=PORT`
`flood=BYTES`: writes lines
`close`: closes its output
`notify=TEXT`: sends it to NOTIFY_SOCKET, with a newline for each |
`newline=FD`: writes a newline there
`accept=TIMES`: on the socket at descriptor 0; it answers with NAME and its pid
"""

import os
import signal
import socket
import sys
import time

name, *deeds = sys.argv[1:]
kept = []  # sockets, so that they stay open
needs = 0.0


def say(text: str) -> None:
    os.write(1, f"{name} {text}\n".encode())


def leave(*, session: bool) -> None:
    pid = os.fork()
    if pid == 0:
        if session:
            os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        while True:
            time.sleep(60)
    say(f"left {pid}")


def notify(text: str) -> None:
    place = os.environ["NOTIFY_SOCKET"].replace("@", "\0", 1)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(text.encode(), place)


def tell() -> None:
    with open("/proc/self/status", encoding="ascii") as file:
        status = dict(line.split(":", 1) for line in file)
    umask = status["Umask"].strip()
    input_kind = os.readlink("/proc/self/fd/0").partition(":")[0]
    leads = os.getpgrp() == os.getpid()
    say(f"umask {umask} input {input_kind} leads {leads} in {os.getcwd()}")
    say(f"uid {os.getuid()} gid {os.getgid()} home {os.environ.get('HOME')}")
    for variable in sorted(os.environ):
        if variable.startswith("SUPERVISOR_") or variable == "MINE":
            say(f"{variable}={os.environ[variable]}")


signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
say("up")
for deed in deeds:
    word, _, value = deed.partition("=")
    match word:
        case "ignore":
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            say("ignores")
        case "sleep":
            time.sleep(float(value))
        case "end":
            os._exit(int(value))
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "tell":
            tell()
        case "last":
            needs = float(value)
        case "wait":
            signal.sigwait({signal.SIGTERM})
            time.sleep(needs)
            say("down")
        case "daemon" | "child":
            leave(session=word == "daemon")
        case "listen":
            kept.append(socket.create_server(("127.0.0.1", int(value))))
        case "flood":
            for _block in range(int(value) // 65536):
                os.write(1, b"x" * 65535 + b"\n")
        case "notify":
            notify(value.replace("|", "\n"))
        case "accept":
            listening = socket.socket(fileno=os.dup(0))
            for _time in range(int(value)):
                connection, _peer = listening.accept()
                with connection:
                    connection.sendall(f"{name} {os.getpid()}\n".encode())
        case "newline":
            os.write(int(value), b"\n")
        case "close":
            os.close(1)
            os.close(2)
