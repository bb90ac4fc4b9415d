"""What each role costs does not grow unseen: modules, threads, descriptors, wake-ups, system calls,
instructions.

Counts only, so that a verdict does not depend on the machine or on what else it does; how long
things take is measured by tests/bench. A number here is no promise to users: who has a good reason
changes it together with the code. The roles are those of tests/bench/candidates.py: a bare init, one
that follows a mounted directory and is scraped, and one that follows a ConfigMap and is scraped;
each with its control socket, as by default.
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
from collections.abc import Callable, Iterator

import pytest

from tests.bench.procfs import work
from tests.conftest import needs
from tests.fake_kube import FakeKube
from tests.harness import APPS, Program, Run, app, only_process, status, wait_until
from tests.http import get, metric, port_of
from tests.volume import swap_volume

ROOT = os.path.dirname(os.path.dirname(APPS))

# What a bare init loads beside `os`, `signal` and its own modules, which tests/unit/test_house.py
# lists.
BARE_LIBRARY = {"errno", "struct"}
# What stands between exec and the app when a directory is followed; the rest of this role is
# imported afterwards.
DIRECTORY_LIBRARY = BARE_LIBRARY | {"select", "_queue", "resource"}
DIRECTORY = set(
    """
    __main__ cli
    core core.actions core.backoff core.change_loop core.content core.errors core.events core.life
    core.life_state core.outcomes core.permissions core.record core.reload_state core.rollout
    core.rollout_state core.service core.signal_numbers core.signalling core.source_states core.turn
    core.verdicts core.versions
    observe observe.journal observe.rollout_journal
    options options.command_line options.declarations options.option options.parsers
    options.reload_options
    process process.children process.core_dumps process.environment process.open_files
    process.spawning process.terminal
    runtime runtime.inbox runtime.log runtime.loop runtime.signals runtime.threads
    sources sources.directory sources.directory.directory_source sources.directory.inotify
    sources.directory.tree sources.interface
    store store.delivery store.newest_version store.source_threads store.write_errors
    wiring wiring.destination wiring.launch wiring.program wiring.sources
    """.split()
)
# Small modules in C that come with those above. Python 3.12 has _sha2 where 3.11 has _sha256.
ACCELERATORS = {"_struct", "_weakrefset", "_sha256", "_sha2"}

# The libraries in memory once /metrics was scraped; the last lines are what `import kubernetes`
# takes with it.
DIRECTORY_PACKAGES = {"config_supervisor", "inotify_simple", "prometheus_client"}
API_PACKAGES = set(
    """
    config_supervisor prometheus_client kubernetes urllib3 yaml
    annotated_types certifi charset_normalizer dateutil durationpy idna oauthlib pydantic
    pydantic_core requests requests_oauthlib typing_extensions typing_inspection
    """.split()
)
# Megabytes each, and one careless import away. `kubernetes` loads the modules below these packages
# when asked.
TOO_MUCH = re.compile(
    r"kubernetes\.client\.(models|api)\.|kubernetes\.(aio|informer|leaderelection|stream)\b|(asyncio|unittest|xml)\b"
)
# Modules of the standard library and of other projects, packages included; ours are small. With
# Python 3.11 they are 147 and 510.
MOST_MODULES = {"directory": 165, "api": 565}

# Main thread, source, web server, control socket, and the log's from its first line on: a bare init
# says nothing.
THREADS = {"bare": 1, "directory": 5, "api": 5}
# Standard input, output and error, and where we were started, which is where the app starts.
BARE_FILES = {"pipe": 3, "directory": 1}
# With threads also those that the main thread holds back from them for its own needs.
THREADED_FILES = {"pipe": 3, "directory": 1 + 4}
FILES = {
    "bare": BARE_FILES,
    # Of an eventfd each: how other threads wake that of /metrics, and that of supervisorctl.
    "directory": {
        **THREADED_FILES,
        "socket": 2,
        "anon_inode:[eventfd]": 2,
        "anon_inode:inotify": 1,
    },
    # Those of /metrics, of supervisorctl, and of the watch; and configroot, which no other may take
    # the place of.
    "api": {**THREADED_FILES, "socket": 3, "anon_inode:[eventfd]": 2, "directory": 1 + 4 + 1},
}


class Cost:
    """One program in one role, and what the kernel says of it."""

    def __init__(self, role: str, program: Program, change: Callable[[int], None]) -> None:
        self.role, self.program, self._change = role, program, change
        program.expect("ready")
        self.port = 0 if role == "bare" else port_of(program)
        if self.port:  # what the first scrape imports and builds stays
            get(self.port, "/metrics")

    def threads(self) -> int:
        return len(os.listdir(f"/proc/{self.program.pid}/task"))

    def files(self) -> Counter[str]:
        """How many descriptors of each kind are open."""
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
        """How often its threads went to sleep or were sent to sleep, in all."""
        return work([self.program.pid]).switches

    def sleeps(self) -> int:
        """How often its threads went to sleep, in all: those that others interrupt do not
        (proc(5)).
        """
        tasks = os.listdir(f"/proc/{self.program.pid}/task")
        return sum(
            int(status(f"{self.program.pid}/task/{task}")["voluntary_ctxt_switches"])
            for task in tasks
        )

    def assert_small(self) -> None:
        """Wait until it has its few threads and descriptors: those of a request or a reload end a
        little later.
        """

        def small() -> None:
            assert (THREADS[self.role], FILES[self.role]) == (
                self.threads(),
                self.files(),
            ), self.program.story()

        wait_until(small)

    def reload(self, times: int) -> None:
        """So many changes, each of which the app has seen."""
        for number in range(times):
            self._change(number)
            self.program.expect(f"config: {number}$")
        wait_until(self._counted(times))

    def _counted(self, times: int) -> Callable[[], None]:
        def counted() -> None:
            assert times == metric(self.port, "reloads_total", method="signal")

        return counted


class Roles:
    """Starts the roles of one test."""

    def __init__(self, run: Run, kube: FakeKube, scratch: str) -> None:
        self._run, self._kube, self._scratch = run, kube, scratch

    def start(self, role: str, *options: str, launcher: bool = False) -> Cost:
        """Start one, and return when it serves; with the `launcher` it tells what it imports."""
        config, more, change = getattr(self, f"_{role}")()
        command = app("read_config.py", config) if config else app("print_signals.py")
        options = (*more, "--subreaper=off", *options)
        if not launcher:
            return Cost(role, self._run(*command, options=options), change)
        paths = {ROOT: 0, sysconfig.get_path("purelib"): 0, sysconfig.get_path("platlib"): 0}
        tell = app("tell_modules.py", ":".join(paths))
        return Cost(role, self._run.directly(*tell, *options, "--", *command), change)

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

    def _api(self) -> tuple[str, list[str], Callable[[int], None]]:
        self._kube.create("web", {"app.conf": "first"})
        root = f"{self._scratch}/live"
        where = [f"--configmap={self._kube.namespace}/web", f"--configroot={root}"]
        options = [*where, f"--kubeconfig={self._kube.kubeconfig}", *self._served()]

        def change(number: int) -> None:
            self._kube.change("web", {"app.conf": str(number)})

        return f"{root}/app.conf", options, change


@pytest.fixture
def roles(run: Run, tmp_path: os.PathLike[str]) -> Iterator[Roles]:
    with FakeKube() as kube:
        kube.write_kubeconfig(f"{tmp_path}/kubeconfig")
        yield Roles(run, kube, os.fspath(tmp_path))


def imported(cost: Cost, when: str) -> set[str]:
    """What tests/apps/tell_modules.py said about that moment."""
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
    """The libraries among them by their top-level names, but for what compilers add (`_yaml`,
    `cython_runtime`).
    """
    tops = (
        {name.partition(".")[0] for name in modules} - sys.stdlib_module_names - {"cython_runtime"}
    )
    return {name for name in tops if not name.startswith("_") and "__mypyc" not in name}


@only_process
@pytest.mark.parametrize(
    ("role", "ours", "library"),
    [("bare", None, BARE_LIBRARY), ("directory", DIRECTORY, DIRECTORY_LIBRARY)],
)
def test_the_app_waits_for_these_imports_and_no_others(
    roles: Roles, role: str, ours: set[str] | None, library: set[str]
) -> None:
    """Each of them is paid for in every start of every container, before the app runs."""
    modules = imported(roles.start(role, launcher=True), "before")
    foreign = {name for name in modules if name.partition(".")[0] != "config_supervisor"}

    assert library == foreign - ACCELERATORS
    assert ours is None or ours == own(modules)


@only_process
@pytest.mark.parametrize(
    ("role", "allowed"), [("directory", DIRECTORY_PACKAGES), ("api", API_PACKAGES)]
)
def test_what_stays_in_memory_is_these_libraries_and_no_others(
    roles: Roles, role: str, allowed: set[str]
) -> None:
    cost = roles.start(role, launcher=True)
    cost.program.send(signal.SIGWINCH)
    modules = imported(cost, "after")

    assert {"config_supervisor", "prometheus_client"} <= packages(modules)
    assert set() == packages(modules) - allowed
    assert [] == sorted(filter(TOO_MUCH.match, modules))
    others = {name for name in modules if name.partition(".")[0] != "config_supervisor"}
    assert len(others) <= MOST_MODULES[role]


@pytest.mark.parametrize("role", ["bare", "directory", "api"])
def test_threads_and_descriptors_at_rest_are_these(roles: Roles, role: str) -> None:
    roles.start(role).assert_small()


@pytest.mark.parametrize("role", ["directory", "api"])
def test_twenty_reloads_leave_no_thread_and_no_descriptor(roles: Roles, role: str) -> None:
    cost = roles.start(role, "--reload-interval=0s", "--verify-window=0s")
    cost.reload(20)
    cost.assert_small()


@pytest.mark.timeout(60)
def test_no_role_wakes_up_at_rest(roles: Roles) -> None:
    """Three seconds are enough for what polls. What comes by itself comes every minute at most.

    Those are the bookmarks of a watch and, every 5 minutes, a look at a directory.
    """
    costs = [roles.start(role) for role in THREADS]
    for cost in costs:
        cost.assert_small()
    at_rest(costs)
    before = {cost.role: cost.switches() for cost in costs}
    passes(costs, 3)

    assert before == {cost.role: cost.switches() for cost in costs}


def at_rest(costs: list[Cost]) -> None:
    """Wait until nothing happens any more of what a start brings with it."""
    seen: list[list[int]] = []

    def still() -> None:
        seen.append([cost.switches() for cost in costs])
        passes(costs, 0.3)
        assert seen[-1] == [cost.switches() for cost in costs]

    wait_until(still)


def passes(costs: list[Cost], seconds: float) -> None:
    """Let time pass in which none of the programs ends."""
    ends = [os.pidfd_open(cost.program.pid) for cost in costs]
    try:
        assert [] == select.select(ends, [], [], seconds)[0]
    finally:
        for end in ends:
            os.close(end)


@pytest.mark.parametrize("role", ["bare", "directory"])
def test_a_signal_wakes_one_thread_once(roles: Roles, role: str) -> None:
    """Threads that wake each other would double it. A busy machine lets it take several in one go:
    some fewer.
    """
    cost = roles.start(role)
    cost.assert_small()
    at_rest([cost])
    before = cost.sleeps()
    forward(cost, 50)
    at_rest([cost])

    assert 1 <= cost.sleeps() - before <= 55


def forward(cost: Cost, times: int) -> None:
    """So many signals, one after the other; each has done what it does."""
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
    """One that takes it and one that sends it, in the main thread; that no other wakes up is tested
    above.
    """
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
    # From the first to the last of them: the call that strace interrupts by coming is begun once
    # more.
    first, last = calls.index("kill"), len(calls) - calls[::-1].index("kill")

    between = calls[first + 1 : last]
    assert 10 == between.count("kill")
    assert len(between) <= 24, (
        between
    )  # 20, and room for one turn that another thread asks for meanwhile


@pytest.mark.timeout(120)
def test_a_start_takes_little_more_instructions_than_the_least_of_a_python_program(
    tmp_path: os.PathLike[str],
) -> None:
    """The same in every run within a percent, whatever else the machine does: 1.6 times, with
    Python 3.11.
    """
    valgrind = needs("valgrind")
    bare = app("tell_modules.py", ROOT, "--subreaper=off", "--", "true")
    floor = [sys.executable, "-S", "-I", f"{ROOT}/tests/bench/floor.py", "--", "true"]

    assert instructions(valgrind, bare, tmp_path) / instructions(valgrind, floor, tmp_path) < 1.7


def instructions(valgrind: str, command: list[str], scratch: os.PathLike[str]) -> int:
    """How many a command takes, those of its children left out."""
    subprocess.run(command, check=True, capture_output=True)  # compiles what was not compiled yet
    counting = [valgrind, "--tool=callgrind", f"--callgrind-out-file={scratch}/%p"]
    done = subprocess.run([*counting, *command], check=True, capture_output=True, text=True)
    found = re.findall(r"Collected : (\d+)", done.stderr)
    assert 1 == len(found), done.stderr
    return int(found[0])
