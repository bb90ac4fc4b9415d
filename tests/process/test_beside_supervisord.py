"""Our wheel beside supervisor 4.3 of PyPI in one virtual environment, in both orders.

The distributions share no file but the script `supervisorctl`: the last installation owns it, and
removing either removes it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

import pytest

from config_supervisor import __version__
from tests.harness import environment

ROOT = Path(__file__).parents[2]
OURS = "config-supervisor"
THEIRS = "supervisor"
RELEASE = "4.3.0"
# supervisor 4.3 imports pkg_resources, which setuptools 81 has no more.
PINNED = [f"{THEIRS}=={RELEASE}", "setuptools<81"]
SHARED = "bin/supervisorctl"
OUR_VERSION = f"supervisorctl {__version__} (config-supervisor)\n"
THEIR_HELP = "supervisorctl -- control applications run by supervisord"

pytestmark = pytest.mark.timeout(180)


class Environment:
    """A virtual environment in which both are installed, in this order."""

    def __init__(self, place: Path, wheels: Path, order: tuple[str, str]) -> None:
        self._place = place
        venv.create(place, with_pip=False, symlinks=True)
        pip("install", *self._offline(wheels), *PINNED[1:], target=place)
        for name in order:
            pip("install", *self._offline(wheels), name, target=place)

    @staticmethod
    def _offline(wheels: Path) -> list[str]:
        return ["--no-deps", "--no-index", f"--find-links={wheels}"]

    def run(self, program: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment, where no source tree has a `supervisor` too."""
        return subprocess.run(
            [str(self._place / "bin" / program), *words],
            capture_output=True,
            text=True,
            check=False,
            cwd=self._place,
            env=environment(),
            timeout=30,
        )

    def says(self, program: str, *words: str) -> str:
        """The output of a program, which must succeed."""
        done = self.run(program, *words)
        assert (0, "") == (done.returncode, done.stderr)
        return done.stdout

    def uninstall(self, name: str) -> None:
        pip("uninstall", "--yes", name, target=self._place)

    def missing(self, name: str) -> set[str]:
        """The files of a distribution without those still there."""
        code = (
            "import sys; from importlib import metadata\n"
            "for file in metadata.files(sys.argv[1]): print(file.locate().resolve())\n"
        )
        files = self.says("python", "-I", "-c", code, name).splitlines()
        place = self._place.resolve()
        return {os.path.relpath(path, place) for path in files if not os.path.exists(path)}

    def assert_ours_runs(self) -> None:
        assert f"supervisor {__version__}\n" == self.says("supervisor", "--version")
        assert "started\n" == self.says("supervisor", "--", "echo", "started")
        assert OUR_VERSION == self.says("python", "-m", "config_supervisor.control", "--version")

    def assert_theirs_runs(self) -> None:
        assert f"{RELEASE}\n" == self.says("supervisord", "--version")
        assert THEIR_HELP in self.says("python", "-m", "supervisor.supervisorctl", "--help")

    def assert_ours_starts_from_files(self) -> None:
        """By those of `start_code`: their modules have no loader."""
        code = (
            "from config_supervisor import start_code; start_code.load('signals')\n"
            "from config_supervisor.runtime import signals; print(signals.__loader__)\n"
        )
        assert "None\n" == self.says("python", "-I", "-c", code)

    def assert_script_of(self, name: str) -> None:
        """`supervisorctl` belongs to this distribution; ours takes the options of the other."""
        if name == THEIRS:
            assert THEIR_HELP in self.says("supervisorctl", "--help")
            return
        assert OUR_VERSION == self.says("supervisorctl", "--version")
        done = self.run("supervisorctl", "-c", "/etc/supervisord.conf", "status")
        assert (2, "") == (done.returncode, done.stdout)
        assert "Error: could not find config file /etc/supervisord.conf\n" in done.stderr


def pip(*words: str, target: Path | None = None) -> None:
    where = [] if target is None else [f"--python={target}/bin/python"]
    command = [sys.executable, "-m", "pip", "--quiet", *where, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert 0 == done.returncode, done.stderr


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a wheel of each distribution."""
    place = tmp_path_factory.mktemp("wheels")
    tree = tmp_path_factory.mktemp("tree")
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    shutil.copytree(ROOT / "supervisor", tree / "supervisor")
    shutil.copytree(ROOT / "images" / "bin", tree / "images" / "bin")
    (tree / "config_supervisor").symlink_to("supervisor")
    try:
        pip("download", "--no-deps", f"--dest={place}", *PINNED)
    except AssertionError as error:
        pytest.skip(f"needs PyPI: cannot download {PINNED[0]}: {error}")
    pip("wheel", "--no-deps", f"--wheel-dir={place}", str(tree))
    return place


Install = Callable[[str, str], Environment]


@pytest.fixture
def install(tmp_path: Path, wheels: Path) -> Install:
    """Installs two distributions in this order."""
    return lambda *order: Environment(tmp_path / "venv", wheels, order)


@pytest.mark.parametrize("gone", [OURS, THEIRS])
@pytest.mark.parametrize("order", [(OURS, THEIRS), (THEIRS, OURS)])
def test_each_runs_beside_the_other_and_without_it(
    install: Install, order: tuple[str, str], gone: str
) -> None:
    both = install(*order)
    both.assert_ours_runs()
    both.assert_ours_starts_from_files()
    both.assert_theirs_runs()
    both.assert_script_of(order[-1])
    assert [set(), set()] == [both.missing(name) for name in order]

    both.uninstall(gone)
    left = OURS if gone == THEIRS else THEIRS
    assert {SHARED} == both.missing(left)
    if left == OURS:
        both.assert_ours_runs()
    else:
        both.assert_theirs_runs()
