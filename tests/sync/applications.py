"""The applications of docs/applications.md under test: the command lines of the page, run on a
stage.

The page names `/config-in`, `/config`, `/run/app` and a port; a stage replaces these in the command
line and in the configuration, and nothing else. It must not know any application: each test file
has the applications of one kind.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from config_supervisor.core.record import Record
from tests.conftest import needs, needs_root
from tests.harness import Program, Run, until, wait_until
from tests.http import metric, port_of
from tests.servers import free_port
from tests.snippets import ROOT, snippets
from tests.volume import swap_volume

_PAGE = ROOT / "docs" / "applications.md"
_QUICK = "--verify-window=500ms"
# Long enough for an application to end on a bad version; its end closes the window.
_UNTIL_ITS_END = "--verify-window=10s"
_UNTIL_VERIFIED = "--verify-window=1s"


class Application(Record):
    """A section of the page, and a configuration: files whose text names the paths and ports of the
    page.
    """

    title: str
    ports: tuple[int, ...]  # the first is the port that clients use
    files: Callable[[str], Mapping[str, str]]  # of a word that a client can see
    shown: Callable[[Stage], str]  # the word as a client sees it
    bad: str  # behind the first file: the application refuses the version
    # Files in /run/app, which an image has beside its configuration.
    image: Mapping[str, str] = MappingProxyType({})
    options: tuple[str, ...] = ()  # behind the page's options; the last of a name counts
    arguments: tuple[str, ...] = ()  # behind the arguments of the page's command


def page() -> str:
    return _PAGE.read_text(encoding="utf-8")


def blocks(title: str) -> dict[str, str]:
    """The code blocks of a section by the name behind `sh`; the command line has none."""
    section = re.search(
        rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", page(), re.MULTILINE | re.DOTALL
    )
    assert section is not None, f"{title} has no section"
    return {found.lane: found.text for found in snippets(_PAGE) if found.text in section[1]}


def command(title: str) -> list[str]:
    """The words of a section's command line."""
    return shlex.split(blocks(title)[""].replace("\\\n", " "))


def sections() -> list[str]:
    """The titles of the sections that have a command line, in the page's order."""
    return [title for title in re.findall(r"^## (.*)$", page(), re.MULTILINE) if blocks(title)]


class Stage:
    """A volume, a configroot, a scratch directory, free ports, and the program on them."""

    metrics: int

    def __init__(self, run: Run, application: Application, ports: tuple[int, ...]) -> None:
        self.run, self.application = run, application
        self.top = tempfile.mkdtemp()  # other users enter it, and a socket's path must be short
        os.chmod(self.top, 0o755)
        self.scratch = f"{self.top}/scratch"
        os.mkdir(self.scratch)
        os.chmod(self.scratch, 0o777)
        self._places = {
            "/config-in": f"{self.top}/volume",
            "/config": f"{self.top}/live",
            "/run/app": self.scratch,
        }
        self._places |= {str(port): str(free_port()) for port in ports}
        for name, text in application.image.items():
            with open(f"{self.scratch}/{name}", "w", encoding="utf-8") as file:
                file.write(self.here(text))

    def here(self, text: str) -> str:
        """A text of the page with this stage's paths and ports."""
        names = "|".join(re.escape(name) for name in self._places)
        return re.sub(rf"(?<![\w.])(?:{names})\b", lambda match: self._places[match[0]], text)

    @property
    def port(self) -> int:
        return int(self.here(str(self.application.ports[0])))

    def path(self, name: str) -> str:
        return self.here(name)

    def write(self, word: str, more: str = "") -> None:
        """The volume's next version; `more` is added to the first file."""
        texts = dict(self.application.files(word))
        texts[next(iter(texts))] += more
        self.write_files(texts)

    def write_files(self, files: Mapping[str, str]) -> None:
        texts = {name: self.here(text) for name, text in files.items()}
        swap_volume(self.path("/config-in"), texts)

    def start(self, *more: str, without: tuple[str, ...] = ()) -> Program:
        """Run the page's command line, without some of its options and with others."""
        words = [self.here(word) for word in command(self.application.title)]
        end = words.index("--")
        options = [word for word in words[1:end] if word.partition("=")[0] not in without]
        own = [self.here(word) for word in self.application.options]
        arguments = [self.here(word) for word in self.application.arguments]
        quick = ["--listen=127.0.0.1:0", "--reload-interval=0s", _QUICK, *own, *more]
        program = self.run(
            *words[end + 1 :], *arguments, options=[*options, *quick], env=self._environment()
        )
        self.metrics = port_of(program)
        return program

    def _environment(self) -> dict[str, str]:
        """PATH with the page's scripts in it."""
        bin_ = f"{self.top}/bin"
        os.makedirs(bin_, exist_ok=True)
        for name, text in blocks(self.application.title).items():
            if name:
                with open(f"{bin_}/{name}", "w", encoding="utf-8") as file:
                    file.write(text)
                os.chmod(f"{bin_}/{name}", 0o755)
        return {"PATH": f"{bin_}:{os.environ['PATH']}", "PYTHONDONTWRITEBYTECODE": "1"}

    def shows(self, word: str) -> None:
        """Wait until a client sees the word."""

        def seen() -> None:
            try:
                actual = self.application.shown(self)
            except (OSError, subprocess.SubprocessError, ValueError, LookupError) as error:
                raise AssertionError(repr(error)) from error
            assert word == actual

        try:
            wait_until(seen)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.run.programs[-1].story()}") from None

    def counts(self, name: str, number: float, **labels: str) -> None:
        try:
            until(lambda: metric(self.metrics, name, **labels), number)
        except (AssertionError, OSError) as error:
            raise AssertionError(f"{name}: {error!r}\n{self.run.programs[-1].story()}") from error

    def took_up(self, versions: int) -> None:
        """Wait until this number of versions is live, and the last reload a success."""
        self.counts("config_updates_total", versions)
        self.counts("config_stale", 0)
        self.counts("config_last_reload_successful", 1)


def stage_of(run: Run, application: Application, ports: tuple[int, ...] = ()) -> Iterator[Stage]:
    """The body of a fixture: a stage, on the application's ports or others; removed at the end."""
    needs_root()
    words = command(application.title)
    needs(words[words.index("--") + 1])
    stage = Stage(run, application, ports or application.ports)
    yield stage
    run.kill_left()
    shutil.rmtree(stage.top)


def follows(stage: Stage) -> None:
    """A good change has its effect, a bad change is rejected before it is live, TERM ends all with
    code 0.
    """
    stage.write("one")
    program = stage.start()
    stage.shows("one")
    stage.write("two")
    stage.shows("two")
    stage.took_up(2)
    if "--validate" in blocks(stage.application.title)[""]:
        stage.write("three", stage.application.bad)
        stage.counts("config_validations_total", 1, result="rejected")
        stage.shows("two")
        stage.counts("config_rollbacks_total", 0)
    program.send(15)
    program.finish(0)


def recovers(stage: Stage) -> None:
    """Without validation a bad version is rolled back to the last good version, and the next one is
    taken up.
    """
    stage.write("one")
    window = (
        _UNTIL_VERIFIED if "--verify=" in blocks(stage.application.title)[""] else _UNTIL_ITS_END
    )
    program = stage.start(window, without=("--validate",))
    stage.shows("one")
    stage.write("two", stage.application.bad)
    stage.counts("config_rollbacks_total", 1)
    stage.counts("config_last_reload_successful", 0)
    stage.shows("one")
    stage.write("three")
    stage.shows("three")
    program.send(15)
    program.finish(0)
