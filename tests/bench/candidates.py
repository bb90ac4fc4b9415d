"""The measured programs: ours in its roles, the floor, and the peers; with their commands.

A candidate is a name, a kind, and a function from a `Place` (its own directory, the app, the API
server) to a command. Must not know the measures.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Sequence

from config_supervisor.core.record import Record
from tests.bench import peers
from tests.bench.workshop import HERE, Workshop, free_port, write_program

OURS = "ours"
FLOOR = "floor"
PYTHON = "Python"
C = "C"
# A stopwatch wants no pace of a fleet: every change is applied at once, without a wait.
QUICK = ("--reload-interval=0s", "--verify-window=0s")


class Api(Record):
    """The objects of a candidate: where they are, and how to reach them: by a kubeconfig, or with
    a service account (a directory as a kubelet mounts it) at a port of 127.0.0.1.
    """

    kubeconfig: str
    account: str
    port: int
    namespace: str
    names: tuple[str, ...]


class Place(Record):
    """The own things of a run: a directory for files, ports, the followed objects if any."""

    shop: Workshop
    folder: str
    port: int  # for /metrics, or the peer's own control
    app_port: int  # for requests to the app
    api: Api | None = None

    @property
    def root(self) -> str:
        """The directory of the written files."""
        return os.path.join(self.folder, "live")


class Candidate(Record):
    """A program to measure.

    `command` gives the command at a place; `sender`, for candidates that forward no signals as
    PID 1, the command that sends a signal of this name to the app; `status`, the command of a
    health check.
    """

    name: str
    kind: str
    command: Callable[[Place], list[str]]
    sender: Callable[[Place, str], list[str]] | None = None
    status: Callable[[Place], list[str]] | None = None
    missing: str = ""  # the program that the machine lacks; '' when it can run
    serves: bool = False  # has /metrics, scraped once before memory is read
    requests: bool = False  # reloads the app by a request, not by a signal
    follows: bool = False  # reads ConfigMaps through the API
    in_pod: bool = False  # as the service account of a pod, not by a kubeconfig


def place(shop: Workshop, api: Api | None = None, *, in_memory: bool = False) -> Place:
    """A new place on disk, or on tmpfs; `clear` removes it."""
    folder = tempfile.mkdtemp(prefix="bench-", dir=shop.memory if in_memory else shop.folder)
    os.mkdir(os.path.join(folder, "live"))
    return Place(shop, folder, free_port(), free_port(), api)


def clear(where: Place) -> None:
    shutil.rmtree(where.folder, ignore_errors=True)


def inits() -> list[Candidate]:
    """All bare inits, and our directory role."""
    found = [
        Candidate("ours, bare init", OURS, lambda at: [at.shop.supervisor, "--", at.shop.app]),
        OURS_DIRECTORY,
        Candidate(
            "floor, bare init",
            FLOOR,
            lambda at: [at.shop.python, "-I", _file("floor.py"), "--", at.shop.app],
        ),
        _plain("tini"),
        _plain("dumb-init"),
        _plain("catatonit"),
        Candidate("s6", C, _s6, _s6_signal, missing=lacks("s6-svscan")),
        Candidate("runit", C, _runit, _runit_signal, missing=lacks("runsvdir")),
    ]
    return found + _python_inits()


def followers() -> list[Candidate]:
    """All followers of ConfigMaps through the API."""
    return [OURS_API, FLOOR_API, SIDECAR]


def _file(name: str) -> str:
    return os.path.join(HERE, name)


def lacks(program: str) -> str:
    return "" if shutil.which(program) else f"{program} is not in PATH"


def _plain(program: str) -> Candidate:
    return Candidate(program, C, lambda at: [program, "--", at.shop.app], missing=lacks(program))


def _served(at: Place) -> list[str]:
    return [f"--listen=127.0.0.1:{at.port}", f"--control={at.folder}/control"]


def _directory(at: Place) -> list[str]:
    """A mounted volume in the kubelet's form: files behind `..data`."""
    first = os.path.join(at.folder, "mounted", "..first")
    os.makedirs(first)
    with open(os.path.join(first, "app.conf"), "w", encoding="utf-8") as file:
        file.write("one\n")
    mounted = os.path.dirname(first)
    os.symlink("..first", os.path.join(mounted, "..data"))
    os.symlink("..data/app.conf", os.path.join(mounted, "app.conf"))
    return [at.shop.supervisor, f"--config-dir={mounted}", *_served(at), *QUICK, "--", at.shop.app]


def _api(at: Place) -> list[str]:
    return [*_api_options(at), "--", at.shop.app]


def _api_by_kubeconfig(at: Place) -> list[str]:
    assert at.api is not None
    return [*_api_options(at), f"--kubeconfig={at.api.kubeconfig}", "--", at.shop.app]


def _api_options(at: Place) -> list[str]:
    assert at.api is not None
    objects = [f"--configmap={at.api.namespace}/{name}" for name in at.api.names]
    if len(objects) > 1:
        objects = [f"{one}:{name}" for one, name in zip(objects, at.api.names, strict=True)]
    return [at.shop.supervisor, *objects, f"--configroot={at.root}", *_served(at), *QUICK]


def _floor_api(at: Place) -> list[str]:
    assert at.api is not None
    script = [at.shop.python, "-I", _file("floor.py")]
    return [
        *script,
        at.api.kubeconfig,
        at.api.namespace,
        ",".join(at.api.names),
        at.root,
        "--",
        at.shop.app,
    ]


def _sidecar(at: Place) -> list[str]:
    assert at.api is not None
    script = [
        at.shop.with_libraries,
        _file("sidecar.py"),
        at.api.kubeconfig,
        at.api.namespace,
        at.root,
    ]
    return [*script, f"http://127.0.0.1:{at.app_port}/reload", at.shop.app]


def _list_and_exec(at: Place) -> list[str]:
    assert at.api is not None
    script = [at.shop.with_libraries, _file("list_and_exec.py"), at.api.kubeconfig]
    return [*script, at.api.namespace, at.api.names[0], at.root, "--", at.shop.app]


def _health(at: Place) -> list[str]:
    return [at.shop.supervisorctl, f"--socket={at.folder}/control", "health"]


OURS_DIRECTORY = Candidate(
    "ours, directory + metrics", OURS, _directory, status=_health, serves=True
)
OURS_API = Candidate(
    "ours, API + metrics", OURS, _api, status=_health, serves=True, follows=True, in_pod=True
)
OURS_KUBECONFIG = Candidate(
    "ours, API by kubeconfig + metrics", OURS, _api_by_kubeconfig, serves=True, follows=True
)
FLOOR_API = Candidate("floor, API", FLOOR, _floor_api, follows=True)
SIDECAR = Candidate("k8s-sidecar (stand-in)", PYTHON, _sidecar, requests=True, follows=True)
LIST_AND_EXEC = Candidate("floor, list and exec", FLOOR, _list_and_exec, follows=True)


def _s6(at: Place) -> list[str]:
    os.makedirs(os.path.join(at.folder, "scan", "app"))
    os.symlink(at.shop.app, os.path.join(at.folder, "scan", "app", "run"))
    return ["s6-svscan", os.path.join(at.folder, "scan")]


def _s6_signal(at: Place, name: str) -> list[str]:
    letter = {"HUP": "-h", "USR1": "-1"}[name]
    return ["s6-svc", letter, os.path.join(at.folder, "scan", "app")]


def _runit(at: Place) -> list[str]:
    os.makedirs(os.path.join(at.folder, "services", "app"))
    os.symlink(at.shop.app, os.path.join(at.folder, "services", "app", "run"))
    return ["runsvdir", os.path.join(at.folder, "services")]


def _runit_signal(at: Place, name: str) -> list[str]:
    word = {"HUP": "hup", "USR1": "1"}[name]
    return ["sv", word, os.path.join(at.folder, "services", "app")]


def _python_inits() -> list[Candidate]:
    scripts = peers.scripts()
    lacks = "" if scripts else "the installation from PyPI failed"
    return [
        Candidate(
            "supervisord", PYTHON, _supervisord, _supervisord_signal, _supervisord_status, lacks
        ),
        Candidate("circus", PYTHON, _circus, _circus_signal, _circus_status, lacks),
    ]


def _peer(name: str) -> str:
    return os.path.join(peers.scripts(), name)


def _supervisord(at: Place) -> list[str]:
    config = write_program(
        os.path.join(at.folder, "supervisord.conf"),
        "[supervisord]\nnodaemon=true\nuser=root\n"
        f"logfile=/dev/null\nlogfile_maxbytes=0\npidfile={at.folder}/pid\n"
        f"[unix_http_server]\nfile={at.folder}/socket\n"
        f"[supervisorctl]\nserverurl=unix://{at.folder}/socket\n"
        "[rpcinterface:supervisor]\n"
        "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n"
        f"[program:app]\ncommand={at.shop.app}\n"
        "stdout_logfile=NONE\nstderr_logfile=NONE\nautorestart=false\n",
    )
    return [_peer("supervisord"), "-c", config]


def _supervisord_signal(at: Place, name: str) -> list[str]:
    return [
        _peer("supervisorctl"),
        "-c",
        os.path.join(at.folder, "supervisord.conf"),
        "signal",
        name,
        "app",
    ]


def _supervisord_status(at: Place) -> list[str]:
    return [
        _peer("supervisorctl"),
        "-c",
        os.path.join(at.folder, "supervisord.conf"),
        "status",
        "app",
    ]


def _circus(at: Place) -> list[str]:
    ends = [f"ipc://{at.folder}/{name}" for name in ("control", "events")]
    config = write_program(
        os.path.join(at.folder, "circus.ini"),
        f"[circus]\nendpoint={ends[0]}\npubsub_endpoint={ends[1]}\n"
        f"[watcher:app]\ncmd={at.shop.app}\ncopy_env=True\nrespawn=False\n",
    )
    return [_peer("circusd"), config]


def _circus_signal(at: Place, name: str) -> list[str]:
    number = str(int(signal.Signals[f"SIG{name}"]))
    return [_peer("circusctl"), "--endpoint", f"ipc://{at.folder}/control", "signal", "app", number]


def _circus_status(at: Place) -> list[str]:
    return [_peer("circusctl"), "--endpoint", f"ipc://{at.folder}/control", "status", "app"]


def environment(
    at: Place, candidate: Candidate, more: Sequence[tuple[str, str]] = ()
) -> dict[str, str]:
    """The variables for the app below this candidate."""
    told = dict(more)
    if candidate.in_pod:
        assert at.api is not None
        told["KUBERNETES_SERVICE_HOST"] = "127.0.0.1"
        told["KUBERNETES_SERVICE_PORT"] = str(at.api.port)
    if candidate.requests:
        told["BENCH_PORT"] = str(at.app_port)
    return told
