"""Sections with the line of each value, and files that are refused with words."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config_supervisor.services import config_files
from config_supervisor.services.ini_file import Document, FileError
from config_supervisor.services.verdicts import Verdicts


def document(text: str) -> Document:
    made = Document()
    made.add(text, "a.conf")
    return made


def read(path: Path, **names: str) -> tuple[Document, list[str]]:
    verdicts = Verdicts()
    made = config_files.read(str(path), names, verdicts)
    return made, [one.message for one in verdicts]


def test_a_value_has_the_line_of_its_key() -> None:
    made = document("[a]\n; words\nx = 1\n   2\n\n   3\ny: 4\n[b]\nz=5\n[a]\nx=6\n")

    assert "a.conf:11 [a] x" == str(made.place("a", "x"))
    assert "a.conf:7 [a] y" == str(made.place("a", "y"))
    assert "a.conf:9 [b] z" == str(made.place("b", "z"))


def test_a_value_on_several_lines_begins_at_its_key() -> None:
    made = document("[a]\nx = 1\n   2\n\n   3\n")

    assert "1\n2\n\n3" == made.text("a", "x")
    assert "a.conf:2 [a] x" == str(made.place("a", "x"))


def test_a_missing_value_has_the_place_of_its_section() -> None:
    assert "a.conf:2 [a] x" == str(document("\n[a]\ny=1\n").place("a", "x"))


def test_a_default_has_its_own_place() -> None:
    made = document("[DEFAULT]\nx=1\n[a]\ny=2\n")

    assert "1" == made.text("a", "x")
    assert "a.conf:2 [a] x" == str(made.place("a", "x"))


def test_a_later_file_wins_with_its_place() -> None:
    made = document("[a]\nx=1\ny=1\n")
    made.add("\n\n[a]\nx=2\n", "b.conf")

    assert ("2", "1") == (made.text("a", "x"), made.text("a", "y"))
    assert "b.conf:4 [a] x" == str(made.place("a", "x"))
    assert "a.conf:3 [a] y" == str(made.place("a", "y"))


@given(
    lines=st.lists(
        st.sampled_from(["", "; c", "# c", "k{} = v", "k{}=v ; c", "[s{}]"]), max_size=30
    )
)
def test_each_key_is_found_in_its_line(lines: list[str]) -> None:
    text = ["[first]", *(line.format(number) for number, line in enumerate(lines))]
    made = document("\n".join(text))

    for section in made.sections():
        for key in made.keys(section):
            assert text[made.place(section, key).line - 1].startswith(key)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x=1\n[a]\n", "a.conf:1 stands before the first [section]: 'x=1'"),
        ("[a]\n\nnothing\n", "a.conf:3 is neither a [section], KEY = VALUE nor"),
        ("[a]\nx=1\0\n", "a.conf:2 has a NUL byte"),
        ("\ufeff[a]\n", "a.conf:1 begins with a byte order mark"),
    ],
)
def test_text_without_meaning_is_refused(text: str, words: str) -> None:
    with pytest.raises(FileError) as error:
        document(text)

    assert words in str(error.value)


def test_other_encoding_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "x.conf"
    path.write_bytes(b"[a]\nx=caf\xe9\n")

    with pytest.raises(FileError, match=r"x\.conf:2 is not text in UTF-8"):
        read(path)


def test_a_large_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.conf"
    path.write_bytes(b"[a]\n" + b";" * config_files.MOST_BYTES)

    with pytest.raises(FileError, match=f"more than {config_files.MOST_BYTES} bytes"):
        read(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="no such file or directory"):
        read(tmp_path / "x.conf")


def test_a_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="is a directory"):
        read(tmp_path)


def test_includes_are_read_in_order_with_their_here(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "x.conf").write_text("[include]\nfiles = sub/*.ini no*\n[a]\nx = %(here)s\n")
    (tmp_path / "sub" / "2.ini").write_text("[a]\ny = two %(here)s\n")
    (tmp_path / "sub" / "1.ini").write_text("[a]\ny = one\nz = 1\n")
    (tmp_path / "sub" / "3.ini").mkdir()

    made, messages = read(tmp_path / "x.conf")

    assert str(tmp_path) == made.text("a", "x")
    assert f"two {tmp_path}/sub" == made.text("a", "y")
    assert "1" == made.text("a", "z")
    assert f"{tmp_path}/sub/2.ini:2 [a] y" == str(made.place("a", "y"))
    assert f"{tmp_path}/x.conf:4 [a] x" == str(made.place("a", "x"))
    assert [
        f"cannot read {tmp_path}/sub/3.ini: is a directory; skipped",
        f"no file matches {tmp_path}/no*",
    ] == messages


def test_a_broken_include_names_its_file(tmp_path: Path) -> None:
    (tmp_path / "x.conf").write_text("[include]\nfiles = y.ini\n")
    (tmp_path / "y.ini").write_text("[a]\nnothing\n")

    with pytest.raises(FileError, match=r"y\.ini:2 is neither"):
        read(tmp_path / "x.conf")


def test_an_include_without_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.conf").write_text("[include]\nfile = y.ini\n")

    with pytest.raises(FileError, match=r"x\.conf:1 \[include\] files: it is missing"):
        read(tmp_path / "x.conf")
