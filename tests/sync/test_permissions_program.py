"""The readers of a copy in configroot: at most those of the original, file by file."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
from pathlib import Path

import pytest

from tests.conftest import needs_root
from tests.harness import Program, Run, app
from tests.volume import swap_volume

GROUP, STRANGER = 2000, 65534


@pytest.fixture
def source(common: Path) -> Path:
    """A directory with an ordinary app.conf."""
    path = common / "source"
    swap_volume(str(path), {"app.conf": "one", "other": "2"})
    return path


def copied(run: Run, source: Path, *options: str) -> Program:
    """Follow the directory with the copies in `live` beside it; returns once the app runs."""
    root = source.parent / "live"
    given = [
        f"--config-dir={source}",
        f"--configroot={root}",
        "--listen=off",
        "--reload-interval=0s",
        *options,
    ]
    program = run(*app("read_config.py", str(root / "app.conf")), options=given)
    program.expect("config: one")
    return program


def access(source: Path, name: str) -> tuple[str, int]:
    """Mode and group of a copy."""
    status = os.stat(source.parent / "live" / name)
    return f"{stat.S_IMODE(status.st_mode):04o}", status.st_gid


def can_read(path: Path, uid: int, gid: int) -> bool:
    command = ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups", "cat", str(path)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("mode", [0o440, 0o640, 0o660])
def test_copy_of_group_file_keeps_group_and_mode(run: Run, source: Path, mode: int) -> None:
    """As a volume with an fsGroup has it."""
    needs_root()
    os.chown(source / "other", 0, GROUP)
    os.chmod(source / "other", mode)
    copied(run, source)

    copy = source.parent / "live" / "other"
    assert access(source, "other") == ("0640", GROUP)
    assert can_read(copy, STRANGER, GROUP)
    assert not can_read(copy, STRANGER, STRANGER)


def test_copy_of_file_behind_link_keeps_its_mode(run: Run, common: Path) -> None:
    needs_root()
    source, hidden = common / "source", common / "hidden"
    source.mkdir()
    (source / "app.conf").write_text("one")
    hidden.write_text("secret")
    os.chown(hidden, 0, GROUP)
    os.chmod(hidden, 0o640)
    (source / "link").symlink_to(hidden)
    copied(run, source)

    assert access(source, "link") == ("0640", GROUP)


def test_copy_from_closed_directory_stays_closed(run: Run, source: Path) -> None:
    """The files themselves are open; their directories keep others out."""
    needs_root()
    for name, mode, gid in (("owner", 0o700, 0), ("group", 0o750, GROUP)):
        (source / name).mkdir()
        (source / name / "file").write_text("secret")
        os.chown(source / name, 0, gid)
        os.chmod(source / name, mode)
    copied(run, source)

    assert access(source, "owner/file")[0] == "0600"
    assert access(source, "group/file") == ("0640", GROUP)


def test_private_file_leaves_others_readable(run: Run, source: Path) -> None:
    """Another user than the owner still reads the files which it could read at their origin."""
    os.chmod(source / "other", 0o600)
    copied(run, source)

    assert access(source, "app.conf")[0] == "0644"
    assert access(source, "other")[0] == "0600"


def test_given_file_mode_is_exact(run: Run, source: Path) -> None:
    os.chmod(source / "other", 0o600)
    copied(run, source, "--file-mode=0444")

    assert {access(source, name)[0] for name in ("app.conf", "other")} == {"0444"}


def test_copy_follows_a_later_change_of_mode(run: Run, source: Path) -> None:
    program = copied(run, source)
    program.expect("ready")
    os.chmod(source / "other", 0o600)
    with open(source / "app.conf", "r+", encoding="utf-8") as file:
        file.write("two")
    program.expect("config: two")

    assert access(source, "other")[0] == "0600"


def test_script_in_source_can_be_run_in_configroot(run: Run, source: Path) -> None:
    os.chmod(source / "other", 0o755)
    copied(run, source)

    assert access(source, "other")[0] == "0755"


def test_secret_that_the_app_cannot_read_is_told(run: Run, tmp_path: os.PathLike[str]) -> None:
    """Root writes its files, and they are for their owner only."""
    needs_root()
    options = [
        f"--configroot={tmp_path}/live",
        "--secret=a/b",
        "--listen=off",
        f"--kubeconfig={tmp_path}/none",
    ]
    program = run("true", options=[*options, "--user=1000:1000"])
    program.err.expect(
        "warning: the files of --secret .* give --owner 1000:1000, or the app .* cannot read them"
    )
    program.finish(125)


@pytest.mark.parametrize("mode", [0o600, 0o755])
def test_copy_follows_a_change_of_mode_alone(run: Run, source: Path, mode: int) -> None:
    program = copied(run, source, "--verify-window=0s")
    program.expect("ready")
    for each in (mode, 0o644):
        os.chmod(source / "other", each)
        program.err.expect("in place: permissions changed")
        assert access(source, "other")[0] == f"{each:04o}"
    program.send(15)
    program.wait()  # it may be tidying up, and the directory is removed


def test_copy_follows_a_change_of_group_alone(run: Run, source: Path) -> None:
    needs_root()
    os.chmod(source / "other", 0o640)
    program = copied(run, source, "--verify-window=0s")
    program.expect("ready")
    os.chown(source / "other", 0, GROUP)
    program.err.expect("in place: permissions changed")

    assert access(source, "other") == ("0640", GROUP)
    program.send(15)
    program.wait()  # it may be tidying up, and the directory is removed


@pytest.mark.parametrize("mode", [0o666, 0o600])
def test_rejected_files_in_place_pass_after_a_chmod(run: Run, source: Path, mode: int) -> None:
    """Some programs refuse a file with write permission for others."""
    os.chmod(source / "other", mode)
    validate = f"--validate=sh -c 'test $(stat -Lc %a {source}/other) = 644'"
    options = [f"--config-dir={source}", "--listen=off", "--reload-interval=0s", validate]
    program = run(*app("read_config.py", str(source / "app.conf")), options=options)
    program.err.expect("rejected")
    os.chmod(source / "other", 0o644)
    program.expect("config: one")


@pytest.mark.parametrize(
    ("option", "expected"),
    [("--file-mode=0600", ("0600", 0)), (f"--owner={STRANGER}:{GROUP}", ("0644", GROUP))],
)
def test_restart_with_another_option_rewrites_equal_files(
    run: Run, source: Path, option: str, expected: tuple[str, int]
) -> None:
    """The version is the content alone; the option holds from the next start on all the same."""
    needs_root()
    written = []
    for options in ([], [option], [option]):
        program = copied(run, source, *options)
        program.expect("ready")
        program.send(signal.SIGTERM)
        program.wait()
        written.append((access(source, "other"), os.readlink(source.parent / "live" / "..data")))

    assert [("0644", 0), expected, expected] == [found for found, _ in written]
    assert written[0][1] != written[1][1] == written[2][1]
