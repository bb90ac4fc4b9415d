"""Files of an s6 tree that are read, and whose start or meaning is told to be wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from config_supervisor.services.tree_files import TreeError
from config_supervisor.services.verdicts import Level
from tests.s6_trees import SOURCE, Planted

IGNORE, WARN, REFUSE = Level.IGNORE, Level.WARN, Level.REFUSE


@pytest.fixture
def tree(tmp_path: Path) -> Planted:
    return Planted(tmp_path / "root").longrun("app").user("app")


def verdict(tree: Planted) -> tuple[Level, str]:
    """The only verdict, with the path below etc."""
    (found,) = tree.read().verdicts
    return found.level, str(found).removeprefix(f"{tree.root}/etc/")


@pytest.mark.parametrize(
    ("path", "text", "level", "words"),
    [
        ("services.d/README", "", IGNORE, "is not a directory, so it is no service"),
        ("s6-overlay/s6-rc.d/README", "", IGNORE, "is not a directory, so it defines nothing"),
        ("s6-overlay/s6-rc.d/app/dependencies.d", "", REFUSE, "is not a directory; make one"),
        ("s6-overlay/s6-rc.d/app/dependencies", "", None, ""),
        ("cont-init.d/two words", "#!/bin/sh", REFUSE, "has a space or colon in its name"),
        ("cont-init.d/sub/file", "", IGNORE, "cont-init.d/sub: is a directory, so it is no script"),
        ("cont-init.d/empty", "", WARN, "is empty, so its start fails"),
        ("cont-init.d/windows", "#!/bin/sh\r\n", WARN, "has Windows line ends"),
        ("cont-init.d/windows", "#!/bin/sh -e\r\n", WARN, "has Windows line ends"),
        ("cont-init.d/plain", "echo hi\n", WARN, "has no first line with #! and an interpreter"),
        ("s6-overlay/s6-rc.d/app/notification-fd", "1", WARN, "1 is a standard descriptor"),
        ("s6-overlay/s6-rc.d/app/timeout-kill", "", None, ""),
        ("s6-overlay/s6-rc.d/app/log/run", "", WARN, "app/log: ignored, as by s6-rc; make it"),
        ("s6-overlay/s6-rc.d/app/down", "", WARN, "leave the service out of the bundles"),
    ],
)
def test_file_has_its_verdict(
    tree: Planted, path: str, text: str, level: Level | None, words: str
) -> None:
    tree.program(f"etc/{path}", text)

    if level is None:
        assert [] == tree.read().verdicts
        return
    assert level == verdict(tree)[0]
    assert words in verdict(tree)[1]


def test_names_beside_their_directory_are_ignored(tree: Planted) -> None:
    tree.longrun("app", "db").longrun("db").file(f"{SOURCE}/app/dependencies", "gone")

    level, words = verdict(tree)
    assert WARN == level
    assert words.endswith(
        "app/dependencies: ignored beside the directory dependencies.d; remove it"
    )


def test_check_that_cannot_run_is_told(tree: Planted) -> None:
    tree.file(f"{SOURCE}/app/notification-fd", "3").file(f"{SOURCE}/app/data/check")

    assert verdict(tree)[1].endswith(
        "app/data/check: is not executable, so no check passes: chmod +x"
    )


def test_program_that_is_missing_is_told(tree: Planted) -> None:
    tree.image().oneshot("job").user("app", "job")

    assert WARN == verdict(tree)[0]
    assert "/scripts/job is not in the image; its start fails unless" in verdict(tree)[1]


def test_program_that_is_not_executable_is_told(tree: Planted) -> None:
    tree.image().oneshot("job").user("app", "job").file("scripts/job")

    assert "/scripts/job is not executable, so its start fails: chmod +x" in verdict(tree)[1]


def test_program_without_a_path_is_not_looked_up(tree: Planted) -> None:
    tree.image().oneshot("job", up="true").user("app", "job")

    assert [] == tree.read().verdicts


def test_file_in_place_of_a_folder_is_refused(tree: Planted) -> None:
    tree.file("etc/cont-init.d")

    assert (REFUSE, "cont-init.d: cannot be read: not a directory") == verdict(tree)


def test_too_many_services_are_refused(tree: Planted) -> None:
    for number in range(1001):
        (tree.root / f"etc/services.d/{number}").mkdir(parents=True)

    refusals = tree.read().refusals

    assert f"{tree.root}/etc: has more than 1000 services; it is no tree" == refusals[-1]


def test_root_that_is_a_file_is_refused(tree: Planted) -> None:
    tree.file("file")
    tree.root /= "file"

    with pytest.raises(TreeError, match="is not a directory; name the root of the image"):
        tree.read()
