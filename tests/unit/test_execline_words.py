"""Command lines as execline writes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config_supervisor.services.execline_words import Line, parse


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ()),
        ("  \n\t# only a comment", ()),
        ("/etc/s6-overlay/scripts/migrate\n", ("/etc/s6-overlay/scripts/migrate",)),
        ("#!/command/execlineb -P\nwith-contenv /x\n", ("with-contenv", "/x")),
        ("a\n  b # c\n  d", ("a", "b", "d")),
        ("a#b #c", ("a#b",)),
        ('say "two words" a"b c"d ""', ("say", "two words", "ab cd", "")),
        ('"a \\" b" c\\ d \\#e', ('a " b', "c d", "#e")),
        ("sh -c 'echo a'", ("sh", "-c", "'echo", "a'")),
        ("echo $X ${Y}", ("echo", "$X", "${Y}")),
        ('echo "{" \\} {a b}', ("echo", "{", "}", "{a", "b}")),
        ("a\r\n", ("a",)),
        ("a \\\n  b\\\nc", ("a", "b\nc")),
        ('"a\\\nb" \\', ("ab",)),
    ],
)
def test_line_is_split_into_words(text: str, words: tuple[str, ...]) -> None:
    assert Line(words) == parse(text)


@pytest.mark.parametrize("text", ["if { a } b", "a { }", 'a "b\\n"', "a\\n", "a }\\\n"])
def test_script_is_told_from_a_line(text: str) -> None:
    assert parse(text).is_script


@pytest.mark.parametrize("text", ['a "b', "a {", "a }", "{ a } }", "a\\", '"\\'])
def test_text_that_execline_refuses_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"closed|closes|at the end"):
        parse(text)


def quoted(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


@given(st.lists(st.text(st.sampled_from('aé"\\#{}$ \n\t'), max_size=5)))
def test_quoted_words_are_read_back(words: list[str]) -> None:
    assert Line(tuple(words)) == parse(" ".join(map(quoted, words)))


@given(st.text(st.sampled_from("ab{} \n")))
def test_text_with_braces_is_a_script_or_refused(text: str) -> None:
    try:
        line = parse(text)
    except ValueError:
        assert {"{", "}"} & set(text.split())
        return
    assert line == Line(tuple(text.split()), is_script="{" in text.split())


@given(st.text())
def test_any_text_is_split_or_refused(text: str) -> None:
    try:
        words = parse(text).words
    except ValueError as error:
        assert str(error)
        return
    assert len(words) <= len(text)
