"""The house stays in order: sizes, imports at a start, and the pages about options and metrics."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys

import pytest

from config_supervisor.options import help_page

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SOURCES = [
    os.path.join(folder, name)
    for top in ("supervisor", "tests")
    for folder, _, names in os.walk(os.path.join(ROOT, top))
    for name in names
    if name.endswith(".py")
]


BARE = (
    "__main__",
    "cli",
    "core",
    "core.actions",
    "core.errors",
    "core.events",
    "core.life",
    "core.life_state",
    "core.record",
    "core.service",
    "core.signal_numbers",
    "core.signalling",
    "observe",
    "observe.journal",
    "options",
    "options.command_line",
    "options.declarations",
    "options.option",
    "options.parsers",
    "options.reload_options",
    "process",
    "process.children",
    "process.environment",
    "process.open_files",
    "process.spawning",
    "process.terminal",
    "runtime",
    "runtime.inbox",
    "runtime.log",
    "runtime.loop",
    "runtime.signals",
    "runtime.threads",
    "wiring",
    "wiring.launch",
)


def read(name: str) -> str:
    with open(os.path.join(ROOT, name), encoding="utf-8") as file:
        return file.read()


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: os.path.relpath(path, ROOT))
def test_files_and_functions_are_short_and_modules_have_a_charter(path: str) -> None:
    text = read(path)
    tree = ast.parse(text)
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    long = [
        node.name
        for node in ast.walk(tree)
        if isinstance(node, functions) and (node.end_lineno or 0) - node.lineno + 1 > 60
    ]

    assert len(text.splitlines()) <= 480
    assert [] == long
    assert ast.get_docstring(tree) or not text.strip()


def modules_of(*argv: str) -> set[str]:
    """What is imported when the program has started `true` with these arguments, threads not waited
    for.
    """
    code = (
        "import os, sys\n"
        "leave = os._exit\n"
        "os._exit = lambda code: (print(*sys.modules, flush=True), leave(code))\n"
        "from config_supervisor.__main__ import main\n"
        "main()\n"
    )
    result = subprocess.run(
        [sys.executable, "-I", "-c", code, *argv], capture_output=True, text=True, check=True
    )
    return set(result.stdout.split())


def test_a_bare_init_imports_nothing_that_takes_time() -> None:
    modules = modules_of("--subreaper=off", "true")
    heavy = {
        "ssl",
        "kubernetes",
        "prometheus_client",
        "psutil",
        "http",
        "json",
        "logging",
        "threading",
        "subprocess",
    }
    heavy |= {
        "argparse",
        "dataclasses",
        "inspect",
        "typing",
        "ctypes",
        "hashlib",
        "queue",
        "asyncio",
    }

    assert "config_supervisor.core.service" in modules
    assert set() == modules & heavy
    assert {m for m in modules if m.startswith("config_supervisor.")} == {
        f"config_supervisor.{name}" for name in BARE
    }


def test_options_page_says_the_same_as_the_help() -> None:
    section = read("docs/options.md")
    table = re.findall(r"^\| `(-[^`]*)` \| (.*) \|$", section, re.MULTILINE)

    assert [(head, text.replace("|", "\\|")) for head, text in help_page.rows()] == [
        (head.replace("\\|", "|"), text) for head, text in table
    ]


def test_metrics_page_lists_every_metric() -> None:
    code = (
        "from config_supervisor.core.service import Service\n"
        "from config_supervisor.observe.metrics import Metrics\n"
        "metrics = Metrics(lambda: Service(), 'signal')\n"
        "print(metrics.page('')[1].decode())\n"
    )
    page = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    # The text format names a counter without its suffix in TYPE lines of families, with it in
    # samples.
    ours = {
        name
        for name in re.findall(r"^# TYPE (\w+)", page, re.MULTILINE)
        if re.match("supervisor|reloader", name)
    }
    documented = set(
        re.findall(r"^\| `(\w+)(?:\{.*\})?` \|", read("docs/metrics.md"), re.MULTILINE)
    )

    assert len(ours) > 30
    assert ours == documented


def test_nothing_speaks_of_machines_or_makers() -> None:
    command = ["git", "ls-files", "*", ":!*.png"]
    tracked = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split()
    tracked = [name for name in tracked if not os.path.isdir(os.path.join(ROOT, name))]
    if not tracked:
        pytest.skip("needs a git checkout")
    forbidden = re.compile(r"/(?:work|farm)/|/root/\.")
    found = [
        name
        for name in tracked
        if name != "tests/unit/test_house.py" and forbidden.search(read(name))
    ]

    assert [] == found
