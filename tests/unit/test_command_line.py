"""The command line and the environment: which settings they give, and the errors in them."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config_supervisor.core.errors import UsageError
from config_supervisor.options import command_line, help_page
from config_supervisor.options.command_line import OPTIONS
from config_supervisor.options.parsers import ObjectName
from tests.unit.option_parsing import parse, refused


def test_options_end_at_the_first_other_word() -> None:
    settings = parse("--restart", "always", "app", "--restart", "never", "--", "-g")

    assert ("always", False) == (settings.restart, settings.signal_group)
    assert ("app", "--restart", "never", "--", "-g") == settings.command


def test_options_end_at_two_dashes() -> None:
    assert ("-g", "--help") == parse("--", "-g", "--help").command


def test_value_follows_an_equals_sign_or_a_space() -> None:
    assert parse("--stop-timeout=5s", "app") == parse("--stop-timeout", "5s", "app")


def test_repeated_options_add_up_or_the_last_wins() -> None:
    settings = parse(
        "--rewrite", "TERM:QUIT", "--rewrite=HUP:0", "--umask", "022", "--umask", "077", "app"
    )

    assert (((15, 3), (1, 0)), 0o077) == (settings.rewrite, settings.umask)


def test_options_are_read_from_variables() -> None:
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


def test_header_in_a_variable_keeps_its_commas() -> None:
    settings = parse(
        "app",
        CONFIG_SUPERVISOR_CONFIG_DIR="/x",
        CONFIG_SUPERVISOR_RELOAD_HTTP_HEADER="Accept: a, b\nX: c",
    )

    assert settings.reload_http_header == ("Accept: a, b", "X: c")


def test_command_line_wins_over_variable_over_default() -> None:
    assert "always" == parse("--restart=always", "app", CONFIG_SUPERVISOR_RESTART="never").restart
    assert "always" == parse("app", CONFIG_SUPERVISOR_RESTART="always").restart
    assert "never" == parse("app", CONFIG_SUPERVISOR_RESTART="").restart


def test_old_variable_counts_where_ours_is_unset() -> None:
    old = {"CONFIG_CONTROLLER_CONFIGMAP": "a/old", "CONFIG_CONTROLLER_CONFIGROOT": "/old"}

    assert "old" == parse("app", **old).configmap[0].name
    assert "/new" == parse("app", **old, CONFIG_SUPERVISOR_CONFIGROOT="/new").configroot


def test_variables_of_a_service_set_nothing() -> None:
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
def test_mistake_names_the_option(argv: list[str], message: str) -> None:
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
def test_mistake_names_the_form_of_the_user(
    environ: dict[str, str], argv: list[str], message: str
) -> None:
    """An image may set options for its program; an error of `docker run IMAGE` blames none."""
    assert refused(
        *argv, **{f"CONFIG_SUPERVISOR_{name}": text for name, text in environ.items()}
    ).startswith(message)


def test_mistake_in_a_variable_names_the_variable() -> None:
    assert refused("app", CONFIG_SUPERVISOR_STOP_TIMEOUT="x").startswith(
        "CONFIG_SUPERVISOR_STOP_TIMEOUT: 'x' is not a duration"
    )


@given(
    st.lists(st.text(max_size=12), max_size=5),
    st.dictionaries(st.sampled_from(list(command_line.OPTIONS)), st.text(max_size=8)),
)
def test_no_input_ends_in_a_traceback(argv: list[str], variables: dict[str, str]) -> None:
    # Any other exception would be a traceback.
    with contextlib.suppress(UsageError):
        command_line.parse(
            argv, {command_line.variable(name): text for name, text in variables.items()}
        )


def test_help_names_every_option_in_80_columns() -> None:
    text = help_page.text()

    for name in command_line.OPTIONS:
        assert f"{command_line.flag(name)}" in text
    assert 80 >= max(map(len, text.splitlines()))


def test_variables_of_an_image_need_no_configuration() -> None:
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


@pytest.mark.parametrize("name", [n for n, o in OPTIONS.items() if isinstance(o.default, str)])
def test_value_of_a_default_is_its_parsed_text(name: str) -> None:
    one = OPTIONS[name]

    assert one.parse is not None
    assert one.parse(one.default) == one.value
