"""Foreign trees: whatever lies in one, reading it ends, within bounds, in words with a path."""

from __future__ import annotations

import os
import socket
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config_supervisor.services import check_report, plan_graph, tree_files
from config_supervisor.services.verdicts import Verdicts
from tests.s6_trees import SOURCE, Planted, Reading


@pytest.fixture
def tree(tmp_path: Path) -> Planted:
    return Planted(tmp_path / "root").longrun("app").user("app")


def replaced(tree: Planted, path: str) -> Path:
    """The path without the file that was there."""
    full = tree.root / SOURCE / path
    full.parent.mkdir(parents=True, exist_ok=True)
    full.unlink(missing_ok=True)
    return full


def refusal(tree: Planted) -> str:
    (found,) = tree.read().refusals
    return found.removeprefix(f"{tree.root}/{SOURCE}/")


@pytest.mark.parametrize("path", ["app/run", "app/type", "app/notification-fd", "app/finish"])
def test_fifo_is_refused_and_not_waited_for(tree: Planted, path: str) -> None:
    os.mkfifo(replaced(tree, path))

    assert f"{path}: is a FIFO, not a regular file" == refusal(tree)


def test_socket_is_refused(tree: Planted, monkeypatch: pytest.MonkeyPatch) -> None:
    path = replaced(tree, "app/run")
    monkeypatch.chdir(path.parent)  # a socket's path is short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("run")

        assert "app/run: is a socket, not a regular file" == refusal(tree)


def test_directory_in_place_of_a_file_is_refused(tree: Planted) -> None:
    replaced(tree, "app/run").mkdir()

    assert "app/run: is a directory, not a regular file" == refusal(tree)


def test_link_to_nowhere_is_refused(tree: Planted) -> None:
    replaced(tree, "app/run").symlink_to("nowhere")

    assert "app/run: is a link to nowhere; remove it, or add the file it names" == refusal(tree)


def test_links_in_a_circle_are_refused(tree: Planted) -> None:
    path = replaced(tree, "app/run")
    path.symlink_to("ring")
    (path.parent / "ring").symlink_to("run")

    assert "app/run: cannot be read: too many levels of symbolic links" == refusal(tree)


def test_directory_that_is_a_circle_is_refused(tree: Planted) -> None:
    replaced(tree, "loop").symlink_to("loop")

    assert "loop: is a link to nowhere; remove it, or add the directory it names" == refusal(tree)


def test_link_out_of_the_root_is_not_followed(tree: Planted, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("longrun\n")
    replaced(tree, "app/type").symlink_to("../" * 20 + str(secret))

    assert "app/type: is a link to nowhere" in refusal(tree)


def test_huge_file_is_refused(tree: Planted) -> None:
    with replaced(tree, "app/notification-fd").open("wb") as file:
        file.truncate(1 << 40)

    assert f"app/notification-fd: is longer than {tree_files.MOST_BYTES} bytes" == refusal(tree)


def test_huge_script_is_a_program(tree: Planted) -> None:
    """A service may be a binary of any size."""
    path = tree.root / SOURCE / "app/run"
    with path.open("r+b") as file:
        file.write(b"\x7fELF")
        file.truncate(1 << 40)

    assert [] == tree.read().verdicts


def test_nul_byte_is_refused(tree: Planted) -> None:
    tree.file(f"{SOURCE}/app/type", "longrun\0")

    assert "app/type: has a NUL byte; write plain text" == refusal(tree)


def test_crowded_directory_is_refused(tree: Planted) -> None:
    for number in range(tree_files.MOST_NAMES + 1):
        tree.file(f"{SOURCE}/app/dependencies.d/{number}")

    assert f"dependencies.d: has more than {tree_files.MOST_NAMES} entries" in refusal(tree)


def test_name_outside_of_utf8_is_told_by_its_bytes(tree: Planted) -> None:
    os.mkdir(os.fsencode(tree.root / SOURCE) + b"/caf\xe9")

    assert "caf\\xe9: has a name that is no printable text; rename it" == refusal(tree)


def test_dependency_outside_of_utf8_is_told_by_its_bytes(tree: Planted) -> None:
    tree.file(f"{SOURCE}/app/dependencies", b"caf\xe9\n")

    assert "app/dependencies:1: app: there is no service caf\\xe9" == refusal(tree)


def test_dependency_that_is_a_path_is_a_name_only(tree: Planted) -> None:
    tree.file(f"{SOURCE}/app/dependencies", "../../../../etc/shadow\n")

    assert "there is no service ../../../../etc/shadow" in refusal(tree)


NAMES = st.sampled_from("a b c d user user2 base legacy-services nope".split())
TEXTS = st.sampled_from(
    [
        "longrun\n",
        "oneshot",
        "bundle\n",
        "",
        "3",
        "-1",
        "/bin/x",
        "{ x }",
        '"',
        "a\nb\n",
        "#!/bin/sh",
    ]
) | st.binary(max_size=12).map(lambda data: data.decode("latin-1"))
FILES = st.sampled_from(
    "type type type run run up up finish down dependencies contents producer-for consumer-for"
    " pipeline-name notification-fd timeout-kill down-signal dependencies.d/a dependencies.d/b"
    " contents.d/a contents.d/c contents.d/nope data/check log/run".split()
)
FOLDERS = st.sampled_from(
    [SOURCE, SOURCE, SOURCE, "etc/services.d", "etc/s6-overlay/user-bundles.d"]
)
KINDS = st.sampled_from("file file file file program fifo directory dangling loop".split())
ENTRIES = st.lists(st.tuples(FOLDERS, NAMES, FILES, KINDS, TEXTS), max_size=30)


def planted(root: Path, entries: list[tuple[str, str, str, str, str]]) -> Planted:
    tree = Planted(root)
    for folder, name, file, kind, text in entries:
        path = root / folder / name / file
        if os.path.lexists(path):  # a FIFO that is there would hold the writer
            continue
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if kind == "fifo":
                os.mkfifo(path)
            elif kind == "directory":
                path.mkdir()
            elif kind in ("dangling", "loop"):
                path.symlink_to("nowhere" if kind == "dangling" else path.name)
            else:
                tree.file(f"{folder}/{name}/{file}", text, 0o755 if kind == "program" else 0o644)
        except OSError:  # a name on the way is no directory
            continue
    return tree


def assert_consistent(found: Reading) -> None:
    verdicts = Verdicts()
    for verdict in found.verdicts:
        assert verdict.place.file
        verdicts.refuse(verdict.place, verdict.message)
    check_report.text(None, verdicts).encode()  # raises where a name is no text
    assert (found.tree is None) == bool(found.refusals)
    if found.tree is None:
        return
    graph = plan_graph.graph_of(found.plan)
    placed = [one for tier in plan_graph.tiers(graph) for one in tier]
    assert sorted(graph) == sorted(placed)
    started = {one.identity for one in found.plan.services if one.autostart}
    for one in found.plan.services:
        assert not one.output_to or one.output_to in graph
        if one.autostart:
            assert started >= set(graph[one.identity])


@settings(max_examples=80, deadline=None)
@given(entries=ENTRIES)
def test_reading_a_random_tree_ends_in_words(entries: list[tuple[str, str, str, str, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        tree = planted(Path(folder) / "root", entries)

        assert_consistent(tree.read())
        assert_consistent(tree.read("app"))
