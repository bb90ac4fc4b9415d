"""The marks after a restart: read back as written, from any bytes, and judged by a start."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config_supervisor.core import rollout_marks
from config_supervisor.core.versions import REMEMBERED, Marks

A, B, C, D = ("a" * 64, "b" * 64, "c" * 64, "d" * 64)
VERSIONS = st.text("0123456789abcdef", min_size=64, max_size=64)
MARKS = st.builds(
    Marks,
    good=st.lists(VERSIONS, max_size=REMEMBERED).map(tuple),
    failed=st.lists(st.tuples(VERSIONS, st.just("it ended, with code 3")), max_size=REMEMBERED).map(
        tuple
    ),
    trial=st.one_of(st.just(""), VERSIONS),
    deaths=st.integers(0, rollout_marks.DEATHS),
    orderly=st.one_of(st.just(""), VERSIONS),
    claim=st.text("0123456789abcdef", max_size=64),
)


@given(MARKS)
def test_marks_written_are_read_back(what: Marks) -> None:
    expected = what if what.trial else what.replace(deaths=0)
    assert expected == rollout_marks.parse(rollout_marks.render(what))


@given(st.binary(max_size=300))
def test_marks_of_any_bytes_are_read_without_an_error(data: bytes) -> None:
    found = rollout_marks.parse(data + b"\ngood " + A.encode() + b"\n")
    assert A in found.good


@pytest.mark.parametrize(
    "line",
    [
        "good",
        "good x",
        f"trial {A} -1",
        f"trial {A} x",
        f"bad {A}",
        f"good {A.upper()}",
        "failed  ",
        "claim ",
        f"claim {A}0",
        "claim \u2603",
        "\0",
    ],
)
def test_marks_damaged_line_is_skipped(line: str) -> None:
    assert Marks(good=(B,)) == rollout_marks.parse(f"{line}\ngood {B}\n".encode())


def test_marks_reason_with_line_breaks_stays_one_line() -> None:
    what = Marks().failing(A, "line 1\ngood " + B)

    assert () == rollout_marks.parse(rollout_marks.render(what)).good


def test_start_on_a_good_version_suspects_nothing() -> None:
    assert Marks(good=(A,)) == rollout_marks.begun(Marks(good=(A,), trial=A, deaths=1), A)


def test_start_second_death_within_a_trial_fails_the_version() -> None:
    once = rollout_marks.begun(Marks(good=(A,)), B)
    twice = rollout_marks.begun(once, B)

    assert (B, 1, "") == (once.trial, once.deaths, once.why(B))
    assert "killed 2 times" in twice.why(B)
    assert [A] == rollout_marks.order(twice, A, (A,))


def test_start_after_an_ordered_stop_suspects_nothing() -> None:
    stopped = Marks(good=(A,), trial=B, deaths=1, orderly=B)
    again = rollout_marks.begun(stopped, B)

    assert (1, "", "") == (again.deaths, again.orderly, again.why(B))
    assert rollout_marks.begun(again, B).why(B)


def test_start_death_of_another_version_counts_from_one() -> None:
    assert (C, 1) == (
        rollout_marks.begun(Marks(trial=B, deaths=1), C).trial,
        rollout_marks.begun(Marks(trial=B, deaths=1), C).deaths,
    )


@pytest.mark.parametrize(
    ("what", "live", "kept", "expected"),
    [
        (Marks(), A, (A,), [A]),
        (Marks(good=(A,)), B, (B, A), [B, A]),
        (Marks(good=(A,)).failing(B, "no"), B, (B, A), [A, B]),
        (Marks(good=(A, C)).failing(B, "no"), B, (B, A), [A, B]),
        (Marks().failing(B, "no"), B, (D, B), [D, B]),
        (Marks().failing(B, "no"), B, (B,), [B]),
        (Marks(good=(A,)), "", (), []),
    ],
)
def test_order_good_before_unknown_before_failed(
    what: Marks, live: str, kept: tuple[str, ...], expected: list[str]
) -> None:
    assert expected == rollout_marks.order(what, live, kept)


@pytest.mark.parametrize(
    ("what", "live", "expected"),
    [
        (Marks(good=(A,)), B, [A, B]),
        (Marks(good=(A,)).failing(B, "no"), B, [A]),
        (Marks().failing(A, "no"), B, [B]),
    ],
)
def test_order_without_failed_versions_has_the_good_first(
    what: Marks, live: str, expected: list[str]
) -> None:
    assert expected == rollout_marks.order(what, live, (B, A), unfailed=True)


def test_proving_a_failed_version_clears_it() -> None:
    what = Marks(good=(A, B, C), trial=D, deaths=1).failing(D, "no").proving(D)

    assert ((D, A, B), (), "", 0) == (what.good, what.failed, what.trial, what.deaths)


def test_ordered_end_within_a_trial_is_told_to_the_next_start() -> None:
    """A fleet goes on with the trial there: nothing has died of the version."""
    ordered = rollout_marks.begun(Marks(good=(B, A), baking=B, orderly=B), B)
    killed = rollout_marks.begun(Marks(good=(A,), baking=B), B)

    assert (B, "") == (ordered.resumed, ordered.died)
    assert ("", B) == (killed.resumed, killed.died)
    assert b"resumed" not in rollout_marks.render(ordered)
