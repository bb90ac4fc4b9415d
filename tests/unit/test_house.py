"""The house stays in order: sizes, charters, words, names, and the imports of a bare start."""

from __future__ import annotations

import ast
import collections
import functools
import io
import os
import re
import subprocess
import sys
import tokenize
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from config_supervisor.options import help_page
from tests import service_metrics

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAM = sorted((ROOT / "supervisor").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
SOURCES = [*PROGRAM, *TESTS, *sorted((ROOT / "monitoring").glob("*.py"))]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "monitoring" / "README.md"]

LINES, FUNCTION, WIDTH, TEST_NAME = 400, 40, 100, 60
# Of 1,000 words of docstrings and comments, at most these. Two and a half times what projects have
# that read well; see CONTRIBUTING.md.
MOST = {"what": 3.0, "that": 13.0, "one": 5.0}
FOREIGN = {"gunicorn.conf.py", "coverage.py"}  # files of other programs, named in the documents
PERSONS = ("nobody", "somebody", "anybody", "everybody")
BANNED = re.compile(
    r"\b(?:nobody|somebody|anybody|everybody|for ever|anew|so many|for want of|shall|its kin"
    r"|its own word|believes|minds)\b",
    re.IGNORECASE,
)
OPENING_WHAT = re.compile(r"(?:^|(?<=[.:] ))What [a-z]")
# A text that needs the one above it.
DANGLING = re.compile(
    r"\b(?:its|their|theirs)\b|\bof it\b|\b(?:when|how|where) it was\b", re.IGNORECASE
)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def read(name: str | Path) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def parsed(path: Path) -> ast.Module:
    return ast.parse(read(path))


def functions(tree: ast.Module) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [node for node in ast.walk(tree) if isinstance(node, kinds)]


def comments(path: Path) -> Iterator[str]:
    for token in tokenize.generate_tokens(io.StringIO(read(path)).readline):
        if token.type == tokenize.COMMENT:
            yield token.string.lstrip("#: ")


def docstrings(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield ast.get_docstring(node) or ""


def literals(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@functools.cache  # but no trees: a collection of garbage would visit every node
def prose(path: Path) -> tuple[str, ...]:
    return (*comments(path), *docstrings(parsed(path)))


def paragraphs(page: str) -> list[str]:
    """A page without its code."""
    text = re.sub(r"^```.*?^```", "", page, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"`[^`]*`", "", text).split("\n")


def faults(texts: Iterable[str]) -> list[str]:
    """The texts with a banned word, or with a sentence that begins with a clause in "What"."""
    return [text for text in texts if BANNED.search(text) or OPENING_WHAT.search(text)]


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_file_is_short_and_says_what_it_is(path: Path) -> None:
    text, tree = read(path), parsed(path)
    long = [f.name for f in functions(tree) if (f.end_lineno or 0) - f.lineno + 1 > FUNCTION]
    wide = [line for line in text.split("\n") if len(line) > WIDTH]

    assert len(text.splitlines()) <= LINES
    assert [] == long
    assert [] == wide
    assert ast.get_docstring(tree) or not text.strip()


@pytest.mark.parametrize("path", TESTS, ids=name_of)
def test_names_of_tests_are_short(path: Path) -> None:
    names = [f.name for f in functions(parsed(path)) if f.name.startswith("test_")]

    assert [] == [name for name in names if len(name) > TEST_NAME]


def test_modules_of_tests_have_names_of_their_own() -> None:
    """Imports go by these, without their folders."""
    names = [path.name for path in TESTS if path.name.startswith("test_")]

    assert [] == sorted({name for name in names if names.count(name) > 1})


@pytest.mark.parametrize("path", sorted((ROOT / "supervisor").rglob("__init__.py")), ids=name_of)
def test_package_holds_its_charter_only(path: Path) -> None:
    """The package itself has the version and the prefix, which everything reads."""
    body = parsed(path).body
    rest = [node for node in body if not isinstance(node, ast.Expr)]
    if path.parent.name == "supervisor":
        rest = [node for node in rest if not isinstance(node, ast.Assign)]

    assert ast.get_docstring(parsed(path))
    assert [] == [ast.unparse(node) for node in rest]


def counts(files: Iterable[Path]) -> tuple[dict[str, float], set[str]]:
    """How often the words of `MOST` stand in 1,000 words of prose, and the persons there."""
    found: collections.Counter[str] = collections.Counter()
    for path in files:
        for text in prose(path):
            found.update(re.findall(r"[a-z']+", text.lower()))
    total = sum(found.values())
    return {word: 1000 * found[word] / total for word in MOST}, set(PERSONS) & set(found)


@pytest.mark.parametrize("files", [PROGRAM, TESTS], ids=["supervisor", "tests"])
def test_english_is_plain(files: list[Path]) -> None:
    frequency, persons = counts(files)

    assert {} == {word: n for word, n in frequency.items() if n > MOST[word]}
    assert set() == persons


@pytest.mark.parametrize("path", PROGRAM, ids=name_of)
def test_program_has_no_banned_words(path: Path) -> None:
    assert [] == faults([*prose(path), *literals(parsed(path))])


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_page_has_no_banned_words(path: Path) -> None:
    assert [] == faults(paragraphs(read(path)))


def test_banned_words_are_found() -> None:
    assert ["tried for ever", "What it says."] == faults(["tried for ever", "What it says.", "ok"])


def test_help_text_stands_alone() -> None:
    """A line of --help is read without the line above it."""
    assert [] == [(head, text) for head, text in help_page.rows() if DANGLING.search(text)]


def metrics_page() -> str:
    code = (
        "from config_supervisor.core.service import Service\n"
        "from config_supervisor.fleet.state import Fleet\n"
        "from config_supervisor.observe.metrics import Metrics\n"
        "metrics = Metrics(lambda: Service(fleet=Fleet()), 'signal')\n"
        "print(metrics.page('')[1].decode())\n"
    )
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout


def test_metric_help_stands_alone() -> None:
    lines = re.findall(r"^# HELP (?:supervisor|reloader)(.*)$", metrics_page(), re.MULTILINE)

    assert len(lines) > 30
    lines += service_metrics.helps().values()
    assert [] == [line for line in lines if DANGLING.search(line)]


def test_metrics_page_lists_every_metric() -> None:
    # TYPE lines of the text format name the sample of a counter, with its suffix.
    names = re.findall(r"^# TYPE ((?:supervisor|reloader)\w+)", metrics_page(), re.MULTILINE)
    names += service_metrics.helps()
    documented = re.findall(r"^\| `(\w+)(?:\{.*\})?` \|", read("docs/metrics.md"), re.MULTILINE)

    assert len(names) > 30
    assert set(names) == set(documented)


BARE = (
    "__main__",
    "cli",
    "core",
    "core.actions",
    "core.errors",
    "core.events",
    "core.life",
    "core.life_state",
    "core.primitives",
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
    "options.fleet_options",
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
    "start_code",
    "wiring",
    "wiring.launch",
)


def modules_of(*argv: str) -> set[str]:
    """The modules of a program that has just started `true`, without those of its threads."""
    code = (
        "import posix, sys\n"
        "leave = posix._exit\n"
        "posix._exit = lambda code: (print(*sys.modules, flush=True), leave(code))\n"
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


def test_files_named_in_prose_exist() -> None:
    """A module that was renamed leaves its old name in comments; readers look for it in vain."""
    known = {path.name for path in (*PROGRAM, *SOURCES, *(ROOT / "images").rglob("*.py"))}
    texts = {name_of(path): "\n".join(prose(path)) for path in SOURCES}
    texts |= {name_of(path): read(path) for path in PAGES if path.name != "CHANGELOG.md"}
    named = re.compile(r"(?<![\w.-])(?:[\w-]+/)*([a-z]\w*\.py)\b")

    found = {(name, file) for name, text in texts.items() for file in named.findall(text)}
    assert [] == sorted(pair for pair in found if pair[1] not in known | FOREIGN)


def test_wheel_has_every_package() -> None:
    """A package that is missing there is found in the tree all the same."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    folders = {path.parent for path in (ROOT / "supervisor").rglob("__init__.py")}
    names = {".".join(one.relative_to(ROOT).parts) for one in folders}

    assert {f"config_{name}" for name in names} == set(project["tool"]["setuptools"]["packages"])
