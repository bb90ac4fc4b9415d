"""The values of options: every valid form, and the refusal of others."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config_supervisor.options import parsers
from config_supervisor.options.parsers import ObjectName
from tests.unit.option_parsing import parse, refused


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("2s", 2),
        ("1m", 60),
        ("1.5s", 1.5),
        ("1h", 3600),
        ("0", 0),
        ("0s", 0),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("1m0.5s", 60.5),
        ("2m500ms", 120.5),
        (" 1s ", 1),
        (".5s", 0.5),
    ],
)
def test_duration_is_read_as_go_does(text: str, seconds: float) -> None:
    assert seconds == parsers.duration(text)


@pytest.mark.parametrize(
    "text", ["", " ", "5", "5x", "s", "h30m", "1h30", "1h 30m", "-1s", "+1s", "1e9s", "1..5s", "٣s"]
)
def test_duration_without_meaning_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parsers.duration(text)


@given(st.text(alphabet="0123456789.hms -", max_size=12))
def test_duration_is_never_negative(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert 0 <= parsers.duration(text)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("HUP", 1),
        ("SIGHUP", 1),
        ("sighup", 1),
        ("1", 1),
        ("RTMIN", 34),
        ("RTMIN+3", 37),
        ("SIGRTMAX-1", 63),
        ("64", 64),
    ],
)
def test_signal_is_read_in_every_form(text: str, number: int) -> None:
    assert number == parsers.signal_number(text)


@pytest.mark.parametrize(
    "text", ["", "0", "33", "65", "RTMIN+31", "RTMIN-1", "RTMIN+", "SIG", "HUP+1", "²"]
)
def test_word_without_a_signal_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a signal"):
        parsers.signal_number(text)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (":9911", ("", 9911)),
        ("127.0.0.1:80", ("127.0.0.1", 80)),
        ("[::1]:80", ("::1", 80)),
        ("80", ("", 80)),
    ],
)
def test_address_is_read_in_every_form(text: str, address: tuple[str, int]) -> None:
    assert address == parsers.listen(text)


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--user=99999999999", "app"], ["--user", "'99999999999'"]),
        (["--user=root:4294967295", "app"], ["--user", "'4294967295'"]),
        (["--stop-signal", "STOP", "app"], ["--stop-signal", "'STOP'"]),
        (["--stop-signal", "19", "app"], ["--stop-signal", "'19'"]),
        (["--reload-signal", "KILL", "app"], ["--reload-signal", "'KILL'", "cannot be caught"]),
        (["--reload-signal", "sigstop", "app"], ["--reload-signal", "'sigstop'"]),
        (["--configmap", "x:../../etc", "--configroot=/x", "app"], ["--configmap", "'../../etc'"]),
        (["--secret", "x:/etc", "--configroot=/x", "app"], ["--secret", "'/etc'"]),
        (["--configmap", "x:a//b", "--configroot=/x", "app"], ["--configmap", "'a//b'"]),
        (["--config-dir=/y", "--configroot=/x", "--map", "a=../x", "app"], ["--map", "'../x'"]),
        (["--config-dir=/y", "--configroot=/x", "--map", "a=/x", "app"], ["--map", "'/x'"]),
        (["--listen", "[::1:9911", "app"], ["--listen", "'[::1:9911'"]),
        (["--listen", "::1]:9911", "app"], ["--listen", "'::1]:9911'"]),
        (["--listen", "[]:9911", "app"], ["--listen", "'[]:9911'"]),
        (["--listen", "a b:9911", "app"], ["--listen", "'a b:9911'"]),
        (["--listen", "http://x:80", "app"], ["--listen", "'http://x:80'"]),
        (["--ready", "htp://x", "app"], ["--ready", "'htp://x'"]),
        (["--ready", "prometheus.http://x", "app"], ["--ready", "'prometheus.http://x'"]),
        (
            ["--config-dir=/y", "--verify", "promtheus:http://x", "app"],
            ["--verify", "'promtheus:http://x'"],
        ),
        (["--control", f"/{'x' * 107}", "app"], ["--control", "107"]),
        (["--log-level", "loud", "app"], ["--log-level", "'loud'"]),
    ],
)
def test_impossible_value_is_refused(argv: list[str], words: list[str]) -> None:
    message = refused(*argv)

    assert [] == [word for word in words if word not in message]


def test_wrong_url_is_shown_without_credentials() -> None:
    message = refused("--ready", "htps://me:hunter2@x/y?token=hunter2", "app")

    assert "x/y" in message
    assert "hunter2" not in message


@pytest.mark.parametrize(
    ("option", "value", "name", "expected"),
    [
        ("--log-level", "warn", "log_level", "warning"),
        ("--log-level", "ERR", "log_level", "error"),
        ("--log-level", "Debug", "log_level", "debug"),
        ("--log-format", "JSON", "log_format", "json"),
        ("--restart", "no", "restart", "never"),
        ("--restart", "On-Failure", "restart", "on-failure"),
        ("--ready", "HTTP://x/y", "ready", "http://x/y"),
        ("--verify", "prometheus:HTTPS://x", "verify", "prometheus:https://x"),
        ("--ready", "curl htp://x", "ready", "curl htp://x"),
        ("--stop-signal", "KILL", "stop_signal", 9),
        ("--configmap", "x:conf.d/", "configmap", (ObjectName("", "x", "conf.d"),)),
        ("--listen", "[fe80::1%eth0]:80", "listen", ("fe80::1%eth0", 80)),
        ("--listen", "my-host_1.local:80", "listen", ("my-host_1.local", 80)),
        ("--listen", ":::80", "listen", ("::", 80)),
    ],
)
def test_obvious_value_is_taken(option: str, value: str, name: str, expected: object) -> None:
    where = ["--configroot=/x", *([] if option == "--configmap" else ["--config-dir=/y"])]

    assert expected == getattr(parse(*where, option, value, "app"), name)
