"""A Lease of the API as values: whatever it holds, and whatever a write must leave in it."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config_supervisor.fleet.lease import PREFIX, LeaseState
from config_supervisor.sources.interface import Label
from config_supervisor.sources.kubernetes.api_errors import BadDataError
from config_supervisor.sources.kubernetes.lease_object import (
    SeenLeases,
    changed,
    created,
    state_of,
)
from tests.fake_kube_kinds import validate

NOW, LATER = "2026-11-27T04:00:00.000000Z", "2026-11-27T05:00:00.000000Z"
LABEL = Label("lease", "production", "web")

WORDS = st.text("ab /=@é", max_size=8)
STATES = st.builds(
    LeaseState,
    st.dictionaries(WORDS.map(lambda word: PREFIX + word), WORDS, max_size=4),
    WORDS,
    st.integers(0, 4000).map(float),
    st.integers(1, 9).map(str),
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(WORDS, inner, max_size=2),
    max_leaves=4,
)
METADATA = st.fixed_dictionaries(
    {},
    optional={
        "resourceVersion": VALUES | st.just("1"),
        "annotations": VALUES | st.dictionaries(st.just(f"{PREFIX}good"), VALUES),
    },
)
SPEC = st.fixed_dictionaries(
    {}, optional={"holderIdentity": VALUES, "leaseDurationSeconds": VALUES}
)
LEASES = st.fixed_dictionaries({}, optional={"metadata": METADATA | VALUES, "spec": SPEC | VALUES})


@given(LEASES | VALUES)
def test_any_shape_is_a_state_or_bad_data(obj: Any) -> None:
    try:
        state = state_of(obj)
    except BadDataError as error:
        assert len(str(error)) < 200
        return
    assert all(isinstance(value, str) for value in state.annotations.values())
    assert isinstance(state.holder, str)
    assert isinstance(state.duration, float)
    assert state.resource_version


@given(STATES)
def test_written_state_is_read_again(state: LeaseState) -> None:
    body = json.loads(json.dumps(created(LABEL, state, NOW)))
    validate("leases", body)
    body["metadata"]["resourceVersion"] = state.resource_version
    assert state == state_of(body)


@given(STATES, STATES)
def test_next_state_replaces_the_last_and_nothing_else(one: LeaseState, other: LeaseState) -> None:
    theirs = {
        "labels": {"app": "web"},
        "uid": "1",
        "resourceVersion": "7",
        "ownerReferences": [{"name": "a"}],
        "finalizers": ["x/y"],
        "annotations": {"team": "blue", "config-supervisors/x": "y"},
    }
    body = {"metadata": {"name": "web", **theirs}, "spec": {"leaseTransitions": 3}, "future": [1]}
    first = changed(body, one, NOW)
    second = changed(copy.deepcopy(first), other, LATER)
    assert other.replace(resource_version="7") == state_of(second)
    assert 3 == second["spec"]["leaseTransitions"]
    assert [1] == second["future"]
    meta = dict(second["metadata"])
    foreign = {k: v for k, v in meta["annotations"].items() if not k.startswith(PREFIX)}
    assert {"name": "web", **theirs} == {**meta, "annotations": foreign}


def test_times_tell_people_of_the_holder_and_the_write() -> None:
    one = created(LABEL, LeaseState({}, "a", 30.0), NOW)
    same = changed(one, LeaseState({}, "a", 30.0), LATER)
    other = changed(one, LeaseState({}, "b", 30.0), LATER)
    assert [NOW, LATER] == [same["spec"][key] for key in ("acquireTime", "renewTime")]
    assert [LATER, LATER] == [other["spec"][key] for key in ("acquireTime", "renewTime")]


def test_too_many_annotations_are_bad_data() -> None:
    many = {f"{PREFIX}{number}": "" for number in range(65)}
    with pytest.raises(BadDataError, match="more than 64"):
        state_of({"metadata": {"resourceVersion": "1", "annotations": many}})
    foreign = {f"theirs/{number}": "" for number in range(1000)}
    assert (
        {} == state_of({"metadata": {"resourceVersion": "1", "annotations": foreign}}).annotations
    )


@pytest.mark.parametrize(
    ("written", "told", "after", "late"),
    [
        ("10", "9", 1.0, True),
        ("10", "10", 1.0, False),
        ("10", "11", 1.0, False),
        ("9", "10", 1.0, False),
        ("10", "9", 31.0, False),  # a restored server counts from an older number on
        ("x10", "x9", 1.0, False),
        ("10", "", 1.0, False),  # deleted
    ],
)
def test_state_before_our_write_is_late(written: str, told: str, after: float, late: bool) -> None:
    seen = SeenLeases()
    seen.written(LeaseState(resource_version=written), 100.0)
    assert late == seen.late(LeaseState(resource_version=told), 100.0 + after)


def test_write_builds_on_a_state_of_the_last_few() -> None:
    seen = SeenLeases()
    for number in range(1, 20):
        seen.add({"metadata": {"resourceVersion": str(number), "managedFields": [{}]}})
    assert {"metadata": {"resourceVersion": "19"}} == seen.find("19")
    assert seen.find("1") is None
