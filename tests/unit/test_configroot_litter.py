"""Foreign bytes in configroot: read within bounds, never taken for ours, never in the way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from config_supervisor.store.configroot import Modes, Root
from tests.disk import NEW, OLD, put, shown

PLANTED = "..2031_01_01_00_00_00.000000000"
SUM = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def manifest(**changed: Any) -> str:
    files = {"a": {"sha256": SUM, "size": 0, "mode": "0644"}}
    return json.dumps({"format": 1, "serial": 1, "digest": SUM, "files": files} | changed)


def plant(root: Root, text: str) -> Path:
    """Make a foreign generation with this manifest."""
    directory = Path(root.path, PLANTED)
    directory.mkdir()
    (directory / "..manifest.json").write_text(text)
    (directory / "a").touch()
    return directory


def works(path: str) -> None:
    """A start and many changes succeed; in the end three generations are left."""
    again = Root(path, Modes())
    again.prepare()
    assert again.live().generation is not None
    for number in range(5):
        put(again, {"a": b"%d" % number})
    again.prepare()
    put(again, NEW)
    assert shown(path) == NEW
    assert len([name for name in os.listdir(path) if name.startswith("..20")]) == 3


MANIFESTS = {
    "files is a list": manifest(files=[]),
    "files is null": manifest(files=None),
    "a file is a list": manifest(files={"a": []}),
    "a path leads out": manifest(files={"../a": {"sha256": SUM, "size": 0, "mode": "0644"}}),
    "the serial is infinite": manifest(serial=float("inf")),
    "the serial is no number": manifest(serial=float("nan")),
    "the serial is negative": manifest(serial=-1),
    "the serial is huge": manifest(serial=10**4000),
    "the serial is the highest": manifest(serial=10**12 - 1),
    "the serial is a text": manifest(serial="1"),
    "a size is huge": manifest(files={"a": {"sha256": SUM, "size": 10**11, "mode": "0644"}}),
    "the digest is a list": manifest(digest=[]),
    "nested deeply": "[" * 100_000,
    "nested deeply in files": manifest()[:-2] + '"b": ' + '{"a":' * 100_000,
    "not text": "\0\x7f\x80",
    "nothing but lists": "[" + "[]," * 1_000_000,
    "empty": "",
}


@pytest.mark.parametrize("text", MANIFESTS.values(), ids=MANIFESTS.keys())
def test_planted_manifest_is_no_generation_of_ours(root: Root, text: str) -> None:
    put(root, OLD)
    plant(root, text)
    works(root.path)
    assert not os.path.exists(f"{root.path}/{PLANTED}")


@pytest.mark.parametrize("text", MANIFESTS.values(), ids=MANIFESTS.keys())
def test_planted_live_manifest_is_replaced(root: Root, text: str) -> None:
    plant(root, text)
    os.symlink(PLANTED, f"{root.path}/..data")
    again = Root(root.path, Modes())
    again.prepare()
    put(again, OLD)
    works(root.path)


@pytest.mark.parametrize(
    "make",
    [
        "mkdir ..data_tmp",
        "mkdir -p ..data_tmp.0/x ..link.0 ..kept.0",
        (
            "mkdir ..2*/..manifest.json.d; rm ..2*/..manifest.json; mv ..2*/..manifest.json.d"
            " ..2*/..manifest.json"
        ),
        "rm ..2*/..manifest.json; mkfifo ..2*/..manifest.json",
        "rm ..2*/..manifest.json; ln -s /dev/zero ..2*/..manifest.json",
        "cd ..2*; for i in $(seq 90); do mkdir d; cd d; done",
        "touch ..2*/x; mkdir ..2*/empty; chmod 0 ..2*/empty",
    ],
)
def test_litter_does_no_harm(root: Root, make: str) -> None:
    put(root, OLD)
    plant(root, "")
    subprocess.run(["sh", "-c", make.replace("..2*", PLANTED)], cwd=root.path, check=True)
    works(root.path)


def test_huge_manifest_is_not_read(root: Root) -> None:
    """A sparse file of 1 TiB, and 100 MiB of data, in less memory than either."""
    put(root, OLD)
    os.truncate(plant(root, manifest()) / "..manifest.json", 1 << 40)
    other = Path(root.path, PLANTED.replace("2031", "2032"))
    other.mkdir()
    (other / "..manifest.json").write_bytes(b"[" * (100 << 20))
    code = """
    import json, re, resource, sys
    from config_supervisor.store.configroot import Modes, Root
    root = Root(sys.argv[1], Modes())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    root.prepare()
    assert root.live().generation and len(root.generations()) == 1
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    """
    command = [sys.executable, "-c", textwrap.dedent(code), root.path]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 16 << 10  # KiB


def test_later_format_is_told_and_left_until_a_swap(
    root: Root, capfd: pytest.CaptureFixture[str]
) -> None:
    """After a return to an older release, its start finds unreadable generations."""
    from config_supervisor.runtime import log

    live = put(root, OLD)
    path = Path(root.path, live.name, "..manifest.json")
    path.write_text(path.read_text().replace('"format": 1', '"format": 2, "more": [1]'))
    again = Root(root.path, Modes())
    again.prepare()
    log.flush()
    assert "a later release wrote them, in format 2" in capfd.readouterr().err
    assert again.live().generation is None
    assert "a later release wrote it, in format 2" in again.live().fault
    assert shown(root.path) == OLD

    for number in range(3):
        put(again, {"a": b"%d" % number})
    assert live.name not in os.listdir(root.path)


def test_manifest_that_could_not_be_read_back_is_refused(root: Root) -> None:
    put(root, OLD)
    names = {f"{number:05d}{'x' * 200}": b"" for number in range(15_000)}
    with pytest.raises(Exception, match="too large to be read back") as caught:
        put(root, names)
    assert getattr(caught.value, "reason", "") == "too_large"
    assert shown(root.path) == OLD
