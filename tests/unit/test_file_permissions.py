"""A copy is never open to more users than its original, whatever the modes on the way to it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from config_supervisor.core.file_permissions import (
    Permission,
    behind,
    copied,
    limited,
    token,
    ungrouped,
)

MODES = st.integers(0, 0o777)
GROUPS = st.integers(1, 3)
PERMISSIONS = st.builds(Permission, MODES, GROUPS)


def may(permission: Permission, bit: int, groups: set[int]) -> bool:
    """Whether a user with these groups, not the owner, has a right (4 read, 1 enter)."""
    shift = 3 if permission.gid in groups else 0
    return bool(permission.mode >> shift & bit)


def orderly(permission: Permission) -> bool:
    """The group may do no less than all others; no program sets modes without this."""
    return not permission.mode & 0o007 & ~(permission.mode >> 3)


@given(PERMISSIONS.filter(orderly), PERMISSIONS.filter(orderly), st.sets(GROUPS))
def test_file_behind_directory_is_read_by_those_who_enter(
    directory: Permission, file: Permission, groups: set[int]
) -> None:
    reader = may(behind(directory, file), 4, groups)
    assert not reader or (may(directory, 1, groups) and may(file, 4, groups))


@given(PERMISSIONS, MODES)
def test_copy_has_no_bit_for_others_that_its_origin_lacks(origin: Permission, umask: int) -> None:
    mode = copied(origin, umask)
    assert not mode & 0o077 & ~origin.mode
    assert not mode & 0o077 & umask
    assert mode & 0o600 == 0o600


@given(MODES)
def test_mode_without_its_group_treats_it_as_others(mode: int) -> None:
    left = ungrouped(mode)
    assert left & 0o707 == mode & 0o707
    assert not (left >> 3) & 0o007 & ~mode
    assert not left & ~mode


@given(PERMISSIONS, PERMISSIONS)
def test_token_tells_apart_who_may_read(one: Permission, other: Permission) -> None:
    same = token(one) == token(other)
    assert same or (one.mode & 0o155, one.gid) != (other.mode & 0o155, other.gid)
    assert not same or limited(one) == limited(other)
    assert not same or one.mode & 0o155 == other.mode & 0o155


def test_token_of_an_ordinary_file_is_that_of_a_key() -> None:
    assert token(Permission(0o644, 5)) == token(Permission(0o664, 6)) == token(None)


def test_token_of_a_file_in_place_tells_who_may_write() -> None:
    tokens = [token(Permission(mode, 5), exact=True) for mode in (0o644, 0o664, 0o666, 0o600)]
    assert len({*tokens}) == 4
    assert (
        token(Permission(0o444, 6), exact=True)
        == tokens[0]
        == token(None, exact=True)
        == token(None)
    )
