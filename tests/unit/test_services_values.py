"""Expansion, `environment=` and single values, without a file around them."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from config_supervisor.options.expansion import expand
from config_supervisor.services import value_formats
from config_supervisor.services.environment_format import variables
from config_supervisor.services.plan import Sink

NAMES = {"here": "/srv", "process_num": 7, "ENV_HOME": "/root", "ENV_EMPTY": ""}
KEYS = st.text("ABC_", min_size=1, max_size=3)
SAFE = st.text("aZ09_/.+-():", min_size=1)
QUOTED = st.text(st.characters(exclude_characters="\"'\\", exclude_categories=["Cs"]))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("%(here)s/x", "/srv/x"),
        ("%(process_num)02d", "07"),
        ("100%%", "100%"),
        ("%(ENV_HOME)s", "/root"),
        ("%(ENV_NO:-a b)s", "a b"),
        ("%(ENV_NO:-)s", ""),
        ("%(ENV_EMPTY:-x)s", "x"),
        ("%(ENV_HOME:-x)s", "/root"),
        ("%(ENV_NO:-http://h:-1)s", "http://h:-1"),
    ],
)
def test_names_are_replaced(text: str, expected: str) -> None:
    assert expected == expand(text, NAMES)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("%(ENV_NO)s", "the variable NO is not set; set it, or write %(ENV_NO:-DEFAULT)s"),
        ("%(no)s", "%(no)s is unknown; names here: here, process_num and ENV_VARIABLE"),
        ("%(no:-x)s", "%(no:-x)s is unknown"),
        ("date +%Y", "badly formatted: unsupported format character 'Y'"),
        ("100%", "badly formatted: incomplete format"),
        ("%(here)d", "badly formatted: %d format"),
        ("%s", "a conversion without a (name)"),
        ("%r", "a conversion without a (name)"),
        ("%(here", "badly formatted: incomplete format key"),
    ],
)
def test_a_wrong_conversion_is_refused_with_a_remedy(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=r"; ") as error:
        expand(text, NAMES)

    assert words in str(error.value)


@given(text=st.text())
def test_a_doubled_text_expands_to_itself(text: str) -> None:
    assert text == expand(text.replace("%", "%%"), NAMES)


@given(pairs=st.dictionaries(KEYS, SAFE))
def test_bare_values_are_kept(pairs: dict[str, str]) -> None:
    found = variables(",".join(f"{key}={value}" for key, value in pairs.items()))

    assert (pairs, (), False) == (found.values, found.cut, found.newer)


@given(pairs=st.dictionaries(KEYS, QUOTED))
def test_quoted_values_are_kept(pairs: dict[str, str]) -> None:
    found = variables(",".join(f'{key}="{value}"' for key, value in pairs.items()))

    assert (pairs, (), False) == (found.values, found.cut, found.newer)


@given(value=st.text("aé /$@?#;,'\"\\", min_size=1))
def test_a_value_is_whole_or_cut_or_refused(value: str) -> None:
    """A value that lost a part of its text is never passed on without a word."""
    try:
        found = variables(f"A={value}")
    except ValueError:
        return
    assume(not found.newer)
    whole = value.strip().rstrip(",").strip().strip("'\"")

    assert found.cut or {"A": whole} == found.values


@pytest.mark.parametrize(
    ("text", "values", "cut", "newer"),
    [
        ("A=a b", {"A": "a"}, ("A",), False),
        ("A=$HOME/x", {"A": "$"}, ("A",), False),
        ("A=http://h/p?q=1", {"A": "http://h/p", "q": "1"}, ("A",), False),
        ("A=b#c", {"A": "b"}, ("A",), False),
        ("A=\"it's'\"", {"A": "it's"}, ("A",), False),
        ('A=""', {"A": ""}, (), False),
        ("A='x',", {"A": "x"}, (), False),
        ("", {}, (), False),
        (r'A="a \"b\""', {"A": 'a "b"'}, (), True),
    ],
)
def test_environment_is_read_as_by_supervisord(
    text: str, values: dict[str, str], cut: tuple[str, ...], newer: bool
) -> None:
    found = variables(text)

    assert (values, cut, newer) == (found.values, found.cut, found.newer)


@pytest.mark.parametrize("text", ["A", "A=", "A=x=y", "A=a@b", "=x", "A='x", "A,B=1"])
def test_environment_without_pairs_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="put values with other characters"):
        variables(text)


@pytest.mark.parametrize(
    ("text", "expected"), [("0", 0), ("10", 10), ("1KB", 1024), ("5 mB", 5 << 20), ("2GB", 2 << 30)]
)
def test_sizes(text: str, expected: int) -> None:
    assert expected == value_formats.byte_size(text)


@pytest.mark.parametrize(
    ("text", "sink"),
    [
        ("AUTO", Sink.AUTO),
        ("none", Sink.NONE),
        ("OFF", Sink.NONE),
        ("", Sink.NONE),
        ("Syslog", Sink.SYSLOG),
        ("/dev/stdout", Sink.OUTPUT),
        ("/proc/1/fd/2", Sink.ERRORS),
        ("/dev/null", Sink.FILE),
        ("stdout", Sink.FILE),
    ],
)
def test_log_files_by_name(text: str, sink: Sink) -> None:
    assert sink is value_formats.sink(text)


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (value_formats.boolean, "t"),
        (value_formats.byte_size, "1.5MB"),
        (value_formats.byte_size, "KB"),
        (value_formats.seconds, "2147483648"),
        (value_formats.seconds, "-" + "9" * 30),
        (value_formats.seconds, "0.5"),
        (value_formats.descriptors, "9" * 30),
        (value_formats.octal, "8"),
        (value_formats.octal, "-1"),
        (value_formats.exit_codes, "0,,1"),
        (value_formats.exit_codes, "256"),
        (value_formats.auto_restart, "always"),
        (value_formats.restart, "true"),
        (value_formats.log_level, "warning"),
        (value_formats.internet_address, "h:"),
        (value_formats.internet_address, "70000"),
        (value_formats.command_words, ""),
        (value_formats.command_words, "a 'b"),
        (value_formats.name, "a:b"),
    ],
)
def test_wrong_values_are_refused(parse: object, text: str) -> None:
    assert callable(parse)
    with pytest.raises(ValueError, match=r"\w+ "):
        parse(text)


@pytest.mark.parametrize("parse", [value_formats.integer, value_formats.seconds])
def test_message_about_a_long_number_is_short(parse: object) -> None:
    """Python reads no number of thousands of digits."""
    assert callable(parse)
    with pytest.raises(ValueError, match=r"'9{40}' \(4960 characters more\)") as error:
        parse("9" * 5000)

    assert len(str(error.value)) < 120
