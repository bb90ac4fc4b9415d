"""The keys that a service reads of its sources, by patterns."""

from __future__ import annotations

import pytest

from config_supervisor.core.file_permissions import PRIVATE
from config_supervisor.services.chosen_keys import ChosenKeys
from config_supervisor.sources.interface import Content


@pytest.mark.parametrize(
    ("key", "patterns", "chosen"),
    [
        ("nginx.conf", ["nginx.conf"], True),
        ("Nginx.conf", ["nginx.conf"], False),
        ("old/nginx.conf", ["nginx.conf"], False),
        ("conf.d/a.conf", ["conf.d/*"], True),
        ("conf.d/deep/a.conf", ["conf.d/*"], True),
        ("conf.d/a.conf", ["conf.d/"], True),
        ("conf.d/", ["conf.d/"], True),
        ("conf.d", ["conf.d/"], False),
        ("a.yaml", ["nginx.conf", "[ab].yaml"], True),
        ("anything", [], True),
    ],
)
def test_key_is_chosen_by_a_pattern(key: str, patterns: list[str], chosen: bool) -> None:
    assert chosen == (key in ChosenKeys(patterns))


def test_content_keeps_chosen_keys_with_permissions() -> None:
    content = Content(
        {"a": b"1", "b": b"2"}, permitted={"a": PRIVATE, "b": PRIVATE}, directories=("c/",)
    )
    chosen = ChosenKeys(["a"]).of(content)

    assert Content({"a": b"1"}, permitted={"a": PRIVATE}) == chosen.replace(directories=())
    assert () == chosen.directories
    assert ChosenKeys([]).of(content) is content


def test_patterns_without_a_key_are_missed() -> None:
    assert ("d",) == ChosenKeys(["a", "b/*", "d"]).missed(["a", "b/c"])
