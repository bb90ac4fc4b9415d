"""Users and groups of this machine, by name and by number."""

from __future__ import annotations

import grp
import os
import pwd

import pytest

from config_supervisor.process import users

ROOT = pwd.getpwuid(0)
FREE = next(uid for uid in range(54321, 65000) if uid not in {one.pw_uid for one in pwd.getpwall()})


def test_an_account_is_found_by_name_and_by_number() -> None:
    account = users.account(ROOT.pw_name)

    assert users.Account(ROOT.pw_name, 0, ROOT.pw_gid, ROOT.pw_dir) == account
    assert users.account("0") == account
    assert account is not None
    assert tuple(os.getgrouplist(ROOT.pw_name, ROOT.pw_gid)) == account.groups()


def test_a_number_needs_no_account() -> None:
    assert users.account(str(FREE)) is None
    assert (FREE, FREE) == (users.user_id(str(FREE)), users.group_id(str(FREE)))


def test_ids_of_names_are_those_of_the_system() -> None:
    assert 0 == users.user_id(ROOT.pw_name)
    assert 0 == users.group_id(grp.getgrgid(0).gr_name)


@pytest.mark.parametrize(
    ("look_up", "why"),
    [
        (users.account, "there is no such user in /etc/passwd"),
        (users.user_id, "there is no such user in /etc/passwd"),
        (users.group_id, "there is no such group in /etc/group"),
    ],
)
def test_an_unknown_name_is_refused_with_its_file(look_up: object, why: str) -> None:
    assert callable(look_up)
    with pytest.raises(users.UnknownNameError, match=why) as caught:
        look_up("no-such-name")

    assert "no-such-name" == caught.value.name
