"""Options in the role of several services: those of the supervisor, and defaults of services."""

from __future__ import annotations

import pytest

from config_supervisor.core.errors import UsageError
from config_supervisor.options import command_line
from config_supervisor.services import services_options
from config_supervisor.services.dialect import SERVICES, SUPERVISORD
from config_supervisor.services.plan import Restart, Service
from config_supervisor.services.services_options import ServicesOptions
from config_supervisor.services.supervisord_line import Line
from tests.unit.test_services_plan import read, services


def parse(*argv: str, **environ: str) -> ServicesOptions:
    variables = {f"CONFIG_SUPERVISOR_{name}": text for name, text in environ.items()}
    return services_options.parse(argv, variables)


def refused(*argv: str, **environ: str) -> str:
    with pytest.raises(UsageError) as error:
        parse(*argv, **environ)
    return str(error.value)


def service(keys: str, *argv: str, **environ: str) -> Service:
    """The service x with these keys, under these options."""
    options = parse("--services", "f", *argv, **environ)
    dialect = services_options.dialect(options, SERVICES)
    return services(f"[program:x]\ncommand=x\n{keys}\n", dialect)["x"]


def test_file_may_stand_behind_other_options() -> None:
    options = parse("--listen", ":80", "--services=f", "--check", "--json")

    assert (("", 80), "f", True, True) == (
        options.settings.listen,
        options.line.file,
        options.line.check,
        options.line.json,
    )


def test_options_of_the_supervisor_win_over_its_section() -> None:
    options = parse("--services", "f", "-v", STOP_BUDGET="20s", USER="root")

    assert {"loglevel": "debug", "stop_budget": "20s", "user": "root"} == options.line.options
    assert {"loglevel": "warn"} == parse("--log-level=warning").line.options


def test_essential_is_a_default_of_the_file() -> None:
    assert service("").essential
    assert not service("", "--no-essential").essential
    assert service("essential=true", ESSENTIAL="false").essential


def test_options_of_the_app_are_defaults_of_services() -> None:
    one = service("", "--stop-timeout=1m", "--stop-signal", "QUIT", RESTART="always", WORKDIR="/w")

    assert (60.0, 3, Restart.ALWAYS, "/w") == (
        one.stopwaitsecs,
        one.stopsignal,
        one.restart,
        one.directory,
    )
    assert (0, 3, 4) == service("", "--ok-exit-code=3", "--ok-exit-code=4").exitcodes


def test_keys_win_over_options() -> None:
    keys = "stopwaitsecs=3\nautorestart=false\nexitcodes=7\nstop_delay=2s"
    one = service(
        keys, "--stop-timeout=1m", "--restart=always", "--stop-delay=9s", OK_EXIT_CODE="1"
    )

    assert (3, Restart.NEVER, (7,)) == (one.stopwaitsecs, one.restart, one.exitcodes)
    assert one.settings
    assert 2.0 == one.settings.stop_delay


def test_a_job_is_not_restarted_by_an_option() -> None:
    assert Restart.NEVER is service("oneshot=true", "--restart=always").restart


def test_an_own_source_puts_aside_that_of_an_option() -> None:
    one = service("config_dir=/c", "--configmap=a", "--configroot=/r", "--reload-http=http://h:1")

    assert one.settings
    assert (("/c", "/r/x"), ()) == (
        (one.settings.config_dir, one.settings.configroot),
        one.settings.configmap,
    )
    assert one.settings.reload_http


def test_an_own_way_to_reload_puts_aside_the_option() -> None:
    one = service("config_dir=/c\nreload_exec=x", "--reload-http=http://h:1")

    assert one.settings
    assert (("x",), None) == (one.settings.reload_exec, one.settings.reload_http)


def test_each_service_has_the_kubeconfig_of_the_options() -> None:
    one = service("configmap=a", "--configroot=/r", "--kubeconfig=/k", "--context=c")

    assert one.settings
    assert ("/k", "c") == (one.settings.kubeconfig, one.settings.context)


def test_options_about_files_wait_for_a_source() -> None:
    one = service("", "--configroot=/r", "--map=a=b", "--validate=x {dir}")

    assert one.settings
    assert (None, ()) == (one.settings.configroot, one.settings.map)
    assert not one.settings.configured


def test_a_listener_has_no_defaults() -> None:
    dialect = services_options.dialect(parse("--stop-timeout=1m", "--ready=tcp:80"), SERVICES)
    found = services("[eventlistener:x]\ncommand=x\nevents=TICK_5\n", dialect)["x"]

    assert (10, None) == (found.stopwaitsecs, found.settings)


def test_options_that_do_not_fit_are_named_with_file_and_section() -> None:
    dialect = services_options.dialect(parse("--configmap=a"), SERVICES)
    plan, verdicts = read("[program:x]\ncommand=x\n", dialect)

    assert plan is None
    assert "f:1 [program:x]: configmap needs configroot DIR" in verdicts[0][1]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--services"], "--services needs a value: --services FILE"),
        (
            ["--services=f", "--", "nginx"],
            "--services runs the programs of a file, not the command",
        ),
        (["--services=f", "--once"], "--once is for a single app; use oneshot = true"),
        (["--services=f", "--user=a:b"], "--user: a group cannot be chosen for services"),
        (["--services=f", "--stop-timeout=x"], "--stop-timeout: "),
        (["--services=f", "--stop-budgt=3s"], "unknown option --stop-budgt (did you mean --stop"),
    ],
)
def test_wrong_use_is_told(argv: list[str], message: str) -> None:
    assert refused(*argv).startswith(message)


def test_variables_count_under_the_name_supervisord() -> None:
    line = Line(file="f", options={"loglevel": "info"})
    environ = {"CONFIG_SUPERVISOR_LOG_LEVEL": "debug", "CONFIG_SUPERVISOR_LISTEN": ":80"}
    options = services_options.of_variables(environ, line)

    assert ("f", {"loglevel": "info"}) == (options.line.file, options.line.options)
    assert ("", 80) == options.settings.listen
    assert not services_options.dialect(options, SUPERVISORD).essential


def test_a_single_app_is_told_apart() -> None:
    for words in (["-v", "--services", "f"], ["--stop-budget", "3s", "--services=f"]):
        with pytest.raises(command_line.OtherRole):
            command_line.parse(words, {})
    with pytest.raises(UsageError, match="unknown option --stop-budget"):
        command_line.parse(["--stop-budget", "3s", "--", "x", "--services"], {})
    assert ("x", "--services", "f") == command_line.parse(["x", "--services", "f"], {}).command
