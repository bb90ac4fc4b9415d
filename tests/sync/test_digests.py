"""Published digests reveal nothing about a Secret: their key is random, one for each pod."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from config_supervisor.core.content import Entry, version_of
from config_supervisor.core.file_permissions import PRIVATE, Permission
from tests.conftest import needs_root
from tests.harness import Program, Run, app, wait_until
from tests.http import BROWSER, metric, port_of, request, status
from tests.sync.subject import Kube, Subject
from tests.volume import swap_volume

PIN = {"app.conf": "123456"}


def plain(permission: Permission | None = None) -> str:
    """The digest as computed from the content alone; never shown for a Secret."""
    return version_of({name: Entry(text.encode(), permission) for name, text in PIN.items()}).digest


def shown(program: Program) -> str:
    """The digest of the live version: /status, the status page and /metrics (48 bits) agree."""
    port = port_of(program)
    digest = str(status(port)["config"]["live"])
    assert metric(port, "config_hash", state="running") == int(digest[:12], 16)
    assert digest in request(port, "/", accept=BROWSER)[1]
    return digest


def start(run: Run, directory: str, *options: str, root: str = "") -> Program:
    where = [f"--configroot={root}"] if root else []
    given = [f"--config-dir={directory}", "--listen=127.0.0.1:0", *where, *options]
    program = run(*app("read_config.py", f"{root or directory}/app.conf"), options=given)
    program.expect("ready")
    return program


@pytest.fixture
def subject(run: Run, kube: Kube, tmp_path: Path) -> Subject:
    return Subject(run, kube, str(tmp_path))


def test_digest_of_secret_cannot_be_computed(subject: Subject) -> None:
    subject.kube.create("pin", PIN, kind="secret")
    subject.options[0] = f"--secret={subject.kube.namespace}/pin"
    program = subject.start()
    program.expect("ready")
    digest = shown(program)

    assert len(digest) == 64
    assert digest not in (plain(PRIVATE), plain())
    key = Path(subject.root, "..key")
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(Path(subject.root, "..data", "..manifest.json").stat().st_mode) == 0o600
    assert all(plain(one)[:8] not in line for line in program.err.seen for one in (PRIVATE, None))


def test_digest_of_configmap_is_the_same_everywhere(run: Run, tmp_path: Path) -> None:
    for number in "12":
        (tmp_path / number).mkdir()
        (tmp_path / number / "app.conf").write_text(PIN["app.conf"])
        digest = shown(start(run, str(tmp_path / number), root=str(tmp_path / f"live{number}")))
        assert digest == plain()
        assert not os.path.exists(tmp_path / f"live{number}" / "..key")


@pytest.mark.parametrize("mode", [0o600, 0o640])
@pytest.mark.parametrize("root", ["", "live"])
def test_digest_over_file_closed_to_others_is_keyed(
    run: Run, tmp_path: Path, mode: int, root: str
) -> None:
    swap_volume(str(tmp_path / "volume"), PIN)
    os.chmod(tmp_path / "volume" / "app.conf", mode)
    digest = shown(start(run, str(tmp_path / "volume"), root=root and str(tmp_path / root)))
    assert digest not in (plain(Permission(mode, os.getgid())), plain())


def test_key_survives_a_restart(run: Run, tmp_path: Path) -> None:
    """With a new key the same content would be another version without its marks."""
    swap_volume(str(tmp_path / "volume"), PIN)
    os.chmod(tmp_path / "volume" / "app.conf", 0o600)
    digests = []
    for _ in range(2):
        program = start(run, str(tmp_path / "volume"), root=str(tmp_path / "live"))
        digests.append(shown(program))
        program.send(15)
        program.wait()
    assert digests[0] == digests[1]
    assert len([name for name in os.listdir(tmp_path / "live") if name.startswith("..20")]) == 1


@pytest.mark.parametrize(
    "litter",
    [
        "mkdir -p ..key/x",
        "ln -s /dev/zero ..key",
        "printf short > ..key",
        "truncate -s 1T ..key",
        "mkfifo ..key",
    ],
)
def test_key_that_others_planted_is_replaced(run: Run, tmp_path: Path, litter: str) -> None:
    root = tmp_path / "live"
    root.mkdir()
    key = root / "..key"
    subprocess.run(["sh", "-c", litter], cwd=root, check=True)
    swap_volume(str(tmp_path / "volume"), PIN)
    os.chmod(tmp_path / "volume" / "app.conf", 0o600)
    digest = shown(start(run, str(tmp_path / "volume"), root=str(root)))

    assert digest != plain(PRIVATE)
    assert key.is_file()
    assert not key.is_symlink()
    assert key.stat().st_size == 32


def test_key_is_written_again_with_its_directory(run: Run, tmp_path: Path) -> None:
    swap_volume(str(tmp_path / "volume"), PIN)
    os.chmod(tmp_path / "volume" / "app.conf", 0o600)
    root = tmp_path / "live"
    program = start(run, str(tmp_path / "volume"), "--reload-interval=0s", root=str(root))
    key = (root / "..key").read_bytes()
    shutil.rmtree(root)
    swap_volume(str(tmp_path / "volume"), {"app.conf": "234567"})
    program.expect("config: 234567")

    assert (root / "..key").read_bytes() == key


def test_digest_of_volume_in_memory_is_keyed(run: Run, tmp_path: Path) -> None:
    """As the kubelet mounts a Secret: every user may read its files by default."""
    needs_root()
    volume = tmp_path / "volume"
    volume.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(volume)], check=True)
    try:
        swap_volume(str(volume), PIN)
        digest = shown(start(run, str(volume), root=str(tmp_path / "live")))
    finally:
        subprocess.run(["umount", "-l", str(volume)], check=True)
    assert digest != plain()
    assert stat.S_IMODE((tmp_path / "live" / "app.conf").stat().st_mode) == 0o644


@pytest.mark.parametrize("rollback", ["--rollback", "--no-rollback"])
def test_old_secret_leaves_the_disk_once_the_new_one_is_good(
    subject: Subject, rollback: str
) -> None:
    subject.kube.create("pin", PIN, kind="secret")
    subject.options[0] = f"--secret={subject.kube.namespace}/pin"
    program = subject.start("--keep-versions=1", rollback)
    program.expect("ready")
    subject.kube.change("pin", {"app.conf": "234567"}, kind="secret")
    program.expect("config: 234567")

    def only_one() -> None:
        kept = [name for name in os.listdir(subject.root) if name.startswith("..20")]
        assert [os.readlink(f"{subject.root}/..data")] == kept

    wait_until(only_one)
