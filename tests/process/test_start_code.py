"""A start from the files of `start_code`: used where they are right, left aside where not."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.installed import Installed

# The modules that a start imports before it reads the first file.
ORDINARY = ["__init__", "__main__", "start_code"]


@pytest.fixture(name="installed")
def installed_(tmp_path: Path) -> Installed:
    return Installed(tmp_path / "home")


def byte_code(opened: list[str]) -> list[str]:
    return [Path(path).name.partition(".")[0] for path in opened if path.endswith(".pyc")]


@pytest.mark.parametrize(
    ("options", "read"),
    [(["--listen=off"], ["signals", "cli"]), (["--listen=:0"], ["signals", "cli", "program"])],
    ids=["bare", "with port"],
)
def test_start_reads_a_file_for_each_group(
    installed: Installed, tmp_path: Path, options: list[str], read: list[str]
) -> None:
    installed.compile("--unchecked")
    opened = installed.opened(installed.command(*options, "--", "true"), tmp_path)

    assert [f"start/{group}.code" for group in read] == [
        path for path in opened if path.endswith(".code")
    ]
    if options == ["--listen=off"]:
        assert ORDINARY == byte_code(opened)
        assert len(ORDINARY) + len(read) == len(opened)


def test_checked_start_reads_sources_and_no_byte_code(installed: Installed, tmp_path: Path) -> None:
    installed.compile()
    opened = installed.opened(installed.command("--", "true"), tmp_path)

    assert ORDINARY == byte_code(opened)
    assert "core/events.py" in opened


def edit_source(installed: Installed) -> None:
    path = installed.package / "cli.py"
    path.write_text(path.read_text(encoding="utf-8") + "\n# edited\n", encoding="utf-8")


def change(group: str, alter: Callable[[bytes], bytes]) -> Callable[[Installed], None]:
    def apply(installed: Installed) -> None:
        path = installed.package / "start" / f"{group}.code"
        path.write_bytes(alter(path.read_bytes()))

    return apply


@pytest.mark.parametrize(
    "spoil",
    [
        edit_source,
        change("cli", lambda data: b"\0\0\r\n" + data[4:]),
        change("cli", lambda data: data[:1000]),
        change("cli", lambda data: data[:0]),
        change("cli", lambda data: data[:5000] + b"\xff" + data[5001:]),
    ],
    ids=["edited source", "other interpreter", "truncated", "empty", "damaged"],
)
def test_wrong_file_is_left_aside(
    installed: Installed, tmp_path: Path, spoil: Callable[[Installed], None]
) -> None:
    installed.compile()
    spoil(installed)
    opened = installed.opened(installed.command("--", "true"), tmp_path)

    assert "start/cli.code" in opened
    assert "cli" in byte_code(opened)


def test_truncated_unchecked_file_is_left_aside(installed: Installed, tmp_path: Path) -> None:
    installed.compile("--unchecked")
    change("cli", lambda data: data[:-1000])(installed)
    opened = installed.opened(installed.command("--", "true"), tmp_path)

    assert "cli" in byte_code(opened)


@pytest.mark.parametrize("group", ["signals", "cli", "program", "directory"])
def test_start_does_without_any_of_the_files(
    installed: Installed, tmp_path: Path, group: str
) -> None:
    """A file that stays may hold modules of packages whose own file is left aside."""
    installed.compile("--unchecked")
    (installed.package / "start" / f"{group}.code").unlink()
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "a").write_text("1", encoding="utf-8")
    options = [f"--config-dir={tmp_path}/conf", "--listen=off", "--control=off"]
    done = subprocess.run(
        installed.command(*options, "--", "echo", "runs"),
        capture_output=True,
        text=True,
        check=False,
    )

    assert (0, "runs\n") == (done.returncode, done.stdout), done.stderr


def test_edited_source_takes_effect(installed: Installed) -> None:
    installed.compile()
    path = installed.package / "__init__.py"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('__version__ = "', '__version__ = "edited '), encoding="utf-8")
    done = subprocess.run(
        installed.command("--version"), capture_output=True, text=True, check=True
    )

    assert done.stdout.startswith("supervisor edited ")


def test_traceback_shows_the_lines_of_the_source(installed: Installed) -> None:
    """The modules of a file have the paths of their place, wherever that was compiled."""
    installed.compile("--unchecked")
    code = (
        f"import sys, traceback; sys.path.append({str(installed.package.parent)!r})\n"
        "from config_supervisor import start_code\n"
        "start_code.load('signals')\n"
        "from config_supervisor.runtime import signals\n"
        "assert signals.__spec__.loader is None, 'not from the file'\n"
        "try: signals.number('XYZZY')\n"
        "except ValueError: traceback.print_exc()\n"
    )
    command = [str(installed.python), "-I", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert f'File "{installed.package}/runtime/signals.py", line' in done.stderr
    assert "raise ValueError(" in done.stderr


def test_launcher_loads_no_site_and_nothing_slow(installed: Installed) -> None:
    installed.compile("--unchecked")
    launcher = Path(installed.command()[0])
    text = launcher.read_text(encoding="utf-8")
    told = text.replace("sys.exit(main())", "")
    assert told != text
    launcher.write_text(
        told.replace("from config_supervisor", "import posix\nfrom config_supervisor")
        + "leave = posix._exit\n"
        "posix._exit = lambda code: (print(*sys.modules, flush=True), leave(code))\nmain()\n",
        encoding="utf-8",
    )
    done = subprocess.run(
        installed.command("--", "true"), capture_output=True, text=True, check=True
    )
    modules = set(done.stdout.split())

    assert "config_supervisor.cli" in modules
    assert set() == modules & {"site", "os", "re", "enum", "collections", "functools", "__future__"}
