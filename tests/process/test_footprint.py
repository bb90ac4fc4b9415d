"""The costs of each role do not grow unseen: modules, threads, descriptors, wake-ups, system calls.

Counts only, so a verdict does not depend on the machine or its load; tests/bench measures times. A
number here is no promise to users: with a good reason it changes together with the code. The
roles are those of tests/bench/candidates.py: a bare init, a follower of a mounted directory and a
follower of a ConfigMap, in a pod; the latter two are scraped and have a control socket, as by
default.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import subprocess
import sys
import sysconfig
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from tests.bench.procfs import work
from tests.conftest import needs
from tests.fake_kube import FakeKube
from tests.harness import APPS, Program, Run, app, only_process, status, wait_until
from tests.http import get, metric, port_of
from tests.pod import environment, in_pod
from tests.volume import swap_volume

ROOT = os.path.dirname(os.path.dirname(APPS))

# The modules of a bare init beside its own, listed in tests/unit/test_house.py.
BARE_LIBRARY = {"errno", "gc"}
# The same for a follower of a directory, between exec and the app; the rest comes afterwards.
DIRECTORY_LIBRARY = BARE_LIBRARY | {"resource"}
DIRECTORY = set(
    """
    __main__ cli
    core core.actions core.backoff core.change_loop core.content core.errors core.events core.life
    core.life_state core.outcomes core.file_permissions core.paths core.primitives core.record
    core.reloads core.rollout core.rollout_conditions core.rollout_events core.rollout_state
    core.service core.signal_numbers core.signalling core.source_states core.turn core.verdicts
    core.versions observe observe.journal observe.rollout_journal observe.turn_backlog
    options options.command_line options.declarations options.option options.parsers
    options.fleet_options options.reload_options
    process process.children process.core_dumps process.environment process.open_files
    process.spawning process.terminal
    runtime runtime.inbox runtime.log runtime.loop runtime.signals runtime.threads
    sources sources.directory sources.directory.directory_source sources.directory.inotify
    sources.directory.tree sources.interface start_code
    store store.delivery store.newest_version store.source_threads store.write_errors
    wiring wiring.destination wiring.launch wiring.program wiring.sources
    """.split()
)
# Small modules in C below those above. Python 3.12 has _sha2 where 3.11 has _sha256.
ACCELERATORS = {"_collections", "_functools", "_stat", "_struct", "_weakrefset", "_sha256", "_sha2"}

# The libraries in memory after a scrape of /metrics. A kubeconfig costs all that its loader needs.
METRICS_PACKAGES = {"config_supervisor", "prometheus_client"}
DIRECTORY_PACKAGES = METRICS_PACKAGES | {"inotify_simple"}
API_PACKAGES = METRICS_PACKAGES | {"kubernetes", "msgspec", "typing_extensions", "urllib3"}
KUBECONFIG_PACKAGES = API_PACKAGES | set(
    """
    annotated_types certifi charset_normalizer dateutil durationpy idna oauthlib pydantic
    pydantic_core requests requests_oauthlib typing_inspection yaml
    """.split()
)
PACKAGES = {
    "directory": DIRECTORY_PACKAGES,
    "api": API_PACKAGES,
    "kubeconfig": KUBECONFIG_PACKAGES,
}
# Megabytes each, and a careless import away: `kubernetes` loads the modules below these late.
HEAVY = (
    r"kubernetes\.client\.(models|api)\."
    r"|kubernetes\.(aio|dynamic|informer|leaderelection|stream|watch)\b"
    r"|(asyncio|prometheus_client\.exposition|socketserver|unittest|wsgiref|xml)\b"
)
TOO_MUCH = {
    "directory": f"{HEAVY}|(email|http\\.client|ssl|urllib\\.request)\\b",
    "api": rf"{HEAVY}|(importlib\.metadata|kubernetes\.(client\.(api_client|models)|config))\b",
    "kubeconfig": HEAVY,
}
# Modules of the standard library and of other projects, packages included; ours are small. With
# Python 3.11 they are 120, 216 and 511.
MOST_MODULES = {"directory": 132, "api": 235, "kubeconfig": 525}

# Main thread, source, web server, control socket, and the log from its first line on: a bare init
# logs nothing.
THREADS = {"bare": 1, "directory": 5, "api": 5}
# Standard input, output and error, and the directory of our start, for the app.
BARE_FILES = {"pipe": 3, "directory": 1}
# With threads also the reserve of the main thread.
THREADED_FILES = {"pipe": 3, "directory": 1 + 4}
FILES = {
    "bare": BARE_FILES,
    # An eventfd each wakes the threads of /metrics and of supervisorctl.
    "directory": {
        **THREADED_FILES,
        "socket": 2,
        "anon_inode:[eventfd]": 2,
        "anon_inode:inotify": 1,
    },
    # The sockets of /metrics, supervisorctl and the watch; configroot, held open against a swap.
    "api": {**THREADED_FILES, "socket": 3, "anon_inode:[eventfd]": 2, "directory": 1 + 4 + 1},
}


class Cost:
    """A program in a role, and its costs as the kernel counts them."""

    def __init__(self, role: str, program: Program, change: Callable[[int], None]) -> None:
        self.role, self.program, self._change = role, program, change
        program.expect("ready")
        self.port = 0 if role == "bare" else port_of(program)
        if self.port:  # imports and objects of the first scrape stay
            get(self.port, "/metrics")

    def threads(self) -> int:
        return len(os.listdir(f"/proc/{self.program.pid}/task"))

    def files(self) -> Counter[str]:
        """The number of open descriptors of each kind."""
        folder = f"/proc/{self.program.pid}/fd"
        links = []
        for name in os.listdir(folder):
            with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                links.append(os.readlink(os.path.join(folder, name)))
        return Counter(
            "directory" if link.startswith("/") else re.sub(r":\[\d+\]$", "", link)
            for link in links
        )

    def switches(self) -> int:
        """Context switches of all threads, voluntary or not."""
        return work([self.program.pid]).switches

    def sleeps(self) -> int:
        """Voluntary context switches of all threads (proc(5))."""
        tasks = os.listdir(f"/proc/{self.program.pid}/task")
        return sum(
            int(status(f"{self.program.pid}/task/{task}")["voluntary_ctxt_switches"])
            for task in tasks
        )

    def assert_small(self) -> None:
        """Wait for the listed threads and descriptors: those of a request or a reload end late."""

        def small() -> None:
            assert (THREADS[self.role], FILES[self.role]) == (
                self.threads(),
                self.files(),
            ), self.program.story()

        wait_until(small)

    def reload(self, times: int) -> None:
        """Make changes, one after the other; the app takes up each."""
        for number in range(times):
            self._change(number)
            self.program.expect(f"config: {number}$")
        wait_until(self._counted(times))

    def _counted(self, times: int) -> Callable[[], None]:
        def counted() -> None:
            assert times == metric(self.port, "reloads_total", method="signal")

        return counted


class Roles:
    """Starts the roles of a test."""

    def __init__(self, run: Run, kube: FakeKube, scratch: str) -> None:
        self._run, self._kube, self._scratch = run, kube, scratch
        self._account = kube.write_service_account(f"{scratch}/account")

    def start(self, role: str, *options: str, launcher: bool = False) -> Cost:
        """Start a role and return when it serves; by the `launcher` it prints its imports."""
        config, more, change = getattr(self, f"_{role}")()
        command = app("read_config.py", config) if config else app("print_signals.py")
        options = (*more, "--subreaper=off", *options)
        where: Mapping[str, Any] = {}
        if role == "api":
            where = {"prefix": in_pod(self._account), "env": environment(self._kube.port)}
        if not launcher:
            return Cost(role, self._run(*command, options=options, **where), change)
        paths = {ROOT: 0, sysconfig.get_path("purelib"): 0, sysconfig.get_path("platlib"): 0}
        tell = app("tell_modules.py", ":".join(paths))
        program = self._run.directly(*tell, *options, "--", *command, **where)
        return Cost(role, program, change)

    def _served(self) -> list[str]:
        return ["--listen=127.0.0.1:0", f"--control={self._scratch}/{len(self._run.programs)}.sock"]

    def _bare(self) -> tuple[str, list[str], Callable[[int], None]]:
        return "", [], lambda _: None

    def _directory(self) -> tuple[str, list[str], Callable[[int], None]]:
        volume = f"{self._scratch}/volume"
        swap_volume(volume, {"app.conf": "first"})
        options = [f"--config-dir={volume}", *self._served()]
        return (
            f"{volume}/app.conf",
            options,
            lambda n: swap_volume(volume, {"app.conf": str(n)}),
        )

    def _kubeconfig(self) -> tuple[str, list[str], Callable[[int], None]]:
        path, options, change = self._api()
        return path, [*options, f"--kubeconfig={self._kube.kubeconfig}"], change

    def _api(self) -> tuple[str, list[str], Callable[[int], None]]:
        self._kube.create("web", {"app.conf": "first"})
        root = f"{self._scratch}/live"
        options = [f"--configmap={self._kube.namespace}/web", f"--configroot={root}"]
        options += self._served()

        def change(number: int) -> None:
            self._kube.change("web", {"app.conf": str(number)})

        return f"{root}/app.conf", options, change


@pytest.fixture
def roles(run: Run, tmp_path: os.PathLike[str]) -> Iterator[Roles]:
    with FakeKube() as kube:
        kube.write_kubeconfig(f"{tmp_path}/kubeconfig")
        yield Roles(run, kube, os.fspath(tmp_path))


def imported(cost: Cost, when: str) -> set[str]:
    """The list of tests/apps/tell_modules.py for a moment."""
    found: set[str] = set()

    def said() -> None:
        for line in list(cost.program.err.seen):
            if line.startswith(f"imported {when} "):
                found.update(line.split()[2:])
        assert found, cost.program.story()

    wait_until(said)
    return found


def own(modules: set[str]) -> set[str]:
    return {
        name.removeprefix("config_supervisor.")
        for name in modules
        if name.startswith("config_supervisor.")
    }


def packages(modules: set[str]) -> set[str]:
    """The top-level names of libraries, without the additions of compilers (`_yaml`)."""
    tops = (
        {name.partition(".")[0] for name in modules} - sys.stdlib_module_names - {"cython_runtime"}
    )
    return {name for name in tops if not name.startswith("_") and "__mypyc" not in name}


@only_process
@pytest.mark.parametrize(
    ("role", "ours", "library"),
    [("bare", None, BARE_LIBRARY), ("directory", DIRECTORY, DIRECTORY_LIBRARY)],
)
def test_the_app_waits_for_the_listed_imports_alone(
    roles: Roles, role: str, ours: set[str] | None, library: set[str]
) -> None:
    """Each start of each container pays for them before the app runs."""
    modules = imported(roles.start(role, launcher=True), "before")
    foreign = {name for name in modules if name.partition(".")[0] != "config_supervisor"}

    assert library == foreign - ACCELERATORS
    assert ours is None or ours == own(modules)


@only_process
@pytest.mark.parametrize("role", PACKAGES)
def test_only_the_listed_libraries_stay_in_memory(roles: Roles, role: str) -> None:
    cost = roles.start(role, launcher=True)
    cost.program.send(signal.SIGWINCH)
    modules = imported(cost, "after")

    assert {"config_supervisor", "prometheus_client"} <= packages(modules)
    assert set() == packages(modules) - PACKAGES[role]
    assert [] == sorted(name for name in modules if re.match(TOO_MUCH[role], name))
    others = {name for name in modules if name.partition(".")[0] != "config_supervisor"}
    assert len(others) <= MOST_MODULES[role]


@pytest.mark.parametrize("role", ["bare", "directory", "api"])
def test_threads_and_descriptors_at_rest_are_as_listed(roles: Roles, role: str) -> None:
    roles.start(role).assert_small()


@pytest.mark.parametrize("role", ["directory", "api"])
def test_twenty_reloads_leave_no_thread_and_no_descriptor(roles: Roles, role: str) -> None:
    cost = roles.start(role, "--reload-interval=0s", "--verify-window=0s")
    cost.reload(20)
    cost.assert_small()


@pytest.mark.timeout(60)
def test_no_role_wakes_up_at_rest(roles: Roles) -> None:
    """Three seconds catch a poll. The bookmarks of a watch come every minute at most, and a look
    at a directory every 5 minutes.
    """
    costs = [roles.start(role) for role in THREADS]
    for cost in costs:
        cost.assert_small()
    at_rest(costs)
    before = {cost.role: cost.switches() for cost in costs}
    passes(costs, 3)

    assert before == {cost.role: cost.switches() for cost in costs}


def at_rest(costs: list[Cost]) -> None:
    """Wait until the work of a start is done."""
    seen: list[list[int]] = []

    def still() -> None:
        seen.append([cost.switches() for cost in costs])
        passes(costs, 0.3)
        assert seen[-1] == [cost.switches() for cost in costs]

    wait_until(still)


def passes(costs: list[Cost], seconds: float) -> None:
    """Let time pass; the programs must live on."""
    ends = [os.pidfd_open(cost.program.pid) for cost in costs]
    try:
        assert [] == select.select(ends, [], [], seconds)[0]
    finally:
        for end in ends:
            os.close(end)


@pytest.mark.parametrize("role", ["bare", "directory"])
def test_a_signal_wakes_one_thread_once(roles: Roles, role: str) -> None:
    """Threads that wake each other would double the count. On a busy machine a wake-up takes
    several signals.
    """
    cost = roles.start(role)
    cost.assert_small()
    at_rest([cost])
    before = cost.sleeps()
    forward(cost, 50)
    at_rest([cost])

    assert 1 <= cost.sleeps() - before <= 55


def forward(cost: Cost, times: int) -> None:
    """Send signals, one after the other; each has reached the app."""
    for _ in range(times):
        if cost.role == "bare":
            cost.program.send(signal.SIGUSR1)
            cost.program.expect(f"^{signal.SIGUSR1:d}$")
        else:
            cost.program.send(signal.SIGHUP)
            cost.program.expect("config: first")


@only_process
@pytest.mark.parametrize("role", ["bare", "directory"])
def test_a_forwarded_signal_costs_two_system_calls(
    roles: Roles, role: str, tmp_path: os.PathLike[str]
) -> None:
    """The main thread takes it and sends it; other threads sleep on, as tested above."""
    cost, seen = roles.start(role), f"{tmp_path}/calls"
    cost.assert_small()
    command = [needs("strace"), "-o", seen, "-p", str(cost.program.pid)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as strace:
        assert strace.stderr is not None
        assert "attached" in strace.stderr.readline()
        forward(cost, 11)
        strace.send_signal(signal.SIGINT)
        strace.communicate(timeout=10)
    with open(seen, encoding="utf-8") as file:
        calls = [line.partition("(")[0] for line in file]
    # From the first to the last: strace interrupts a call when it attaches, which begins again.
    first, last = calls.index("kill"), len(calls) - calls[::-1].index("kill")

    between = calls[first + 1 : last]
    assert 10 == between.count("kill")
    # 20, and room for a turn of another thread.
    assert len(between) <= 24, between
