"""A configuration changed by the app itself at each reload is told; changes by people are not."""

from __future__ import annotations

from config_supervisor.core.change_loop import ChangeLoop
from config_supervisor.core.content import Changes

MINE = Changes(changed=("state.json",))


def reloads(loop: ChangeLoop, gap: float, changes: list[Changes], each: int = 1) -> list[str]:
    """The warnings if these changes follow every applied version."""
    said, now = [], 100.0
    for change in changes:
        loop.applied(now)
        said += [loop.offered(now + gap + number, change) for number in range(each)]
        now += 10
    return said


def test_file_that_changes_after_each_reload_is_told_once() -> None:
    said = reloads(ChangeLoop(), 0.1, [MINE] * 8)
    assert [bool(one) for one in said] == [False] * 4 + [True] + [False] * 3
    assert "state.json changed right after each of the last 5 reloads" in said[4]
    assert "--ignore" in said[4]


def test_changes_that_come_later_are_those_of_people() -> None:
    assert not any(reloads(ChangeLoop(), 6, [MINE] * 9))


def test_changes_that_keep_coming_are_those_of_another_program() -> None:
    assert not any(reloads(ChangeLoop(), 0.1, [MINE] * 9, each=3))


def test_changes_of_other_files_each_time_are_no_loop() -> None:
    assert not any(
        reloads(ChangeLoop(), 0.1, [Changes(changed=(str(number),)) for number in range(9)])
    )


def test_added_files_of_changing_names_are_told_by_directory() -> None:
    changes = [Changes(added=(f"cache/{number}",)) for number in range(6)]
    assert "cache" in "".join(reloads(ChangeLoop(), 0.1, changes))


def test_loop_that_begins_again_is_told_again() -> None:
    loop = ChangeLoop()
    assert len([one for one in reloads(loop, 0.1, [MINE] * 6) if one]) == 1
    assert not any(reloads(loop, 6, [MINE]))
    assert len([one for one in reloads(loop, 0.1, [MINE] * 6) if one]) == 1
