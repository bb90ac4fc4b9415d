"""The snippets of README and docs, run as they stand.

A run sees a copy of the tree with the environment of these tests as its `.venv`. Directories below
/tmp and the port of nginx are replaced by free ones, and nothing else.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.conftest import needs
from tests.harness import MARK, marked, wait_until
from tests.output_lines import Lines
from tests.servers import free_port
from tests.snippets import LANGUAGES, ROOT, Snippet, snippets, wanted

# tests/sync runs the command lines of this page on the applications themselves.
_APPLICATIONS = "docs/applications.md"
_SHELL = [one for one in wanted("sh") if one.page != _APPLICATIONS]
_NO_INDEX = re.compile(
    "No matching distribution|Connection|Could not fetch|timed out", re.IGNORECASE
)

_NGINX = """\
error_log stderr;
pid /tmp/nginx.pid;
events {}
http {
    access_log off;
    server { listen 127.0.0.1:8080; location / { return 200 "Hello\\n"; } }
}
"""

# "no" turns compilation off (pip, Boolean options): a fifth of the CPU time, for a single call.
_PIP = {"PIP_NO_COMPILE": "no", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


class Desk:
    """A copy of the tree, and shells in it whose processes end with the test."""

    def __init__(self, top: str) -> None:
        self.top = top
        self.tree = Path(top, "tree")
        self._copy()
        self._environment_of_the_tests()
        Path(top, "tmp").mkdir()
        Path(top, "home").mkdir()
        self.mark = f"docs-{os.getpid()}"
        self._shell: subprocess.Popen[bytes] | None = None
        self._ports = {"8080": str(free_port()), "9911": str(free_port())}

    def _copy(self) -> None:
        command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others"]
        listing = subprocess.run(
            [*command, "--exclude-standard"], capture_output=True, text=True, check=False
        )
        if listing.returncode:
            pytest.skip("needs a git checkout")
        for name in filter(None, listing.stdout.split("\0")):
            (self.tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, self.tree / name, follow_symlinks=False)

    def _environment_of_the_tests(self) -> None:
        """`.venv` as `make` leaves it, by links: nothing is installed into the real one."""
        venv = self.tree / ".venv"
        venv.mkdir()
        for path in Path(sys.prefix).iterdir():
            if path.name not in (".run", ".dev"):
                (venv / path.name).symlink_to(path)
        for name in (".run", ".dev"):
            (venv / name).touch()

    def here(self, text: str) -> str:
        """The text of a page with this desk's directories and ports."""
        text = re.sub(r"(?<![\w.])/tmp/", f"{self.top}/tmp/", text)
        return re.sub(r"\b(8080|9911)\b", lambda match: self._ports[match[0]], text)

    def environment(self) -> dict[str, str]:
        own = ("CONFIG_SUPERVISOR_", "CONFIG_CONTROLLER_")
        kept = {key: value for key, value in os.environ.items() if not key.startswith(own)}
        return {
            **kept,
            "HOME": f"{self.top}/home",
            **_PIP,
            "PATH": f"{self.tree}/.venv/bin:{os.environ['PATH']}",
            "CONFIG_SUPERVISOR_LISTEN": f"127.0.0.1:{self._ports['9911']}",
            "CONFIG_SUPERVISOR_CONTROL": f"{self.top}/control.sock",
            MARK: self.mark,
        }

    def run(self, text: str, timeout: float) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", self.here(text)],
            cwd=self.tree,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=timeout,
        )

    def shell(self) -> Lines:
        """Start a shell for `type`; returns the output of its commands."""
        self._shell = subprocess.Popen(
            ["bash", "--norc"],
            cwd=self.tree,
            env=self.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert self._shell.stdout is not None
        self._lines = Lines(self._shell.stdout)
        return self._lines

    def type(self, text: str) -> None:
        assert self._shell is not None
        assert self._shell.stdin is not None
        self._shell.stdin.write(text.encode())
        self._shell.stdin.flush()

    def close(self) -> None:
        """End all processes started here. nginx clears its environment: its supervisor ends it."""
        if self._shell is not None:
            self.type("kill $(jobs -p); wait; exit\n")
            self._shell.wait(10)
        for pid in marked(self.mark):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_until(self._all_gone)
        if self._shell is not None:
            assert self._shell.stdin is not None
            self._shell.stdin.close()
            self._shell.wait(5)
            self._lines.reader.join(5)

    def _all_gone(self) -> None:
        assert [] == marked(self.mark)


@pytest.fixture
def desk() -> Iterator[Desk]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as top:
        one = Desk(top)
        yield one
        one.close()


def test_every_snippet_has_a_language_or_a_reason() -> None:
    assert [] == [str(one) for one in snippets() if one.language not in LANGUAGES]
    assert [] == [str(one) for one in snippets() if one.not_run == ""]


def test_snippets_are_found() -> None:
    """The tests below are not empty."""
    assert len(_SHELL) >= 5
    assert len(wanted("console")) == 1
    assert len(wanted("dockerfile")) >= 2


@pytest.mark.timeout(300)
@pytest.mark.parametrize("snippet", _SHELL, ids=str)
def test_shell_snippet_runs(snippet: Snippet, desk: Desk) -> None:
    done = desk.run(snippet.text, timeout=240)
    if done.returncode and "pip" in snippet.text and _NO_INDEX.search(done.stdout):
        pytest.skip("needs a Python package index")

    assert 0 == done.returncode, done.stdout


@pytest.mark.timeout(60)
@pytest.mark.parametrize("snippet", wanted("console"), ids=str)
def test_terminal_excerpt_is_real(snippet: Snippet, desk: Desk) -> None:
    """Each command brings the lines below it, in which `...` stands for text left out."""
    needs("nginx")
    (desk.tree / "conf").mkdir()
    (desk.tree / "conf" / "nginx.conf").write_text(desk.here(_NGINX))
    lines = desk.shell()
    for command, output in _turns(snippet.text):
        desk.type(f"{desk.here(_patient(command))}\n")
        lines.expect(_pattern(desk.here(output)), timeout=10)


def _patient(command: str) -> str:
    """A request, repeated until there is an answer: a person is slower than this test."""
    if command.startswith("curl "):
        return f"until {command} | grep . ; do sleep 0.05; done"
    return command


def _turns(text: str) -> list[tuple[str, str]]:
    """The commands of an excerpt, each with the output below it."""
    turns = []
    for turn in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command = re.match(r"(?:.*\\\n)*.*\n", turn)
        assert command is not None
        turns.append((command[0].rstrip("\n"), turn[command.end() :].rstrip("\n")))
    return turns


def _pattern(output: str) -> str:
    """A line of output as a pattern: wrapped lines are joined, pids and digests are any."""
    whole = re.sub(r"\s*\n(?=\.\.\. (?!supervisor))", " ", output)
    parts = [_numbers(re.escape(part)) for part in whole.split("...")]
    return ".*".join(parts).replace(r"\ .*\ ", ".*")


def _numbers(text: str) -> str:
    text = re.sub(r"(?<=pid\\ )\d+", r"\\d+", text)
    return re.sub(r"(?<=configuration\\ )[0-9a-f]{8}", "[0-9a-f]{8}", text)


def test_excerpt_pattern_refuses_another_text() -> None:
    """The comparison can fail."""
    pattern = _pattern("... started nginx (pid 1) on configuration a7c9a64a (1 file)")

    assert re.search(pattern, "x started nginx (pid 23) on configuration 00c9a64a (1 file)")
    assert not re.search(pattern, "x started nginx (pid 23) on configuration 00c9a64a (2 files)")


@pytest.mark.parametrize("snippet", wanted("yaml"), ids=str)
def test_yaml_snippet_can_be_read(snippet: Snippet) -> None:
    for document in yaml.safe_load_all(snippet.text):
        assert isinstance(document, dict | list)


def test_marked_snippet_is_not_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "<!-- not run: a reason -->\n```sh\nfalse\n```\n\n```sh images\ntrue\n```\n"
        "<!-- not run: -->\n```sh\nfalse\n```\n"
    )
    monkeypatch.setattr("tests.snippets.ROOT", tmp_path)

    assert [("", "a reason"), ("images", None), ("", "")] == [
        (one.lane, one.not_run) for one in snippets(page)
    ]


def test_command_lines_have_no_open_quote() -> None:
    """A shell can read every snippet, run or not."""
    for one in snippets():
        if one.language == "sh":
            assert shlex.split(one.text, comments=True), one
