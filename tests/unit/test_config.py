"""The command line and the environment: what they mean, and what a user is told who gets them
wrong.
"""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config_supervisor.core.errors import UsageError
from config_supervisor.options import command_line, help_page, parsers
from config_supervisor.options.command_line import Settings
from config_supervisor.options.parsers import ObjectName


def parse(*argv: str, **environ: str) -> Settings:
    return command_line.parse(argv, environ)


def refused(*argv: str, **environ: str) -> str:
    with pytest.raises(UsageError) as error:
        parse(*argv, **environ)
    return str(error.value)


def test_options_end_at_the_first_word_that_is_none() -> None:
    settings = parse("--restart", "always", "app", "--restart", "never", "--", "-g")

    assert ("always", False) == (settings.restart, settings.signal_group)
    assert ("app", "--restart", "never", "--", "-g") == settings.command


def test_options_end_at_two_dashes() -> None:
    assert ("-g", "--help") == parse("--", "-g", "--help").command


def test_a_value_stands_behind_an_equals_sign_or_alone() -> None:
    assert parse("--stop-timeout=5s", "app") == parse("--stop-timeout", "5s", "app")


def test_repeatable_options_add_up_and_the_last_of_the_others_wins() -> None:
    settings = parse(
        "--rewrite", "TERM:QUIT", "--rewrite=HUP:0", "--umask", "022", "--umask", "077", "app"
    )

    assert (((15, 3), (1, 0)), 0o077) == (settings.rewrite, settings.umask)


def test_every_option_can_be_given_as_a_variable() -> None:
    settings = parse(
        "app",
        CONFIG_SUPERVISOR_CONFIGMAP="a/b,c:sub\nd/e:f/g",
        CONFIG_SUPERVISOR_CONFIGROOT="/x",
        CONFIG_SUPERVISOR_SIGNAL_GROUP="true",
        CONFIG_SUPERVISOR_LISTEN="off",
        CONFIG_SUPERVISOR_STOP_SIGNAL="sigquit",
    )

    names = (ObjectName("a", "b", ""), ObjectName("", "c", "sub"), ObjectName("d", "e", "f/g"))
    assert names == settings.configmap
    assert (True, ("", -1), 3) == (settings.signal_group, settings.listen, settings.stop_signal)


def test_a_header_in_a_variable_may_hold_commas() -> None:
    settings = parse(
        "app",
        CONFIG_SUPERVISOR_CONFIG_DIR="/x",
        CONFIG_SUPERVISOR_RELOAD_HTTP_HEADER="Accept: a, b\nX: c",
    )

    assert settings.reload_http_header == ("Accept: a, b", "X: c")


def test_the_command_line_wins_over_the_environment_and_that_over_the_default() -> None:
    assert "always" == parse("--restart=always", "app", CONFIG_SUPERVISOR_RESTART="never").restart
    assert "always" == parse("app", CONFIG_SUPERVISOR_RESTART="always").restart
    assert "never" == parse("app", CONFIG_SUPERVISOR_RESTART="").restart


def test_the_variables_of_the_predecessor_count_when_ours_are_unset() -> None:
    old = {"CONFIG_CONTROLLER_CONFIGMAP": "a/old", "CONFIG_CONTROLLER_CONFIGROOT": "/old"}

    assert "old" == parse("app", **old).configmap[0].name
    assert "/new" == parse("app", **old, CONFIG_SUPERVISOR_CONFIGROOT="/new").configroot


def test_variables_that_kubernetes_makes_for_a_service_of_our_name_are_no_settings() -> None:
    parse(
        "app", CONFIG_SUPERVISOR_SERVICE_HOST="10.0.0.1", CONFIG_SUPERVISOR_PORT="tcp://10.0.0.1:80"
    )


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--xyzzy", "app"], "unknown option --xyzzy; --help lists all options"),
        (
            ["--stop-timout", "5s", "app"],
            "unknown option --stop-timout (did you mean --stop-timeout?)",
        ),
        (["--stop_timeout", "5s", "app"], "unknown option --stop_timeout"),
        (["-x", "app"], "unknown option -x"),
        (["-e", "143", "app"], "unknown option -e (did you mean --ok-exit-code?)"),
        (["-vvv", "app"], "unknown option -vvv (did you mean -v?)"),
        (["--stop-timeout"], "--stop-timeout needs a value: --stop-timeout DURATION"),
        (
            ["--stop-timeout", "5", "app"],
            "--stop-timeout: '5' is not a duration (examples: 500ms, 2s, 1h30m)",
        ),
        (["--stop-timeout", "5x", "app"], "--stop-timeout: '5x' is not a duration"),
        (["--stop-timeout", "-5s", "app"], "--stop-timeout: '-5s' is not a duration"),
        (["--stop-timeout", "nan", "app"], "--stop-timeout: 'nan' is not a duration"),
        (
            ["--stop-timeout", "2600000h", "app"],
            "--stop-timeout: '2600000h' is longer than 10 years (87600h)",
        ),
        (["--verify-window", f"{'9' * 400}s", "app"], "is longer than 10 years"),
        (["--stop-signal", "9" * 5000, "app"], "is not a signal"),
        (["--stop-signal", f"RTMIN+{'9' * 5000}", "app"], "is not a signal"),
        (["--ok-exit-code", "9" * 5000, "app"], "is not an exit code"),
        (["--user", "9" * 5000, "app"], "is not the number of a user or group"),
        (
            ["--user", "1:4294967295", "app"],
            "--user: '4294967295' is not the number of a user or group",
        ),
        (["--listen", f":{'9' * 5000}", "app"], "is not [HOST]:PORT or off"),
        (["--stop-signal", "FOO", "app"], "--stop-signal: 'FOO' is not a signal"),
        (["--stop-signal", "32", "app"], "--stop-signal: '32' is not a signal"),
        (["--rewrite", "TERM", "app"], "--rewrite: 'TERM' is not FROM:TO"),
        (["--rewrite", "KILL:TERM", "app"], "--rewrite: SIGKILL is never forwarded"),
        (
            ["--restart", "sometimes", "app"],
            "--restart: 'sometimes' is not one of never, on-failure, always",
        ),
        (
            ["--configmap=a/b/c", "app"],
            "--configmap: 'a/b/c' has 3 parts where [NAMESPACE/]NAME[:SUBDIR] is expected",
        ),
        (["--configmap=/b", "app"], "--configmap: '/b' has an empty namespace"),
        (["--configmap=a/B", "app"], "--configmap: 'B' is not an object's name"),
        (["--configmap=a/b", "app"], "--configmap needs --configroot DIR"),
        (["--secret=a/b", "app"], "--secret needs --configroot DIR"),
        (
            ["--configmap=a/b", "--configroot=/x", "--config-dir=/y", "app"],
            "--configmap and --config-dir exclude",
        ),
        (["--configroot=/x", "app"], "--configroot needs --configmap, --secret or --config-dir"),
        (["--config-dir=/x", "--file-mode=0640", "app"], "--file-mode needs --configroot"),
        (["--file-mode=9", "app"], "--file-mode: '9' is not an octal mode"),
        (["--listen=:99999", "app"], "--listen: ':99999' is not [HOST]:PORT or off"),
        (["--ok-exit-code=256", "app"], "--ok-exit-code: '256' is not an exit code"),
        (["--user=:5", "app"], "--user: ':5' is not USER[:GROUP]"),
        (["--namespace=a.b", "app"], "--namespace: 'a.b' is not a namespace"),
        (["--signal-group=maybe", "app"], "--signal-group: 'maybe' is not true or false"),
        ([], "no command to run; usage: supervisor [OPTIONS] [--] COMMAND [ARG...]"),
        (["--"], "no command to run"),
    ],
)
def test_a_mistake_is_named_with_its_option(argv: list[str], message: str) -> None:
    assert message in refused(*argv)


@pytest.mark.parametrize(
    ("environ", "argv", "message"),
    [
        (
            {"VALIDATE": "nginx -t", "VERIFY": "nginx", "STOP_SIGNAL": "QUIT"},
            [],
            "no command to run; ",
        ),
        ({"EVENTS": "true"}, [], "no command to run; "),
        ({"RELOAD_HTTP": "http://x"}, [], "CONFIG_SUPERVISOR_RELOAD_HTTP needs a configuration: "),
        ({"ONCE": "true"}, [], "CONFIG_SUPERVISOR_ONCE needs a configuration: "),
        ({"CONFIGROOT": "/x"}, ["app"], "CONFIG_SUPERVISOR_CONFIGROOT needs --configmap, "),
        (
            {"CONFIGMAP": "a", "CONFIG_DIR": "/x"},
            ["app"],
            "CONFIG_SUPERVISOR_CONFIGMAP and CONFIG_SUPERVISOR_CONFIG_DIR exclude ",
        ),
        (
            {"CONFIGMAP": "a"},
            ["--config-dir=/x", "app"],
            "CONFIG_SUPERVISOR_CONFIGMAP and --config-dir exclude ",
        ),
        (
            {"RELOAD_EXEC": "x"},
            ["--config-dir=/x", "--reload-restart", "app"],
            "CONFIG_SUPERVISOR_RELOAD_EXEC and --reload-r",
        ),
    ],
)
def test_mistake_names_what_the_user_wrote(
    environ: dict[str, str], argv: list[str], message: str
) -> None:
    """An image may set what its program needs; that is not why `docker run IMAGE` has nothing to
    do.
    """
    assert refused(
        *argv, **{f"CONFIG_SUPERVISOR_{name}": text for name, text in environ.items()}
    ).startswith(message)


def test_a_mistake_in_a_variable_names_the_variable() -> None:
    assert refused("app", CONFIG_SUPERVISOR_STOP_TIMEOUT="x").startswith(
        "CONFIG_SUPERVISOR_STOP_TIMEOUT: 'x' is not a duration"
    )


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
def test_signals(text: str, number: int) -> None:
    assert number == parsers.signal_number(text)


@pytest.mark.parametrize(
    "text", ["", "0", "33", "65", "RTMIN+31", "RTMIN-1", "RTMIN+", "SIG", "HUP+1", "²"]
)
def test_what_is_no_signal(text: str) -> None:
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
def test_addresses(text: str, address: tuple[str, int]) -> None:
    assert address == parsers.listen(text)


@given(
    st.lists(st.text(max_size=12), max_size=5),
    st.dictionaries(st.sampled_from(list(command_line.OPTIONS)), st.text(max_size=8)),
)
def test_no_input_ends_in_a_traceback(argv: list[str], variables: dict[str, str]) -> None:
    # Anything but this one exception would be a traceback.
    with contextlib.suppress(UsageError):
        command_line.parse(
            argv, {command_line.variable(name): text for name, text in variables.items()}
        )


def test_the_help_names_every_option_and_fits_a_terminal() -> None:
    text = help_page.text()

    for name in command_line.OPTIONS:
        assert f"{command_line.flag(name)}" in text
    assert 80 >= max(map(len, text.splitlines()))


def test_what_an_image_says_of_its_program_does_not_keep_a_command_without_configuration_from_running() -> (
    None
):
    environ = {
        "CONFIG_SUPERVISOR_VALIDATE": "nginx -t",
        "CONFIG_SUPERVISOR_VERIFY": "nginx",
        "CONFIG_SUPERVISOR_RELOAD_RESTART": "true",
    }

    assert ("nginx", "-v") == command_line.parse(["nginx", "-v"], environ).command
    with pytest.raises(UsageError, match="--validate needs a configuration"):
        command_line.parse(["--validate=true", "nginx"], {})
    with pytest.raises(UsageError, match="CONFIG_SUPERVISOR_RELOAD_HTTP needs a configuration"):
        command_line.parse([], {"CONFIG_SUPERVISOR_RELOAD_HTTP": "http://127.0.0.1:1"})


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
def test_value_that_cannot_work_is_refused_at_once(argv: list[str], words: list[str]) -> None:
    message = refused(*argv)

    assert [] == [word for word in words if word not in message]


def test_mistyped_url_is_repeated_without_its_credentials() -> None:
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
def test_value_meant_the_obvious_way_is_taken(
    option: str, value: str, name: str, expected: object
) -> None:
    where = ["--configroot=/x", *([] if option == "--configmap" else ["--config-dir=/y"])]

    assert expected == getattr(parse(*where, option, value, "app"), name)


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("--no-rolback", "--no-rollback"),
        ("--norollback", "--no-rollback"),
        ("--rolback", "--rollback"),
        ("--no-singal-group", "--no-signal-group"),
        ("--log_level=debug", "--log-level"),
        ("--xyzzy", ""),
    ],
)
def test_unknown_option_gets_the_nearest_written_form(word: str, meant: str) -> None:
    message = refused(word, "app")

    assert meant in message
    assert bool(meant) == ("did you mean" in message)


def test_unknown_variables_are_found_with_the_nearest_name() -> None:
    environ = dict.fromkeys(
        [
            "CONFIG_SUPERVISOR_RELOAD_SIGNL",
            "CONFIG_SUPERVISOR_XYZZY",
            "CONFIG_SUPERVISOR_LISTEN",
            "SUPERVISORX",
            "HOME",
        ],
        "",
    )

    assert [
        ("CONFIG_SUPERVISOR_RELOAD_SIGNL", "CONFIG_SUPERVISOR_RELOAD_SIGNAL"),
        ("CONFIG_SUPERVISOR_XYZZY", ""),
    ] == list(command_line.unknown_variables(environ))


@pytest.mark.parametrize(
    "name",
    [
        "VERSION",
        *("SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_HTTP"),
        *("PORT", "PORT_80_TCP", "PORT_80_TCP_ADDR"),
        *("WEB_SERVICE_HOST", "WEB_SERVICE_PORT", "WEB_PORT", "WEB_PORT_53_UDP_PORT"),
    ],
)
def test_variable_of_others_with_our_prefix_is_known(name: str) -> None:
    environ = {f"CONFIG_SUPERVISOR_{name}": "4.2.5"}

    assert [] == list(command_line.unknown_variables(environ))
    assert ("app",) == command_line.parse(["app"], environ).command


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("HELP", ""),
        ("VERBOSE", "CONFIG_SUPERVISOR_LOG_LEVEL"),
        ("V", "CONFIG_SUPERVISOR_LOG_LEVEL"),
        ("LISTENS", "CONFIG_SUPERVISOR_LISTEN"),
    ],
)
def test_flag_without_a_variable_has_no_effect(name: str, meant: str) -> None:
    environ = {f"CONFIG_SUPERVISOR_{name}": "true"}

    assert command_line.parse(["app"], {}) == command_line.parse(["app"], environ)
    assert [(f"CONFIG_SUPERVISOR_{name}", meant)] == list(command_line.unknown_variables(environ))


def test_variables_of_supervisord_mean_nothing() -> None:
    """Its images set some of them, and they have the prefix of no release of ours."""
    names = ("VERSION", "USER", "ENABLED", "RELOAD_HTTP", "STOP_SIGNAL", "HELP")
    environ = {f"SUPERVISOR_{name}": "admin" for name in names}

    assert command_line.parse(["app"], {}) == command_line.parse(["app"], environ)
    assert [] == list(command_line.unknown_variables(environ))
