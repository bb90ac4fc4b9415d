"""s6 trees in the shapes that projects use, read into a plan."""

from __future__ import annotations

from pathlib import Path

import pytest

from config_supervisor.core.signal_numbers import QUIT, TERM
from config_supervisor.services.plan import Condition, Finish, Pace, Restart
from config_supervisor.services.verdicts import Level
from tests.s6_trees import SOURCE, Planted


@pytest.fixture
def tree(tmp_path: Path) -> Planted:
    return Planted(tmp_path / "root")


def test_service_directory_restarts_without_end(tree: Planted) -> None:
    tree.program("etc/services.d/web/run")

    found = tree.read()

    web = found["web"]
    assert ("/etc/services.d/web/run",) == web.words
    assert "/etc/services.d/web" == web.directory
    assert Restart.ALWAYS == web.restart
    assert (None, Pace.STEADY) == (web.retries.tries, web.retries.pace)
    assert (TERM, None) == (web.stopsignal, web.stopwaitsecs)
    assert not web.essential
    assert [] == found.verdicts


def test_finish_that_halts_is_kept_with_its_limits(tree: Planted) -> None:
    """The container's code comes from a file that finish writes: the shell reads it."""
    halt = "#!/bin/sh\necho $1 > /run/s6-linux-init-container-results/exitcode\n"
    tree.program("etc/services.d/app/run")
    tree.program("etc/services.d/app/finish", halt + "/run/s6/basedir/bin/halt\n")
    tree.file("etc/services.d/app/timeout-finish", "800\n")

    found = tree.read()

    assert Finish(("/etc/services.d/app/finish",), 0.8, 125) == found["app"].finish
    assert found.tree is not None
    assert found.tree.runtime.exit_code_file.endswith("/exitcode")
    assert [] == found.verdicts


def test_finish_of_version_2_has_a_verdict(tree: Planted) -> None:
    tree.program("etc/services.d/app/run")
    tree.program(
        "etc/services.d/app/finish",
        "#!/usr/bin/execlineb -S0\n# not s6-rc\ns6-svscanctl -t /var/run/s6/services\n",
    )

    (warning,) = tree.read().warnings

    assert "services.d/app/finish: calls s6-svscanctl" in warning
    assert "/run/s6/basedir/bin/halt" in warning


def test_log_directory_becomes_a_consumer(tree: Planted) -> None:
    tree.program("etc/services.d/web/run").program("etc/services.d/web/log/run")

    found = tree.read()

    assert "web-log" == found["web"].output_to
    assert [["web-log"], ["web"]] == found.tiers


def test_cont_init_runs_in_order_before_services(tree: Planted) -> None:
    tree.program("etc/services.d/web/run")
    for name in ("base", "10-early", "10-Upper"):
        tree.program(f"etc/cont-init.d/{name}")

    found = tree.read()

    scripts = ["cont-init:10-Upper", "cont-init:10-early", "cont-init:base"]
    assert [[one] for one in scripts] + [["web"]] == found.tiers
    assert {scripts[1]: Condition.TRIED} == found.needs(scripts[2])
    assert not found[scripts[0]].essential


def test_cont_finish_stops_last_and_in_order(tree: Planted) -> None:
    tree.program("etc/cont-init.d/init").longrun("web", "base").user("web")
    tree.program("etc/cont-finish.d/01").program("etc/cont-finish.d/02")

    found = tree.read(S6_KILL_FINISH_MAXTIME="900")

    first = found["cont-finish:01"]
    assert (("/etc/cont-finish.d/01",), 0.9, "") == (first.down, first.down_timeout, first.command)
    assert ["cont-finish:02"] == list(found.needs("cont-finish:01"))
    assert ["cont-finish:01"] == list(found.needs("cont-init:init"))
    assert ["cont-init:init"] == list(found.needs("legacy-cont-init"))


def test_cont_finish_without_cont_init_stops_last(tree: Planted) -> None:
    tree.longrun("web", "base").user("web").program("etc/cont-finish.d/01")

    found = tree.read()

    assert ["cont-finish:01"] == list(found.needs("legacy-cont-init"))
    assert ["legacy-cont-init"] == list(found.needs("web"))


def test_web_tree_starts_in_tiers(tree: Planted) -> None:
    """Two servers behind a migration, which waits for the base."""
    tree.program("etc/cont-init.d/00-env")
    tree.oneshot("migrate", "base").longrun("php-fpm", "migrate").longrun("nginx", "php-fpm")
    tree.longrun("worker", "migrate").user("migrate", "php-fpm", "nginx", "worker")

    found = tree.read()

    assert [["cont-init:00-env"], ["migrate"], ["php-fpm", "worker"], ["nginx"]] == found.tiers
    assert {"migrate": Condition.COMPLETED} == found.needs("php-fpm")
    assert {"php-fpm": Condition.READY} == found.needs("nginx")
    assert (Restart.NEVER, 0, True) == (
        found["migrate"].restart,
        found["migrate"].retries.tries,
        found["migrate"].oneshot,
    )


def test_service_without_base_starts_at_once(tree: Planted) -> None:
    tree.program("etc/cont-init.d/slow").longrun("early").longrun("late", "base")
    tree.user("early", "late")

    assert [["cont-init:slow", "early"], ["late"]] == [sorted(one) for one in tree.read().tiers]


def test_chain_of_empty_oneshots_costs_nothing(tree: Planted) -> None:
    """Base images have stages that only order others: their `up` is empty."""
    tree.oneshot("init-config", "base", up="").oneshot("init-end", "init-config", up="# none\n")
    tree.longrun("svc-app", "init-end").user("init-config", "init-end", "svc-app")

    found = tree.read()

    assert ("", ()) == (found["init-end"].command, found["init-end"].words)
    assert [["svc-app"]] == found.tiers


def test_notification_with_polled_check_is_kept(tree: Planted) -> None:
    tree.longrun("app", notification_fd="3\n", timeout_up="20000").user("app")
    tree.program(f"{SOURCE}/app/data/check")

    found = tree.read()

    assert ("fd:3", 20.0) == (found["app"].readiness.check, found["app"].readiness.timeout)
    assert [] == found.verdicts


def test_check_without_notification_is_told(tree: Planted) -> None:
    tree.longrun("app").user("app").program(f"{SOURCE}/app/data/check")

    (warning,) = tree.read().warnings

    assert "app/data/check: ignored: there is no file notification-fd" in warning


def test_pipeline_connects_producer_and_consumer(tree: Planted) -> None:
    tree.longrun("app", producer_for="app-log").user("app-pipeline")
    tree.longrun("app-log", consumer_for="app\n", pipeline_name="app-pipeline\n")

    found = tree.read()

    assert "app-log" == found["app"].output_to
    assert [["app-log"], ["app"]] == found.tiers


def test_stop_files_set_signal_and_time(tree: Planted) -> None:
    tree.longrun("web", timeout_kill="1500", down_signal="SIGQUIT\n", flag_timeout_killpg="")
    tree.longrun("other", down_signal="3").user("web", "other")

    found = tree.read()

    web = found["web"]
    assert (QUIT, 1.5, True) == (web.stopsignal, web.stopwaitsecs, web.killasgroup)
    assert QUIT == found["other"].stopsignal


def test_oneshot_has_down_and_limits(tree: Planted) -> None:
    tree.oneshot("mount", down="umount /x", timeout_up="1000", timeout_down="2000").user("mount")

    mount = tree.read()["mount"]

    assert (("/scripts/mount",), ("umount", "/x")) == (mount.words, mount.down)
    assert (1.0, 2.0) == (mount.readiness.timeout, mount.down_timeout)


def test_up_of_several_lines_is_one_command(tree: Planted) -> None:
    tree.oneshot("setup", up='#!/command/execlineb -P\nwith-contenv\n/bin/x "a b" # end\n')
    tree.user("setup")

    assert ("with-contenv", "/bin/x", "a b") == tree.read()["setup"].words


def test_up_with_blocks_goes_to_execlineb(tree: Planted) -> None:
    text = "foreground { echo a }\necho b\n"
    tree.oneshot("setup", up=text).user("setup")

    found = tree.read()

    assert ("execlineb", "-P", "-c", text) == found["setup"].words
    assert ["setup/up: is a script for execlineb, which the image must have"] == [
        one.partition("s6-rc.d/")[2] for one in found.warnings
    ]


def test_up_with_blocks_is_refused_without_execlineb(tree: Planted) -> None:
    tree.image().oneshot("setup", up="if { true } true").user("setup")

    (refusal,) = tree.read().refusals

    assert "setup/up: needs execlineb, which the image does not have; write" in refusal


def test_run_that_is_not_executable_has_its_interpreter(tree: Planted) -> None:
    """s6-rc runs a copy that is executable; a service directory is run as it is."""
    tree.longrun("app").user("app").file(f"{SOURCE}/app/run", "#! /bin/sh -e\n")
    tree.file("etc/services.d/old/run", "#!/bin/sh\n")

    found = tree.read()

    assert ("/bin/sh", "-e", f"/{SOURCE}/app/run") == found["app"].words
    (warning,) = found.warnings
    assert "services.d/old/run: is not executable, so its start fails: chmod +x" in warning


def test_older_files_name_services_in_lines(tree: Planted) -> None:
    tree.longrun("db").longrun("app", dependencies="# first\n  db\ndb\n")
    tree.file(f"{SOURCE}/user/type", "bundle").file(f"{SOURCE}/user/contents", "app")

    assert [["db"], ["app"]] == tree.read().tiers


def test_bundles_of_bundles_are_expanded(tree: Planted) -> None:
    tree.longrun("a").longrun("b").bundle("inner", "a", "b").bundle("outer", "inner", "c")
    tree.oneshot("c").longrun("app", "outer").user("app")

    found = tree.read()

    assert [["a", "b", "c"], ["app"]] == [sorted(tier) for tier in found.tiers]


def test_bundle_directory_of_newer_releases_is_read(tree: Planted) -> None:
    tree.longrun("app").file("etc/s6-overlay/user-bundles.d/user/contents.d/app")

    assert [["app"]] == tree.read().tiers


def test_older_bundle_directory_wins(tree: Planted) -> None:
    """s6-overlay does not look at the newer place where the older is in use."""
    tree.longrun("old").longrun("new").user("old")
    tree.file("etc/s6-overlay/user-bundles.d/user/contents.d/new")

    found = tree.read()

    assert [["old"]] == found.tiers
    assert ["new starts by order only"] == [one.split(": ")[1] for one in found.at(Level.IGNORE)]


def test_second_bundle_follows_service_directories(tree: Planted) -> None:
    tree.program("etc/services.d/cron/run").longrun("db", "base").user("db")
    tree.longrun("worker", "legacy-services").bundle("user2", "worker")

    found = tree.read()

    assert [["db"], ["cron"], ["worker"]] == found.tiers
    assert Condition.STARTED == found.needs("legacy-services")["cron"]


def test_command_is_main_and_starts_last(tree: Planted) -> None:
    tree.program("etc/services.d/db/run").longrun("web").user("web")

    found = tree.read(
        "app", "-x", S6_CMD_ARG0="/entry point", S6_CMD_WAIT_FOR_SERVICES="1", S6_KEEP_ENV="1"
    )

    command = found["container:command"]
    assert ("/entry", "point", "app", "-x") == command.words
    assert (True, True, Restart.NEVER) == (command.main, command.essential, command.restart)
    assert ["container:command"] == found.tiers[-1]
    assert {"legacy-services": Condition.TRIED} == found.needs("container:command")
    assert Condition.READY == found.needs("legacy-services")["db"]
    assert found.tree is not None
    assert not found.tree.runtime.writes_environment


def test_service_with_down_file_waits_for_an_order(tree: Planted) -> None:
    tree.program("etc/services.d/debug/run").file("etc/services.d/debug/down")

    found = tree.read()

    assert not found["debug"].autostart
    (note,) = found.at(Level.IGNORE)
    assert "debug starts by order only: it has a file `down`" in note


def test_failure_of_stage_2_makes_services_essential(tree: Planted) -> None:
    tree.longrun("app").user("app").program("etc/cont-init.d/x")

    found = tree.read(S6_BEHAVIOUR_IF_STAGE2_FAILS="2")

    assert found["app"].essential
    assert found["cont-init:x"].essential
    assert ["environment S6_BEHAVIOUR_IF_STAGE2_FAILS"] == [
        one.split(":")[0] for one in found.warnings
    ]


def test_profile_moves_the_tree(tree: Planted) -> None:
    tree.longrun("ignored").user("ignored")
    tree.program("etc/cont-profile.d/small/services.d/web/run")

    found = tree.read(S6_RUNTIME_PROFILE="small")

    assert [["web"]] == found.tiers
    assert "/etc/cont-profile.d/small/services.d/web" == found["web"].directory


def test_programs_of_the_overlay_stand_first_in_path(tree: Planted) -> None:
    tree.image("command/with-contenv").program("etc/services.d/web/run")

    assert {"PATH": "/command:/bin"} == tree.read(PATH="/bin")["web"].environment
    assert {} == tree.read(PATH="/bin:/command")["web"].environment


def test_missing_interpreter_is_told(tree: Planted) -> None:
    tree.image().program("etc/services.d/web/run", "#!/command/with-contenv bash\n")

    (warning,) = tree.read().warnings

    assert "its interpreter /command/with-contenv is not in the image; it is written" in warning


def test_links_stay_inside_of_the_root(tree: Planted) -> None:
    """An unpacked image has absolute links; the machine's own files are not read."""
    tree.program("opt/app/run", "#!/opt/interpreter\n").longrun("app").user("app")
    run = tree.root / SOURCE / "app/run"
    run.unlink()
    run.symlink_to("/opt/../../opt/app/run")

    assert [] == tree.read().refusals


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("max-death-tally", "the metrics count"),
        ("nosetsid", "not needed"),
        ("flag-essential", "supervisorctl stops any service"),
        ("lock-fd", "is not waited for"),
        ("timeout-down", "timeout-kill ends the stop"),
        ("finsh", "did you mean finish?"),
        ("dependancies.d", "did you mean dependencies.d?"),
    ],
)
def test_file_without_effect_has_a_verdict(tree: Planted, name: str, words: str) -> None:
    tree.longrun("app").user("app").file(f"{SOURCE}/app/{name}")

    (verdict,) = tree.read().verdicts

    assert verdict.place.file.endswith(f"/app/{name}")
    assert words in verdict.message


def test_files_of_the_user_have_no_verdict(tree: Planted) -> None:
    tree.longrun("app").user("app").file(f"{SOURCE}/app/README").file(f"{SOURCE}/app/helper.sh")

    assert [] == tree.read().verdicts
