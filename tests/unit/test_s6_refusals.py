"""Mistakes in s6 trees: all that s6-rc-compile refuses, each with its file; variables."""

from __future__ import annotations

from pathlib import Path

import pytest

from config_supervisor.services import s6_tree
from config_supervisor.services.tree_files import TreeError
from config_supervisor.services.verdicts import Level, Verdicts
from tests.s6_trees import SOURCE, Planted, reading


@pytest.fixture
def tree(tmp_path: Path) -> Planted:
    return Planted(tmp_path / "root")


def refusal(tree: Planted) -> str:
    """The only refusal, from the source directory on."""
    (found,) = tree.read().refusals
    return found.removeprefix(f"{tree.root}/").removeprefix(f"{SOURCE}/")


def test_unknown_dependency_is_refused_with_its_file(tree: Planted) -> None:
    tree.longrun("app", "databse").longrun("database").user("app")

    assert (
        "app/dependencies.d/databse: app: there is no service databse (did you mean database?)"
        == refusal(tree)
    )


def test_unknown_content_is_refused_with_its_file(tree: Planted) -> None:
    tree.longrun("app").user("app", "gone")

    assert "user/contents.d/gone: user: there is no service gone" == refusal(tree)


def test_unknown_name_in_a_line_is_refused_with_the_line(tree: Planted) -> None:
    tree.longrun("app", dependencies="# one\n\ngone\n").user("app")

    assert "app/dependencies:3: app: there is no service gone" == refusal(tree)


def test_cycle_is_refused_with_its_path(tree: Planted) -> None:
    tree.longrun("a", "b").longrun("b", "c").oneshot("c", "a").user("a")

    assert (
        "a/dependencies.d/b: a cycle of dependencies: a -> b -> c -> a; remove one of them"
        == refusal(tree)
    )


def test_cycle_through_a_bundle_is_refused(tree: Planted) -> None:
    tree.longrun("a", "both").longrun("b").bundle("both", "a", "b").user("a")

    assert "a/dependencies.d/both: a cycle of dependencies: a -> a;" in refusal(tree)


def test_cycle_of_a_user_service_with_services_d_is_refused(tree: Planted) -> None:
    tree.longrun("a", "legacy-services").user("a").program("etc/services.d/web/run")

    assert "a cycle of dependencies: " in refusal(tree)


def test_bundles_that_contain_each_other_are_refused(tree: Planted) -> None:
    tree.bundle("a", "b").bundle("b", "a").user("a")

    assert "a/contents.d/b: bundles contain each other: a -> b -> a; remove one" == refusal(tree)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("daemon\n", "'daemon' is none of oneshot, longrun and bundle"),
        ("longrun\r\n", "'longrun\\r' is none of"),
        ("", "'' is none of"),
    ],
)
def test_type_is_one_of_three(tree: Planted, text: str, words: str) -> None:
    tree.longrun("app").file(f"{SOURCE}/app/type", text)

    assert refusal(tree).startswith("app/type: ")
    assert words in refusal(tree)


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("app/type", "app: has no file `type`; write"),
        ("app/run", "app: has no file `run`; add"),
        ("job/up", "job: has no file `up`; add"),
    ],
)
def test_missing_file_is_refused(tree: Planted, missing: str, words: str) -> None:
    tree.longrun("app").oneshot("job")
    (tree.root / SOURCE / missing).unlink()

    assert refusal(tree).startswith(words)


def test_bundle_without_contents_is_refused(tree: Planted) -> None:
    tree.file(f"{SOURCE}/some/type", "bundle\n")

    assert "some: is a bundle without contents.d; make the directory" == refusal(tree)


@pytest.mark.parametrize("name", ["timeout-up", "timeout-kill", "timeout-finish"])
@pytest.mark.parametrize("text", ["5s", "-1", "1 ", "5000000000", "٣"])
def test_number_that_is_none_is_refused(tree: Planted, name: str, text: str) -> None:
    tree.longrun("app", notification_fd="3").program(f"{SOURCE}/app/finish")
    tree.file(f"{SOURCE}/app/{name}", text)

    assert refusal(tree).startswith(f"app/{name}: ")


def test_unknown_signal_is_refused(tree: Planted) -> None:
    tree.longrun("app", down_signal="SIGSTAHP\n")

    assert "app/down-signal: 'SIGSTAHP' is no signal; write a name like QUIT" == refusal(tree)


@pytest.mark.parametrize("text", ['echo "a', "echo {", "echo }", "echo\\"])
def test_command_that_execline_refuses_is_refused(tree: Planted, text: str) -> None:
    tree.oneshot("job", up=text)

    assert refusal(tree).startswith("job/up: ")
    assert refusal(tree).endswith("; execlineb refuses it, too")


def test_pipe_with_one_end_is_refused(tree: Planted) -> None:
    tree.longrun("a", producer_for="b").longrun("b").longrun("c").longrun("d", consumer_for="c")

    assert [
        "a/producer-for:1: b does not name a in its file consumer-for; add it there",
        "d/consumer-for:1: c does not name d in its file producer-for; add it there",
    ] == [one.partition(f"{SOURCE}/")[2] for one in tree.read().refusals]


def test_pipe_to_a_oneshot_is_refused(tree: Planted) -> None:
    tree.longrun("a", producer_for="b").oneshot("b")

    assert "a/producer-for:1: b is a oneshot; the end of a pipe is a longrun" == refusal(tree)


def test_several_consumers_are_refused(tree: Planted) -> None:
    tree.longrun("a", producer_for="b\nc\n")
    tree.longrun("b", consumer_for="a").longrun("c", consumer_for="a")

    assert "a/producer-for: has 2 names; write one" in "\n".join(tree.read().refusals)


def test_pipeline_name_that_is_taken_is_refused(tree: Planted) -> None:
    tree.longrun("a", producer_for="b").longrun("b", consumer_for="a", pipeline_name="a")

    assert "b/pipeline-name:1: a is the name of a service already; choose another" == refusal(tree)


def test_pipeline_name_of_a_producer_is_ignored(tree: Planted) -> None:
    tree.longrun("a", producer_for="b", pipeline_name="p").longrun("b", consumer_for="a")

    (warning,) = tree.read().warnings

    assert "a/pipeline-name: ignored: it belongs to the last consumer" in warning


def test_name_of_two_services_is_refused(tree: Planted) -> None:
    tree.longrun("app").program("etc/services.d/app/run")

    (found,) = tree.read().refusals

    assert f"services.d/app: app is defined in /{SOURCE}/app, too; rename one" in found


@pytest.mark.parametrize("name", ["base", "top", "legacy-services", "s6rc-x", "s6-rc-y"])
def test_name_of_the_overlay_is_refused(tree: Planted, name: str) -> None:
    tree.longrun(name)

    assert "; rename it" in refusal(tree)


@pytest.mark.parametrize("name", ["two words", "a:b", "line\nend", "tab\t", "bell\a", "cont-init"])
def test_name_that_no_order_can_have_is_refused(tree: Planted, name: str) -> None:
    tree.longrun(name)

    assert "; rename it" in tree.read().refusals[0]


def test_attributes_are_refused_with_the_remedy(tree: Planted) -> None:
    tree.file("etc/fix-attrs.d/01-data", "/data true app 0600 0700\n")

    (found,) = tree.read().refusals

    assert "fix-attrs.d/01-data: is not applied; set owners and modes in the image" in found


def test_folder_without_a_tree_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none", tmp_path / "nul\0"):
        with pytest.raises(TreeError):
            s6_tree.read(str(path), {}, (), Verdicts())


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("S6_CMD_WAIT_FOR_SERVICES_MAXTIME", "5s"),
        ("S6_BEHAVIOUR_IF_STAGE2_FAILS", "yes"),
        ("S6_KILL_GRACETIME", "-1"),
        ("S6_RUNTIME_PROFILE", "../.."),
    ],
)
def test_variable_without_meaning_is_refused(tree: Planted, name: str, text: str) -> None:
    (found,) = reading(tree.root, {name: text}).refusals

    assert found.startswith(f"environment {name}: {text!r} ")


@pytest.mark.parametrize(
    ("name", "text", "level"),
    [
        ("S6_READ_ONLY_ROOT", "1", Level.IGNORE),
        ("S6_VERBOSITY", "5", Level.IGNORE),
        ("S6_LOGGING", "1", Level.WARN),
        ("S6_STAGE2_HOOK", "/hook", Level.WARN),
        ("S6_KEEP_ENVIRONMENT", "1", Level.WARN),
    ],
)
def test_variable_without_effect_has_a_verdict(
    tree: Planted, name: str, text: str, level: Level
) -> None:
    (verdict,) = reading(tree.root, {name: text}).verdicts

    assert (level, name) == (verdict.level, verdict.place.key)


@pytest.mark.parametrize("name", ["S6_OVERLAY_VERSION", "S6_LOGGING", "S6_KEEP_ENV", "PATH"])
def test_variable_at_its_default_has_none(tree: Planted, name: str) -> None:
    assert [] == reading(tree.root, {name: "0"}).verdicts


def test_times_become_budgets(tree: Planted) -> None:
    main = tree.read().plan.main
    assert (5.0, 6.0) == (main.start_budget, main.stop_budget)

    main = reading(
        tree.root,
        {
            "S6_CMD_WAIT_FOR_SERVICES_MAXTIME": "0",
            "S6_SERVICES_GRACETIME": "10000",
            "S6_KILL_GRACETIME": "500",
        },
    ).plan.main
    assert (None, 10.5) == (main.start_budget, main.stop_budget)


def test_stop_without_end_has_no_budget(tree: Planted) -> None:
    assert reading(tree.root, {"S6_SERVICES_GRACETIME": "0"}).plan.main.stop_budget is None


def test_hook_is_to_run_before_the_reading(tree: Planted) -> None:
    found = reading(tree.root, {"S6_STAGE2_HOOK": "/hook  -v"})

    assert found.tree is not None
    assert ("/hook", "-v") == found.tree.runtime.hook
