"""The Lease of a fleet: its layout, whatever others write there, and the amendments of pods."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config_supervisor.fleet import amendments as am
from config_supervisor.fleet.lease import (
    REMEMBERED,
    Condemned,
    LeaseState,
    Ledger,
    Unusable,
    read,
    written,
)

NAMES = st.text("0123456789abcdef", min_size=1, max_size=64)
WORDS = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=32)
PODS = st.text("abcdefghijklmnopqrstuvwxyz-0123456789", min_size=1, max_size=63)
LEDGERS = st.builds(
    Ledger,
    resource_version=st.sampled_from(["", "17"]),
    shape=NAMES,
    passed=NAMES,
    hurry=NAMES,
    recalled=NAMES,
    good=st.lists(NAMES, max_size=REMEMBERED, unique=True).map(tuple),
    bad=st.lists(
        st.builds(Condemned, NAMES, WORDS, PODS),
        max_size=REMEMBERED,
        unique_by=lambda one: one.version,
    ).map(tuple),
)


@given(LEDGERS, NAMES, st.integers(1, 9))
def test_ledger_comes_back_from_the_lease(ledger: Ledger, trial: str, tries: int) -> None:
    assert ledger == read(written(ledger))
    tried = am.claimed(ledger, trial, "web-1/uid", tries, 100.0)
    assert tried == read(written(tried))


KEYS = ["format", "shape", "trial", "tries", "claim", "passed", "hurry", "recall", "good", "bad"]


@given(st.dictionaries(st.sampled_from(KEYS), st.text()), st.text(), st.floats())
def test_any_lease_is_read_within_bounds(
    words: dict[str, str], holder: str, duration: float
) -> None:
    annotations = {f"config-supervisor/{key}": text for key, text in words.items()}
    found = read(LeaseState(annotations, holder, duration, "1"))
    if isinstance(found, Unusable):
        assert len(found.error) < 2000
        return
    assert len(found.good) <= REMEMBERED >= len(found.bad)
    assert 0 <= found.tries < 100
    assert all(len(one.version) <= 64 and len(one.pod) <= 253 for one in found.bad)
    assert isinstance(read(written(found)), Ledger)


def test_odd_name_of_a_pod_adds_nothing_to_a_list() -> None:
    ledger = am.condemned(Ledger(), "c0ff", "died", "we b=manual@x\n\u2603")
    found = read(written(ledger))
    assert isinstance(found, Ledger)
    (one,) = found.bad
    assert ("c0ff", "died", "we-b-manual-x--") == (one.version, one.reason, one.pod)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (LeaseState({}, "someone-else", 15.0, "7"), "something else"),
        (LeaseState({"config-supervisor/format": "2"}, "", 0.0, "7"), "newer program"),
    ],
)
def test_lease_of_others_is_unusable(state: LeaseState, words: str) -> None:
    found = read(state)
    assert isinstance(found, Unusable)
    assert words in found.error


@pytest.mark.parametrize("state", [LeaseState(), LeaseState({"note": "ours"}, "", 0.0, "7")])
def test_lease_without_a_history_is_empty(state: LeaseState) -> None:
    assert Ledger(resource_version=state.resource_version) == read(state)


def test_layout_is_as_documented() -> None:
    ledger = Ledger(
        "9",
        "5d1e",
        "9f2c",
        1,
        "web-x2x4k/UID",
        100.0,
        good=("77ab", "3d01"),
        bad=(Condemned("c0ff", "verify", "web-a"),),
        claim="5e9d0a",
    )
    assert {
        "config-supervisor/format": "1",
        "config-supervisor/shape": "5d1e",
        "config-supervisor/trial": "9f2c",
        "config-supervisor/tries": "1",
        "config-supervisor/claim": "5e9d0a",
        "config-supervisor/good": "77ab 3d01",
        "config-supervisor/bad": "c0ff=verify@web-a",
    } == written(ledger).annotations


AMENDMENTS = [
    lambda ledger: am.untried(ledger, "c"),
    lambda ledger: am.resigned(ledger, "c", "me"),
    lambda ledger: am.approved(ledger, "c"),
    lambda ledger: am.passed(ledger, "c"),
    lambda ledger: am.condemned(ledger, "c", "verify", "me"),
    lambda ledger: am.begun(ledger, "5d1e", "b"),
    lambda ledger: am.released(ledger, "c"),
    lambda ledger: am.recalled(ledger, "c", "me"),
    am.emptied,
]


@pytest.mark.parametrize("number", range(len(AMENDMENTS)))
@given(ledger=LEDGERS, trial=st.sampled_from(["", "c", "d"]), known=st.booleans())
def test_amendment_that_stands_changes_nothing(
    number: int, ledger: Ledger, trial: str, known: bool
) -> None:
    if known:
        ledger = ledger.replace(good=("c", *ledger.good)[:REMEMBERED])
    if trial:
        ledger = am.claimed(ledger, trial, "me", 1, 100.0)
    ledger = ledger.replace(passed="d")  # the approval of one that has passed is given once
    once = AMENDMENTS[number](ledger)

    assert once == AMENDMENTS[number](once)


@given(LEDGERS)
def test_bad_verdict_beats_a_good_one(ledger: Ledger) -> None:
    bad = am.condemned(ledger, "c", "verify", "me")
    assert "c" not in am.approved(bad, "c").good
    assert "" == am.passed(bad.replace(passed=""), "c").passed
    assert "c" not in am.condemned(am.approved(ledger, "c"), "c", "verify", "me").good


@given(LEDGERS)
def test_order_of_a_person_beats_a_verdict(ledger: Ledger) -> None:
    bad = am.condemned(ledger, "c", "verify", "me")
    released = am.released(bad, "c")
    assert (None, "c", "c") == (released.sentence_on("c"), released.good[0], released.hurry)
    assert "" == am.released(ledger.replace(passed="c", hurry=""), "c").hurry
