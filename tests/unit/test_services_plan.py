"""Our keys, the rules between services, and the verdicts of a reading."""

from __future__ import annotations

import os

import pytest

from config_supervisor.options.command_line import OPTIONS
from config_supervisor.options.declarations import AppOptions, ConfigurationOptions
from config_supervisor.options.reload_options import ReloadOptions
from config_supervisor.services import plan_graph
from config_supervisor.services.dialect import SERVICES, SUPERVISORD, Dialect
from config_supervisor.services.host import Host
from config_supervisor.services.ini_file import Document
from config_supervisor.services.plan import (
    Condition,
    Dependency,
    Pace,
    Plan,
    Readiness,
    Restart,
    Service,
)
from config_supervisor.services.sections import Reading
from config_supervisor.services.service_keys import NAMED_OTHERWISE, OPTION_KEYS
from config_supervisor.services.service_policy import life_policy
from config_supervisor.services.supervisord_format import Reader
from config_supervisor.services.verdicts import Level, Verdicts

TWO = "[program:db]\ncommand=db\n[program:web]\ncommand=web\n"


def read(
    text: str, dialect: Dialect = SERVICES, **environ: str
) -> tuple[Plan | None, list[tuple[str, str]]]:
    """The plan, and the level and text of each verdict."""
    document = Document()
    document.add(text, "f")
    verdicts = Verdicts()
    reader = Reader(Reading(document, verdicts, Host(environ or os.environ), dialect), {})
    plan = reader.plan("/srv")
    return plan, [(one.level, str(one)) for one in verdicts]


def services(text: str, dialect: Dialect = SERVICES, **environ: str) -> dict[str, Service]:
    plan, verdicts = read(text, dialect, **environ)
    assert plan, verdicts
    return {one.identity: one for one in plan.services}


def service(keys: str, dialect: Dialect = SERVICES, **environ: str) -> Service:
    return services(f"[supervisord]\n[program:x]\ncommand=x\n{keys}\n", dialect, **environ)["x"]


def refused(text: str, dialect: Dialect = SERVICES) -> list[str]:
    plan, verdicts = read(text, dialect)
    assert plan is None
    return [message for level, message in verdicts if level == Level.REFUSE]


def refused_key(keys: str) -> list[str]:
    return refused(f"[program:x]\ncommand=x\n{keys}\n")


def test_dependencies_have_their_conditions() -> None:
    web = services(TWO + "depends_on = db:started\n")["web"]

    assert (Dependency("db", Condition.STARTED),) == web.depends_on
    assert (Dependency("db", Condition.READY),) == services(TWO + "depends_on=db\n")[
        "web"
    ].depends_on


def test_a_name_stands_for_all_processes_of_a_program() -> None:
    many = "[program:w]\ncommand=w\nnumprocs=2\nprocess_name=w%(process_num)d\n"
    web = services(many + "[program:web]\ncommand=web\ndepends_on=w\n")["web"]

    assert ["w:w0", "w:w1"] == [need.service for need in web.depends_on]


def test_a_name_stands_for_all_services_of_a_group() -> None:
    group = "[group:g]\nprograms=a,b\n[program:a]\ncommand=a\n[program:b]\ncommand=b\n"
    web = services(group + "[program:web]\ncommand=web\ndepends_on=g\n")["web"]

    assert ["g:a", "g:b"] == [need.service for need in web.depends_on]


def test_an_unknown_dependency_is_refused_with_the_nearest() -> None:
    assert [
        "f:5 [program:web] depends_on: there is no program or group dbb (did you mean db?)"
    ] == (refused(TWO + "depends_on=dbb\n"))


def test_a_cycle_is_refused_with_its_path() -> None:
    text = (
        "[program:a]\ncommand=a\ndepends_on=b\n[program:b]\ncommand=b\ndepends_on=c\n"
        "[program:c]\ncommand=c\ndepends_on=a\n"
    )

    assert [
        "f:3 [program:a] depends_on: a cycle of dependencies: a -> b -> c -> a; remove one of them"
    ] == refused(text)


def test_a_service_that_needs_itself_is_refused() -> None:
    assert ["f:3 [program:x] depends_on: x depends on itself"] == refused_key("depends_on=x")


def test_a_service_that_needs_its_group_is_refused() -> None:
    text = "[group:g]\nprograms=a\n[program:a]\ncommand=a\ndepends_on=g\n"

    assert ["f:5 [program:a] depends_on: g:a depends on itself, as a member of g"] == refused(text)


def test_a_dependency_on_a_listener_is_refused() -> None:
    text = "[eventlistener:l]\ncommand=l\nevents=TICK_5\n[program:x]\ncommand=x\ndepends_on=l\n"

    message = "l is an event listener, which starts before programs; remove it"

    assert [f"f:6 [program:x] depends_on: {message}"] == refused(text)


def test_a_completion_that_never_comes_is_refused() -> None:
    text = TWO.replace("command=db\n", "command=db\nautorestart=true\n")

    message = "db is started again whenever it ends, so it never completes; set oneshot = true in"

    assert [f"f:6 [program:web] depends_on: {message} [program:db]"] == refused(
        text + "depends_on=db:completed\n"
    )


def test_an_unknown_condition_is_refused() -> None:
    message = "'db:healthy' is not NAME:CONDITION; conditions: started, ready, completed"

    assert [f"f:5 [program:web] depends_on: {message}"] == refused(TWO + "depends_on=db:healthy\n")


def test_two_mains_are_refused() -> None:
    text = TWO.replace("command=db\n", "command=db\nmain=true\n")

    message = "db and web have main = true; an ordered stop has one exit code"

    assert [f"f:6 [program:web] main: {message}"] == refused(text + "main=yes\n")


def test_services_have_our_defaults() -> None:
    one = service("")

    assert (True, Restart.ON_FAILURE, Pace.EXPONENTIAL) == (
        one.essential,
        one.restart,
        one.retries.pace,
    )
    assert "x" == one.logging.tag


def test_supervisord_has_the_defaults_of_supervisord() -> None:
    one = service("", SUPERVISORD)

    assert (False, Restart.ON_FAILURE, Pace.LINEAR, 3, "") == (
        one.essential,
        one.restart,
        one.retries.pace,
        one.retries.tries,
        one.logging.tag,
    )


def test_essential_of_the_main_section_is_a_default() -> None:
    made = services(f"[supervisord]\nessential=true\n{TWO}essential=false\n", SUPERVISORD)

    assert (True, False) == (made["db"].essential, made["web"].essential)


def test_listeners_and_services_by_order_are_not_essential() -> None:
    listener = "[eventlistener:l]\ncommand=l\nevents=TICK_5\n"
    made = services(f"{listener}{TWO}autostart=false\n")

    assert (False, True, False) == tuple(made[name].essential for name in ("l", "db", "web"))
    assert services(f"{listener}essential=true\n")["l"].essential


def test_our_main_section_writes_no_files() -> None:
    ours, _ = read("[supervisord]\n")
    theirs, _ = read("[supervisord]\n", SUPERVISORD)

    assert ours
    assert theirs
    assert ("", "", 0) == (ours.main.logfile, ours.main.pidfile, ours.main.minfds)
    assert theirs.main.pidfile.endswith("/supervisord.pid")


def test_restart_wins_over_autorestart() -> None:
    assert Restart.NEVER is service("autorestart=true\nrestart=never").restart


def test_restart_never_means_one_start() -> None:
    """The original starts a program again that ends within startsecs, autorestart=false or not."""
    assert 0 == service("restart=never").retries.tries
    assert 5 == service("restart=never\nstartretries=5").retries.tries
    assert service("autorestart=false").retries.tries


def test_a_oneshot_ends_once() -> None:
    one = service("oneshot=true")

    assert (0, Restart.NEVER) == (one.startsecs, one.restart)
    assert 5 == service("oneshot=true\nstartsecs=5").startsecs


def test_a_check_of_a_oneshot_is_ignored() -> None:
    """The job ends before its check passes: that was a failed start, and the job ran again."""
    plan, verdicts = read("[program:x]\ncommand=x\noneshot=true\nready=tcp:80\nready_timeout=2s\n")

    assert plan
    assert Readiness() == plan.services[0].readiness
    message = "without effect: a oneshot is ready once it is completed"
    for line, key in (4, "ready"), (5, "ready_timeout"):
        assert (Level.WARN, f"f:{line} [program:x] {key}: {message}") in verdicts


@pytest.mark.parametrize("check", ["fd:5", "notify"])
def test_a_oneshot_that_reports_keeps_its_descriptor(check: str) -> None:
    """A job that writes to its descriptor gets no error, and is ready once it is completed."""
    plan, verdicts = read(f"[program:x]\ncommand=x\noneshot=true\nready={check}\n")

    assert plan
    one = plan.services[0]
    assert Readiness(check) == one.readiness
    assert not life_policy(one).ready
    message = "without effect: a oneshot is ready once it is completed"
    assert (Level.WARN, f"f:4 [program:x] ready: {message}") in verdicts


def test_a_check_takes_the_place_of_startsecs() -> None:
    assert 0 == service("ready=tcp:80").startsecs
    assert 5 == service("ready=tcp:80\nstartsecs=5").startsecs
    assert 1 == service("").startsecs


def test_options_about_an_app_are_keys() -> None:
    """A new option becomes a key by its declaration; the rest is named, with a reason, there."""
    about = {
        name
        for group in (ConfigurationOptions, ReloadOptions, AppOptions)
        for name in group.names()
    }

    assert about - set(OPTION_KEYS) == {
        *("once", "kubeconfig", "context", "subreaper", "parent_death_signal"),
        *NAMED_OTHERWISE,
        *("user", "umask", "restart"),
    }
    assert set(OPTION_KEYS) < set(OPTIONS)


def test_keys_of_options_make_settings() -> None:
    one = service(
        "configmap = a, b:sub\nconfigroot=/etc/x\nvalidate=x --check {dir}\nreload_signal=USR1\n"
        "rollback=false\nready=tcp:80\nready_timeout=5s"
    )

    assert one.settings
    assert ["a", "b"] == [found.name for found in one.settings.configmap]
    assert ("x", "--check", "{dir}") == one.settings.validate
    assert (10, False) == (one.settings.reload_signal, one.settings.rollback)
    assert ("tcp:80", 5.0) == (one.readiness.check, one.readiness.timeout)


def test_a_service_without_such_keys_has_no_settings() -> None:
    assert service("depends_on=").settings is None


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("configmap=a", "configmap needs configroot DIR: where its files are to be written"),
        ("configmap=A_B\nconfigroot=/x", "configmap: 'A_B' is not an object's name"),
        ("validate=x", "validate needs a configuration: configmap, secret or config_dir"),
        ("reload_signal=KILL", "reload_signal: 'KILL' cannot be caught by any program"),
    ],
)
def test_options_are_checked_as_on_the_command_line(keys: str, words: str) -> None:
    message = refused_key(keys)[0]

    assert message.startswith(f"f:3 [program:x] {keys.partition('=')[0]}: {words}")


def test_options_with_another_name_are_told() -> None:
    _, verdicts = read("[program:x]\ncommand=x\nworkdir=/srv\n")

    assert [
        (Level.WARN, "f:3 [program:x] workdir: ignored: here it is called directory")
    ] == verdicts


def test_an_unknown_key_is_told_with_the_nearest() -> None:
    _, verdicts = read("[program:x]\ncommand=x\nauto_start=true\n[progam:y]\ncommand=y\n")

    assert [
        (
            Level.WARN,
            "f:3 [program:x] auto_start: unknown key, ignored (did you mean autostart?)",
        ),
        (Level.WARN, "f:4 [progam:y]: unknown section, ignored (did you mean program:x?)"),
    ] == verdicts


def test_all_errors_are_told_at_once() -> None:
    assert [
        "f:3 [program:x] startsecs: 'a' is not a whole number",
        "f:4 [program:x] stopwaitsecs: '1.5' is not a whole number",
    ] == refused_key("startsecs=a\nstopwaitsecs=1.5")


def test_no_message_holds_a_value_of_the_environment() -> None:
    for text in ("PASSWORD=secret value", "PASSWORD=secret=x", "PASSWORD='secret", 'A="secret%Y"'):
        _, verdicts = read(f"[program:x]\ncommand=x\nenvironment={text}\n")
        assert verdicts
        assert [] == [message for _, message in verdicts if "secret" in message]


def test_defaults_in_values_are_ours() -> None:
    one = service("directory=/srv/%(ENV_STAGE:-live)s", STAGE="")

    assert "/srv/live" == one.directory
    assert "/srv/test" == service("directory=/srv/%(ENV_STAGE:-live)s", STAGE="test").directory


def test_a_file_without_the_main_section_is_ours_only() -> None:
    assert services("[program:x]\ncommand=x\n")
    assert ["f: there is no section [supervisord]; add it, even if it is empty"] == refused(
        "[program:x]\ncommand=x\n", SUPERVISORD
    )


def test_tiers_follow_the_order_of_groups() -> None:
    text = "[program:b]\ncommand=b\npriority=1\n[program:a]\ncommand=a\n[program:c]\ncommand=c\n"
    plan, _ = read(text + "depends_on=b\n")

    assert plan
    assert (("b", "a"), ("c",)) == plan_graph.tiers(plan_graph.graph_of(plan))


def test_plugins_are_refused_with_a_remedy() -> None:
    rpc = "[supervisord]\n[rpcinterface:x]\nsupervisor.rpcinterface_factory=other:make\n"
    ctl = "[supervisord]\n[ctlplugin:x]\nsupervisor.ctl_factory=other:make\n"

    assert "remove the section" in refused(rpc)[0]
    assert "remove the section" in refused(ctl)[0]
